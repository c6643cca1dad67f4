"""
What a market record does to the orders that stand in the market: limit orders in their queues, stops before their trigger.

A resting order gets, and pays the maker fee at its own price for:
1. trades at its price by takers of the other side, once nobody is ahead of it in its queue (`queue`, the queue model is named);
2. trades through its price, to the quantity traded (`trade_through`);
3. a displayed book that has come through its price, to the quantity displayed (`book_through`).
While the displayed market stays within its price (`crossed`), its price is no longer the market's: it then gets what is newly
displayed, at the displayed prices (`book_walk`). An order that takes on arrival and whose rest the market still reaches goes on
like that too, with the taker fee, until it has once stood clear of the market; from then on it makes.

Paper orders share what is there: by price, then by arrival; a trade's quantity and a level's are given out once. Trades count from
an order's arrival on by their exchange time, so none fills it that happened before it was there. A record's trades come before what
it displays.

Where the book is void, absent or crossed orders stay, and only trades through their price fill them; trades at their price say
nothing then. So it is where a symbol has never shown a book. Where only the order's own side is displayed, trades say where the
market is. With the feed down nothing fills.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from streams.domain.execution import queue as queues
from streams.domain.execution.displayed import displayed, speaks_of, touch, usable
from streams.domain.execution.paper_exchange import can_act, stop_price_source, take, take_or_rest
from streams.domain.execution.results import BOOK_THROUGH, TRADE_THROUGH, filled
from streams.domain.execution.venue import Terms, Venue
from streams.domain.execution.working import Fill, Working
from streams.domain.money import ZERO, floor_to, quotient
from streams.domain.records import Instrument, Liquidity, MarketData, OrderResult, Side, Trade

TermsOf = Callable[[str], Terms]


class _Part(NamedTuple):
    """What one trade gave an order, at one price."""

    quantity: Decimal
    price: Decimal
    liquidity: Liquidity
    model: str


Parts = dict[str, list[_Part]]


def on_market(venue: Venue, data: MarketData, *, terms: TermsOf) -> list[OrderResult]:
    """The answers to standing orders on a record that the venue has taken in; `terms` by account."""
    if data.feed_down:
        return []
    answers: list[OrderResult] = []
    if venue.buys or venue.sells:
        whole = usable(venue.book)
        if data.trades:
            answers += _on_trades(venue, data, whole, terms)
        _place(venue, data, terms)
        if whole:
            answers += _on_display(venue, data.time, terms)
        if answers:
            venue.buys[:] = [order for order in venue.buys if order.remaining]
            venue.sells[:] = [order for order in venue.sells if order.remaining]
    if venue.stops:
        answers += _on_stops(venue, data, terms)
    return answers


def _on_trades(venue: Venue, data: MarketData, whole: bool, terms: TermsOf) -> list[OrderResult]:
    parts: Parts = {}
    for trade in data.trades:
        left = trade.quantity
        # A seller meets the bids first; what went through the price of the other side is theirs.
        for side in (Side.BUY, Side.SELL) if trade.aggressor is Side.SELL else (Side.SELL, Side.BUY):
            left = _on_trade(venue, side, trade, left, whole, data.time, parts, terms)
    if venue.tape.minutes:
        # No book was ever shown: the model must not sell the same trades once more.
        venue.tape.minutes[-1].available -= sum((part.quantity for got in parts.values() for part in got), ZERO)
    answers = []
    for order in [*venue.buys, *venue.sells]:
        answers += [
            filled(order, fill, now=data.time, venue=venue, terms=terms(order.account))
            for fill in _fills(parts.get(order.order_id, []))
        ]
    return answers


def _on_trade(
    venue: Venue, side: Side, trade: Trade, left: Decimal, whole: bool, now: int, parts: Parts, terms: TermsOf
) -> Decimal:
    """What is left of the trade after one side's orders."""
    through = ZERO
    # Whether the display says where the other side stands; where it does not, trades say it.
    faced = whole and touch(venue.book, venue.last_price, side) is not None
    for order in venue.buys if side is Side.BUY else venue.sells:
        if trade.time < order.acted_at:
            continue
        if not order.met_by(trade.price):
            if not faced:
                order.crossed, order.rested = False, True
            continue
        price, model = order.price, TRADE_THROUGH
        if order.crossed:
            if faced:
                continue
            price = trade.price
        elif trade.price == order.price:
            if not whole or trade.aggressor is order.side or order.queue.ahead is None:
                continue
            left, through = queues.on_trade(order.queue, traded=trade.quantity, left=left, through=through, now=now)
            model = f"queue_{terms(order.account).queue.name}"
        else:
            queues.on_traded_through(order.queue)
            order.crossed = not faced
        got = parts.setdefault(order.order_id, [])
        quantity = _in_lots(left, order.remaining - sum((part.quantity for part in got), ZERO), terms(order.account).instrument)
        if quantity:
            left -= quantity
            got.append(_Part(quantity, price, Liquidity.MAKER if order.rested else Liquidity.TAKER, model))
    return left


