"""`cdb doctor`: go or no-go, with everything that was looked at."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from streams.cli.findings_view import show_findings
from streams.cli.options import Bootstrap, Postgres, Registry, connection_of, environment_of, stack_of
from streams.operate.doctor.examination import before_start, examine, patient_of


def doctor(
    context: typer.Context,
    session: Annotated[
        list[str] | None,
        typer.Option("--session", metavar="NAME", help="Must be there with all its topics; may be repeated.", show_default=False),
    ] = None,
    before: Annotated[bool, typer.Option("--before-start", help="The quick look that `cdb up` takes: nothing has to run yet.")] = False,
    keep: Annotated[bool, typer.Option("--record", help="Append date, verdict and findings to the history of `cdb status`.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Verdict and findings as one JSON object.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    postgres: Postgres = None,
) -> None:
    """
    Look at processes or containers, health pages, topics, schemas, connectors, tables, disk, clock and ports; changes nothing.

    Examines the local stack; with --bootstrap or CDB_BOOTSTRAP what stands there instead, with CDB_CONNECT, CDB_POSTGRES, CDB_HEALTH.

    Exit code 0: go; 1: no-go; 2: a setting is wrong.

    Examples:

        cdb doctor

        cdb doctor --session live --record

        cdb doctor --json | jq '.findings[] | select(.level != "ok")'
    """
    environment, stack = environment_of(context), stack_of(context)
    connection = connection_of(context, bootstrap=bootstrap, registry=registry, postgres=postgres)
    is_local = bootstrap is None and "CDB_BOOTSTRAP" not in environment
    found = (
        before_start(stack, environment) if before
        else examine(patient_of(connection, stack, tuple(session or ()), is_local=is_local), environment)
    )  # fmt: skip
    kind = "doctor before start" if before else "doctor"
    show_findings(
        found, kind=kind, now=time.time_ns() // 1000, as_json=as_json, history=connection.history if keep else None, quiet_ok=True
    )
