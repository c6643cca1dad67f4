"""`cdb daily-report`: yesterday of every open session as HTML and as a short text through the alert channels."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.cli.options import connection_of
from streams.cli.replay_source import Archive, Source, recorded_session
from streams.errors import ConfigError
from streams.operate import sessions, topics
from streams.operate.runtime import STAGES, open_log
from streams.replay.verification.part import Part
from streams.report.analytics.source import RecordSource
from streams.report.daily import DAY, day_text, tell
from streams.report.gather import material_of
from streams.report.page import writable, write_report


def daily_report(
    context: typer.Context,
    session: Annotated[
        list[str] | None,
        typer.Option("--session", metavar="NAME", help="Only this one; may be repeated. [all open ones]", show_default=False),
    ] = None,
    date: Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="The day in UTC. [yesterday]", show_default=False)] = None,
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Gets <session>-<date>.html.")] = Path("reports"),
    archive: Archive = None,
) -> None:
    """
    Draw a day of each session as one HTML file, and tell it in a few lines; through Alertmanager too where CDB_ALERTMANAGER names one.

    Examples:

        cdb daily-report

        cdb daily-report --session live --date 2026-01-31 --out /srv/reports
    """
    connection, console = connection_of(context), Console(stderr=True)
    day = _day(date)
    names = session or _open_sessions(context)
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        with recorded_session(Source(context, name, archive, None, None), console, said=False) as recorded:
            log, codec, settings = recorded.log, recorded.codec, recorded.settings
            text = day_text(RecordSource(log, codec, settings), day)
            material = material_of(log, codec, settings, tuple(STAGES.values()), Part(day, day + DAY - 1))
        file = out / f"{name}-{datetime.fromtimestamp(day / 1e6, UTC):%Y-%m-%d}.html"
        write_report(material, writable(file))
        typer.echo(f"{text}\n{file}")
        if connection.alertmanager is not None:
            tell(connection.alertmanager, name, text, now=datetime.now(UTC))


def _open_sessions(context: typer.Context) -> list[str]:
    with open_log(connection_of(context), client_id="cdb-daily-report") as log:
        found = topics.sessions(log)
        return [name for name in found if sessions.manifest(log, sessions.codec_of(log, name), name).status == sessions.OPEN]


def _day(said: str | None) -> int:
    """The beginning of the day, µs."""
    if said is None:
        return (time.time_ns() // 1000 // DAY - 1) * DAY
    try:
        return int(datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) * 1_000_000
    except ValueError as error:
        raise ConfigError(f"--date must be YYYY-MM-DD, was {said}") from error