def _in_lots(left: Decimal, wanted: Decimal, instrument: Instrument | None) -> Decimal:
    """All that is wanted, else what is left in whole lots: a queue model may leave a share that nobody trades."""
    if left >= wanted or instrument is None:
        return min(left, wanted)
    return floor_to(left, instrument.lot_size)


def _fills(parts: list[_Part]) -> list[Fill]:
    """What one record's trades gave an order: one fill for each run of trades of one kind."""
    fills: list[Fill] = []
    for quantity, price, liquidity, model in parts:
        notional = quantity * price
        if fills and (fills[-1].liquidity, fills[-1].model) == (liquidity, model):
            last = fills.pop()
            quantity, notional = quantity + last.quantity, notional + last.notional
        fills.append(Fill(quantity, notional, quotient(notional, quantity), liquidity, model))
    return fills


def _place(venue: Venue, data: MarketData, terms: TermsOf) -> None:
    """What the record's display says of the queues."""
    book = venue.book
    for order in (*venue.buys, *venue.sells):
        if not book.present:
            queues.on_void(order.queue)
        elif order.queue.ahead is None or speaks_of(data, order.side, order.price):
            shown = displayed(book, order.side, order.price)
            if shown is not None:
                queues.on_display(order.queue, shown, now=data.time, model=terms(order.account).queue)


def _on_display(venue: Venue, now: int, terms: TermsOf) -> list[OrderResult]:
    """Where the displayed market reaches orders' prices they get what is displayed there, best first."""
    answers = []
    for order in (*venue.buys, *venue.sells):
        best = touch(venue.book, venue.last_price, order.side)
        if best is None:
            continue
        if not order.met_by(best):
            order.crossed, order.rested = False, True
            continue
        if not order.remaining:
            continue
        fill = take(venue, order, now=now)
        if fill is not None:
            answers.append(filled(order, _made(order, fill), now=now, venue=venue, terms=terms(order.account)))
        if not order.crossed:
            queues.on_traded_through(order.queue)
            order.crossed = True
    return answers


def _made(order: Working, fill: Fill) -> Fill:
    """The same quantity as the order's own kind of fill: a maker's at its price as the market comes through it."""
    if not order.rested:
        return fill
    if order.crossed:
        return fill._replace(liquidity=Liquidity.MAKER)
    return Fill(fill.quantity, fill.quantity * order.price, order.price, Liquidity.MAKER, BOOK_THROUGH)


def _on_stops(venue: Venue, data: MarketData, terms: TermsOf) -> list[OrderResult]:
    answers = []
    for order in venue.stops:
        own = terms(order.account)
        if not order.triggered:
            order.triggered = _set_off(venue, order, data, own)
        if order.triggered and can_act(venue, order, own):
            order.acted_at = data.time
            answers += take_or_rest(venue, order, now=data.time, terms=own)
    venue.stops[:] = [order for order in venue.stops if order.waiting]
    return answers


def _set_off(venue: Venue, order: Working, data: MarketData, terms: Terms) -> bool:
    """Whether the record brings the stop price: any of its trades, or the middle that it leaves."""
    if terms.stop_trigger == "mid" and venue.book.depth_seen:
        middle = stop_price_source(venue, terms)
        return middle is not None and order.stopped_by(middle)
    return any(trade.time >= order.acted_at and order.stopped_by(trade.price) for trade in data.trades)
