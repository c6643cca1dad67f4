"""
The paper exchange for one symbol: answers market orders against the real market as it stands when the order acts.

An order walks the visible levels, best first, without what earlier paper fills took. Nothing is ever filled beyond what is
displayed: the rest is cancelled. A void, absent or crossed book refuses the order with the reason. Only where a symbol has never
shown a book does the model of `trades_only` price the fill, and the fill says so.

Prices and fees in quote currency, rounded half to even at 12 places; quantities in base units. An answer is timed one report
latency after the market time it was made at. Deliberately without resting orders: risk sends market orders alone.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain import book as books
from streams.domain.book import Book, top, visible
from streams.domain.execution import taken as taking
from streams.domain.execution import trades_only
from streams.domain.execution.fees import FeeSchedule
from streams.domain.execution.latency import Latency
from streams.domain.execution.market_order import walk_quantity
from streams.domain.execution.taken import Taken
from streams.domain.execution.trades_only import BPS, Tape
from streams.domain.money import ZERO, amount, quotient
from streams.domain.records import (
    Instrument,
    InstrumentStatus,
    Liquidity,
    MarketData,
    Order,
    OrderResult,
    OrderType,
    ResultStatus,
    Side,
)

BOOK_WALK = "book_walk"
TRADES_ONLY = "trades_only"


class Venue(msgspec.Struct):
    """One symbol's market as execution sees it; `market_id` is the newest real record that it holds."""

    book: Book = msgspec.field(default_factory=Book)
    taken: Taken = msgspec.field(default_factory=Taken)
    tape: Tape = msgspec.field(default_factory=Tape)
    market_id: str | None = None


class Terms(NamedTuple):
    """What holds for the orders of one symbol."""

    instrument: Instrument | None
    fees: FeeSchedule
    latency: Latency


class _Filled(NamedTuple):
    quantity: Decimal
    notional: Decimal
    price: Decimal
    model: str


def on_market(venue: Venue, data: MarketData) -> None:
    """Takes one record in."""
    if venue.taken.bids or venue.taken.asks:
        before = top(venue.book)
        books.on_market(venue.book, data)
        taking.on_market(venue.taken, data, before=before, after=top(venue.book), book=venue.book)
    else:
        books.on_market(venue.book, data)
    if data.feed_down:
        return
    venue.market_id = data.event_id
    if venue.book.depth_seen:
        if venue.tape.minutes:
            venue.tape.minutes = []
    elif data.trades:
        trades_only.on_trades(venue.tape, data)


def on_order(venue: Venue, order: Order, *, now: int, terms: Terms) -> list[OrderResult]:
    """
    The answers to an approved market order that acts at `now`: one, or a partial fill and the cancellation of its rest.

    The last answer is terminal.
    """
    assert order.approved and order.order_type is OrderType.MARKET, f"{order.event_id} is no approved market order"
    assert order.quantity > 0, f"quantity of {order.event_id} must be above 0, was {order.quantity}"
    reason = _refusal(venue, terms.instrument)
    if reason is not None:
        return [_rejected(order, reason, now=now, venue=venue, terms=terms)]
    filled = _fill(venue, order, now)
    if filled is None:
        nothing = "NO_DEPTH" if venue.book.depth_seen else "NO_TRADES"
        return [_rejected(order, nothing, now=now, venue=venue, terms=terms)]
    assert filled.quantity <= order.quantity, f"{order.event_id} filled {filled.quantity} of {order.quantity}"
    answer = _filled(order, filled, now=now, venue=venue, terms=terms)
    return [answer] if answer.terminal else [answer, _cancelled(answer)]


def _refusal(venue: Venue, instrument: Instrument | None) -> str | None:
    book = venue.book
    if instrument is not None and instrument.status is not InstrumentStatus.ONLINE:
        return f"INSTRUMENT_{instrument.status}"
    if book.feed_down:
        return "FEED_DOWN"
    if not book.depth_seen:
        return None
    if book.gap:
        return "BOOK_GAP"
    if not book.present:
        return "NO_BOOK"
    return "BOOK_CROSSED" if top(book).crossed else None


def _fill(venue: Venue, order: Order, now: int) -> _Filled | None:
    if not venue.book.depth_seen:
        priced = trades_only.model_fill(venue.tape, side=order.side, quantity=order.quantity, now=now)
        if priced is None:
            return None
        return _Filled(priced.quantity, priced.quantity * priced.price, priced.price, TRADES_ONLY)
    levels = taking.remaining(venue.taken, visible(venue.book, order.side), order.side)
    walk = walk_quantity(levels, order.quantity)
    if not walk.quantity:
        return None
    taking.take(venue.taken, walk.levels, order.side)
    return _Filled(walk.quantity, walk.notional, walk.average_price, BOOK_WALK)


def _filled(order: Order, filled: _Filled, *, now: int, venue: Venue, terms: Terms) -> OrderResult:
    complete = filled.quantity == order.quantity
    return OrderResult(
        event_id="", causation_id="", correlation_id="", session="", time=now + terms.latency.report,
        account=order.account, strategy=order.strategy, symbol=order.symbol, order_id=order.event_id, side=order.side,
        status=ResultStatus.FILLED if complete else ResultStatus.PARTIAL, terminal=complete, reason=None,
        quantity=filled.quantity, price=filled.price, notional=amount(filled.notional),
        cumulative_quantity=filled.quantity, remaining_quantity=order.quantity - filled.quantity,
        fee=terms.fees.fee(filled.notional, Liquidity.TAKER), fee_asset=terms.fees.asset, liquidity=Liquidity.TAKER,
        decision_mark=order.decision_mark, slippage_bps=_slippage_bps(order, filled.price),
        latency_us=now - order.time, fill_time=now, model=filled.model, market_event_id=venue.market_id,
    )  # fmt: skip


def _cancelled(partial: OrderResult) -> OrderResult:
    """The end of an order that found too little, after its partial fill."""
    return msgspec.structs.replace(
        partial, status=ResultStatus.CANCELLED, terminal=True, reason="NO_MORE_DEPTH", quantity=ZERO, price=None,
        notional=ZERO, fee=ZERO, liquidity=Liquidity.NONE, slippage_bps=None,
    )  # fmt: skip


def _rejected(order: Order, reason: str, *, now: int, venue: Venue, terms: Terms) -> OrderResult:
    return OrderResult(
        event_id="", causation_id="", correlation_id="", session="", time=now + terms.latency.report,
        account=order.account, strategy=order.strategy, symbol=order.symbol, order_id=order.event_id, side=order.side,
        status=ResultStatus.REJECTED, terminal=True, reason=reason, quantity=ZERO, price=None, notional=ZERO,
        cumulative_quantity=ZERO, remaining_quantity=order.quantity, fee=ZERO, fee_asset=terms.fees.asset,
        liquidity=Liquidity.NONE, decision_mark=order.decision_mark, slippage_bps=None, latency_us=now - order.time,
        fill_time=now, model=BOOK_WALK if venue.book.depth_seen else TRADES_ONLY, market_event_id=venue.market_id,
    )  # fmt: skip


def _slippage_bps(order: Order, price: Decimal) -> Decimal | None:
    """Against the decision's mark, worse for the taker positive; None where the decision had no mark."""
    reference = order.decision_mark
    if not reference:
        return None
    worse = price - reference if order.side is Side.BUY else reference - price
    return quotient(worse * BPS, reference)
