"""`cdb feed` and `cdb timekeeper`: what writes a session's market data and its time."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import threading
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import Bootstrap, Host, Registry, Session, Symbols, connection_of, environment_of, names_of
from streams.errors import StackError
from streams.exchange.pacing import Outcome
from streams.exchange.service import FeedService, LiveOptions
from streams.exchange.timekeeper import Timekeeper
from streams.exchange.wall import SystemWall, wall_time
from streams.operate import sessions
from streams.operate.plan import Ask, going_on, settings_of
from streams.operate.runtime import Runtime, joined_session, open_runtime
from streams.operate.watchdog import log_duties, watch


class Exchange(StrEnum):
    MEXC = "mexc"


logger = logging.getLogger(__name__)


def feed(
    context: typer.Context,
    session: Session = "live",
    speed: Annotated[str, typer.Option(metavar="1x|…|1000x|max", help="Times real time, or as fast as the log takes it.")] = "1x",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Start although another feed wrote within the last 2 s; that one is fenced.")
    ] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the pages.")] = 8000,
    exchange: Annotated[
        Exchange | None, typer.Option(help="Make the session where it is not there yet, with this exchange's live market.")
    ] = None,
    symbol: Symbols = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all that a live feed hears to a new file, as cdb record does.")
    ] = None,
) -> None:
    """
    Write a session's market data to the log until it ends or is told to stop; a restarted one goes on where it was.

    Pages: /health, /status, /metrics. Ends with 0 at the end of the data or when told to stop, 75 when another feed took
    over, 1 when the data cannot be read (what came before is on the log, and the session has ended).

    Examples:

        cdb feed

        cdb feed --session replay-7 --speed max

        cdb feed --session live --exchange mexc --symbols BTCUSDT,BTC_USDT
    """
    # Only here: the web server takes a while to import, and no other command needs it.
    from streams.exchange import pages  # noqa: PLC0415 (see above)

    connection = connection_of(context, bootstrap=bootstrap, registry=registry)
    with open_runtime(connection, client_id=f"{session}-feed") as runtime:
        if exchange is not None:
            _make_session(runtime, Ask(session=session, feed=exchange.value, symbols=names_of(symbol), start_time=wall_time()))
        settings = joined_session(runtime, session)
        service = FeedService(
            runtime.log, runtime.codec, settings, SystemWall(stop_on_signals()), speed=speed,
            code_version=runtime.code_version, take_over=take_over, live=LiveOptions(environment_of(context), record),
        )  # fmt: skip
        try:
            outcome = asyncio.run(pages.run_with_pages(service, host=host, port=port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise StackError(f"port {port} on {host} must be free for the pages of the feed, is in use") from error
        _tell(session, service, outcome)


def _make_session(runtime: Runtime, ask: Ask) -> None:
    """Where it is not there yet. Raises: ConfigError where it is, with other settings."""
    if sessions.find(runtime.log, runtime.codec, ask.session) is not None:
        going_on(ask, sessions.read(runtime.log, runtime.codec, ask.session))
        return
    sessions.create(
        runtime.log, runtime.codec, settings_of(ask), schema_ids=runtime.schema_ids, code_version=runtime.code_version,
        time=ask.start_time,
    )  # fmt: skip


def timekeeper(
    context: typer.Context, session: Session = "live", bootstrap: Bootstrap = None, registry: Registry = None
) -> None:
    """
    Keep a live session's time while its feed is dead, and its dead letters, until told to stop.

    What `cdb watchdog` does beside, for the stack that `cdb up` starts, is another's here: Docker's, or whoever keeps the cluster.

    Examples:

        cdb timekeeper --session live
    """
    connection = connection_of(context, bootstrap=bootstrap, registry=registry)
    with open_runtime(connection, client_id=f"{session}-timekeeper") as runtime:
        settings = joined_session(runtime, session)
        wall = SystemWall(stop_on_signals())
        with closing(Timekeeper(runtime.log, runtime.codec, settings, wall, code_version=runtime.code_version)) as timekeeper:
            watch(log_duties(runtime.log, runtime.codec, settings, timekeeper), wall)


def _tell(session: str, service: FeedService, outcome: Outcome) -> None:
    status = service.status()
    logger.info("feed of session %s %s after %d records", session, status.phase, status.records)
    if outcome.error is not None:
        raise outcome.error


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
