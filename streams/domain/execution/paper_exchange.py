"""
The paper exchange for one symbol: what an order gets when it reaches the real market, and how it ends.

A taking order walks the visible levels, best first, without what earlier paper fills took and no further than its limit price.
Nothing is ever filled beyond what is displayed. Only where a symbol has never shown a book does the model of `trades_only` price
the fill, and the fill says so.

| order | takes at once | the rest |
|---|---|---|
| MARKET | all it finds | cancelled |
| LIMIT | what is displayed within its price | rests, see `resting` |
| LIMIT_MAKER | nothing; rejected where the displayed market reaches its price | rests |
| IMMEDIATE_OR_CANCEL | what is displayed within its price | cancelled |
| FILL_OR_KILL | all of it within its price, or nothing | cancelled |
| STOP, STOP_LIMIT | nothing until the trigger; then as MARKET, LIMIT | waits |
| CANCEL | ends its target with what was filled; no answer of its own, and none where the target has ended | |

A stop's trigger is the last trade's price or, by setting, the middle of best bid and ask (where a symbol has shown a book): at the
stop price or beyond it, above for a BUY, below for a SELL; also as the order arrives. A stop that is set off while the symbol is not
online, or its book is void or crossed, acts with the first record on which the market is whole again.

An order ends exactly once: FILLED, CANCELLED, REJECTED, or EXPIRED at `expires_at`, before the market records of that microsecond.
A cancellation that overtakes its target on the way ends it there. Minima of quantity and notional are risk's business.
"""

from collections.abc import Callable
from decimal import Decimal

from streams.domain.book import top, visible
from streams.domain.execution import taken as taking
from streams.domain.execution import trades_only
from streams.domain.execution.acceptance import closed, no_market, refusal
from streams.domain.execution.displayed import displayed, touch
from streams.domain.execution.market_order import walk_quantity, within
from streams.domain.execution.results import BOOK_WALK, TRADES_ONLY, ended, filled
from streams.domain.execution.venue import Terms, Venue, remove, rest, standing
from streams.domain.execution.working import STOPS, Fill, OnItsWay, Working, working
from streams.domain.money import ZERO
from streams.domain.records import Liquidity, Order, OrderResult, OrderType, ResultStatus

_NO_REST = {
    OrderType.MARKET: "NO_MORE_DEPTH", OrderType.STOP: "NO_MORE_DEPTH",
    OrderType.IMMEDIATE_OR_CANCEL: "NO_MORE_WITHIN_LIMIT", OrderType.FILL_OR_KILL: "NOT_FILLABLE_AT_ONCE",
}  # fmt: skip


def on_order(venue: Venue, order: Order, *, now: int, terms: Terms) -> list[OrderResult]:
    """
    The answers to an approved order that comes to the market at `now`, in order; none where it is still on its way, rests or waits.

    The last answer to an order that ends is terminal.
    """
    beyond = terms.latency.beyond_least(order.event_id)
    if beyond:
        venue.on_their_way.append(OnItsWay(now + beyond, working(order)))
        return []
    return act(venue, working(order), now=now, terms=terms)


def act(venue: Venue, order: Working, *, now: int, terms: Terms) -> list[OrderResult]:
    """The answers to an order that has arrived."""
    if order.order_type is OrderType.CANCEL:
        return _cancel(venue, order, now=now, terms=terms)
    if order.expires_at is not None and order.expires_at <= now:
        return [ended(order, ResultStatus.EXPIRED, "EXPIRES_AT", now=now, venue=venue, terms=terms)]
    reason = refusal(venue, order, terms.instrument)
    if reason is not None:
        return [ended(order, ResultStatus.REJECTED, reason, now=now, venue=venue, terms=terms)]
    order.acted_at, order.arrival = now, venue.arrivals
    venue.arrivals += 1
    if order.order_type in STOPS:
        price = stop_price_source(venue, terms)
        order.waiting = True
        order.triggered = price is not None and order.stopped_by(price)
        if not order.triggered or not can_act(venue, order, terms):
            venue.stops.append(order)
            return []
    return take_or_rest(venue, order, now=now, terms=terms)


def can_act(venue: Venue, order: Working, terms: Terms) -> bool:
    """Whether a stop that was set off meets a market."""
    return closed(venue, terms.instrument) is None and no_market(venue, order) is None


def stop_price_source(venue: Venue, terms: Terms) -> Decimal | None:
    """The price that stops are held against as things stand; None where there is none to trust."""
    if terms.stop_trigger != "mid" or not venue.book.depth_seen:
        return venue.last_price
    best = top(venue.book)
    return None if best.bid is None or best.ask is None or best.crossed else (best.bid + best.ask) / 2


