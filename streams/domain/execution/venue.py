"""
One symbol's market as execution sees it, and the paper orders that stand in it.

Several accounts' orders stand in one venue, in price and time priority; what one of them got is gone for the others. They meet the
real market alone: paper orders never match each other, be they one account's or two.
"""

from bisect import insort
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain import book as books
from streams.domain.book import Book, top
from streams.domain.execution import taken as taking
from streams.domain.execution import trades_only
from streams.domain.execution.fees import FeeSchedule
from streams.domain.execution.latency import LatencyModel
from streams.domain.execution.queue_model import Pessimistic, QueueModel
from streams.domain.execution.taken import Taken
from streams.domain.execution.trades_only import Tape
from streams.domain.execution.working import OnItsWay, Working
from streams.domain.records import Instrument, MarketData, Side


class Venue(msgspec.Struct):
    """
    `market_id`: the newest real record that it holds; `last_price`: of the newest trade.

    `buys` and `sells` rest, best price first, equal ones in order of arrival; `stops` wait in order of arrival; `on_their_way` in
    the order in which they were sent.
    """

    book: Book = msgspec.field(default_factory=Book)
    taken: Taken = msgspec.field(default_factory=Taken)
    tape: Tape = msgspec.field(default_factory=Tape)
    market_id: str | None = None
    last_price: Decimal | None = None
    buys: list[Working] = []
    sells: list[Working] = []
    stops: list[Working] = []
    on_their_way: list[OnItsWay] = []
    arrivals: int = 0


class Terms(NamedTuple):
    """What holds for one account's orders of one symbol; `stop_trigger` as in the settings."""

    instrument: Instrument | None
    fees: FeeSchedule
    latency: LatencyModel
    queue: QueueModel = Pessimistic()
    stop_trigger: str = "last_trade"


def on_market(venue: Venue, data: MarketData) -> None:
    """Takes one record in; what it means to orders that stand here, `resting.on_market` says."""
    if venue.taken.bids or venue.taken.asks:
        before = top(venue.book)
        books.on_market(venue.book, data)
        taking.on_market(venue.taken, data, before=before, after=top(venue.book), book=venue.book)
    else:
        books.on_market(venue.book, data)
    if data.feed_down:
        return
    venue.market_id = data.event_id
    trades = data.trades
    if trades:
        venue.last_price = trades[-1].price
    if venue.book.depth_seen:
        if venue.tape.minutes:
            venue.tape.minutes = []
    elif trades:
        trades_only.on_trades(venue.tape, data)


def rest(venue: Venue, order: Working) -> None:
    """Puts an order with a limit price among the resting ones, by its priority."""
    if order.side is Side.BUY:
        insort(venue.buys, order, key=lambda other: (-other.price, other.arrival))
    else:
        insort(venue.sells, order, key=lambda other: (other.price, other.arrival))


def standing(venue: Venue) -> Iterator[Working]:
    """Every order that has reached the market and not ended."""
    yield from venue.buys
    yield from venue.sells
    yield from venue.stops


def remove(venue: Venue, order: Working) -> None:
    """Takes an order away that has ended."""
    side = venue.buys if order.side is Side.BUY else venue.sells
    for orders in (side, venue.stops):
        orders[:] = [other for other in orders if other is not order]
    venue.on_their_way = [sent for sent in venue.on_their_way if sent.order is not order]


def deadlines(venue: Venue) -> list[tuple[int, str]]:
    """When something must happen here without a record, as (logical µs, the timer's name)."""
    due = [(sent.due, "arrival") for sent in venue.on_their_way]
    return due + [(order.expires_at, "expiry") for order in standing(venue) if order.expires_at is not None]
