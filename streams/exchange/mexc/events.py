"""
What MEXC's websockets say, typed, before it is a push: the protocols yield these, the feed takes them.

Times are microseconds since 1970 UTC, prices in quote units, quantities in base units (contracts times contract size). `symbol` is the
venue's own spelling. A quantity of zero in a depth change removes the level.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from streams.domain.records import Level, Trade


class Market(StrEnum):
    """Which of MEXC's two services: each has protocol, limits and spellings of its own."""

    SPOT = "spot"
    FUTURES = "futures"


class Kind(StrEnum):
    """What can be subscribed to, for one symbol each."""

    DEALS = "deals"
    BOOK_TICKER = "book_ticker"  # spot alone
    DEPTH = "depth"
    KLINE = "kline"  # one minute
    FAIR_PRICE = "fair_price"  # futures alone, as the next two
    INDEX_PRICE = "index_price"
    FUNDING_RATE = "funding_rate"


class Subscription(msgspec.Struct, frozen=True, order=True):
    """One channel of one symbol."""

    kind: Kind
    symbol: str


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`event_time`: the exchange's, None where it gave none."""

    symbol: str
    event_time: int | None = None


class Deals(Event, frozen=True, kw_only=True):
    """Trades in the exchange's order; ids are empty where it gave none (before June 2026)."""

    trades: list[Trade]


class BookTicker(Event, frozen=True, kw_only=True):
    """Best bid and ask; `version` None where it gave none."""

    bid: Decimal
    bid_quantity: Decimal
    ask: Decimal
    ask_quantity: Decimal
    version: int | None


class DepthChange(Event, frozen=True, kw_only=True):
    """Levels that changed between two versions of the book: it joins a book of version `previous` and makes it `version`."""

    previous: int
    version: int
    bids: list[Level]
    asks: list[Level]


class DepthSnapshot(Event, frozen=True, kw_only=True):
    """The whole book at a version, best first."""

    version: int
    bids: list[Level]
    asks: list[Level]


class Kline(Event, frozen=True, kw_only=True):
    """The exchange's own candle of one minute, open or closed; `start` of its window, volume in base units, amount in quote units."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    amount: Decimal


class FairPrice(Event, frozen=True, kw_only=True):
    """The exchange's mark of a perpetual."""

    price: Decimal


class IndexPrice(Event, frozen=True, kw_only=True):
    """The index behind a perpetual."""

    price: Decimal


class FundingRate(Event, frozen=True, kw_only=True):
    """`rate` a fraction per interval, positive: longs pay, at `settlement_time`."""

    rate: Decimal
    settlement_time: int


class Acknowledged(msgspec.Struct, frozen=True):
    """A subscription that the exchange has taken."""

    subscription: Subscription


class Refused(msgspec.Struct, frozen=True):
    """A subscription that it has not, with its own words ("Blocked!")."""

    subscription: Subscription
    reason: str


class Pong(msgspec.Struct, frozen=True):
    """The answer to our ping."""

    time: int | None = None


class Ignored(msgspec.Struct, frozen=True):
    """A well-formed frame that says nothing we take; `what` names it, to be counted."""

    what: str


Said = Event | Acknowledged | Refused | Pong | Ignored
