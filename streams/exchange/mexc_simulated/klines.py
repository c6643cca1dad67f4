"""
The exchange's own candles: one minute from the trades, longer ones gathered from those when they are asked for.

A minute without trades is flat at the last close, with no volume. Times in µs; a window belongs to the exchange's UTC grid (weeks begin
on Monday, months on the first).
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby

import msgspec

from streams.domain.money import EXACT
from streams.domain.records import Trade
from streams.exchange.mexc_simulated.clock import DAY, HOUR, MICROSECONDS, MINUTE

# 1970-01-05 was a Monday.
_WEEK, _WEEK_BEGINS = 7 * DAY, 4 * DAY
MONTH = 0
LENGTHS = {
    "Min1": MINUTE, "Min5": 5 * MINUTE, "Min15": 15 * MINUTE, "Min30": 30 * MINUTE, "Min60": HOUR, "Hour4": 4 * HOUR,
    "Hour8": 8 * HOUR, "Day1": DAY, "Week1": _WEEK, "Month1": MONTH,
}  # fmt: skip


class Kline(msgspec.Struct):
    """One candle; volume in base units, amount in quote units."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)
    trades: int = 0


class KlineStore:
    """One symbol's minutes, in their order and without a hole."""

    def __init__(self) -> None:
        self.minutes: list[Kline] = []

    def on_trade(self, trade: Trade) -> None:
        """A trade of a minute long past is taken into that minute still."""
        start = trade.time // MINUTE * MINUTE
        if not self.minutes:
            self.minutes.append(_flat(start, trade.price))
        while start < self.minutes[0].start:
            self.minutes.insert(0, _flat(self.minutes[0].start - MINUTE, trade.price))
        self.reach(start)
        place = (start - self.minutes[0].start) // MINUTE
        kline = self.minutes[place]
        if not kline.trades:
            kline.open = kline.high = kline.low = trade.price
        kline.high, kline.low = max(kline.high, trade.price), min(kline.low, trade.price)
        kline.close = trade.price
        kline.volume = EXACT.add(kline.volume, trade.quantity)
        kline.amount = EXACT.add(kline.amount, EXACT.multiply(trade.price, trade.quantity))
        kline.trades += 1

    def reach(self, time: int) -> None:
        """Flat minutes up to the one that holds `time`."""
        while self.minutes and self.minutes[-1].start + MINUTE <= time:
            self.minutes.append(_flat(self.minutes[-1].start + MINUTE, self.minutes[-1].close))

    def minute(self, start: int) -> Kline | None:
        place = bisect_left(self.minutes, start, key=lambda kline: kline.start)
        if place < len(self.minutes) and self.minutes[place].start == start:
            return self.minutes[place]
        return None

    def between(self, interval: str, *, start: int, end: int) -> list[Kline]:
        """The candles of `interval` whose windows open in start ≤ time < end."""
        # A window may hold minutes that lie after `end`, and its first minute may be missing where the market began within it.
        first = window_of(interval, start) if start > 0 else 0
        place = bisect_left(self.minutes, first, key=lambda kline: kline.start)
        found = []
        for window, minutes in groupby(self.minutes[place:], key=lambda kline: window_of(interval, kline.start)):
            if window >= end:
                break
            if window >= start:
                found.append(_gathered(window, minutes))
        return found

    def current(self, interval: str) -> Kline | None:
        """The newest candle of an interval."""
        if not self.minutes:
            return None
        window = window_of(interval, self.minutes[-1].start)
        found = self.between(interval, start=window, end=window + 1)
        return found[0] if found else None


def window_of(interval: str, time: int) -> int:
    """When the window that holds `time` opens."""
    length = LENGTHS[interval]
    if length == MONTH:
        day = datetime.fromtimestamp(time / MICROSECONDS, UTC)
        return int(datetime(day.year, day.month, 1, tzinfo=UTC).timestamp()) * MICROSECONDS
    if length == _WEEK:
        return (time - _WEEK_BEGINS) // _WEEK * _WEEK + _WEEK_BEGINS
    return time // length * length


def window_end(interval: str, start: int) -> int:
    """When the window that opens at `start` ends."""
    length = LENGTHS[interval]
    return window_of(interval, start + 32 * DAY) if length == MONTH else start + length


def _flat(start: int, price: Decimal) -> Kline:
    return Kline(start, price, price, price, price)


def _gathered(window: int, minutes: Iterator[Kline]) -> Kline:
    first = next(minutes)
    found = Kline(window, first.open, first.high, first.low, first.close, first.volume, first.amount, first.trades)
    for one in minutes:
        found.high, found.low, found.close = max(found.high, one.high), min(found.low, one.low), one.close
        found.volume = EXACT.add(found.volume, one.volume)
        found.amount = EXACT.add(found.amount, one.amount)
        found.trades += one.trades
    return found
