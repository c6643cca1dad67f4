"""
The average true range after Wilder: how far the price goes in one candle, gaps between candles included, in the price's unit.

The true range spans high, low and the close before; the first candle has none.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.smoothing import WILDER, AverageState, average, smooth
from streams.domain.records import Candle


class AtrState(msgspec.Struct):
    """The newest close, and the average of the true ranges."""

    close: Decimal | None = None
    ranges: AverageState = msgspec.field(default_factory=AverageState)


class Atr(NamedTuple):
    """Over `period` true ranges, so its first value takes one candle more."""

    period: int

    def on_candle(self, state: AtrState, candle: Candle) -> Decimal | None:
        before, state.close = state.close, candle.close
        if before is None:
            return None
        true_range = max(candle.high, before) - min(candle.low, before)
        return smooth(state.ranges, true_range, period=self.period, weight=WILDER)

    def value(self, state: AtrState) -> Decimal | None:
        return average(state.ranges, self.period)
