"""`cdb schedule`: does what is to be done daily, until told to stop, and tells how old the last backup is."""

from __future__ import annotations

import errno
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from prometheus_client import start_http_server

from streams.cli.feed import stop_on_signals
from streams.cli.options import Host, connection_of, environment_of
from streams.errors import StackError
from streams.exchange.wall import SystemWall
from streams.metrics.catalogue import BACKUP, DISK_FREE, JOB_FAILURES
from streams.metrics.made import Metrics
from streams.operate.connection import Connection
from streams.operate.doctor.machine import free_ratio
from streams.operate.schedule import JOBS, Commands, Daily, scheduler
from streams.replay.backup.sets import DAY, newest_time

LOOK_SECONDS = 15.0
SCHEDULE_PORT = 8006


def schedule(
    context: typer.Context,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of the page /metrics; 0 for none.")] = SCHEDULE_PORT,
    once: Annotated[
        str | None, typer.Option("--once", metavar="|".join(job.name for job in JOBS), help="Do this one now, and end.", show_default=False)
    ] = None,
) -> None:
    """
    Do daily, in UTC: the report at 00:05, a backup at 01:00, archives at 02:00. A backup older than a day is made up for at the start.

    What fails is tried three times, ten minutes apart. Serves how old the last good backup is, as a metric.

    Examples:

        cdb schedule

        cdb schedule --once backup
    """
    stop = stop_on_signals()
    wall, connection = SystemWall(stop), connection_of(context)
    metrics = Metrics([BACKUP, DISK_FREE, JOB_FAILURES])
    commands = Commands(environment_of(context))
    daily = Daily(commands, wall, lambda name, fault: metrics.count(JOB_FAILURES, name, by=bool(fault)))
    if once is not None:
        chosen = [job for job in JOBS if job.name == once]
        if not chosen:
            raise typer.BadParameter(f"must be one of {', '.join(job.name for job in JOBS)}, was {once}", param_hint="--once")
        if not daily.do(chosen[0]):
            raise typer.Exit(1)
        return
    _measure(metrics, connection)
    if port:
        _serve(metrics, host, port)
    jobs = scheduler(daily)
    jobs.start()
    overdue = newest_time(connection.backups)
    if overdue is None or wall.now() - overdue > DAY:
        jobs.modify_job("backup", next_run_time=datetime.fromtimestamp(time.time(), UTC))
    try:
        while not wall.wait(LOOK_SECONDS):
            _measure(metrics, connection)
    finally:
        commands.end()
        jobs.shutdown()


def _measure(metrics: Metrics, connection: Connection) -> None:
    newest = newest_time(connection.backups)
    metrics.set(BACKUP, value=0 if newest is None else newest / 1e6)
    metrics.set(DISK_FREE, str(connection.backups), value=free_ratio(connection.backups))


def _serve(metrics: Metrics, host: str, port: int) -> None:
    try:
        start_http_server(port, host, registry=metrics.registry)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StackError(f"port {port} on {host} must be free for the page of the schedule, is in use") from error
