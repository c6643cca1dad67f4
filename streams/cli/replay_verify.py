"""`cdb replay verify`: a session run again, and everything it wrote compared."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from streams.cli.options import Bootstrap, Registry, Session, connection_of
from streams.cli.replay_source import Archive, Source, Where, archive_folder, recorded_session
from streams.errors import ConfigError
from streams.operate import sessions
from streams.operate.lag.verified import record_verified
from streams.operate.runtime import STAGES, code_version
from streams.replay.checkpoints.checkpoint import damages
from streams.replay.questions.moments import FORMS, moment_of, shown, span_of
from streams.replay.recorded.patience import SECONDS as PATIENCE
from streams.replay.recorded.recorded import Recorded
from streams.replay.verification.part import WHOLE, Part
from streams.replay.verification.verify import Verdict, verify


def verify_command(
    context: typer.Context,
    session: Session = "live",
    from_time: Annotated[
        str | None, typer.Option("--from", metavar="T1", help=f"Only from here on: {FORMS}.", show_default=False)
    ] = None,
    to_time: Annotated[
        str | None, typer.Option("--to", metavar="T2", help="Only up to here, in the same forms.", show_default=False)
    ] = None,
    source: Where = None,
    archive: Archive = None,
    patience: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long a broker may be away before this ends.")] = PATIENCE,
    keep: Annotated[
        bool, typer.Option("--record", help="Append the verdict to the history, from which `cdb lag --serve` tells when it was.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as one JSON object.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Run a session again and compare every output byte and digest with the log. Exit code 0: equal; 1: the first divergence is named.

    Compared are outputs, digests, the journal's chain, market records, commands, dead letters and snapshots. With --from it begins at
    the snapshots before that moment. An archive's files are compared with its manifest and its checkpoint before anything is run.

    Examples:

        cdb replay verify --session paper-20260101-120000

        cdb replay verify --session live --from "2026-01-01 12:00" --to +7200 --json | jq .equal

        cdb replay verify --session live --source archive
    """
    console = Console(stderr=as_json)
    folder = archive_folder(context, session, source, archive)
    altered = damages(folder, session) if folder is not None else []
    until = 0
    if altered:
        verdict = Verdict({}, 0, 0, 0, altered)
    else:
        where = Source(context, session, folder, bootstrap, registry)
        with recorded_session(where, console, said=False, patience=patience) as recorded:
            part = _asked(recorded, from_time, to_time)
            verdict = _verify(recorded, part, console)
            until = recorded.end() if part.end is None else part.end
    if keep:
        history = connection_of(context, bootstrap=bootstrap, registry=registry).history
        divergences = [str(one) for one in verdict.divergences]
        record_verified(history, session, time=time.time_ns() // 1000, until=until, divergences=divergences)
    if as_json:
        typer.echo(json.dumps(as_document(session, verdict), indent=2))
    else:
        print_verdict(verdict, console)
    if not verdict.equal:
        raise typer.Exit(1)


def _asked(recorded: Recorded, from_time: str | None, to_time: str | None) -> Part:
    """Of a session that goes on, no more than what all of its tasks have stepped now."""
    is_open = sessions.manifest(recorded.log, recorded.codec, recorded.settings.session).status == sessions.OPEN
    if from_time is None and to_time is None and not is_open:
        return WHOLE
    span = span_of(recorded)
    if to_time is None and is_open:
        to_time = "end"
    start = None if from_time is None else moment_of(from_time, recorded, span, name="--from")
    end = None if to_time is None else moment_of(to_time, recorded, span, name="--to")
    if start is not None and end is not None and start > end:
        raise ConfigError(f"--from must be before --to, was {shown(start)} and {shown(end)}")
    return Part(start, end)


def _verify(recorded: Recorded, part: Part, console: Console) -> Verdict:
    def say(words: str) -> None:
        console.print(f"[yellow]{words}", soft_wrap=True, highlight=False)

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading journals", total=1.0)
        return verify(
            recorded.log, recorded.settings, recorded.codec, tuple(STAGES.values()),
            lambda now: bar.update(task, description=f"{now.what}: {now.events:,} events", completed=now.share),
            part=part, code_version=code_version(), say=say,
        )  # fmt: skip


def as_document(session: str, verdict: Verdict) -> dict[str, object]:
    """The verdict as JSON objects."""
    return {
        "session": session, "equal": verdict.equal, "compared": verdict.compared, "records": verdict.records,
        "journal_entries": verdict.journal_entries, "snapshots": verdict.snapshots, "events": verdict.events,
        "notes": verdict.notes,
        "divergences": [{**one._asdict(), "text": str(one)} for one in verdict.divergences],
    }  # fmt: skip


def print_verdict(verdict: Verdict, console: Console) -> None:
    """What was compared, and the verdict."""
    table = Table(pad_edge=False, box=None)
    table.add_column("compared")
    table.add_column("records", justify="right")
    for topic, count in verdict.records.items():
        if count:
            table.add_row(topic, f"{count:,}")
    table.add_row("journal entries", f"{verdict.journal_entries:,}")
    table.add_row("snapshots", f"{verdict.snapshots:,}")
    console.print(table)
    if verdict.equal:
        console.print(f"[green]replay equal:[/] {verdict.compared:,} records, {verdict.events:,} events run again")
    for one in verdict.divergences:
        console.print(f"[red]replay differs:[/] {one}", soft_wrap=True)
