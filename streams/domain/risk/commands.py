"""
What operators may ask of risk, and that each command leaves one alert for each account: what was done, or why it was
not.

The switch only ever tightens at a word; loosening it takes two: RESUME_REQUEST, then RESUME_CONFIRM, each with an
operator and a justification, within five minutes and with no new HALT or REDUCE_ONLY between them. Resuming turns the
switch, not the breakers: those are cleared by RESET (justified as well), the day's loss limit by nobody before 00:00
UTC.
"""

from collections.abc import Callable
from typing import NamedTuple, assert_never

from streams.domain.records import AlertLevel, Command, CommandKind, Purpose, RiskMode
from streams.domain.risk.cancels import cancel_resting
from streams.domain.risk.codes import AlertCode
from streams.domain.risk.drawdown import on_reset
from streams.domain.risk.orders import order_exit
from streams.domain.risk.state import MICROSECONDS, Account, ResumeRequest, RiskState, Rules
from streams.domain.risk.step import Step, text

RESUME_WITHIN = 300 * MICROSECONDS
EVERY_ACCOUNT = "*"

NEEDS_JUSTIFICATION = (CommandKind.RESUME_REQUEST, CommandKind.RESUME_CONFIRM, CommandKind.RESET)


class Refused(NamedTuple):
    """Why a command was not carried out."""

    why: str


Outcome = str | Refused


def on_command(step: Step, state: RiskState, rules: Rules, command: Command) -> None:
    """Carries the command out for each of its accounts that this state holds."""
    for account in state.accounts.values():
        if command.account not in (EVERY_ACCOUNT, account.name):
            continue
        outcome = _outcome(step, state, rules, account, command)
        taken = not isinstance(outcome, Refused)
        words = outcome.why if isinstance(outcome, Refused) else outcome
        step.alert(
            account.name, AlertCode.COMMAND_TAKEN if taken else AlertCode.COMMAND_REFUSED,
            AlertLevel.INFO if taken else AlertLevel.WARNING,
            f"{command.kind.value} by {command.operator or 'nobody'}: {words}", symbol=command.symbol,
        )


def _outcome(step: Step, state: RiskState, rules: Rules, account: Account, command: Command) -> Outcome:
    if not command.operator.strip():
        return Refused("operator must not be empty")
    if command.kind in NEEDS_JUSTIFICATION and not command.justification.strip():
        return Refused("justification must not be empty")
    match command.kind:
        case CommandKind.FLATTEN:
            return _flatten(step, state, rules, account, command)
        case CommandKind.RESUME_REQUEST | CommandKind.RESUME_CONFIRM:
            return _RESUME[command.kind](step, account, command)
        case CommandKind.HALT:
            return _tighten(account, RiskMode.HALT_ALL)
        case CommandKind.REDUCE_ONLY:
            return _tighten(account, RiskMode.REDUCE_ONLY)
        case CommandKind.RESET:
            on_reset(account)
            peak = text(account.peak_equity)
            return f"circuit breakers cleared, peak equity is now {peak}; mode {account.mode.value}"
        case CommandKind.CANCEL:
            return _cancel(step, account, command)
        case CommandKind.UNKNOWN:
            return Refused("the command is not known to this version")
    assert_never(command.kind)


def _tighten(account: Account, mode: RiskMode) -> Outcome:
    if account.switch is RiskMode.HALT_ALL and mode is RiskMode.REDUCE_ONLY:
        return Refused("already HALT_ALL, which only RESUME_REQUEST and RESUME_CONFIRM loosen")
    account.switch = mode
    account.resume_request = None
    return f"switch {mode.value}"


def _request(step: Step, account: Account, command: Command) -> Outcome:
    if account.switch is RiskMode.RUNNING:
        return Refused(f"the switch is RUNNING already; mode {account.mode.value}")
    account.resume_request = ResumeRequest(
        operator=command.operator, justification=command.justification, time=step.time
    )
    return f"confirm with RESUME_CONFIRM within {RESUME_WITHIN // MICROSECONDS} s: {command.justification}"


def _confirm(step: Step, account: Account, command: Command) -> Outcome:
    request = account.resume_request
    if request is None:
        return Refused("no RESUME_REQUEST came before")
    account.resume_request = None
    if step.time - request.time > RESUME_WITHIN:
        return Refused(f"the RESUME_REQUEST by {request.operator} is older than {RESUME_WITHIN // MICROSECONDS} s")
    account.switch = RiskMode.RUNNING
    return f"switch RUNNING, asked for by {request.operator}; mode {account.mode.value}: {command.justification}"


def _cancel(step: Step, account: Account, command: Command) -> Outcome:
    cancelled = cancel_resting(step, account, "asked for by an operator", symbol=command.symbol)
    return f"{cancelled} resting orders cancelled" if cancelled else Refused("no resting orders to cancel")


_RESUME: dict[CommandKind, Callable[[Step, Account, Command], Outcome]] = {
    CommandKind.RESUME_REQUEST: _request,
    CommandKind.RESUME_CONFIRM: _confirm,
}


def _flatten(step: Step, state: RiskState, rules: Rules, account: Account, command: Command) -> Outcome:
    ordered = waiting = refused = 0
    for symbol, strategy, position in account.portfolio.open_positions():
        if command.symbol not in (None, symbol):
            continue
        if account.exit_in_flight(symbol, strategy):
            # What is left after the order's end is closed on the next mark.
            position.guard.closing = position.guard.closing or Purpose.FLATTEN
            waiting += 1
        elif order_exit(
            step, state, rules, account, symbol=symbol, strategy=strategy, purpose=Purpose.FLATTEN
        ):
            ordered += 1
        else:
            refused += 1
    for order in account.in_flight.values():
        if command.symbol in (None, order.symbol) and not order.reduces:
            order.then_close = True
            waiting += not account.position(order.symbol, order.strategy)
    resting = sum(order.rests and order.then_close for order in account.in_flight.values())
    words = f"{ordered} exits ordered, {waiting} already in flight, {refused} refused"
    words += f", {resting} resting entries cancelled" if resting else ""
    return Refused(words) if refused and not ordered else words
