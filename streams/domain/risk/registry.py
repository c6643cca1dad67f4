"""
The checks in the order that names a rejection. A new check is a function in a module of its own and a line here.

All of them run on every order; the first finding that failed and holds for the order is its rejection.
"""

from typing import Any

from streams.domain.risk.allocations import allocation
from streams.domain.risk.cost import expected_cost
from streams.domain.risk.drawdown import circuit_breaker, daily_drawdown
from streams.domain.risk.exposure import part_exposures, total_exposure, tradable_size
from streams.domain.risk.freshness import freshness
from streams.domain.risk.kill_switch import kill_switch
from streams.domain.risk.margin import margin
from streams.domain.risk.market_state import feed_complete, market_anomaly
from streams.domain.risk.proposal import Check, Finding, Proposal
from streams.domain.risk.restraint import consecutive_losses, correlated_exposure, stop_out_cooldown
from streams.domain.risk.step import text
from streams.domain.risk.trade_limits import trade_limits
from streams.domain.risk.validity import instrument_validity, position_validity, signal_validity

CHECKS: tuple[Check, ...] = (
    kill_switch,
    signal_validity,
    instrument_validity,
    position_validity,
    freshness,
    feed_complete,
    market_anomaly,
    circuit_breaker,
    daily_drawdown,
    total_exposure,
    part_exposures,
    allocation,
    trade_limits,
    margin,
    expected_cost,
    stop_out_cooldown,
    consecutive_losses,
    correlated_exposure,
    tradable_size,
)


def findings_of(proposal: Proposal) -> list[Finding]:
    return [finding for check in CHECKS for finding in check(proposal)]


def rejection(proposal: Proposal, findings: list[Finding]) -> Finding | None:
    """The first finding that refuses the order; None approves it."""
    for finding in findings:
        if not finding.passed and (finding.binds_exits or not proposal.is_exit):
            return finding
    return None


def as_json(proposal: Proposal, finding: Finding) -> dict[str, Any]:
    """A finding as it stands in an order's `checks`; `waived` where it failed and does not hold for exits."""
    found: dict[str, Any] = {
        "check": finding.check, "code": finding.code.name, "passed": finding.passed,
        "measured": None if finding.measured is None else text(finding.measured),
        "limit": None if finding.limit is None else text(finding.limit),
    }
    if finding.note:
        found["note"] = finding.note
    if proposal.is_exit and not finding.passed and not finding.binds_exits:
        found["waived"] = True
    return found
