"""`cdb halt`, `resume`, `reduce-only`, `flatten`, `cancel`, `reset`: an operator's word to a running session, and what came of it."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from streams.cli.options import Bootstrap, Registry, Session, connection_of
from streams.domain.records import CommandKind
from streams.domain.risk.commands import EVERY_ACCOUNT
from streams.errors import ConfigError
from streams.operate import sessions
from streams.operate.commands import Confirmation, Outcome, Request, send
from streams.operate.runtime import joined_session, open_runtime

WAIT_SECONDS_MAX = 30.0

Operator = Annotated[str, typer.Option(metavar="NAME", help="Who says so; stands on the log.")]
Account = Annotated[str, typer.Option(metavar="NAME", help="The account; * for all of them.")]
Symbol = Annotated[str | None, typer.Option(metavar="SYMBOL", help="Only this symbol. [all]", show_default=False)]
Justification = Annotated[str, typer.Option(metavar="TEXT", help="Why; stands on the log.")]
Wait = Annotated[float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long risk may take to confirm.")]
AsJson = Annotated[bool, typer.Option("--json", help="The outcome as one JSON object.")]


def halt(
    context: typer.Context, operator: Operator, justification: Justification = "", session: Session = "live",
    account: Account = EVERY_ACCOUNT, wait: Wait = WAIT_SECONDS_MAX, as_json: AsJson = False, bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:  # fmt: skip
    """
    Stop everything at once: no order is approved any more, exits included, until `cdb resume`, whatever is restarted meanwhile.

    Exit code 0: every account took it, and it is committed; 1: an account refused it, or risk did not confirm in time; 2: bad input.

    Examples:

        cdb halt --operator ada --justification "prices look wrong"

        cdb halt --session paper-20260101-120000 --account main --operator ada
    """
    request = Request(CommandKind.HALT, operator, justification, account)
    _carry_out(context, session, request, wait=wait, as_json=as_json, bootstrap=bootstrap, registry=registry)


def reduce_only(
    context: typer.Context, operator: Operator, justification: Justification = "", session: Session = "live",
    account: Account = EVERY_ACCOUNT, wait: Wait = WAIT_SECONDS_MAX, as_json: AsJson = False, bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:  # fmt: skip
    """
    Allow exits only, until `cdb resume`. Exit codes as `cdb halt`.

    Examples:

        cdb reduce-only --operator ada --justification "news at 14:30"
    """
    request = Request(CommandKind.REDUCE_ONLY, operator, justification, account)
    _carry_out(context, session, request, wait=wait, as_json=as_json, bootstrap=bootstrap, registry=registry)


def resume(
    context: typer.Context, operator: Operator, justification: Justification, session: Session = "live",
    account: Account = EVERY_ACCOUNT,
    confirm: Annotated[bool, typer.Option("--confirm", help="The second step, within 300 s of market time after the first.")] = False,
    wait: Wait = WAIT_SECONDS_MAX, as_json: AsJson = False, bootstrap: Bootstrap = None, registry: Registry = None,
) -> None:  # fmt: skip
    """
    Let a halted session trade again, in two steps: ask, then confirm. Exit codes as `cdb halt`.

    Breakers that a loss has tripped stay: `cdb reset` clears those.

    Examples:

        cdb resume --operator ada --justification "feed is back"

        cdb resume --operator bob --justification "checked the book" --confirm
    """
    kind = CommandKind.RESUME_CONFIRM if confirm else CommandKind.RESUME_REQUEST
    request = Request(kind, operator, justification, account)
    _carry_out(context, session, request, wait=wait, as_json=as_json, bootstrap=bootstrap, registry=registry)


def flatten(
    context: typer.Context, operator: Operator, justification: Justification = "", session: Session = "live",
    account: Account = EVERY_ACCOUNT, symbol: Symbol = None, wait: Wait = WAIT_SECONDS_MAX, as_json: AsJson = False,
    bootstrap: Bootstrap = None, registry: Registry = None,
) -> None:  # fmt: skip
    """
    Close every position by market orders. Confirmed when the exits are ordered, not yet filled. Exit codes as `cdb halt`.

    Examples:

        cdb flatten --operator ada

        cdb flatten --operator ada --symbol BTCUSDT --account main
    """
    request = Request(CommandKind.FLATTEN, operator, justification, account, symbol)
    _carry_out(context, session, request, wait=wait, as_json=as_json, bootstrap=bootstrap, registry=registry)


def cancel(
    context: typer.Context, operator: Operator, justification: Justification = "", session: Session = "live",
    account: Account = EVERY_ACCOUNT, symbol: Symbol = None, wait: Wait = WAIT_SECONDS_MAX, as_json: AsJson = False,
    bootstrap: Bootstrap = None, registry: Registry = None,
) -> None:  # fmt: skip
    """
    Cancel orders that rest in the market. Exit codes as `cdb halt`: refused where there is none.

    Examples:

        cdb cancel --operator ada --symbol BTCUSDT
    """
    request = Request(CommandKind.CANCEL, operator, justification, account, symbol)
    _carry_out(context, session, request, wait=wait, as_json=as_json, bootstrap=bootstrap, registry=registry)


def reset(
    context: typer.Context, operator: Operator, justification: Justification, session: Session = "live",
    account: Account = EVERY_ACCOUNT, wait: Wait = WAIT_SECONDS_MAX, as_json: AsJson = False, bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:  # fmt: skip
    """
    Clear the circuit breakers that drawdown or failed orders have tripped; an operator's halt stays. Exit codes as `cdb halt`.

    Examples:

        cdb reset --operator ada --justification "the venue's outage is over"
    """
    request = Request(CommandKind.RESET, operator, justification, account)
    _carry_out(context, session, request, wait=wait, as_json=as_json, bootstrap=bootstrap, registry=registry)


def _carry_out(
    context: typer.Context, session: str, request: Request, *, wait: float, as_json: bool, bootstrap: str | None, registry: str | None
) -> None:
    """Sends, waits for the journals, shows what each account's risk said. Raises: typer.Exit 1 unless all took it."""
    with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-operator") as runtime:
        log, codec = runtime.log, runtime.codec
        settings = joined_session(runtime, session)
        if sessions.manifest(log, codec, session).status == sessions.ENDED:
            raise ConfigError(f"SESSION must be one that is open, was {session}, which has ended: nobody takes commands there")
        sent = send(log, codec, settings, request, now=time.time_ns() // 1000)
        with closing(Confirmation(log, codec, sent)) as confirmation:
            confirmed = confirmation.wait(wait)
            outcomes, waiting = confirmation.outcomes(), confirmation.waiting
    if as_json:
        document = {
            "session": session, "command": sent.command.event_id, "kind": request.kind.value, "confirmed": confirmed,
            "waiting_tasks": waiting, "outcomes": [one._asdict() for one in outcomes],
        }  # fmt: skip
        typer.echo(json.dumps(document, indent=2))
    else:
        _show(session, request, outcomes)
    if not confirmed:
        tasks = ", ".join(map(str, waiting))
        print(
            f"cdb: {request.kind.value} is not confirmed: risk task {tasks} of session {session} has not taken it within {wait:g} s. "
            f"The command {sent.command.event_id} stands on the log, and is taken when that task runs again.",
            file=sys.stderr,
        )  # fmt: skip
    if not confirmed or not all(one.taken for one in outcomes):
        raise typer.Exit(1)


def _show(session: str, request: Request, outcomes: list[Outcome]) -> None:
    console = Console()
    for one in outcomes:
        verdict = "[green]taken[/]" if one.taken else "[red]refused[/]"
        console.print(f"{verdict} {escape(one.account)}: {escape(one.message)}", highlight=False, soft_wrap=True)
    if request.kind is CommandKind.RESUME_REQUEST and any(one.taken for one in outcomes):
        where = "" if request.account == EVERY_ACCOUNT else f" --account {request.account}"
        console.print(
            f"second step: cdb resume --confirm --session {session}{where} --operator NAME --justification TEXT", highlight=False,
            markup=False, soft_wrap=True,
        )  # fmt: skip
