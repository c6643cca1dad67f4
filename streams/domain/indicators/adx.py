"""
The average directional index after Wilder: how much of the movement goes one way, 0 (none) to 100 (all), whichever way it is.

Of each candle the larger of (rise of the high, fall of the low) counts, if above zero, as movement up or down. Sums over n − 1
moves, then Wilder's smoothing: sum − sum/n + new. The directional index is 100 · |up − down| / (up + down), 0 where nothing moved;
the true range by which both are usually divided cancels out of it. The average of the first n of them, then smoothed like ATR.

That the sums begin with n − 1 moves, not n, is TA-Lib's way, and so everybody's numbers.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.money import ZERO
from streams.domain.records import Candle


class AdxState(msgspec.Struct):
    """
    High and low of the newest candle. `moves` counts up to n − 1, `indexes` up to n.

    `up`, `down`: smoothed movement; `held`: the sum of the first n indexes, from then on their average.
    """

    high: Decimal | None = None
    low: Decimal = ZERO
    moves: int = 0
    up: Decimal = ZERO
    down: Decimal = ZERO
    indexes: int = 0
    held: Decimal = ZERO


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
        self._average(state)
        return self.value(state)

    def value(self, state: AdxState) -> Decimal | None:
        return state.held if state.indexes == self.period else None

    def _average(self, state: AdxState) -> None:
        n, movement = self.period, state.up + state.down
        index = 100 * abs(state.up - state.down) / movement if movement else ZERO
        if state.indexes == n:
            state.held = working((state.held * (n - 1) + index) / n)
            return
        state.indexes += 1
        state.held = working(state.held + index)
        if state.indexes == n:
            state.held = working(state.held / n)
