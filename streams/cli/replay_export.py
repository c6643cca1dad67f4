"""`cdb replay export` and `import`: a session as a folder, and back onto a log."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

import schemas
from streams.cli.options import Bootstrap, Registry, Session, connection_of
from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.exchange.wall import SystemWall
from streams.log.archive import ArchiveLog, read_manifest
from streams.operate import sessions
from streams.operate.laying import bring
from streams.operate.runtime import code_version, open_runtime
from streams.replay.archive.session_archive import Told, export_session
from streams.replay.checkpoints.checkpoint import damages
from streams.replay.recorded.patience import PatientLog

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def export_command(
    context: typer.Context,
    session: Session = "live",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Where it is written. [the session's folder in CDB_ARCHIVES]", show_default=False),
    ] = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Copy a session into a folder: every topic as Avro files, a manifest, and a checkpoint of what was read back from them.

    Said again it goes on where it was interrupted, and adds what has come since.

    Examples:

        cdb replay export --session live --out archives/live

        cdb replay verify --session live --archive archives/live
    """
    console = Console(stderr=True)
    folder = out if out is not None else connection_of(context).archives / session
    with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-export") as runtime:
        manifest = sessions.manifest(runtime.log, runtime.codec, session)
        log = PatientLog(runtime.log, SystemWall(threading.Event()), lambda words: console.print(f"[yellow]{words}", soft_wrap=True))
        settings = SessionSettings.model_validate_json(manifest.settings)
        with export_bar(settings, console) as told:
            about = export_session(log, manifest, runtime.schema_ids, folder, code_version=code_version(), told=told)
    records = ArchiveLog(folder).records()
    if as_json:
        typer.echo(json.dumps({"session": session, "folder": str(folder), "records": records, "root": about.root}, indent=2))
    else:
        typer.echo(f"{records:,} records of {session} stand in {folder}, root {about.root}")


def import_command(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="An archive that `cdb replay export` made.")],
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Lay an archive onto a log that does not have its session: the same records at the same offsets, so that it replays and goes on there.

    Where it was interrupted, say it again: what was laid until then is removed, and it begins anew.

    Examples:

        cdb replay import archives/live

        cdb replay verify --session live
    """
    console = Console(stderr=True)
    about = read_manifest(folder).about
    if about is None:
        raise ConfigError(f"archive {folder} must say whose it is, does not: make it with cdb replay export")
    altered = damages(folder, about.session)
    if altered:
        raise ConfigError(f"archive {folder} must be as it was exported: {altered[0]}")
    archive = ArchiveLog(folder)
    with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-import") as runtime:
        columns = (SpinnerColumn(), TextColumn("laying records"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("laying", total=archive.records())
            records = bring(
                archive, runtime.log, runtime.schema_ids, told=lambda count: bar.update(task, completed=count),
                say=lambda words: console.print(f"[yellow]{words}", soft_wrap=True, highlight=False),
            )  # fmt: skip
    if as_json:
        typer.echo(json.dumps({"session": about.session, "records": records}, indent=2))
    else:
        typer.echo(f"{records:,} records of {about.session} stand on the log: cdb replay verify --session {about.session}")


@contextmanager
def export_bar(settings: SessionSettings, console: Console) -> Iterator[Told]:
    """A bar over what an export copies and reads back."""
    partitions = sum(schemas.partitions_of(name, feeds=settings.partitions, risk=settings.risk_tasks) for name in schemas.catalogue())
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("copying", total=2 * partitions)
        yield lambda what, count: bar.update(task, advance=1, description=f"{what}: {count:,} records")
