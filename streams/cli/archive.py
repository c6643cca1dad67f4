"""`cdb archive`: the daily duty, which copies sessions, proves the copies, and only then lets topics go."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from streams.cli.options import Bootstrap, Registry, connection_of
from streams.errors import LogError
from streams.exchange.wall import SystemWall
from streams.operate import sessions
from streams.operate.runtime import STAGES, Runtime, code_version, open_runtime
from streams.replay.archive.keeping import Duty, Kept, keep

DAY = 86_400_000_000


def archive_command(
    context: typer.Context,
    session: Annotated[
        list[str] | None, typer.Option("--session", metavar="NAME", help="Only this one; may be repeated. [all]", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="One folder in it for each session. [CDB_ARCHIVES]", show_default=False)
    ] = None,
    keep_days: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Remove topics of sessions that ended so long ago. [never]", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each session.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Copy every session into its folder, run the copy again, and where it is equal let the topics of old sessions go. To be run daily.

    A session that is open keeps its topics, and so does one whose archive does not verify; exit code 1 says that there is one.
    Only what is new is copied, and an archive is run again only where it has changed or the program has.

    Examples:

        cdb archive --keep-days 30

        cdb archive --session paper-20260101-120000 --out /mnt/archives --json

        15 3 * * *  cd /opt/claire && .venv/bin/cdb archive --keep-days 30     # in a crontab
    """
    connection = connection_of(context, bootstrap=bootstrap, registry=registry)
    folder = out if out is not None else connection.archives
    with open_runtime(connection, client_id="cdb-archive") as runtime:
        names = session or [one.name for one in sessions.listing(runtime.log, runtime.codec) if one.manifest is not None]
        done = _archived(runtime, names, folder, None if keep_days is None else int(keep_days * DAY))
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in done], indent=2))
    else:
        Console().print(_table(done))
        for one in done:
            if one.fault:
                typer.echo(f"{one.session}: {one.fault}")
    if not all(one.verified for one in done):
        raise typer.Exit(1)


def _archived(runtime: Runtime, names: list[str], folder: Path, keep_us: int | None) -> list[Kept]:
    """One session after the other, under a bar. Raises: ConfigError where there is no session of a name."""
    done: list[Kept] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("archiving", total=float(len(names)))
        duty = Duty(
            runtime.log, runtime.schema_ids, STAGES, code_version(), SystemWall(threading.Event()).now(), keep_us,
            told=lambda what, count: bar.update(task, description=f"{what}: {count:,} records"),
            progress=lambda now: bar.update(task, description=f"{now.what}: {now.events:,} events", completed=len(done) + now.share),
        )  # fmt: skip
        for name in names:
            manifest = sessions.manifest(runtime.log, runtime.codec, name)
            try:
                done.append(keep(duty, manifest, folder / name))
            except LogError as fault:
                # One session that cannot be archived must not keep the others from it.
                done.append(Kept(name, 0, verified=False, expired=False, fault=str(fault)))
    return done


def _table(done: list[Kept]) -> Table:
    table = Table(pad_edge=False, box=None)
    for header in ("session", "records", "archive", "topics"):
        table.add_column(header, justify="right" if header == "records" else "left")
    for one in done:
        archive = "replays equal" if one.verified else "[red]not proven"
        table.add_row(one.session, f"{one.records:,}", archive, "removed" if one.expired else "kept")
    return table
