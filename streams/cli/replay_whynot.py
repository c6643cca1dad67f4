"""`cdb replay whynot`: each check of a refused order, and the smallest change of a setting that would have let it pass."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.cli.options import Bootstrap, Registry
from streams.cli.replay_source import Archive, Source, recorded_session
from streams.cli.replay_state import plain
from streams.cli.replay_why import ID, AsJson
from streams.domain.ids import session_of
from streams.domain.risk.codes import RejectionCode
from streams.replay.questions.moments import shown
from streams.replay.questions.whynot import Change, WhyNot, whynot
from streams.replay.questions.wording import number


def whynot_command(
    context: typer.Context,
    event_id: ID,
    archive: Archive = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Say why an order was refused: each check with what it measured and its limit, and what setting would have let it pass.

    A setting that is named was proven: the decision was taken again with it, and a step less (a millionth, or 1) still refuses the order.
    Everything before the decision is as it was; what the session would have done with the setting from its beginning, whatif says.

    Examples:

        cdb replay whynot live/risk/signals/feed/binance/BTCUSDT/512/main/0/main/0

        cdb replay whynot live/risk/… --archive monday --json | jq .changes
    """
    console = Console(stderr=as_json)
    words = "taking the decision again under other settings"
    with recorded_session(Source(context, session_of(event_id), archive, bootstrap, registry), console) as recorded, console.status(words):
        found = whynot(recorded, event_id)
    if as_json:
        typer.echo(json.dumps(as_document(found), indent=2))
    else:
        print_whynot(found, console)


def as_document(found: WhyNot) -> dict[str, Any]:
    """The answer as JSON objects; amounts as decimal texts."""
    return {
        "id": found.order.event_id, "place": found.place, "time": found.order.time, "rejection_code": found.order.rejection_code,
        "measured": plain(found.order.measured), "limit": plain(found.order.limit), "checks": found.checks,
        "changes": [_change(one) for one in found.alone], "changes_together": [_change(one) for one in found.together],
        "decided_then": None if found.decided is None else {
            "approved": found.decided.approved, "quantity": plain(found.decided.quantity), "notional": plain(found.decided.notional),
        },
    }  # fmt: skip


def _change(change: Change) -> dict[str, str]:
    return {"setting": change.setting, "was": change.was, "to": change.to}


def print_whynot(found: WhyNot, console: Console) -> None:
    """The checks, and what would have let the order pass."""
    order = found.order
    code = order.rejection_code or ""
    console.print(
        f"[bold]{order.purpose} {order.side} {order.symbol} of {escape(order.strategy)} for {escape(order.account)} refused: {code}[/]\n"
        f"{RejectionCode[code].doc}\n[dim]{shown(order.time)}  {found.place}[/]", highlight=False,
    )  # fmt: skip
    console.print(_checks(found))
    for change in found.alone:
        console.print(f"would have passed with [bold]{change.setting}={change.to}[/] (was {change.was})", highlight=False)
    if found.together:
        words = " ".join(f"{change.setting}={change.to}" for change in found.together)
        console.print(f"no single setting is enough; would have passed with [bold]{words}[/]", highlight=False)
    if found.decided is None:
        console.print("no setting within its range would have let it pass: what refused it is what the session held or knew, not a limit")
        return
    first = " ".join(f"{one.setting}={one.to}" for one in found.alone[:1] or found.together)
    decided = found.decided
    console.print(
        f"[green]proven:[/] decided again with {first}, the order is approved for {number(decided.quantity)} "
        f"({number(decided.notional, 2)} in quote units); with a step less it is still refused", highlight=False,
    )  # fmt: skip


def _checks(found: WhyNot) -> Table:
    table = Table(pad_edge=False, box=None)
    for name in ("check", "code", "result"):
        table.add_column(name, overflow="fold")
    for name in ("measured", "limit"):
        table.add_column(name, justify="right")
    table.add_column("note")
    for one in found.checks:
        result = "[green]passed" if one["passed"] else "[yellow]waived" if "waived" in one else "[red]failed"
        amounts = (number(None if one[name] is None else Decimal(one[name])) for name in ("measured", "limit"))
        table.add_row(one["check"], one["code"], result, *amounts, one.get("note", ""))
    return table
