"""
The relative strength index after Wilder: the share of gains in all movement of the closes, 0..100.

Gains and losses are averaged over the first n changes, then smoothed: (previous · (n − 1) + new) / n. Where nothing moved at all
the index is 50, for neither side; TA-Lib says 0 there, which would read as oversold.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.money import ZERO

NEUTRAL = Decimal(50)


class RsiState(msgspec.Struct):
    """`changes` counts up to the period; until then `gain` and `loss` (never negative) are sums, from then on averages."""

    close: Decimal | None = None
    changes: int = 0
    gain: Decimal = ZERO
    loss: Decimal = ZERO


class Rsi(NamedTuple):
    """Over `period` changes, so its first value takes one candle more."""

    period: int

    def on_close(self, state: RsiState, close: Decimal) -> Decimal | None:
        before, state.close = state.close, close
        if before is None:
            return None
        change, n = close - before, self.period
        gain, loss = max(change, ZERO), max(-change, ZERO)
        if state.changes == n:
            state.gain = working((state.gain * (n - 1) + gain) / n)
            state.loss = working((state.loss * (n - 1) + loss) / n)
            return self.value(state)
        state.changes += 1
        state.gain += gain
        state.loss += loss
        if state.changes == n:
            state.gain, state.loss = working(state.gain / n), working(state.loss / n)
        return self.value(state)

    def value(self, state: RsiState) -> Decimal | None:
        if state.changes < self.period:
            return None
        movement = state.gain + state.loss
        return working(100 * state.gain / movement) if movement else NEUTRAL
