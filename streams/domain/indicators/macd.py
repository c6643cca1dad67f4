"""
MACD: the distance of a fast and a slow exponential average of closes, and an exponential average of that as its signal line.

Both averages have their first value at the same candle, as in TA-Lib: the fast one is seeded by the closes just before it.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.indicators.ema import Ema
from streams.domain.indicators.rounding import working
from streams.domain.indicators.smoothing import AverageState
from streams.domain.money import ZERO


class MacdState(msgspec.Struct):
    """The three averages, and the newest `line`."""

    fast: AverageState = msgspec.field(default_factory=AverageState)
    slow: AverageState = msgspec.field(default_factory=AverageState)
    signal: AverageState = msgspec.field(default_factory=AverageState)
    line: Decimal = ZERO


class MacdValue(NamedTuple):
    """In the price's unit. `line` = fast − slow, `histogram` = line − signal."""

    fast: Decimal
    slow: Decimal
    line: Decimal
    signal: Decimal
    histogram: Decimal


class Macd(NamedTuple):
    """Periods in candles; `fast` below `slow`."""

    fast: int
    slow: int
    signal: int

    @property
    def candles(self) -> int:
        """How many candles the first value takes."""
        return self.slow + self.signal - 1

    def on_close(self, state: MacdState, close: Decimal) -> MacdValue | None:
        slow = Ema(self.slow).on_value(state.slow, close)
        if state.slow.seen > self.slow - self.fast:
            fast = Ema(self.fast).on_value(state.fast, close)
            if slow is not None and fast is not None:
                state.line = working(fast - slow)
                Ema(self.signal).on_value(state.signal, state.line)
        return self.value(state)

    def value(self, state: MacdState) -> MacdValue | None:
        signal = Ema(self.signal).value(state.signal)
        if signal is None:
            return None
        return MacdValue(state.fast.held, state.slow.held, state.line, signal, working(state.line - signal))
