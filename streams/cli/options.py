"""Options that several commands share, and what they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from streams.operate.candle_ask import CandleAsk
from streams.operate.connection import Connection
from streams.operate.stack import StackSettings

if TYPE_CHECKING:
    from streams.operate.stack import Stack

Session = Annotated[str, typer.Option(metavar="NAME", help="The session.")]
Bootstrap = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Kafka. [CDB_BOOTSTRAP, else the local stack's]", show_default=False)
]
Registry = Annotated[
    str | None,
    typer.Option(
        metavar="URL", show_default=False,
        help="Schema registry (ccompat API), or none for ids by record order. [CDB_REGISTRY, else the local stack's]",
    ),
]
Postgres = Annotated[
    str | None,
    typer.Option(
        metavar="postgresql://USER@HOST:PORT/DATABASE", show_default=False,
        help="Postgres, without its password, which CDB_POSTGRES_PASSWORD or CDB_POSTGRES_PASSWORD_FILE holds. "
        "[CDB_POSTGRES, else the local stack's]",
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[FILE]…", show_default=False,
        help="Recordings of raw frames (.gz or plain), or candles (feather, parquet, csv, MEXC text).",
    ),
]
Feed = Annotated[
    str | None,
    typer.Option(
        metavar="mexc|simulated|recorded|candles", help="Where market data comes from. [as the files named end]", show_default=False
    ),
]
Strategies = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", show_default=False,
        help="Strategies and limits (TOML). [simulated.toml for the simulated feed, else default.toml]",
    ),
]
Duration = Annotated[
    int | None, typer.Option(metavar="SECONDS", help="Market time the feed runs; 0 for without end.", show_default=False)
]
Seed = Annotated[int, typer.Option(help="Of the simulated market.")]
Symbols = Annotated[
    list[str] | None,
    typer.Option(
        "--symbol", "--symbols", metavar="NAME[,…]", show_default=False,
        help="Symbols of the simulated market or of MEXC, BTC_USDT and ETH_USDT are perpetuals; may be repeated. "
        "[simulated: BTCUSDT, ETHUSDT, SOLUSDT; mexc: BTCUSDT, BTC_USDT]",
    ),
]
Equity = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="Start equity of accounts that name none. [100000]", show_default=False)
]
Accounts = Annotated[
    list[str] | None,
    typer.Option(
        "--account", metavar="NAME[:FIELD=VALUE,…]", show_default=False,
        help="An account; may be repeated. Fields: equity, currency, leverage, margin_mode (ISOLATED, CROSS), shorts_allowed. [main]",
    ),
]
Instruments = Annotated[
    list[str] | None,
    typer.Option(
        "--instrument", metavar="VENUE:SYMBOL", show_default=False,
        help="Whose candles a file holds, once for all or for each file in turn. [as the file's name says]",
    ),
]
Interval = Annotated[
    str | None, typer.Option(metavar="1m|1h|…", help="Length of a candle. [as the file's rows are apart]", show_default=False)
]
PricePath = Annotated[
    str | None,
    typer.Option(
        "--path", metavar="MODEL", show_default=False,
        help="How the price moved inside a candle: nearest_extreme_first, open_low_high_close, open_high_low_close. [the first]",
    ),
]
PathSteps = Annotated[
    int | None, typer.Option(help="Points that each of a candle's three legs is walked in, 1..60. [1]", show_default=False)
]
From = Annotated[str | None, typer.Option("--from", metavar="TIME", help="Leave out candles before, UTC.", show_default=False)]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Leave out candles that end after, UTC.", show_default=False)]
Marks = Annotated[
    list[Path] | None, typer.Option("--marks", metavar="FILE", help="Mark candles of a perpetual.", show_default=False)
]
Funding = Annotated[
    list[Path] | None, typer.Option("--funding", metavar="FILE", help="Funding rates of a perpetual.", show_default=False)
]
Warmup = Annotated[
    list[Path] | None,
    typer.Option(
        "--warmup", metavar="FILE", show_default=False,
        help="Candles told as history before the market, so that strategies and regimes are warm at its first record; what reaches "
        "into the market is left out. May be repeated.",
    ),
]
Partitions = Annotated[int, typer.Option(help="Tasks that signals and execution are split into, by symbol.")]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where the pages listen.")]


def candle_ask(
    instruments: list[str] | None, interval: str | None, path: str | None, path_steps: int | None, start: str | None,
    end: str | None, marks: list[Path] | None, funding: list[Path] | None,
) -> CandleAsk:
    """What the options of a candle feed ask for."""
    return CandleAsk(
        instruments=tuple(instruments or ()), interval=interval, path=path, path_steps=path_steps, start=start, end=end,
        marks=tuple(marks or ()), funding=tuple(funding or ()),
    )  # fmt: skip


class Invocation(NamedTuple):
    """What `__main__` hands to every command: the environment, which nobody else reads."""

    environment: Mapping[str, str]


def names_of(given: Sequence[str] | None) -> tuple[str, ...]:
    """Names given one by one, or several with commas between."""
    return tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())


def environment_of(context: typer.Context) -> Mapping[str, str]:
    """The environment, from the one place that reads it."""
    invocation = context.obj
    assert isinstance(invocation, Invocation), "commands run below streams.cli.__main__"
    return invocation.environment


def stack_of(context: typer.Context) -> Stack:
    """The local stack, by the CDB_STACK_… variables. Raises: ConfigError with one line for each fault."""
    # Only here: it brings clients of Postgres and HTTP along, and most commands never ask the stack.
    from streams.operate.stack import Stack  # noqa: PLC0415 (see above)

    return Stack(StackSettings.from_environment(environment_of(context)))


def database_of(context: typer.Context, connection: Connection) -> str:
    """
    Postgres as options and environment say, else the local stack's; for psycopg, password included: not for logs.

    Raises: ConfigError; StackError where nothing was said and there is no local stack.
    """
    return connection.postgres_dsn() or stack_of(context).endpoints().postgres_dsn


def connection_of(context: typer.Context, **chosen: str | None) -> Connection:
    """
    The connection that options and environment say, options first; else the local stack's, on the ports that CDB_STACK_… say.

    Raises: ConfigError with one line for each fault.
    """
    environment = environment_of(context)
    stack = StackSettings.from_environment(environment)
    local = {
        "CDB_BOOTSTRAP": f"127.0.0.1:{stack.kafka_port}",
        "CDB_REGISTRY": f"http://127.0.0.1:{stack.registry_port}/apis/ccompat/v7",
    }
    return Connection.from_environment({**local, **environment}, **chosen)
