"""
What the market displays around one price: the level there, whether a record speaks of it, and the price a taker would meet.

The book's own rules hold: a newer best bid/ask is the top, and levels better than it are not there. A price beyond the farthest
visible level is out of view, which is not the same as an empty level.
"""

from bisect import bisect_left
from decimal import Decimal

from streams.domain.book import Book, top
from streams.domain.money import ZERO
from streams.domain.records import MarketData, Side


def displayed(book: Book, side: Side, price: Decimal) -> Decimal | None:
    """How much stands at `price` among the bids (BUY) or asks (SELL); None where the price is out of view."""
    quote = book.quote if book.quoted else None
    levels = book.bids if side is Side.BUY else book.asks
    if quote is not None:
        best, quantity = (quote.bid, quote.bid_quantity) if side is Side.BUY else (quote.ask, quote.ask_quantity)
        if best == price:
            return quantity
        if best is not None and (price > best if side is Side.BUY else price < best):
            return ZERO
    prices = levels.prices
    if not prices or (price < prices[0] if side is Side.BUY else price > prices[-1]):
        return None
    place = bisect_left(prices, price)
    return levels.quantities[place] if place < len(prices) and prices[place] == price else ZERO


def speaks_of(data: MarketData, side: Side, price: Decimal) -> bool:
    """Whether a record has news of `price` on that side: a snapshot, a delta for it, or a best price no better than it."""
    best, deltas = (data.best_bid, data.bids) if side is Side.BUY else (data.best_ask, data.asks)
    if best is not None and (best <= price if side is Side.BUY else best >= price):
        return True
    return data.snapshot or any(level.price == price for level in deltas)


def usable(book: Book) -> bool:
    """Whether the displayed book can be traded against: whole and not crossed."""
    return book.present and not top(book).crossed


def touch(book: Book, last_price: Decimal | None, taker: Side) -> Decimal | None:
    """The first price a taker meets: the best displayed one, or the last trade's where no book was ever shown."""
    if not book.depth_seen:
        return last_price
    best = top(book)
    return best.ask if taker is Side.BUY else best.bid
