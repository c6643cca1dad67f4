"""
Realized volatility: the sample standard deviation of the candles' returns, as a fraction of the price in a year.

A return is close / previous close − 1, rounded half to even at 20 places so that the window's sums stay exact. A year has 365
days of 24 hours; candles count as if none were missing between them.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.rounding import working
from streams.domain.indicators.sma import WindowState, deviation, roll
from streams.domain.money import EXACT

YEAR_SECONDS = 365 * 86_400
RETURN_UNIT = Decimal(1).scaleb(-20)


class VolatilityState(msgspec.Struct):
    """The newest close, and the returns up to it."""

    close: Decimal | None = None
    returns: WindowState = msgspec.field(default_factory=WindowState)


class Volatility(NamedTuple):
    """Over `period` (at least 2) returns of candles of `interval_seconds`; its first value takes one candle more."""

    period: int
    interval_seconds: int

    def on_close(self, state: VolatilityState, close: Decimal) -> Decimal | None:
        before, state.close = state.close, close
        if before is not None:
            roll(state.returns, (close / before - 1).quantize(RETURN_UNIT, context=EXACT), self.period)
        return self.value(state)

    def value(self, state: VolatilityState) -> Decimal | None:
        if len(state.returns.values) < self.period:
            return None
        year = EXACT.sqrt(Decimal(YEAR_SECONDS) / self.interval_seconds)
        return working(deviation(state.returns, of_sample=True) * year)
