"""`cdb exchange`: a MEXC of our own making to try the platform against, and what a key is for at the real one."""

from __future__ import annotations

import asyncio
import errno
import json
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.exchange_account import account_command, order_command
from streams.cli.options import Files, Instruments, Seed
from streams.domain.parameters import FeedParameters
from streams.errors import ConfigError, StackError
from streams.exchange.mexc_simulated.faults import Fault, FaultPlan, fault_named, random_plan
from streams.exchange.mexc_simulated.server import SimulatedMexc
from streams.exchange.mexc_simulated.settings import ApiKey, Settings
from streams.exchange.service import market_of
from streams.operate.candle_ask import CandleAsk
from streams.operate.plan import Ask, settings_of

app = typer.Typer(help="A simulated MEXC, and what a key is for at the real one.", no_args_is_help=True)
app.command("account")(account_command)
app.command("test-order")(order_command)

SPEED_MAX = 1000
RANDOM_FAULTS_SECONDS = 3600


@app.callback()
def exchange() -> None:
    """A simulated MEXC, and what a key is for at the real one."""


@app.command("simulate")
def simulate_command(
    files: Files = None,
    symbols: Annotated[
        str, typer.Option(metavar="NAME,…", help="Of the simulated market; BTC_USDT and ETH_USDT are perpetuals.")
    ] = "BTCUSDT,BTC_USDT",
    instruments: Instruments = None,
    speed: Annotated[float, typer.Option(min=0.1, max=SPEED_MAX, help="Market time, times real time.")] = 1,
    rate: Annotated[int, typer.Option(min=1, max=10_000, help="Acts of each simulated symbol a second.")] = 20,
    history: Annotated[int, typer.Option(metavar="SECONDS", min=0, max=86_400, help="Market time that lies before the start.")] = 300,
    duration: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=1, help="End after so much market time.", show_default=False)
    ] = None,
    seed: Seed = 1,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:SECONDS][@AFTER]", show_default=False,
            help=f"A fault, once or for SECONDS, AFTER so many seconds; may be repeated. {', '.join(Fault)}.",
        ),
    ] = None,
    random_faults: Annotated[
        int, typer.Option(metavar="N", min=0, max=10_000, help="So many faults drawn by the seed, over an hour or the duration.")
    ] = 0,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all that the exchange says there, a JSON object a line.", show_default=False)
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="On loopback; 0 for a free one.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The addresses and variables as one JSON object.")] = False,
) -> None:  # fmt: skip
    """
    Serve a simulated MEXC on loopback until it is told to stop, or its market ends: websockets and REST, spot and futures.

    Says first which variables make `cdb feed --exchange mexc` use it. Faults can also be switched while it runs, by POST to
    /control/faults. FILEs are recordings or candles to drive it, in place of the simulated market.

    Exit code 0: told to stop, or the market ended; 1: it cannot listen, or a recording cannot be read; 2: a wrong option.

    Examples:

        cdb exchange simulate --symbols BTCUSDT,BTC_USDT --speed 10

        cdb exchange simulate --fault silence:90@30 --fault drop_mid_frame@200

        cdb exchange simulate spot_btcusdt_20240808.jsonl.gz --truth truth.jsonl
    """
    plans = [fault_named(text) for text in fault or ()]
    if random_faults:
        plans += random_plan(seed=seed, count=random_faults, seconds=duration or RANDOM_FAULTS_SECONDS)
    start, before = time.time_ns() // 1000, 0 if files else history
    parameters = _parameters(
        tuple(files or ()), tuple(name for name in symbols.split(",") if name), tuple(instruments or ()), seed=seed, rate=rate,
        duration=None if duration is None else before + duration, start=start - before * 1_000_000,
    )  # fmt: skip
    settings = Settings(port=port, tls=any(plan.fault is Fault.TLS_FAILURE for plan in plans))
    _run(
        SimulatedMexc(
            market_of(parameters), start=start, settings=settings, speed=speed, seed=seed, history_seconds=before, truth=truth
        ),
        plans, as_json=as_json,
    )  # fmt: skip


def _run(server: SimulatedMexc, plans: Sequence[FaultPlan], *, as_json: bool) -> None:
    """Raises: StackError for a busy port."""
    try:
        asyncio.run(_serve(server, plans, as_json=as_json))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StackError(f"port {server.settings.port} must be free for the exchange, is in use") from error


def _parameters(
    files: tuple[Path, ...], symbols: tuple[str, ...], instruments: tuple[str, ...], *, seed: int, rate: int, duration: int | None,
    start: int,
) -> FeedParameters:  # fmt: skip
    """Raises: ConfigError as the feeds."""
    if files:
        return settings_of(Ask("exchange", files=files, duration_seconds=duration, candles=CandleAsk(instruments=instruments))).feed
    if instruments:
        raise ConfigError(f"--instrument must not be given without candles, was {', '.join(instruments)}")
    asked = settings_of(Ask("exchange", feed="simulated", symbols=symbols, seed=seed, start_time=start, duration_seconds=duration)).feed
    return asked.model_copy(update={"rate_per_second": rate})


async def _serve(server: SimulatedMexc, plans: Sequence[FaultPlan], *, as_json: bool) -> None:
    """Until a signal, or the end of the market."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with tempfile.TemporaryDirectory(prefix="cdb-mexc-") as folder:
        async with server:
            server.exchange.plan([plan for plan in plans if plan.fault is not Fault.TLS_FAILURE])
            _tell(server, _variables(server, Path(folder)), as_json=as_json)
            stopped = asyncio.create_task(stop.wait())
            await asyncio.wait([stopped, server.market], return_when=asyncio.FIRST_COMPLETED)
            stopped.cancel()


def _variables(server: SimulatedMexc, folder: Path) -> dict[str, str]:
    """What makes our feed and REST client use this exchange; the key's files lie there while it runs."""
    key: ApiKey = server.exchange.settings.api_key
    for name, text in (("key", key.key), ("secret", key.secret)):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="ascii")
    return {
        "CDB_MEXC_SPOT_REST": server.rest_url, "CDB_MEXC_FUTURES_REST": server.rest_url, "CDB_MEXC_SPOT_WEBSOCKET": server.spot_url,
        "CDB_MEXC_FUTURES_WEBSOCKET": server.futures_url, "CDB_MEXC_KEY_FILE": str(folder / "key"),
        "CDB_MEXC_SECRET_FILE": str(folder / "secret"), "CDB_MEXC_ALLOWED_SYMBOLS": ",".join(key.symbols),
        "CDB_MEXC_LIMITS_FILE": str(folder / "limits.sqlite"),
    }  # fmt: skip


def _tell(server: SimulatedMexc, variables: Mapping[str, str], *, as_json: bool) -> None:
    symbols = list(server.exchange.listing.symbols)
    if as_json:
        typer.echo(json.dumps({"symbols": symbols, "control": f"{server.rest_url}/control", "environment": variables}))
        return
    typer.echo(f"# A simulated MEXC with {', '.join(symbols)}; faults by POST to {server.rest_url}/control/faults. In the feed's shell:")
    for name, value in variables.items():
        typer.echo(f"export {name}={value}")
