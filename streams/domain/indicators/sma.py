"""
The simple moving average, and the window that it and everything with a standard deviation stand on.

The window's sums of values and squares are exact, so nothing creeps in however long it rolls, and mean and deviation equal a
recomputation from the values to the last digit. Values may have 12 decimal places and 25 integer digits.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.money import EXACT, ZERO


class WindowState(msgspec.Struct):
    """The newest values, oldest first, with their exact sum and sum of squares."""

    values: list[Decimal] = []
    total: Decimal = ZERO
    squares: Decimal = ZERO


def roll(state: WindowState, value: Decimal, period: int) -> None:
    """Takes a value in; the window then holds the `period` newest."""
    state.values.append(value)
    state.total += value
    state.squares += value * value
    if len(state.values) > period:
        oldest = state.values.pop(0)
        state.total -= oldest
        state.squares -= oldest * oldest


def deviation(state: WindowState, *, of_sample: bool) -> Decimal:
    """
    Standard deviation of the window, of the population or of a sample (over n − 1), 100 digits.

    From n·Σx² − (Σx)², which is exact and so never below zero. The window holds two values at least where it is a sample.
    """
    count = len(state.values)
    spread = count * state.squares - state.total * state.total
    return EXACT.sqrt(spread / (count * (count - 1 if of_sample else count)))


class Sma(NamedTuple):
    """Mean of the last `period` values."""

    period: int

    def on_value(self, state: WindowState, value: Decimal) -> Decimal | None:
        roll(state, value, self.period)
        return self.value(state)

    def value(self, state: WindowState) -> Decimal | None:
        return working(state.total / self.period) if len(state.values) == self.period else None
