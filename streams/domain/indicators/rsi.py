"""
The relative strength index after Wilder: the share of gains in all movement of the closes, 0..100.

Gains and losses are averages of all changes by Wilder's smoothing. Where nothing moved at all the index is 50, for neither side;
TA-Lib says 0 there, which would read as oversold.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.indicators.smoothing import WILDER, AverageState, average, smooth
from streams.domain.money import ZERO

NEUTRAL = Decimal(50)


class RsiState(msgspec.Struct):
    """The newest close, and the averages of `gain` and `loss`, neither ever negative."""

    close: Decimal | None = None
    gain: AverageState = msgspec.field(default_factory=AverageState)
    loss: AverageState = msgspec.field(default_factory=AverageState)


class Rsi(NamedTuple):
    """Over `period` changes, so its first value takes one candle more."""

    period: int

    def on_close(self, state: RsiState, close: Decimal) -> Decimal | None:
        before, state.close = state.close, close
        if before is None:
            return None
        smooth(state.gain, max(close - before, ZERO), period=self.period, weight=WILDER)
        smooth(state.loss, max(before - close, ZERO), period=self.period, weight=WILDER)
        return self.value(state)

    def value(self, state: RsiState) -> Decimal | None:
        gain, loss = average(state.gain, self.period), average(state.loss, self.period)
        if gain is None or loss is None:
            return None
        return working(100 * gain / (gain + loss)) if gain or loss else NEUTRAL
