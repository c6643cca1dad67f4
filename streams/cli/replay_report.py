"""`cdb replay report`: one incident of a session as one offline HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from streams.cli.options import Bootstrap, Registry
from streams.cli.replay_source import Archive, Source, Where, archive_folder, recorded_session
from streams.domain.ids import session_of
from streams.errors import ConfigError
from streams.replay.questions.moments import FORMS, MICROSECONDS, Span, moment_of, shown, span_of
from streams.replay.recorded.recorded import Recorded
from streams.report.incident.gather import event_time, incident_of
from streams.report.incident.page import incident_page
from streams.report.page import writable, written

# What is drawn around a moment where no part is asked for.
BEFORE_SECONDS, AFTER_SECONDS = 300, 60

Moment = str | None


class Asked(NamedTuple):
    """What the options say of which part, which moment and which event."""

    from_time: Moment
    to_time: Moment
    at: Moment
    event_id: str | None


def report_command(
    context: typer.Context,
    html: Annotated[Path, typer.Option("--html", metavar="FILE", help="Where to write it.")],
    session: Annotated[
        str | None, typer.Option("--session", metavar="NAME", help="The session. [the event's, else live]", show_default=False)
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="MOMENT", help=f"The moment it is about: {FORMS}.", show_default=False)
    ] = None,
    event_id: Annotated[
        str | None, typer.Option("--event", metavar="ID", help="The record it is about: an order, fill, alert …", show_default=False)
    ] = None,
    from_time: Annotated[
        str | None, typer.Option("--from", metavar="T1", help="Draw from here on, in the same forms.", show_default=False)
    ] = None,
    to_time: Annotated[str | None, typer.Option("--to", metavar="T2", help="Draw up to here.", show_default=False)] = None,
    source: Where = None,
    archive: Archive = None,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Draw an incident as one HTML file that loads nothing: what happened, prices with trades and refusals, why, risk, lag, alerts.

    Around a moment or an event five minutes before it and one after are drawn, unless --from and --to say otherwise; without any of
    these the whole session, and risk as it stood at its end. An event comes with the chain of its causes and, where it is a refused
    order, with its checks and what would have let it pass.

    Examples:

        cdb replay report --html incident.html --event live/risk/signals/feed/binance/BTCUSDT/512/main/0/main/0

        cdb replay report --html monday.html --session live --at "2026-01-01 12:00:00"

        cdb replay report --html crash.html --session golden-crash --archive tests/golden/corpus/golden-crash --from +60 --to +180
    """
    if at is not None and event_id is not None:
        raise ConfigError("--at and --event must not both be given: an event has its own moment")
    name = session or (session_of(event_id) if event_id is not None else "live")
    console, target = Console(stderr=True), writable(html)
    folder = archive_folder(context, name, source, archive)
    words = f"reading session {name}"
    with recorded_session(Source(context, name, folder, bootstrap, registry), console) as recorded, console.status(words):
        asked = Asked(from_time, to_time, at, event_id)
        start, end, moment = part_of(recorded, asked, None if event_id is None else event_time(recorded, event_id))
        page = incident_page(incident_of(recorded, start, end, moment, event_id))
    size = written(page, target)
    console.print(
        f"incident of session {name}, {shown(start)} to {shown(end)}: {target} ({size / 1e6:.1f} MB)", highlight=False, soft_wrap=True
    )


def part_of(recorded: Recorded, asked: Asked, happened: int | None) -> tuple[int, int, int]:
    """The part to draw and the moment it is about, µs. `happened`: when the event did. Raises: ConfigError as `moment_of`."""
    span: Span = span_of(recorded)
    at = happened if asked.at is None else moment_of(asked.at, recorded, span, name="--at")
    start, end = span
    if at is not None:
        # A timer's outputs can stand a little beyond what every task has stepped.
        at = min(max(at, span.start), span.end)
        start, end = max(start, at - BEFORE_SECONDS * MICROSECONDS), min(end, at + AFTER_SECONDS * MICROSECONDS)
    if asked.from_time is not None:
        start = moment_of(asked.from_time, recorded, span, name="--from")
    if asked.to_time is not None:
        end = moment_of(asked.to_time, recorded, span, name="--to")
    if start > end:
        raise ConfigError(f"--from must be before --to, was {shown(start)} and {shown(end)}")
    if at is not None and not start <= at <= end:
        raise ConfigError(f"the moment it is about must be from {shown(start)} to {shown(end)}, was {shown(at)}")
    return start, end, end if at is None else at
