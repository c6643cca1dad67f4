"""
The exponential moving average: k = 2/(n+1), seeded by the simple average of the first n values.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.money import ZERO


class EmaState(msgspec.Struct):
    """`seen` counts up to the period; until then `held` is the sum of the values, from then on the average."""

    seen: int = 0
    held: Decimal = ZERO


class Ema(NamedTuple):
    """Over `period` values."""

    period: int

    def on_value(self, state: EmaState, value: Decimal) -> Decimal | None:
        n = self.period
        if state.seen == n:
            # previous + (value − previous) · 2/(n+1), with the one division at the end.
            state.held = working((state.held * (n - 1) + 2 * value) / (n + 1))
            return state.held
        state.seen += 1
        state.held += value
        if state.seen == n:
            state.held = working(state.held / n)
        return self.value(state)

    def value(self, state: EmaState) -> Decimal | None:
        return state.held if state.seen == self.period else None
