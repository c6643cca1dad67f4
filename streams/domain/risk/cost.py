"""
Check 12: what an order is expected to lose to the book and to fees, in bps of its mark.

The slippage is that of the first of the mark's depth steps that holds the order; beyond the last step it grows with the
notional, as a price impact that is linear does. An order that would find less than it asks for is refused as well. A
limit bounds the slippage, one that waits has none and pays the maker's fee. Where a venue shows no book, the model that
prices paper fills there stands in: its base and volatility terms (the mark does not know the traded volume of the third).
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from streams.domain.execution.trades_only import slippage_bps
from streams.domain.money import BPS, EXACT, ZERO, quotient
from streams.domain.records import DepthStep, Mark, OrderType, Side
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.entry_terms import Terms
from streams.domain.risk.proposal import Finding, Proposal

CHECK = "cost"
HOURS_A_YEAR = Decimal(8760)
# A walk by notional rounds the last level's quantity: this much less than asked for is still all of it.
WHOLE = Decimal("0.999999")


class Impact(NamedTuple):
    """Expected slippage in bps, never below zero, and the notional that the visible book holds (None: enough)."""

    bps: Decimal
    holds: Decimal | None = None
    model: str = ""


def expected_cost(proposal: Proposal) -> Iterator[Finding]:
    mark, price, instrument = proposal.mark, proposal.price, proposal.instrument
    quantity = abs(proposal.held) if proposal.is_exit else ZERO if proposal.size is None else proposal.size.quantity
    if mark is None or price is None or instrument is None or not quantity:
        return
    waits = _waits(proposal.terms, proposal.side, price)
    impact = Impact(ZERO) if waits else _impact(mark, price, side=proposal.side, notional=quantity * price)
    if proposal.terms.order_type is not OrderType.MARKET:
        impact = impact._replace(bps=min(impact.bps, _bound(proposal.terms, proposal.side, price, impact.bps)))
    yield Finding(
        CHECK, RejectionCode.BOOK_TOO_THIN, impact.holds is None, measured=impact.holds,
        limit=None if impact.holds is None else quantity * price,
    )
    fee = BPS * (instrument.maker_fee_rate if waits else instrument.taker_fee_rate)
    limit = proposal.rules.risk.max_slippage_bps
    yield Finding(
        CHECK, RejectionCode.EXPECTED_COST, impact.bps + fee <= limit, measured=impact.bps + fee, limit=limit,
        note=impact.model,
    )


def _waits(terms: Terms, side: Side, price: Decimal) -> bool:
    """Whether the order's limit is not beyond the mark: it is expected to be filled by others, if at all."""
    if terms.limit_price is None or terms.order_type not in (OrderType.LIMIT, OrderType.LIMIT_MAKER):
        return False
    return terms.limit_price <= price if side is Side.BUY else terms.limit_price >= price


def _bound(terms: Terms, side: Side, price: Decimal, bps: Decimal) -> Decimal:
    """The most that the limit lets the price slip from where the order acts: its stop, or the mark."""
    if terms.limit_price is None:
        return bps
    start = price if terms.stop_price is None else terms.stop_price
    return max(_worse(side, terms.limit_price, start), ZERO)


def _impact(mark: Mark, price: Decimal, *, side: Side, notional: Decimal) -> Impact:
    steps = sorted((step for step in mark.depth if step.side is side), key=lambda step: step.notional)
    if not steps:
        swing = ZERO if mark.volatility is None else quotient(mark.volatility, EXACT.sqrt(HOURS_A_YEAR))
        return Impact(slippage_bps(impact=ZERO, hourly=swing), model="trades_only")
    step = next((one for one in steps if one.notional >= notional), steps[-1])
    bps = max(_worse(side, step.average_price, price), ZERO)
    holds = step.quantity * step.average_price
    if not _is_whole(step) and holds < notional:
        return Impact(bps, holds)
    return Impact(quotient(bps * notional, step.notional) if notional > step.notional else bps)


def _is_whole(step: DepthStep) -> bool:
    return step.quantity * step.average_price >= step.notional * WHOLE


def _worse(side: Side, paid: Decimal, start: Decimal) -> Decimal:
    return quotient((paid - start if side is Side.BUY else start - paid) * BPS, start)
