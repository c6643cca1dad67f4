"""The exponential moving average: k = 2/(n+1), seeded by the simple average of the first n values."""

from decimal import Decimal
from typing import NamedTuple

from streams.domain.indicators.smoothing import EXPONENTIAL, AverageState, average, smooth


class Ema(NamedTuple):
    """Over `period` values."""

    period: int

    def on_value(self, state: AverageState, value: Decimal) -> Decimal | None:
        return smooth(state, value, period=self.period, weight=EXPONENTIAL)

    def value(self, state: AverageState) -> Decimal | None:
        return average(state, self.period)
