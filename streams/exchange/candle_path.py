"""
The path on which a candle's price is taken to have moved, as trades: nobody knows what happened inside, so it is stated.

A path goes from open to one extreme, to the other, to close, in three legs of `steps` points each: with one step the candle's own
four prices, with more of them on straight lines in between, rounded half to even to the tick. The points are equally far apart in
time, the first one second after the candle opens and the last one second before it ends (a sixtieth of the interval for candles
under a minute): strictly inside, so that a decision at a point can see only what the candle had shown by then. Candles of the
points are the candles again: same prices, same volume.

`nearest_extreme_first` takes the extreme that is nearer to open first, the low where both are as near. Its choice needs the whole
candle, which decides nothing but the order of points that lie ahead of every decision.

Volume is spread evenly, rounded down to 12 places, the rest on the last point. A point's aggressor buys unless the price fell.
"""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from itertools import pairwise
from typing import Literal, NamedTuple

from streams.domain.money import EXACT, UNIT
from streams.domain.records import Side, Trade

PathModel = Literal["nearest_extreme_first", "open_low_high_close", "open_high_low_close"]
LEGS = 3
# Enough for every point of the longest path to get a share.
VOLUME_MIN = Decimal("0.000000001")
_SECOND = 1_000_000


class Prices(NamedTuple):
    """A candle's four prices in quote units."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class Path(NamedTuple):
    """`model` and `steps` as settings name them, `interval` in µs, `tick` in quote units."""

    model: PathModel
    steps: int
    interval: int
    tick: Decimal

    @property
    def points(self) -> int:
        return LEGS * self.steps + 1

    def moments(self, open_time: int) -> list[int]:
        """The points' times, rising, all inside the candle."""
        edge = min(_SECOND, self.interval // 60)
        last = self.points - 1
        return [open_time + edge + (self.interval - 2 * edge) * place // last for place in range(self.points)]

    def low_first(self, prices: Prices) -> bool:
        """Whether the low is reached before the high."""
        if self.model == "nearest_extreme_first":
            return prices.open - prices.low <= prices.high - prices.open
        return self.model == "open_low_high_close"

    def walk(self, prices: Prices, *, low_first: bool, tick: Decimal) -> list[Decimal]:
        """The prices of the points, those between the candle's own rounded to `tick`."""
        extremes = (prices.low, prices.high) if low_first else (prices.high, prices.low)
        corners = (prices.open, *extremes, prices.close)
        if self.steps == 1:
            return list(corners)
        found = [prices.open]
        for begin, end in pairwise(corners):
            found += [self._between(begin, end, step, tick) for step in range(1, self.steps)]
            found.append(end)
        return found

    def trades(self, prices: Prices, volume: Decimal, open_time: int) -> list[Trade]:
        """The candle as trades, one for each point; none where nothing was traded."""
        if not volume:
            return []
        walked = self.walk(prices, low_first=self.low_first(prices), tick=self.tick)
        share = EXACT.divide(volume, Decimal(self.points)).quantize(UNIT, ROUND_DOWN, EXACT)
        shares = [share] * (self.points - 1)
        shares.append(volume - share * (self.points - 1))
        befores = [prices.open, *walked]
        return [
            Trade("", price, quantity, Side.SELL if price < before else Side.BUY, time)
            for price, before, quantity, time in zip(walked, befores, shares, self.moments(open_time), strict=False)
        ]

    def _between(self, begin: Decimal, end: Decimal, step: int, tick: Decimal) -> Decimal:
        """On the straight line, to the tick, never beyond its ends."""
        exact = begin + EXACT.divide((end - begin) * step, Decimal(self.steps))
        on_tick = EXACT.divide(exact, tick).to_integral_value(rounding=ROUND_HALF_EVEN) * tick
        return min(max(on_tick, min(begin, end)), max(begin, end))
