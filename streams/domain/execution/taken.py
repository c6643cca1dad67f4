"""
What paper fills have taken from visible levels and the real market has not yet refreshed.

The market does not know of paper fills, so a level stays as displayed; what was taken from it stays taken until word of that
price comes: a delta or snapshot for it, a pushed best bid/ask that shows another price or quantity than before, or a void book.
A level that becomes the best because better ones are gone has not been spoken of.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from streams.domain.book import Book, Top
from streams.domain.records import Level, MarketData, Side


class TakenLevel(msgspec.Struct):
    price: Decimal
    quantity: Decimal


class Taken(msgspec.Struct):
    """By the side of the book: what is gone from `bids` and from `asks`, in order of taking; short lists."""

    bids: list[TakenLevel] = []
    asks: list[TakenLevel] = []


def on_market(taken: Taken, data: MarketData, *, before: Top, after: Top, book: Book) -> None:
    """Forgets what the record refreshed; `before` and `after` it are the tops of `book`."""
    if data.snapshot or not book.present:
        taken.bids, taken.asks = [], []
        return
    if taken.bids:
        taken.bids = _kept(taken.bids, data.bids, (before.bid, before.bid_quantity), (after.bid, after.bid_quantity), data.best_bid)
    if taken.asks:
        taken.asks = _kept(taken.asks, data.asks, (before.ask, before.ask_quantity), (after.ask, after.ask_quantity), data.best_ask)


def remaining(
    taken: Taken, levels: Iterable[tuple[Decimal, Decimal]], taker: Side
) -> Iterator[tuple[Decimal, Decimal]]:
    """The levels a taker meets, without what earlier paper fills took; may be 0, never below."""
    gone = taken.asks if taker is Side.BUY else taken.bids
    if not gone:
        yield from levels
        return
    for price, quantity in levels:
        less = sum(level.quantity for level in gone if level.price == price)
        yield price, max(quantity - less, Decimal(0))


def take(taken: Taken, levels: Iterable[tuple[Decimal, Decimal]], taker: Side) -> None:
    """Notes what a fill took from each level."""
    gone = taken.asks if taker is Side.BUY else taken.bids
    for price, quantity in levels:
        for level in gone:
            if level.price == price:
                level.quantity += quantity
                break
        else:
            gone.append(TakenLevel(price, quantity))


def _kept(
    gone: list[TakenLevel],
    deltas: list[Level],
    before: tuple[Decimal | None, Decimal | None],
    after: tuple[Decimal | None, Decimal | None],
    pushed: Decimal | None,
) -> list[TakenLevel]:
    refreshed = [delta.price for delta in deltas]
    if pushed is not None and after != before and after[0] is not None:
        refreshed.append(after[0])
    return [level for level in gone if level.price not in refreshed]
