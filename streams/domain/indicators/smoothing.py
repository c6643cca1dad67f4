"""
The averages that never forget: the mean of the first n values, and from then on each new one with a fixed weight.

next = (held · (n − 1) + weight · value) / (n − 1 + weight): weight 2 is the exponential average with k = 2/(n+1), weight 1 is
Wilder's smoothing.
"""

from decimal import Decimal

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.money import ZERO

EXPONENTIAL = 2
WILDER = 1


class AverageState(msgspec.Struct):
    """`seen` counts up to the period; until then `held` is the sum of the values, from then on their average."""

    seen: int = 0
    held: Decimal = ZERO


def smooth(state: AverageState, value: Decimal, *, period: int, weight: int) -> Decimal | None:
    """Takes a value in; the average, None before the period is full."""
    if state.seen == period:
        state.held = working((state.held * (period - 1) + weight * value) / (period - 1 + weight))
        return state.held
    state.seen += 1
    state.held = working(state.held + value)
    if state.seen == period:
        state.held = working(state.held / period)
    return average(state, period)


def average(state: AverageState, period: int) -> Decimal | None:
    """The newest average again."""
    return state.held if state.seen == period else None
