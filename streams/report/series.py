"""
Curves with a bounded number of points that keep what matters: every extreme, the first and the last.

Times are µs of logical time in, milliseconds out (what the page's charts take); values are drawn, so they are floats here and
nowhere else. Points that are left out lie between a kept lowest and a kept highest of their stretch.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

CURVE_POINTS_MAX = 4000
BARS_MAX = 1500
DETAIL_BARS_MAX = 150
_PER_STRETCH = 4  # first, lowest, highest, last


class Curve(NamedTuple):
    """Values over times (µs), in the order of time."""

    times: Sequence[int]
    values: Sequence[float]


def thinned(curve: Curve, points_max: int = CURVE_POINTS_MAX) -> Curve:
    """
    At most `points_max` points of a curve: of each of equally many stretches the first, lowest, highest and last.

    The highest and the lowest of the whole curve are always among them, so a drawdown loses nothing of its depth.
    """
    count = len(curve.times)
    if count <= points_max:
        return curve
    stretches = max(points_max // _PER_STRETCH, 1)
    kept: list[int] = []
    for number in range(stretches):
        start, end = number * count // stretches, (number + 1) * count // stretches
        places = range(start, end)
        lowest = min(places, key=curve.values.__getitem__)
        highest = max(places, key=curve.values.__getitem__)
        kept += sorted({start, lowest, highest, end - 1})
    return Curve([curve.times[place] for place in kept], [curve.values[place] for place in kept])


class Bars(NamedTuple):
    """Open, high, low and close over stretches of time that begin at `times` (µs)."""

    times: list[int]
    opens: list[float]
    highs: list[float]
    lows: list[float]
    closes: list[float]

    def append(self, time: int, opened: float, highest: float, lowest: float, closed: float) -> None:
        """One more bar, after all that are there."""
        self.times.append(time)
        self.opens.append(opened)
        self.highs.append(highest)
        self.lows.append(lowest)
        self.closes.append(closed)

    def between(self, start: int, end: int) -> "Bars":
        """The bars from the one that holds `start` to the one that holds `end`."""
        first = max(bisect_right(self.times, start) - 1, 0)
        last = bisect_left(self.times, end) + 1
        return Bars(
            self.times[first:last], self.opens[first:last], self.highs[first:last], self.lows[first:last], self.closes[first:last]
        )  # fmt: skip

    def merged(self, bars_max: int = BARS_MAX) -> "Bars":
        """At most `bars_max` bars: neighbours become one, which keeps the first open, highest, lowest and last close."""
        count = len(self.times)
        if count <= bars_max:
            return self
        step = -(-count // bars_max)
        starts = range(0, count, step)
        return Bars(
            [self.times[at] for at in starts], [self.opens[at] for at in starts],
            [max(self.highs[at : at + step]) for at in starts], [min(self.lows[at : at + step]) for at in starts],
            [self.closes[min(at + step, count) - 1] for at in starts],
        )  # fmt: skip

    def document(self) -> dict[str, list[Any]]:
        """The bars as the page takes them."""
        rounded = ([shown(value) for value in column] for column in (self.opens, self.highs, self.lows, self.closes))
        return {"t": [milliseconds(time) for time in self.times], **dict(zip("ohlc", rounded, strict=True))}


class BarBuilder:
    """Bars of one width from single prices, in the order of time."""

    def __init__(self, width: int) -> None:
        self._width = width
        self.bars = Bars([], [], [], [], [])

    def add(self, time: int, price: float) -> None:
        bars, start = self.bars, time // self._width * self._width
        if bars.times and bars.times[-1] == start:
            bars.highs[-1] = max(bars.highs[-1], price)
            bars.lows[-1] = min(bars.lows[-1], price)
            bars.closes[-1] = price
            return
        bars.append(start, price, price, price, price)


def histogram(values: Sequence[float], bins_max: int = 40) -> dict[str, list[Any]]:
    """Counts over at most `bins_max` equal bins from the lowest to the highest value, each named by its middle and its bounds."""
    if not values:
        return {"x": [], "y": [], "width": [], "text": []}
    lowest, highest = min(values), max(values)
    if lowest == highest:
        return {"x": [shown(lowest)], "y": [len(values)], "width": [max(abs(lowest) * 0.02, 1e-6)], "text": [f"{lowest:,.6g}"]}
    bins = min(bins_max, max(len(values), 5))
    width = (highest - lowest) / bins
    counts = [0] * bins
    for value in values:
        counts[min(int((value - lowest) / width), bins - 1)] += 1
    edges = [lowest + number * width for number in range(bins + 1)]
    return {
        "x": [shown((low + high) / 2) for low, high in pairwise(edges)], "y": counts,
        "width": [shown(width)] * bins,
        "text": [f"{low:,.4g} to {high:,.4g}" for low, high in pairwise(edges)],
    }  # fmt: skip


def milliseconds(time: int) -> int:
    """A chart's time."""
    return time // 1000


def shown(value: float) -> float:
    """A value with the ten digits that a chart can show."""
    return float(f"{value:.10g}")