def take_or_rest(venue: Venue, order: Working, *, now: int, terms: Terms) -> list[OrderResult]:
    """What an order gets from the market as it stands, and its end or its place among the resting ones."""
    order.waiting = False
    price = touch(venue.book, venue.last_price, order.side)
    crossed = price is not None and (order.limit_price is None or order.met_by(price))
    if crossed and order.order_type is OrderType.LIMIT_MAKER:
        return [ended(order, ResultStatus.REJECTED, "WOULD_TAKE", now=now, venue=venue, terms=terms)]
    fill = take(venue, order, now=now) if crossed else None
    answers = [] if fill is None else [filled(order, fill, now=now, venue=venue, terms=terms)]
    if not order.remaining:
        return answers
    if order.order_type in _NO_REST:
        return [*answers, _unfilled(venue, order, now=now, terms=terms)]
    _take_place(venue, order, crossed=crossed, alone=price is None)
    return answers


def _take_place(venue: Venue, order: Working, *, crossed: bool, alone: bool) -> None:
    """Among the resting orders; `alone`: nothing is displayed on the other side."""
    shown = displayed(venue.book, order.side, order.price)
    order.queue.ahead, order.queue.shown = (ZERO, None) if crossed else (shown, shown)
    order.crossed, order.rested = crossed, not crossed
    if alone:
        # Beyond the last trade, or before any, nobody knows the market to be on the other side of its price.
        order.crossed = venue.last_price is None or order.met_by(venue.last_price)
    rest(venue, order)


def take(venue: Venue, order: Working, *, now: int) -> Fill | None:
    """What the market displays for the order, which is then gone for others; None where that is nothing."""
    whole, wanted = order.order_type is OrderType.FILL_OR_KILL, order.remaining
    if not venue.book.depth_seen:
        priced = trades_only.model_fill(
            venue.tape, side=order.side, quantity=wanted, now=now, limit=order.limit_price, whole=whole
        )
        if priced is None:
            return None
        return Fill(priced.quantity, priced.quantity * priced.price, priced.price, Liquidity.TAKER, TRADES_ONLY)
    levels = taking.remaining(venue.taken, visible(venue.book, order.side), order.side)
    walk = walk_quantity(within(levels, order.limit_price, order.side), wanted)
    if not walk.quantity or (whole and walk.quantity < wanted):
        return None
    taking.take(venue.taken, walk.levels, order.side)
    return Fill(walk.quantity, walk.notional, walk.average_price, Liquidity.TAKER, BOOK_WALK)


def on_arrivals(venue: Venue, now: int, terms: Callable[[str], Terms]) -> list[OrderResult]:
    """The orders whose latency ends now, in the order in which they were sent; `terms` by account."""
    arrived = [sent.order for sent in venue.on_their_way if sent.due <= now]
    venue.on_their_way = [sent for sent in venue.on_their_way if sent.due > now]
    answers = []
    for order in arrived:
        answers += act(venue, order, now=now, terms=terms(order.account))
    return answers


def on_expiry(venue: Venue, now: int, terms: Callable[[str], Terms]) -> list[OrderResult]:
    """The end of every order whose time has come, in order of arrival."""
    due = [order for order in standing(venue) if order.expires_at is not None and order.expires_at <= now]
    answers = []
    for order in sorted(due, key=lambda order: order.arrival):
        remove(venue, order)
        answers.append(
            ended(order, ResultStatus.EXPIRED, "EXPIRES_AT", now=now, venue=venue, terms=terms(order.account))
        )
    return answers


def _cancel(venue: Venue, cancel: Working, *, now: int, terms: Terms) -> list[OrderResult]:
    known = [*standing(venue), *(sent.order for sent in venue.on_their_way)]
    target = next((order for order in known if order.order_id == cancel.target_order_id), None)
    if target is None:
        if not cancel.acted_at:
            # An order of the same microsecond may be handled after its cancellation: ids order them, not who came first.
            cancel.acted_at = now
            venue.on_their_way.append(OnItsWay(now + 1, cancel))
        return []
    assert target.account == cancel.account, f"{cancel.order_id} of {cancel.account} cancels an order of {target.account}"
    remove(venue, target)
    return [ended(target, ResultStatus.CANCELLED, "CANCEL_REQUESTED", now=now, venue=venue, terms=terms)]


def _unfilled(venue: Venue, order: Working, *, now: int, terms: Terms) -> OrderResult:
    """The end of an order that does not rest: a market order that found nothing at all was rejected by the market."""
    if order.limit_price is None and not order.filled:
        reason = "NO_DEPTH" if venue.book.depth_seen else "NO_TRADES"
        return ended(order, ResultStatus.REJECTED, reason, now=now, venue=venue, terms=terms)
    return ended(order, ResultStatus.CANCELLED, _NO_REST[order.order_type], now=now, venue=venue, terms=terms)
