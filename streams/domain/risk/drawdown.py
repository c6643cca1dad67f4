"""
Checks 6 and 7: circuit breakers and the day's loss; and what a breach does at the moment a mark or a fill shows it.

Drawdowns are fractions of the peak, or of the day's first equity, realized and unrealized; a limit is breached when
reached.
- The day's loss holds the account to exits until 00:00 UTC.
- Drawdown from the peak closes everything at once, then halts, until an operator's RESET.
- Failed executions hold the account to exits until RESET: what cannot be executed reliably must not grow. A
  market order that ends without any fill is a failure, another one where the exchange refuses it for more than its own
  terms; any fill ends the row.
"""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.money import ONE
from streams.domain.records import AlertLevel, Purpose
from streams.domain.risk.codes import AlertCode, RejectionCode
from streams.domain.risk.proposal import Finding, Proposal, fall
from streams.domain.risk.state import HOUR, Account, Rules
from streams.domain.risk.step import Step

LATCHED = "latched"


def has_fallen(*, start: Decimal, now: Decimal, by: Decimal) -> bool:
    """Whether equity fell from `start` by the fraction `by` or more, exactly (measured values are rounded)."""
    return now <= start * (ONE - by)


def circuit_breaker(proposal: Proposal) -> Iterator[Finding]:
    account, risk = proposal.account, proposal.rules.risk
    limit = risk.circuit_breaker_threshold_pct
    fallen = has_fallen(start=account.peak_equity, now=proposal.equity, by=limit)
    yield Finding(
        "circuit_breaker", RejectionCode.CIRCUIT_BREAKER_DRAWDOWN, not (fallen or account.drawdown_latched),
        measured=fall(start=account.peak_equity, now=proposal.equity), limit=limit,
        note=LATCHED if account.drawdown_latched else "",
    )
    an_hour = sum(time > proposal.time - HOUR for time in account.failure_times)
    in_a_row = account.failures_in_a_row
    for code, count, count_max in (
        (RejectionCode.CIRCUIT_BREAKER_FAILURES_IN_A_ROW, in_a_row, risk.execution_failures_in_a_row_max),
        (RejectionCode.CIRCUIT_BREAKER_FAILURES_AN_HOUR, an_hour, risk.execution_failures_an_hour_max),
    ):
        latched = account.failures_latch == code.name
        yield Finding(
            "circuit_breaker", code, count < count_max and not latched, measured=Decimal(count),
            limit=Decimal(count_max), note=LATCHED if latched else "",
        )


def daily_drawdown(proposal: Proposal) -> Iterator[Finding]:
    account, limit = proposal.account, proposal.rules.risk.max_daily_drawdown_pct
    fallen = has_fallen(start=account.day_start_equity, now=proposal.equity, by=limit)
    yield Finding(
        "daily_drawdown", RejectionCode.DAILY_DRAWDOWN, not (fallen or account.daily_latched),
        measured=fall(start=account.day_start_equity, now=proposal.equity), limit=limit,
        note=LATCHED if account.daily_latched else "",
    )


def on_equity(step: Step, account: Account, rules: Rules) -> None:
    """Follows the peak; latches and raises the alarm where equity has just reached a limit."""
    equity, risk = account.portfolio.equity, rules.risk
    if equity >= account.peak_equity:
        account.peak_equity = equity
    elif not account.drawdown_latched and has_fallen(
        start=account.peak_equity, now=equity, by=risk.circuit_breaker_threshold_pct
    ):
        account.drawdown_latched = True
        for _, _, position in account.portfolio.open_positions():
            position.guard.closing = position.guard.closing or Purpose.FLATTEN
        for order in account.in_flight.values():
            order.then_close = not order.reduces
        step.alert(
            account.name, AlertCode.CIRCUIT_BREAKER_DRAWDOWN, AlertLevel.CRITICAL,
            "drawdown from peak equity reached the circuit breaker: closing every position, then HALT_ALL",
            measured=fall(start=account.peak_equity, now=equity), limit=risk.circuit_breaker_threshold_pct,
            action="find the cause, then RESET",
        )
    if not account.daily_latched and has_fallen(
        start=account.day_start_equity, now=equity, by=risk.max_daily_drawdown_pct
    ):
        account.daily_latched = True
        step.alert(
            account.name, AlertCode.DAILY_DRAWDOWN, AlertLevel.CRITICAL,
            "the day's loss reached its limit: REDUCE_ONLY until 00:00 UTC",
            measured=fall(start=account.day_start_equity, now=equity), limit=risk.max_daily_drawdown_pct,
            action="none: entries are allowed again at 00:00 UTC",
        )


def on_new_day(step: Step, account: Account) -> None:
    """The day's first equity is the present one."""
    account.day_start_equity = account.portfolio.equity
    if account.daily_latched:
        account.daily_latched = False
        step.alert(
            account.name, AlertCode.DAILY_DRAWDOWN_OVER, AlertLevel.INFO, "a new day began: the daily loss starts anew",
        )


def on_execution(step: Step, account: Account, rules: Rules, *, failed: bool) -> None:
    """Counts an order's end, or a fill; latches and raises the alarm at the limits."""
    if not failed:
        account.failures_in_a_row = 0
        return
    risk = rules.risk
    account.failures_in_a_row += 1
    account.failure_times = [time for time in account.failure_times if time > step.time - HOUR] + [step.time]
    in_a_row, an_hour = account.failures_in_a_row, len(account.failure_times)
    for count, count_max, words, code in (
        (
            in_a_row, risk.execution_failures_in_a_row_max, "in a row",
            RejectionCode.CIRCUIT_BREAKER_FAILURES_IN_A_ROW,
        ),
        (
            an_hour, risk.execution_failures_an_hour_max, "within an hour",
            RejectionCode.CIRCUIT_BREAKER_FAILURES_AN_HOUR,
        ),
    ):
        if count >= count_max and not account.failures_latch:
            account.failures_latch = code.name
            step.alert(
                account.name, AlertCode.CIRCUIT_BREAKER_FAILURES, AlertLevel.CRITICAL,
                f"{count} orders {words} ended without a fill: REDUCE_ONLY until RESET",
                measured=Decimal(count), limit=Decimal(count_max), action="find the cause, then RESET",
            )


def on_reset(account: Account) -> None:
    """Clears the circuit breakers; the peak starts anew at present equity, or the breaker would trip at once again."""
    account.peak_equity = account.portfolio.equity
    account.drawdown_latched = False
    account.failures_latch = ""
    account.failures_in_a_row = 0
    account.failure_times = []
