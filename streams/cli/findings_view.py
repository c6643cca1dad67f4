"""Findings as a table or as JSON, and as an exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.errors import StackError
from streams.operate.findings import Finding, Level, Verdict, verdict_of
from streams.operate.history import record_findings

STYLES = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


def show_findings(findings: list[Finding], *, kind: str, now: int, as_json: bool, history: Path | None, quiet_ok: bool = False) -> None:
    """
    Shows, records where there is a `history`, and ends with 1 on a no-go; `quiet_ok` leaves out of the table what is well and default.

    Raises: typer.Exit.
    """
    verdict = verdict_of(findings)
    if as_json:
        typer.echo(json.dumps({"verdict": verdict, "time": now, "findings": [one._asdict() for one in findings]}, indent=2))
    else:
        Console().print(findings_table([one for one in findings if not quiet_ok or one.detail != "default"]))
        counts = {level: sum(one.level is level for one in findings) for level in Level}
        typer.echo(f"{verdict}: {counts[Level.OK]} ok, {counts[Level.WARN]} to look at, {counts[Level.FAIL]} in the way")
    if history is not None:
        try:
            record_findings(history, kind, findings, now)
        except StackError as fault:
            # The verdict has been said; that it could not be kept must not hide it.
            print(f"cdb: {fault}", file=sys.stderr)
            raise typer.Exit(1) from fault
    if verdict is Verdict.NO_GO:
        raise typer.Exit(1)


def findings_table(findings: list[Finding]) -> Table:
    """One line for each finding."""
    table = Table(pad_edge=False, box=None)
    for header in ("check", "subject", "", "what was seen"):
        table.add_column(header, overflow="fold")
    for one in findings:
        table.add_row(one.check, escape(one.subject), f"[{STYLES[one.level]}]{one.level}[/]", escape(one.detail))
    return table
