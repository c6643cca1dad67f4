"""
What an exchange sent, before it has a logical time: the common form that every adapter yields and the feed writer
takes.

Times are microseconds since 1970 UTC, quantities base units. A push is not yet a record: it has no id, no sequence, no
time.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple, Protocol

import msgspec

from streams.domain.records import Level, Trade
from streams.exchange.instruments import InstrumentSpec


class Position(NamedTuple):
    """
    Where a push stands in its source: file and line, the simulated market's epoch (JSON text) and number within it, or a
    file of candles and the feed's own count.
    """

    place: str
    number: int


# Before the place of what is told as history: its file may also be the market's.
HISTORY_PLACE = "history "


def in_history(position: Position) -> bool:
    """Whether a feed that stood there was still telling history."""
    return position.place.startswith(HISTORY_PLACE)


class Push(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One push for one symbol; `update_id` is the exchange's id of the book after it."""

    exchange: str
    symbol: str
    event_time: int | None
    receive_time: int
    source: Position
    trades: list[Trade] = []
    best_bid: Decimal | None = None
    best_bid_quantity: Decimal | None = None
    best_ask: Decimal | None = None
    best_ask_quantity: Decimal | None = None
    bids: list[Level] = []
    asks: list[Level] = []
    snapshot: bool = False  # bids and asks replace the book
    gap: bool = False  # something before it is missing: the book is void until the next snapshot
    update_id: int | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None


class FundingNotice(msgspec.Struct, frozen=True, kw_only=True):
    """What a perpetual's holders pay or get at `settlement_time`, said before; `rate` a fraction per interval, positive: longs pay."""

    exchange: str
    symbol: str
    event_time: int | None
    receive_time: int
    source: Position
    rate: Decimal
    interval_hours: int
    settlement_time: int
    provisional: bool = False  # the rate may still change: others for the same settlement follow, and the newest holds


class InstrumentNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A new version of a symbol's instrument, of `spec.valid_from` on."""

    exchange: str
    symbol: str
    event_time: int | None
    receive_time: int
    source: Position
    spec: InstrumentSpec


# What a feed puts on the log.
Told = Push | FundingNotice | InstrumentNotice


class Quiet(NamedTuple):
    """A live source heard nothing until `receive_time`: time may be promised by it."""

    receive_time: int


class Feed(Protocol):
    """A source of pushes: recorded files, candles, the simulated market, an exchange's connections."""

    @property
    def kind(self) -> str: ...

    @property
    def candles(self) -> int:
        """How many candles it reads; 0 where it reads none."""

    def instruments(self) -> list[InstrumentSpec]:
        """What the symbols are, one for each."""

    def pushes(self, after: Position | None = None, *, outage_until: int | None = None) -> Iterator[Told | Quiet]:
        """
        Every push and notice after `after` (None: from the start), by receive time. A live source also says when nothing arrives.

        `outage_until`: while the feed was away the timekeeper moved time to there. A market that goes on without its
        reader skips to it, says that something is missing and begins with snapshots; a recording goes on where it was.

        Raises: FeedError, naming file and line, where the source cannot be read or parsed; everything before is
        yielded.
        """
