"""
The average directional index after Wilder: how much of the movement goes one way, 0 (none) to 100 (all), whichever way it is.

Of each candle the larger of (rise of the high, fall of the low) counts, if above zero, as movement up or down. Sums over n − 1
moves, then Wilder's smoothing: sum − sum/n + new. The directional index is 100 · |up − down| / (up + down), 0 where nothing moved;
the true range by which both are usually divided cancels out of it. ADX is its average by Wilder's smoothing.

That the sums begin with n − 1 moves, not n, is TA-Lib's way, and so everybody's numbers.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.indicators.smoothing import WILDER, AverageState, average, smooth
from streams.domain.money import ZERO
from streams.domain.records import Candle


class AdxState(msgspec.Struct):
    """
    High and low of the newest candle; `moves` counts up to n − 1.

    `up`, `down`: smoothed movement; `indexes`: the average of the directional indexes.
    """

    high: Decimal | None = None
    low: Decimal = ZERO
    moves: int = 0
    up: Decimal = ZERO
    down: Decimal = ZERO
    indexes: AverageState = msgspec.field(default_factory=AverageState)


class Adx(NamedTuple):
    """Over `period` moves and indexes: its first value takes twice as many candles."""

    period: int

    def on_candle(self, state: AdxState, candle: Candle) -> Decimal | None:
        high, low = state.high, state.low
        state.high, state.low = candle.high, candle.low
        if high is None:
            return None
        rise, fall = candle.high - high, low - candle.low
        up = rise if rise > max(fall, ZERO) else ZERO
        down = fall if fall > max(rise, ZERO) else ZERO
        n = self.period
        if state.moves < n - 1:
            state.moves += 1
            state.up += up
            state.down += down
            return None
        state.up = working(state.up - state.up / n + up)
        state.down = working(state.down - state.down / n + down)
        movement = state.up + state.down
        index = 100 * abs(state.up - state.down) / movement if movement else ZERO
        return smooth(state.indexes, index, period=n, weight=WILDER)

    def value(self, state: AdxState) -> Decimal | None:
        return average(state.indexes, self.period)
