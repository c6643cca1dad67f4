"""
Our candle of each minute against the exchange's own: a trade that never came shows here, though no version numbers trades.

The exchange's candle of a window is final once one of a later window is heard, and `GRACE` after that (trades of the last moment come
late) it is compared. Windows that began before all trades were heard are not compared. Times in µs, receive clock.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.money import ZERO
from streams.domain.records import Trade
from streams.exchange.mexc.events import Kline

MINUTE = 60_000_000
GRACE = 2_000_000
# Windows that are kept at most: those that a backfill can still reach.
WINDOWS_MAX = 10
# The exchange's clock may be ahead of ours: a window is whole only where it began this much after the first trade could be heard.
CLOCKS_APART = 10_000_000


class Candle(msgspec.Struct):
    """Trades of one window in order of their time; of equal times the first told opens and the last told closes."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    open_time: int
    close_time: int

    def take(self, trade: Trade) -> None:
        if trade.time < self.open_time:
            self.open, self.open_time = trade.price, trade.time
        if trade.time >= self.close_time:
            self.close, self.close_time = trade.price, trade.time
        self.high, self.low = max(self.high, trade.price), min(self.low, trade.price)
        self.volume += trade.quantity


class Mismatch(NamedTuple):
    """The window (its start) in which trades seem to be missing."""

    start: int


class CandleCheck:
    """`whole_from`: in windows that begin then or later every trade has been heard, as far as is known."""

    def __init__(self) -> None:
        self.whole_from: int | None = None
        self.compared = 0
        self._ours: dict[int, Candle] = {}
        self._theirs: dict[int, Kline] = {}
        self._due: dict[int, int] = {}

    def begin(self, now: int) -> None:
        """All trades are heard from now on, some before were not."""
        self.whole_from = now + CLOCKS_APART

    def on_trades(self, trades: list[Trade]) -> None:
        for trade in trades:
            start = trade.time // MINUTE * MINUTE
            candle = self._ours.get(start)
            if candle is None:
                price = trade.price
                candle = self._ours[start] = Candle(price, price, price, price, ZERO, trade.time, trade.time)
                if len(self._ours) > WINDOWS_MAX:
                    del self._ours[min(self._ours)]
            candle.take(trade)

    def on_kline(self, kline: Kline, now: int) -> None:
        newest = max(self._theirs, default=kline.start)
        if kline.start < newest or kline.start in self._due:
            return
        for start in self._theirs:
            if start < kline.start:
                self._due.setdefault(start, now + GRACE)
        self._theirs[kline.start] = kline

    def differing(self, now: int) -> list[Mismatch]:
        """The windows that are due and differ; each is told once."""
        if not self._due:
            return []
        found = []
        for start in [start for start, due in self._due.items() if due <= now]:
            del self._due[start]
            kline = self._theirs.pop(start)
            if self.whole_from is not None and start >= self.whole_from:
                self.compared += 1
                if not self.equals(kline):
                    found.append(Mismatch(start))
        return found

    def equals(self, kline: Kline) -> bool:
        """Whether our trades make this candle; one without trades has no volume, whatever its prices."""
        ours = self._ours.get(kline.start)
        if ours is None:
            return not kline.volume
        return (ours.high, ours.low, ours.volume) == (kline.high, kline.low, kline.volume)
