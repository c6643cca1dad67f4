"""Bollinger bands: the simple moving average of closes, and `sigmas` standard deviations of the population to each side."""

from decimal import Decimal
from typing import NamedTuple

from streams.domain.indicators.rounding import working
from streams.domain.indicators.sma import Sma, WindowState, deviation, roll


class Bands(NamedTuple):
    """In the price's unit; all equal where the price stood still. The lower one may be below zero."""

    lower: Decimal
    middle: Decimal
    upper: Decimal


class Bollinger(NamedTuple):
    """Over the last `period` closes."""

    period: int
    sigmas: Decimal

    def on_close(self, state: WindowState, close: Decimal) -> Bands | None:
        roll(state, close, self.period)
        return self.value(state)

    def value(self, state: WindowState) -> Bands | None:
        middle = Sma(self.period).value(state)
        if middle is None:
            return None
        away = self.sigmas * deviation(state, of_sample=False)
        return Bands(working(middle - away), middle, working(middle + away))
