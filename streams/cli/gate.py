"""`cdb gate`: GO or NO-GO after days on paper, with every criterion, what was measured and its limit."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.cli.options import Bootstrap, Postgres, Registry, Session, connection_of, database_of
from streams.cli.replay_source import Archive, Source, recorded_session
from streams.errors import ConfigError
from streams.operate import sessions
from streams.operate.connection import Connection
from streams.operate.findings import Verdict
from streams.operate.history import CAUSE, entries, record_done
from streams.operate.reconcile import Report, reconcile
from streams.operate.runtime import open_runtime
from streams.replay.recorded.recorded import Recorded
from streams.report.gate.criteria import Criterion, Limits, judge
from streams.report.gate.evidence import Window, evidence_of

DAY = 86_400_000_000


def gate(
    context: typer.Context,
    session: Session = "live",
    days: Annotated[float, typer.Option(min=0, metavar="DAYS", help="How many, up to the session's end; of an open one up to now.")] = 7,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", show_default=False, help=f"Another limit, of: {', '.join(Limits.model_fields)}; may be repeated."
        ),
    ] = None,
    archive: Archive = None,
    explain: Annotated[
        str | None,
        typer.Option(metavar="TEXT", show_default=False, help="Record the cause of all restarts so far, in the history, and end."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Verdict and criteria as one JSON object.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    postgres: Postgres = None,
) -> None:
    """
    Judge days on paper: uptime, feed, replay, parity, restarts, drawdown, fill rate, PnL, Sharpe, trades. Everything is measured anew.

    What cannot be measured does not hold. Parity needs Postgres; of a session that runs, it waits for the sink. Exit code 0: GO; 1: NO-GO.

    Examples:

        cdb gate --days 7

        cdb gate --session paper-20260101-120000 --days 1 --limit trades_min=100 --json

        cdb gate --explain "power failure at 03:10, UPS replaced"
    """
    connection = connection_of(context, bootstrap=bootstrap, registry=registry, postgres=postgres)
    if explain is not None:
        record_done(connection.history, CAUSE, time=time.time_ns() // 1000, told=explain)
        return
    limits, console = _limits(limit or ()), Console(stderr=True)
    where = Source(context, session, archive, bootstrap, registry)
    with recorded_session(where, console, said=False) as recorded, console.status("measuring") as status:
        window = _window(recorded, int(days * DAY))
        report = None if archive is not None else _parity(connection, database_of(context, connection), session)
        evidence = evidence_of(
            recorded, window, report=report, history=entries(connection.history),
            progress=lambda now: status.update(f"replaying {now.what}: {now.events:,} events"),
        )  # fmt: skip
    criteria = judge(evidence, limits)
    verdict = Verdict.GO if all(one.holds for one in criteria) else Verdict.NO_GO
    if as_json:
        rows = [one._asdict() for one in criteria]
        document = {"verdict": verdict, "session": session, "from": window.start, "to": window.end, "criteria": rows}
        typer.echo(json.dumps(document, indent=2))
    else:
        Console().print(_table(criteria))
        typer.echo(f"{verdict}: {sum(one.holds for one in criteria)} of {len(criteria)} criteria hold")
    if verdict is Verdict.NO_GO:
        raise typer.Exit(1)


def _limits(said: tuple[str, ...] | list[str]) -> Limits:
    """Raises: ConfigError with one line for each limit that is unknown or breaks its rule."""
    pairs = dict(one.partition("=")[::2] for one in said)
    try:
        return Limits.model_validate(pairs)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            name = str(fault["loc"][0])
            known = Limits.model_fields.get(name)
            rule = f"one of {', '.join(Limits.model_fields)}" if known is None else f"{name} {known.description}"
            lines.append(f"--limit must be {rule}, was {name}={pairs.get(name)}")
        raise ConfigError("\n".join(lines)) from error


def _window(recorded: Recorded, length: int) -> Window:
    """The last `length` µs: of a session that has ended up to its end, else up to now. A session of less time lacks the rest."""
    manifest = sessions.manifest(recorded.log, recorded.codec, recorded.settings.session)
    end = recorded.end() if manifest.status == sessions.ENDED else max(time.time_ns() // 1000, recorded.end())
    return Window(end - length, end)


def _parity(connection: Connection, dsn: str, session: str) -> Report:
    # The sink's own position is asked for as well, which nobody who only reads a record may.
    with open_runtime(connection, client_id="cdb-gate") as runtime:
        return reconcile(runtime.log, runtime.codec, dsn, session)


def _table(criteria: list[Criterion]) -> Table:
    table = Table(pad_edge=False, box=None)
    for header in ("criterion", "measured", "limit", ""):
        table.add_column(header, overflow="fold")
    for one in criteria:
        table.add_row(one.name, escape(one.measured), one.limit, "[green]holds[/]" if one.holds else "[red]does not hold[/]")
    return table
