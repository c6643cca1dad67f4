"""
What is missing, said and counted: each symbol's open gap with its cause and beginning, and the seconds that gaps have lasted.

A gap begins with the last thing heard before it, and ends once the book is whole again and trades were backfilled, or cannot be. Times
in µs of the receive clock.
"""

from collections import Counter
from enum import StrEnum
from typing import NamedTuple

import msgspec

from streams.exchange.mexc.events import Kind


class Cause(StrEnum):
    """How something missing was found."""

    RESTART = "restart"  # the feed was away
    CONNECTION = "connection"  # lost, silent, garbled
    VERSION = "version"  # a depth frame
    CANDLE = "candle"  # the exchange's candle is not that of our trades


class Gap(msgspec.Struct):
    """`book`, `trades`: what is still to be healed. `trades_lost`: they could not be backfilled."""

    cause: Cause
    begin: int
    book: bool
    trades: bool
    trades_asked: int = 0  # when REST was asked for them last
    trades_lost: bool = False
    end: int | None = None


class Completeness(msgspec.Struct):
    """Counts since the start, for people and metrics."""

    gaps: Counter[str] = msgspec.field(default_factory=Counter)  # by cause
    gap_microseconds: Counter[str] = msgspec.field(default_factory=Counter)  # by symbol
    trades_lost: int = 0  # gaps whose trades could not be backfilled
    trades_backfilled: int = 0
    duplicates: Counter[str] = msgspec.field(default_factory=Counter)  # by what: trades, depth, book_ticker, frame
    candles_compared: int = 0
    candles_wrong: int = 0  # the exchange's own, as all its trades are here
    garbled: int = 0
    refused: int = 0

    def closed(self, symbol: str, gap: Gap) -> None:
        assert gap.end is not None, "a gap that is counted has ended"
        self.gap_microseconds[symbol] += max(gap.end - gap.begin, 0)
        self.trades_lost += gap.trades_lost


class Want(NamedTuple):
    """What REST is to be asked for, as of when: a symbol's whole book, its trades since a time, or its funding."""

    symbol: str
    what: Kind  # DEPTH, DEALS or FUNDING_RATE
    asked: int
    since: int = 0
