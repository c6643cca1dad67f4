"""
The visible order book of one symbol, from snapshots, depth deltas and best bid/ask quotes.

Prices in quote currency, quantities in base units. Levels come from snapshots and deltas alone; the newest best bid/ask (a book
ticker) is laid over them while it is newer than they are: it then is the top, and levels better than it are not visible. So a
delta that is older than the ticker cannot bring back a top that is gone, and a ticker never changes a level for good.

Levels are two parallel lists in rising price order: a change costs one bisection and one short memory move (under 2 µs with
5,000 levels a side), walking needs no copy, and the state's encoding is the lists themselves.

Deliberately ignored: who is behind a level, and levels beyond `LEVELS_MAX` a side, farthest first.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from streams.domain.records import Level, MarketData, Side

LEVELS_MAX = 20_000


class Levels(msgspec.Struct):
    """One side: `prices` rising and all different, `quantities` (> 0) at the same places."""

    prices: list[Decimal] = []
    quantities: list[Decimal] = []


class Quote(msgspec.Struct):
    """The newest best bid/ask that was pushed; a side the venue left out is None."""

    update_id: int | None
    bid: Decimal | None
    bid_quantity: Decimal
    ask: Decimal | None
    ask_quantity: Decimal


class Book(msgspec.Struct):
    """
    `present`: the levels are whole, from a snapshot on. `gap`, `feed_down`: why they may not be.

    `quoted`: `quote` is newer than the levels and lies over them. `depth_seen`: this symbol ever had levels or quotes.
    `time`: logical µs of the newest record that changed the book; `update_id`: the exchange's id of the levels.
    """

    bids: Levels = msgspec.field(default_factory=Levels)
    asks: Levels = msgspec.field(default_factory=Levels)
    quote: Quote | None = None
    quoted: bool = False
    update_id: int | None = None
    present: bool = False
    gap: bool = False
    feed_down: bool = False
    depth_seen: bool = False
    time: int | None = None


class Top(msgspec.Struct, frozen=True, gc=False):
    """Best bid and ask as they are visible now; None where a side is empty."""

    bid: Decimal | None
    bid_quantity: Decimal | None
    ask: Decimal | None
    ask_quantity: Decimal | None

    @property
    def crossed(self) -> bool:
        return self.bid is not None and self.ask is not None and self.bid >= self.ask


def on_market(book: Book, data: MarketData) -> None:
    """Applies one record: first what voids the book, then levels, then the quote."""
    if data.feed_down:
        book.feed_down = True
        _void(book)
        return
    book.feed_down = False
    if data.gap:
        book.gap = True
        _void(book)
    elif book.gap and not book.depth_seen:
        # Without levels there will be no snapshot to end the gap: the next record does.
        book.gap = False
    if data.snapshot:
        _replace(book, data)
    elif data.bids or data.asks:
        _change(book, data)
    if data.best_bid is not None or data.best_ask is not None:
        _requote(book, data)


def top(book: Book) -> Top:
    """Best bid and ask: the quote's while it is newer than the levels, else the levels' own."""
    quote = book.quote if book.quoted else None
    bids, asks = book.bids, book.asks
    bid = bid_quantity = ask = ask_quantity = None
    if quote is not None and quote.bid is not None:
        bid, bid_quantity = quote.bid, quote.bid_quantity
    elif bids.prices:
        bid, bid_quantity = bids.prices[-1], bids.quantities[-1]
    if quote is not None and quote.ask is not None:
        ask, ask_quantity = quote.ask, quote.ask_quantity
    elif asks.prices:
        ask, ask_quantity = asks.prices[0], asks.quantities[0]
    return Top(bid, bid_quantity, ask, ask_quantity)


def is_crossed(book: Book) -> bool:
    """Whether the visible best bid is not below the best ask: `top(book).crossed`, asked for with every record."""
    quote = book.quote if book.quoted else None
    bid, ask = (None, None) if quote is None else (quote.bid, quote.ask)
    if bid is None:
        bid = book.bids.prices[-1] if book.bids.prices else None
    if ask is None:
        ask = book.asks.prices[0] if book.asks.prices else None
    return bid is not None and ask is not None and bid >= ask


def visible(book: Book, taker: Side) -> Iterator[tuple[Decimal, Decimal]]:
    """What a taker meets, best price first: the asks for a BUY, the bids for a SELL, as (price, quantity)."""
    quote = book.quote if book.quoted else None
    if taker is Side.BUY:
        prices, quantities, first = book.asks.prices, book.asks.quantities, 0
        if quote is not None and quote.ask is not None:
            yield quote.ask, quote.ask_quantity
            first = bisect_right(prices, quote.ask)
        for place in range(first, len(prices)):
            yield prices[place], quantities[place]
        return
    prices, quantities, last = book.bids.prices, book.bids.quantities, len(book.bids.prices)
    if quote is not None and quote.bid is not None:
        yield quote.bid, quote.bid_quantity
        last = bisect_left(prices, quote.bid)
    for place in range(last - 1, -1, -1):
        yield prices[place], quantities[place]


def _void(book: Book) -> None:
    book.bids, book.asks = Levels(), Levels()
    book.present, book.update_id = False, None
    if book.quote is not None:
        # The exchange may count anew after this: the next snapshot is newer, whatever its id.
        book.quote.update_id = None


def _replace(book: Book, data: MarketData) -> None:
    book.bids, book.asks = _sorted(data.bids), _sorted(data.asks)
    book.present, book.gap, book.depth_seen = True, False, True
    _levels_changed(book, data)


def _change(book: Book, data: MarketData) -> None:
    book.depth_seen = True
    if not book.present:
        return
    if data.update_id is not None and book.update_id is not None and data.update_id <= book.update_id:
        return
    _apply(book.bids, data.bids, farthest=0)
    _apply(book.asks, data.asks, farthest=-1)
    _levels_changed(book, data)


def _levels_changed(book: Book, data: MarketData) -> None:
    book.update_id, book.time = data.update_id, data.time
    if book.quoted and book.quote is not None:
        book.quoted = _newer(book.quote.update_id, data.update_id, unknown=False)


def _requote(book: Book, data: MarketData) -> None:
    old = book.quote
    if old is not None and not _newer(data.update_id, old.update_id, unknown=True):
        return
    zero = Decimal(0)
    book.quote = Quote(
        data.update_id, data.best_bid, data.best_bid_quantity or zero, data.best_ask, data.best_ask_quantity or zero
    )
    book.quoted = not book.present or _newer(data.update_id, book.update_id, unknown=True)
    book.depth_seen, book.time = True, data.time


def _newer(update_id: int | None, than: int | None, *, unknown: bool) -> bool:
    """Whether the state of `update_id` is newer; `unknown` where a venue gives no ids."""
    return unknown if update_id is None or than is None else update_id > than


def _apply(side: Levels, changes: list[Level], *, farthest: int) -> None:
    prices, quantities = side.prices, side.quantities
    for change in changes:
        price, quantity = change.price, change.quantity
        place = bisect_left(prices, price)
        if place < len(prices) and prices[place] == price:
            if quantity:
                quantities[place] = quantity
            else:
                del prices[place], quantities[place]
        elif quantity:
            prices.insert(place, price)
            quantities.insert(place, quantity)
            if len(prices) > LEVELS_MAX:
                del prices[farthest], quantities[farthest]


def _sorted(levels: list[Level]) -> Levels:
    quantities = {level.price: level.quantity for level in levels}
    prices = sorted(price for price, quantity in quantities.items() if quantity)
    return Levels(prices, [quantities[price] for price in prices])
