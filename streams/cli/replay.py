"""`cdb replay`: sessions run again from their topics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from streams.cli import replay_questions
from streams.cli.options import Bootstrap, Registry, Session, connection_of
from streams.log.archive import ArchiveLog
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.operate import sessions
from streams.operate.runtime import STAGES, code_version, open_runtime
from streams.replay.verify import Verdict, verify

app = typer.Typer(help="Run sessions again from their topics, without writing anything.", no_args_is_help=True)
replay_questions.add_to(app)


@app.callback()
def replay() -> None:
    """Run sessions again from their topics, without writing anything."""


@app.command("verify")
def verify_command(
    context: typer.Context,
    session: Session = "live",
    archive: Annotated[
        Path | None, typer.Option("--archive", metavar="FOLDER", help="Read this archive folder, not Kafka.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as one JSON object.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Run a session again and compare every output byte and digest with the log. Exit code 0: equal; 1: the first divergence is named.

    Examples:

        cdb replay verify --session paper-20260101-120000

        cdb replay verify --session live --json | jq .equal
    """
    console = Console(stderr=as_json)
    connection = connection_of(context, bootstrap=bootstrap, registry=registry)
    if archive is not None:
        log = ArchiveLog(archive)
        verdict = _verify(log, sessions.codec_of(log, session), session, console)
    else:
        with open_runtime(connection, client_id="cdb-replay") as runtime:
            verdict = _verify(runtime.log, runtime.codec, session, console)
    if as_json:
        typer.echo(json.dumps(as_document(session, verdict), indent=2))
    else:
        print_verdict(verdict, console)
    if not verdict.equal:
        raise typer.Exit(1)


def _verify(log: Log, codec: Codec, session: str, console: Console) -> Verdict:
    manifest = sessions.manifest(log, codec, session)
    if manifest.code_version != code_version():
        console.print(f"[yellow]the session was made by code {manifest.code_version}, this is {code_version()}")
    settings = sessions.read(log, codec, session)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("replaying")
        return verify(
            log, settings, codec, tuple(STAGES.values()),
            lambda name, events: progress.update(task, description=f"replaying {name}: {events:,} events"),
        )  # fmt: skip


def as_document(session: str, verdict: Verdict) -> dict[str, object]:
    """The verdict as JSON objects."""
    return {
        "session": session, "equal": verdict.equal, "compared": verdict.compared, "records": verdict.records,
        "journal_entries": verdict.journal_entries, "snapshots": verdict.snapshots, "events": verdict.events,
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
