"""`cdb record`: an exchange's live market as it is heard, to a file that plays it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.cli.feed import Exchange, stop_on_signals
from streams.cli.options import Symbols, environment_of, names_of
from streams.exchange.push import Quiet
from streams.exchange.service import LiveOptions, market_of
from streams.exchange.wall import SystemWall
from streams.operate.plan import Ask, settings_of

TELL_EVERY_SECONDS = 10.0


def record(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file, JSON lines; gzip where its name ends in .gz.")],
    exchange: Annotated[Exchange, typer.Option(help="Whose market.")] = Exchange.MEXC,
    symbol: Symbols = None,
    duration: Annotated[int | None, typer.Option(metavar="SECONDS", min=1, help="End after so long.", show_default=False)] = None,
) -> None:
    """
    Record an exchange's live market until told to stop (Ctrl-C): raw frames with their receive times, and what REST answered.

    The file plays again as a session's feed, byte for byte: cdb paper --feed recorded FILE. Needs no stack. Ends with 1 where the
    exchange cannot be reached within 10 s.

    Examples:

        cdb record monday.jsonl.gz --symbols BTCUSDT,BTC_USDT

        cdb record hour.jsonl --symbols ETHUSDT --duration 3600
    """
    wall, console = SystemWall(stop_on_signals()), Console(stderr=True)
    ask = Ask(session="recording", feed=exchange.value, symbols=names_of(symbol), start_time=wall.now(), duration_seconds=duration)
    market = market_of(settings_of(ask).feed, live=LiveOptions(environment_of(context), file))
    market.instruments()
    pushes, told_at = 0, wall.monotonic()
    for push in market.pushes():
        pushes += not isinstance(push, Quiet)
        if wall.wait(0):
            break
        if wall.monotonic() - told_at >= TELL_EVERY_SECONDS:
            told_at = wall.monotonic()
            console.print(f"{pushes} pushes of {', '.join(names_of(symbol))}, {file.stat().st_size >> 10} KiB", highlight=False)
    console.print(f"{file}: {pushes} pushes, {file.stat().st_size >> 10} KiB", highlight=False, soft_wrap=True)
