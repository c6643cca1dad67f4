"""`cdb instruments`: what can be traded, as files say it or as MEXC says it now."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.cli.options import environment_of, names_of
from streams.domain.records import InstrumentStatus
from streams.errors import ConfigError
from streams.exchange.instruments import FOLDER, InstrumentSpec, venue_instruments
from streams.exchange.instruments_text import instruments_text
from streams.exchange.wall import wall_time

LIVE = "mexc"
PIPE_COLUMNS = 160


def instruments(
    context: typer.Context,
    exchange: Annotated[
        str | None,
        typer.Option(metavar="NAME", show_default=False, help="mexc: ask it now; else a venue whose file there is. [every file]"),
    ] = None,
    symbol: Annotated[
        list[str] | None,
        typer.Option("--symbol", "--symbols", metavar="NAME[,…]", show_default=False, help="These alone; may be repeated. [all]"),
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="Those that can be traded alone.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write them to a TOML file.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each.")] = False,
) -> None:
    """
    List instruments: steps, minima, contract sizes, fees, leverage, status.

    MEXC is asked at the addresses of CDB_MEXC_SPOT_REST and CDB_MEXC_FUTURES_REST; its perpetuals are spelled with an underscore.

    Examples:

        cdb instruments

        cdb instruments --exchange mexc --symbols BTCUSDC,BTCUSDE,BTC_USDT

        cdb instruments --exchange mexc --online --out mexc.toml
    """
    now, names = wall_time(), names_of(symbol)
    found = _of_exchange(context, names) if exchange == LIVE else _of_files(exchange)
    chosen = [one for one in found if (not names or one.symbol in names) and (not online or one.status is InstrumentStatus.ONLINE)]
    missing = sorted(set(names) - {one.symbol for one in found})
    if missing:
        raise ConfigError(f"SYMBOL must be listed{f' by {exchange}' if exchange else ''}, was {', '.join(missing)}")
    if out is not None:
        try:
            out.write_text(instruments_text(chosen, at=now), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"OUT must be a file that can be written, was {out}: {error.strerror}") from error
        typer.echo(f"{len(chosen)} instruments in {out}")
    elif as_json:
        typer.echo(json.dumps([one.model_dump(mode="json", exclude_none=True) for one in chosen], indent=2))
    else:
        # A pipe gets whole rows.
        console = Console() if sys.stdout.isatty() else Console(width=PIPE_COLUMNS)
        console.print(_table(chosen) if chosen else "no instrument is as asked for")


def _of_files(exchange: str | None) -> list[InstrumentSpec]:
    """Raises: ConfigError where there is no such file, or one breaks a rule."""
    names = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if exchange is not None and exchange not in names:
        raise ConfigError(f"EXCHANGE must be {LIVE} or one of {', '.join(names)}, was {exchange}")
    return [spec for name in names if exchange in (None, name) for spec in venue_instruments(name).values()]


def _of_exchange(context: typer.Context, names: Iterable[str]) -> list[InstrumentSpec]:
    """As MEXC lists them now. Raises: FeedError where it cannot be reached; ConfigError for its settings."""
    # Only here: a client of HTTP takes a while to import.
    from streams.exchange.mexc.listings import listed, rest_client  # noqa: PLC0415 (see above)
    from streams.exchange.mexc.settings import MexcSettings  # noqa: PLC0415 (see above)

    settings, wanted = MexcSettings.from_environment(environment_of(context)), tuple(names) or None

    async def ask() -> list[InstrumentSpec]:
        async with rest_client(settings, wall_time) as (_, client):
            return list((await listed(client, wanted)).values())

    return asyncio.run(ask())


def _table(specs: Iterable[InstrumentSpec]) -> Table:
    table = Table(pad_edge=False, box=None)
    left = {"exchange", "symbol", "kind", "status"}
    headers = (
        "exchange", "symbol", "kind", "status", "tick", "lot", "quantity min", "notional min", "contract", "maker", "taker", "leverage max",
    )  # fmt: skip
    for header in headers:
        table.add_column(header, justify="left" if header in left else "right")
    for one in sorted(specs, key=lambda spec: (spec.exchange, spec.symbol)):
        numbers = (
            one.tick_size, one.lot_size, one.quantity_min, one.notional_min, one.contract_size, one.maker_fee_rate, one.taker_fee_rate,
            one.leverage_max,
        )  # fmt: skip
        table.add_row(one.exchange, one.symbol, one.kind.value, one.status.value, *(f"{number.normalize():f}" for number in numbers))
    return table
