"""`cdb lag`: how far consumers are behind, as a table, as JSON, or as an exporter for Prometheus."""

from __future__ import annotations

import asyncio
import errno
import json
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live

from streams.cli.feed import stop_on_signals
from streams.cli.lag_view import History, lag_table
from streams.cli.options import Bootstrap, Host, Postgres, Registry, connection_of
from streams.errors import ConfigError, StackError
from streams.exchange.wall import SystemWall, Wall
from streams.operate import sessions
from streams.operate.connection import Connection
from streams.operate.lag.measured import Behind, Lag
from streams.operate.runtime import Runtime, open_groups, open_runtime, session_settings

if TYPE_CHECKING:
    from streams.operate.machine import Machine

READERS_KEPT = 4


def lag(
    context: typer.Context,
    session: Annotated[
        list[str] | None, typer.Option("--session", metavar="NAME", help="With the journals of this session; may be repeated. [all]")
    ] = None,
    group: Annotated[list[str] | None, typer.Option("--group", metavar="NAME", help="Only this group; may be repeated. [all]")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Draw the table anew each round until told to stop.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve /metrics and /health instead, until told to stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One look as a JSON list, for programs.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    postgres: Postgres = None,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the pages.")] = 9308,
) -> None:
    """
    Show how far each consumer of each group is behind: in offsets, as Kafka's own tool counts them, and in seconds.

    Seconds are the age of the oldest data record that waits; transaction markers and watermarks, which offsets count, are no work.
    Where a stage stands in the partitions that its group does not hold, its journal says. How often it looks is CDB_LAG_ROUND_SECONDS.

    With --serve also: accounts and strategies, fills further from the mark than CDB_FILL_MARK_DEVIATION_MAX, and, where Postgres is
    known, rows that the sink left out; and of the machine what CDB_DISKS, CDB_CERTIFICATES, CDB_TIME_SERVER and CDB_CONNECT name.

    Examples:

        cdb lag

        cdb lag --session live --group live-risk --watch

        cdb lag --json | jq '.[] | select(.seconds > 2)'

        cdb lag --serve --session live --port 9308
    """
    if sum((watch, serve, as_json)) > 1:
        raise ConfigError("--watch, --serve and --json must stand alone, were given together")
    connection = connection_of(context, bootstrap=bootstrap, registry=registry, postgres=postgres)
    with open_runtime(connection, client_id="cdb-lag", readers_kept=READERS_KEPT) as runtime:
        measured = _lag_of(runtime, connection, session or _all_sessions(runtime), tuple(group or ()))
        if serve:
            _serve(runtime, connection, measured, session or ["live"], host, port)
        elif as_json:
            typer.echo(json.dumps([_plain(one) for one in measured.round()], indent=2))
        elif watch:
            _watch(measured, connection.lag_round_seconds)
        else:
            found, history = measured.round(), History()
            history.add(found)
            Console().print(lag_table(found, history))


def _lag_of(runtime: Runtime, connection: Connection, names: list[str], only: tuple[str, ...]) -> Lag:
    settings = {name: session_settings(runtime, name) for name in names}
    groups = open_groups(connection, client_id="cdb-lag")
    return Lag(runtime.log, runtime.codec, groups, sessions=settings, wall=time.time, only=only)


def _all_sessions(runtime: Runtime) -> list[str]:
    return [one.name for one in sessions.listing(runtime.log, runtime.codec) if one.manifest is not None]


def _plain(one: Behind) -> dict[str, object]:
    return {**one.consumer._asdict(), "current": one.current, "end": one.end, "lag": one.lag, "seconds": one.seconds}


def _watch(measured: Lag, seconds: float) -> None:
    wall, history = SystemWall(stop_on_signals()), History()
    with Live(console=Console(), auto_refresh=False) as screen:
        while True:
            found = measured.round()
            history.add(found)
            screen.update(lag_table(found, history), refresh=True)
            if wall.wait(seconds):
                return


def _machine(connection: Connection, wall: Wall) -> Machine:
    from streams.operate.doctor.clock import TimeServer  # noqa: PLC0415 (see below)
    from streams.operate.machine import Machine  # noqa: PLC0415 (see below)
    from streams.operate.sink import Sink  # noqa: PLC0415 (see below)

    return Machine(
        wall, disks=connection.disk_folders(), certificates=connection.certificate_files(),
        sink=None if connection.connect is None else Sink(connection.connect),
        time_server=None if connection.time_server is None else TimeServer(connection.time_server),
    )  # fmt: skip


def _serve(runtime: Runtime, connection: Connection, measured: Lag, names: list[str], host: str, port: int) -> None:
    # Only here: the web server and the client of Postgres take a while to import, and a table needs neither.
    from streams.operate.lag.exporter import Exporter, LagPart, Part, serve  # noqa: PLC0415 (see above)
    from streams.operate.lag.fills import FillWatch  # noqa: PLC0415 (see above)
    from streams.operate.lag.parity import Parity  # noqa: PLC0415 (see above)
    from streams.operate.lag.standing import Standing  # noqa: PLC0415 (see above)
    from streams.operate.lag.verified import Verified  # noqa: PLC0415 (see above)

    log, codec, dsn = runtime.log, runtime.codec, connection.postgres_dsn()
    wall = SystemWall(stop_on_signals())
    parts: list[Part] = [LagPart(measured), _machine(connection, wall)]
    for name in names:
        settings = session_settings(runtime, name)
        parts.append(Standing(log, codec, settings, sessions.manifest(log, codec, name)))
        parts.append(FillWatch(log, codec, settings, connection.fill_mark_deviation_max))
        parts.append(Verified(connection.history, name))
        if dsn is not None:
            parts.append(Parity(log, codec, settings, open_groups(connection, client_id="cdb-lag"), dsn))
    exporter = Exporter(parts, wall, connection.lag_round_seconds)
    try:
        asyncio.run(serve(exporter, host=host, port=port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StackError(f"port {port} on {host} must be free for the pages of the lag exporter, is in use") from error
