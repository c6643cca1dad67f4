"""
Indicators over closed candles: each a frozen definition (`Rsi(14)`), a state that snapshots hold, and one value for each candle.

`on_…(state, …)` takes one candle or value in and gives the indicator's new value, None until it has seen enough; `value(state)`
gives the newest again. All are incremental: the work for a candle does not grow with the history (but for a window's list).

Exactness: prices are exact decimals, sums over windows are exact, and what goes on without end (a division, a root) is rounded
half to even at 34 significant digits, once for each stored or returned number (`rounding.working`); so every machine computes
the same digits. Hosts evaluate the expression under `money.EXACT`, as every step. Whoever puts a value on the log rounds it
with `money.amount`. Formulas and first values are TA-Lib's, which tests hold them against on real candles.

Deliberately ignored: time. A window without trades makes no candle, and so no value: indicators count candles, not minutes.
"""

from streams.domain.indicators.adx import Adx, AdxState
from streams.domain.indicators.atr import Atr, AtrState
from streams.domain.indicators.bollinger import Bands, Bollinger
from streams.domain.indicators.ema import Ema
from streams.domain.indicators.macd import Macd, MacdState, MacdValue
from streams.domain.indicators.rsi import Rsi, RsiState
from streams.domain.indicators.sma import Sma, WindowState
from streams.domain.indicators.smoothing import AverageState
from streams.domain.indicators.volatility import Volatility, VolatilityState

__all__ = [
    "Adx", "AdxState", "Atr", "AtrState", "AverageState", "Bands", "Bollinger", "Ema", "Macd", "MacdState", "MacdValue", "Rsi",
    "RsiState", "Sma", "Volatility", "VolatilityState", "WindowState",
]  # fmt: skip
