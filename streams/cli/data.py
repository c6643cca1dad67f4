"""`cdb reconcile`: whether Postgres holds what the topics hold."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.cli.options import Bootstrap, Postgres, Registry, connection_of, database_of
from streams.operate.reconcile import SINK_SECONDS_MAX, Report, reconcile
from streams.operate.runtime import open_runtime


def reconcile_command(
    context: typer.Context,
    session: Annotated[str, typer.Option("--session", help="The session to compare.")] = "live",
    repair: Annotated[bool, typer.Option("--repair", help="Insert the rows that are missing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long the sink may take to come to the end.")
    ] = SINK_SECONDS_MAX,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    postgres: Postgres = None,
) -> None:
    """
    Compare every row of a session with its record, field by field; exit code 1 if anything is missing, extra or different.

    Examples:

        cdb reconcile --session live

        cdb reconcile --session live --repair

        cdb reconcile --session live --json | jq '.tables[] | select(.missing > 0)'

        CDB_POSTGRES_PASSWORD_FILE=.stack/compose/postgres_password cdb reconcile --bootstrap 127.0.0.1:9092
        --registry http://127.0.0.1:8080/apis/ccompat/v7 --postgres postgresql://claire@127.0.0.1:5432/claire_de_binare
    """
    connection = connection_of(context, bootstrap=bootstrap, registry=registry, postgres=postgres)
    database = database_of(context, connection)
    with open_runtime(connection, client_id="cdb-reconcile") as runtime:
        report = reconcile(runtime.log, runtime.codec, database, session, repair=repair, sink_seconds_max=wait)
    if as_json:
        typer.echo(json.dumps(as_document(report), indent=2))
    else:
        Console().print(report_table(report))
        for line in faults(report):
            typer.echo(line)
        typer.echo(verdict(report))
    if not report.equal:
        raise typer.Exit(1)


def as_document(report: Report) -> dict[str, object]:
    """The report as JSON objects, with its verdict."""
    tables = [
        {**each._asdict(), "equal": each.equal, "differences": [found._asdict() for found in each.differences]}
        for each in report.tables
    ]
    return {"session": report.session, "equal": report.equal, "sink_at_end": report.sink_at_end, "tables": tables}


def report_table(report: Report) -> Table:
    """One line for each table of the database."""
    table = Table(pad_edge=False, box=None)
    for header in ("table", "records", "rows", "missing", "extra", "different", "undecodable", "repaired"):
        table.add_column(header, justify="left" if header == "table" else "right")
    for each in report.tables:
        counts = (each.records, each.rows, each.missing, each.extra, each.different, each.undecodable, each.repaired)
        table.add_row(each.table, *map(str, counts), style=None if each.equal else "red")
    return table


def faults(report: Report) -> list[str]:
    """One line for each fault that is known by name: the first of each kind and table."""
    lines = []
    for each in report.tables:
        lines += [f"{each.table}: missing {event_id}" for event_id in each.missing_ids]
        lines += [f"{each.table}: extra {event_id}" for event_id in each.extra_ids]
        lines += [
            f"{each.table}: {found.field} of {found.event_id} must be {found.record}, was {found.row}"
            for found in each.differences
        ]
    return lines


def verdict(report: Report) -> str:
    """The outcome in one sentence."""
    records = sum(each.records for each in report.tables)
    if report.equal:
        return f"equal: {records} records of session {report.session} stand in {len(report.tables)} tables, exactly"
    unequal = ", ".join(each.table for each in report.tables if not each.equal)
    late = "" if report.sink_at_end else "; the sink has not read to the end yet"
    return f"not equal: {unequal}{late}"
