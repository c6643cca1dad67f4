"""`cdb sessions`: what stands on the log, side by side."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.cli.options import Bootstrap, Postgres, Registry, connection_of, database_of
from streams.errors import ConfigError, LogError
from streams.operate import sessions
from streams.operate.progress import progress_of
from streams.operate.runtime import Runtime, open_runtime

app = typer.Typer(help="Sessions on the log: list them, remove one.", invoke_without_command=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for each session.")]


@app.callback()
def list_sessions(context: typer.Context, as_json: AsJson = False, bootstrap: Bootstrap = None, registry: Registry = None) -> None:
    """
    List every session with its feed, status and how far it has come.

    Examples:

        cdb sessions

        cdb sessions --json | jq '.[].session'

        cdb sessions rm paper-20260101-120000
    """
    if context.invoked_subcommand is not None:
        return
    with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-sessions") as runtime:
        rows = [_row(runtime, found) for found in sessions.listing(runtime.log, runtime.codec)]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(pad_edge=False, box=None)
    for header in ("session", "status", "feed", "symbols", "since", "market time", "records"):
        table.add_column(header, justify="right" if header == "records" else "left")
    for row in rows:
        table.add_row(*(str(row[header]) for header in ("session", "status", "feed", "symbols", "since", "market_time", "records")))
    Console().print(table if rows else "no sessions yet: cdb paper makes one")


def _row(runtime: Runtime, found: sessions.SessionOnLog) -> dict[str, object]:
    """What is known of a session; one that was half made or half removed says so, and hides none of the others."""
    row: dict[str, object] = {
        "session": found.name, "status": "INCOMPLETE", "feed": "", "symbols": "", "since": "", "market_time": "", "records": 0,
    }  # fmt: skip
    if found.manifest is None:
        return row | ({"status": "UNREADABLE", "fault": found.fault} if found.fault else {})
    row["since"] = _moment(found.manifest.time)
    try:
        settings = sessions.read(runtime.log, runtime.codec, found.name)
        row |= {"feed": settings.feed.kind, "symbols": " ".join(settings.feed.symbols)}
        progress = progress_of(runtime.log, runtime.codec, settings)
    except (ConfigError, LogError):
        # Made by another version, or one of its topics is gone.
        return row
    return row | {
        "status": found.manifest.status, "market_time": _moment(progress.feed_watermark), "records": progress.feed_records,
    }  # fmt: skip


@app.command("rm")
def remove(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Sessions to remove.")],
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    postgres: Postgres = None,
) -> None:
    """
    Remove sessions: their topics, group offsets, and rows in Postgres where it can be reached; a rest is removed by saying it again.

    Examples:

        cdb sessions rm paper-20260101-120000
    """
    connection = connection_of(context, bootstrap=bootstrap, registry=registry, postgres=postgres)
    with open_runtime(connection, client_id="cdb-sessions") as runtime:
        for name in names:
            removed = sessions.remove(runtime.log, name, lambda: database_of(context, connection))
            rows = f"rows in Postgres stay: {removed.fault}" if removed.fault else f"{removed.rows:,} rows"
            typer.echo(f"removed {name}: {len(removed.topics)} topics, {rows}")


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S") if time > 0 else "-"
