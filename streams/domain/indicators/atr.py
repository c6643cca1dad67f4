"""
The average true range after Wilder: how far the price goes in one candle, gaps between candles included, in the price's unit.

The average of the first n true ranges, then smoothed: (previous · (n − 1) + new) / n. The first candle has no true range.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.money import ZERO
from streams.domain.records import Candle


class AtrState(msgspec.Struct):
    """`ranges` counts up to the period; until then `held` is the sum of the true ranges, from then on their average."""

    close: Decimal | None = None
    ranges: int = 0
    held: Decimal = ZERO


class Atr(NamedTuple):
    """Over `period` true ranges, so its first value takes one candle more."""

    period: int

    def on_candle(self, state: AtrState, candle: Candle) -> Decimal | None:
        before, state.close = state.close, candle.close
        if before is None:
            return None
        n, true_range = self.period, max(candle.high, before) - min(candle.low, before)
        if state.ranges == n:
            state.held = working((state.held * (n - 1) + true_range) / n)
            return state.held
        state.ranges += 1
        state.held += true_range
        if state.ranges == n:
            state.held = working(state.held / n)
        return self.value(state)

    def value(self, state: AtrState) -> Decimal | None:
        return state.held if state.ranges == self.period else None
