"""
One symbol's candles, mark candles and funding rates as points in time: what the market is taken to have shown, and when.

**Marks in step**: mark candles of the candles' own interval walk the same path at the same moments, low and high in the candle's
order. **Coarse marks** (8 hours beside minutes) are known when they open and not between: there the mark moves with the trades,
mark = last known mark · price / price then, rounded half to even at 12 places. A mark candle that is missing is bridged the same way.
Before the first known mark there is none.

**Gaps**: the first point after missing candles, a missing mark candle or a missing settlement is flagged; so are points of marks
where the candle is missing. A candle without volume is no gap, and no trade: its marks stand alone.

**Funding**: a rate is said one millisecond before it settles, when the exchange's own is final; no strategy reads it.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple

from streams.domain.money import UNIT, quotient
from streams.domain.records import Trade
from streams.exchange.candle_path import Path, Prices
from streams.exchange.candle_rules import HOUR, SECOND, SETTLEMENT_TOLERANCE
from streams.exchange.candle_series import Placed, SymbolSeries, rows_of

FUNDING_SAID_BEFORE = 1000  # µs


class Point(NamedTuple):
    """At `time` (µs): a trade, a mark or both, from a row of the file at `path`."""

    time: int
    path: str
    trade: Trade | None
    mark: Decimal | None
    gap: bool


class Rate(NamedTuple):
    """A funding rate, said at `time`; times in µs."""

    time: int
    path: str
    rate: Decimal
    interval_hours: int
    settlement_time: int


class _Known(NamedTuple):
    """A mark, and the trades' price when it was known."""

    mark: Decimal
    price: Decimal


class SymbolPoints:
    """The points of one symbol, in order of time; made once and read once."""

    def __init__(self, series: SymbolSeries, path: Path) -> None:
        self._series = series
        self._path = path
        self._expected = series.start  # the next candle's opening
        self._known: _Known | None = None
        self._in_step = series.mark_interval == path.interval
        self._anchors = deque[Placed]()
        if series.marks and not self._in_step:
            self._anchors.extend(rows_of(series.marks, start=series.start, end=series.end))
        self._mark_due: int | None = None
        self._missing_settlements = deque(_missing_settlements(series))

    def said(self) -> Iterator[Point | Rate]:
        """Points and rates together."""
        return heapq.merge(self._points(), self._rates(), key=lambda one: one.time)

    def _points(self) -> Iterator[Point]:
        series, span = self._series, {"start": self._series.start, "end": self._series.end}
        candles = ((placed.row.time, 0, placed) for placed in rows_of(series.candles, **span))
        marks = ((placed.row.time, 1, placed) for placed in rows_of(series.marks if self._in_step else (), **span))
        for open_time, group in groupby(heapq.merge(candles, marks, key=lambda one: one[:2]), key=lambda one: one[0]):
            found = {kind: placed for _, kind, placed in group}
            yield from self._candle(open_time, found.get(0), found.get(1))

    def _candle(self, open_time: int, candle: Placed | None, mark: Placed | None) -> Iterator[Point]:
        """The points of one interval: of its candle, of its mark candle, or of both."""
        gap = candle is None
        trades: list[Trade] = []
        low_first: bool | None = None
        if candle is not None:
            gap = open_time > self._expected or (self._in_step and mark is None)
            self._expected = open_time + self._path.interval
            row = candle.row
            prices = Prices(row.open, row.high, row.low, row.close)
            low_first = self._path.low_first(prices)
            trades = self._path.trades(prices, row.volume, open_time)
        marks = self._walked(mark, low_first)
        source = candle or mark
        assert source is not None, f"no row opens at {open_time}"
        for place, time in enumerate(self._path.moments(open_time) if trades or marks else ()):
            trade = trades[place] if trades else None
            flagged = self._settlement_is_missing(time) or gap
            if trade is not None:
                # Only the first point comes right after the hole.
                gap = False
            if marks:
                value: Decimal | None = marks[place]
                self._known = _Known(marks[place], trade.price) if trade is not None else self._known
            else:
                assert trade is not None, "a point shows a trade or a mark"
                flagged = self._take_anchors(time, trade.price) or flagged
                value = self._carried(trade.price)
            yield Point(time, source.path, trade, value, flagged)

    def _walked(self, mark: Placed | None, low_first: bool | None) -> list[Decimal]:
        if mark is None:
            return []
        row = mark.row
        prices = Prices(row.open, row.high, row.low, row.close)
        return self._path.walk(prices, low_first=self._path.low_first(prices) if low_first is None else low_first, tick=UNIT)

    def _take_anchors(self, time: int, price: Decimal) -> bool:
        """Takes the coarse marks that are known by `time`; whether one before them is missing."""
        missing = False
        while self._anchors and self._anchors[0].row.time <= time:
            row = self._anchors.popleft().row
            missing = missing or (self._mark_due is not None and row.time > self._mark_due)
            self._mark_due = row.time + self._series.mark_interval
            self._known = _Known(row.open, price)
        return missing

    def _carried(self, price: Decimal) -> Decimal | None:
        known = self._known
        return None if known is None else quotient(price * known.mark, known.price)

    def _settlement_is_missing(self, time: int) -> bool:
        missing = False
        while self._missing_settlements and self._missing_settlements[0] <= time:
            self._missing_settlements.popleft()
            missing = True
        return missing

    def _rates(self) -> Iterator[Rate]:
        series = self._series
        # One may settle at the very end, some ms after it, and none at the start: nobody holds anything yet.
        for path, row in rows_of(series.funding, start=series.start + 1, end=series.end + SECOND):
            yield Rate(row.time - FUNDING_SAID_BEFORE, path, row.open, series.funding_hours, row.time)


def _missing_settlements(series: SymbolSeries) -> Iterator[int]:
    """When it shows that a settlement is missing, for each one."""
    interval = series.funding_hours * HOUR
    due: int | None = None
    for _, row in rows_of(series.funding, start=max(series.start - interval, 0), end=series.end + interval):
        while due is not None and row.time > due + SETTLEMENT_TOLERANCE:
            if series.start < due <= series.end:
                yield due + SETTLEMENT_TOLERANCE
            due += interval
        due = row.time + interval
