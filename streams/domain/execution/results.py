"""
The answers to an order: its fills, and its one end.

Prices, notionals and fees in quote currency, rounded half to even at 12 places; quantities in base units. An answer is timed one
report latency after the market time it was made at, and goes back to the market record that began the order (`correlation_id`);
`market_event_id` is the one it was filled on.
"""

from decimal import Decimal
from typing import Any

from streams.domain.execution.venue import Terms, Venue
from streams.domain.execution.working import Fill, Working
from streams.domain.money import BPS, ZERO, amount, quotient
from streams.domain.records import Liquidity, OrderResult, ResultStatus, Side

BOOK_WALK = "book_walk"
TRADES_ONLY = "trades_only"
TRADE_THROUGH = "trade_through"
BOOK_THROUGH = "book_through"


def filled(order: Working, fill: Fill, *, now: int, venue: Venue, terms: Terms) -> OrderResult:
    """Counts a fill on its order and states it: partial, or the end where nothing remains."""
    order.filled += fill.quantity
    assert fill.quantity > ZERO and order.filled <= order.quantity, f"{order.order_id} filled {order.filled} of {order.quantity}"
    complete = order.filled == order.quantity
    return OrderResult(
        **_about(order, now=now, venue=venue, terms=terms), status=ResultStatus.FILLED if complete else ResultStatus.PARTIAL,
        terminal=complete, reason=None, quantity=fill.quantity, price=fill.price, notional=amount(fill.notional),
        fee=terms.fees.fee(fill.notional, fill.liquidity), liquidity=fill.liquidity,
        slippage_bps=_slippage_bps(order, fill.price), model=fill.model,
    )  # fmt: skip


def ended(
    order: Working, status: ResultStatus, reason: str, *, now: int, venue: Venue, terms: Terms
) -> OrderResult:
    """The end of an order that will not be filled any further."""
    return OrderResult(
        **_about(order, now=now, venue=venue, terms=terms), status=status, terminal=True, reason=reason, quantity=ZERO,
        price=None, notional=ZERO, fee=ZERO, liquidity=Liquidity.NONE, slippage_bps=None,
        model=BOOK_WALK if venue.book.depth_seen else TRADES_ONLY,
    )  # fmt: skip


def _about(order: Working, *, now: int, venue: Venue, terms: Terms) -> dict[str, Any]:
    return {
        "event_id": "", "causation_id": "", "correlation_id": order.correlation_id, "session": "",
        "time": now + terms.latency.report, "account": order.account, "strategy": order.strategy, "symbol": order.symbol,
        "order_id": order.order_id, "side": order.side, "cumulative_quantity": order.filled,
        "remaining_quantity": order.remaining, "fee_asset": terms.fees.asset, "decision_mark": order.decision_mark,
        "latency_us": now - order.decided_at, "fill_time": now, "market_event_id": venue.market_id,
    }  # fmt: skip


def _slippage_bps(order: Working, price: Decimal) -> Decimal | None:
    """Against the decision's mark, worse for the order positive; None where the decision had no mark."""
    reference = order.decision_mark
    if not reference:
        return None
    worse = price - reference if order.side is Side.BUY else reference - price
    return quotient(worse * BPS, reference)
