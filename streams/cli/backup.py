"""`cdb backup`, `cdb backup verify`, `cdb backup list`, `cdb restore`: everything in a folder, proven, and back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.cli.options import Bootstrap, Postgres, Registry, connection_of, database_of, stack_of
from streams.errors import StackError, StreamsError
from streams.operate.history import record_done
from streams.operate.runtime import open_runtime
from streams.replay.backup import sets, work

KEEP_DAYS = 14

app = typer.Typer(name="backup", add_completion=False, invoke_without_command=True)

Folder = Annotated[Path | None, typer.Option("--folder", metavar="FOLDER", help="Where backups lie. [CDB_BACKUPS]", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Such as cdb_backup_2026-01-31_0100. [the newest]", show_default=False)]


@app.callback()
def backup(
    context: typer.Context,
    folder: Folder = None,
    keep_days: Annotated[int, typer.Option(min=1, metavar="DAYS", help="Older ones are removed, never the last good one.")] = KEEP_DAYS,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    postgres: Postgres = None,
) -> None:
    """
    Back up the database and every session's topics, read the backup back, and only then remove old ones. May run while sessions do.

    Exit code 1 where it did not come to a good backup; then nothing is removed. The outcome stands in the history of `cdb status`.

    Examples:

        cdb backup

        cdb backup --folder /mnt/backups --keep-days 30

        cdb backup verify

        cdb backup list --json
    """
    if context.invoked_subcommand is not None:
        return
    connection = connection_of(context, bootstrap=bootstrap, registry=registry, postgres=postgres)
    place, now = folder if folder is not None else connection.backups, time.time_ns() // 1000
    try:
        dsn = database_of(context, connection)
        with open_runtime(connection, client_id="cdb-backup") as runtime, _said() as say:
            made = work.make(runtime, dsn, stack_of(context).settings, place, now=now, say=say)
        removed = sets.prune(place, now=now, keep_days=keep_days)
    except StreamsError as fault:
        record_done(connection.history, "backup", time=now, fault=str(fault))
        raise
    manifest = made.manifest()
    record_done(connection.history, "backup", time=now, told=made.name)
    if as_json:
        document = {**_document(manifest), "folder": str(place), "removed": removed}
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(f"{made.name} in {place} is good: {_told(manifest)}")
        for name in removed:
            typer.echo(f"{name} was older than {keep_days} days and is removed")


@app.command("verify")
def verify_command(context: typer.Context, name: Name = None, folder: Folder = None, as_json: AsJson = False) -> None:
    """
    Read a backup through: every file against its digest, every record against its checkpoint. Exit code 1 where something differs.

    Examples:

        cdb backup verify

        cdb backup verify cdb_backup_2026-01-31_0100 --json
    """
    found = sets.chosen(folder if folder is not None else connection_of(context).backups, name)
    with _said() as say:
        say(f"reading {found.name}")
        said = sets.faults(found)
    if as_json:
        typer.echo(json.dumps({"name": found.name, "good": not said, "faults": said}, indent=2))
    else:
        typer.echo(f"{found.name} is {'not good' if said else f'good: {_told(found.manifest())}'}")
        for line in said:
            typer.echo(line)
    if said:
        raise typer.Exit(1)


@app.command("list")
def list_command(context: typer.Context, folder: Folder = None, as_json: AsJson = False) -> None:
    """
    Show the backups there are, the newest last.

    Examples:

        cdb backup list
    """
    found = sets.listing(folder if folder is not None else connection_of(context).backups)
    rows = [(one, _manifest_or_none(one)) for one in found]
    if as_json:
        documents = [{"name": one.name, "whole": known is not None} | (_document(known) if known else {}) for one, known in rows]
        typer.echo(json.dumps(documents, indent=2))
        return
    table = Table(pad_edge=False, box=None)
    for header in ("backup", "sessions", "records", "rows", "database"):
        table.add_column(header, justify="left" if header == "backup" else "right")
    for one, known in rows:
        cells = ("cut short", "", "", "") if known is None else (
            str(len(known.sessions)), f"{sum(copy.records for copy in known.sessions):,}", f"{sum(known.rows.values()):,}",
            f"{known.size >> 10:,} KiB",
        )  # fmt: skip
        table.add_row(one.name, *cells)
    Console().print(table)


def restore(
    context: typer.Context,
    name: Name = None,
    folder: Folder = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    postgres: Postgres = None,
) -> None:
    """
    Bring a backup back onto an empty machine, to go on from there. It is read first, and nothing is overwritten: sessions that are
    here already, or rows of others, end it with exit code 2 before anything is changed. Cut short, say it again.

    Examples:

        cdb up && cdb restore && cdb paper --session monday

        cdb restore cdb_backup_2026-01-31_0100 --folder /mnt/backups
    """
    connection = connection_of(context, bootstrap=bootstrap, registry=registry, postgres=postgres)
    found = sets.chosen(folder if folder is not None else connection.backups, name)
    dsn, now = database_of(context, connection), time.time_ns() // 1000
    with open_runtime(connection, client_id="cdb-restore") as runtime, _said() as say:
        manifest = work.restore(runtime, dsn, stack_of(context).settings, found, say=say)
    record_done(connection.history, "restore", time=now, told=found.name)
    if as_json:
        typer.echo(json.dumps(_document(manifest), indent=2))
    else:
        typer.echo(f"{found.name} is restored: {_told(manifest)}")


def _manifest_or_none(one: sets.Backup) -> sets.Manifest | None:
    try:
        return one.manifest()
    except StackError:
        return None


def _document(manifest: sets.Manifest) -> dict[str, object]:
    return {
        "name": manifest.name, "time": manifest.time, "bytes": manifest.size, "rows": manifest.rows,
        "sessions": {copy.session: copy.records for copy in manifest.sessions}, "left_out": manifest.left_out,
    }  # fmt: skip


def _told(manifest: sets.Manifest) -> str:
    records = sum(copy.records for copy in manifest.sessions)
    told = f"{sum(manifest.rows.values()):,} rows, {records:,} records of {len(manifest.sessions)} session(s)"
    return "; ".join([told, *(f"WITHOUT {name}: {why}" for name, why in manifest.left_out.items())])


@contextmanager
def _said() -> Iterator[work.Say]:
    """A line on standard error that says what is being done."""
    console = Console(stderr=True)
    with console.status("…") as status:
        yield status.update
