"""Every indicator against TA-Lib, volatility against NumPy, on the exchange's candles: every value, from the first, to 1e-9."""

from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext

import pytest

from streams.domain.indicators import (
    Adx,
    AdxState,
    Atr,
    AtrState,
    AverageState,
    Bollinger,
    Ema,
    Macd,
    MacdState,
    Rsi,
    RsiState,
    Sma,
    Volatility,
    VolatilityState,
    WindowState,
)
from streams.domain.money import EXACT
from streams.domain.records import Candle
from tests.domain.candle_series import PERPETUAL_HOURS, SPOT_MINUTES, real_candles

talib = pytest.importorskip("talib", reason="TA-Lib is not installed")
numpy = pytest.importorskip("numpy")

# The crash of 2024-08-05 by minutes, and that of 2020-03-12 by hours.
SERIES = [(SPOT_MINUTES, 13_000, 4_000), (PERPETUAL_HOURS, 3_500, 3_000)]
TOLERANCE = 1e-9


@pytest.fixture(params=SERIES, ids=["minutes of 2024", "hours of 2020"])
def candles(request: pytest.FixtureRequest) -> Sequence[Candle]:
    return real_candles(*request.param)


def column(candles: Sequence[Candle], name: str) -> "numpy.ndarray":
    return numpy.array([float(getattr(candle, name)) for candle in candles])


def ours(candles: Sequence[Candle], value_of: Callable[[Candle], Decimal | tuple[Decimal, ...] | None]) -> "numpy.ndarray":
    """One row for each candle, NaN where the indicator has no value yet."""
    with localcontext(EXACT):
        found = [value_of(candle) for candle in candles]
    [width] = {len(one) if isinstance(one, tuple) else 1 for one in found if one is not None}
    rows = [[numpy.nan] * width if one is None else [float(x) for x in (one if isinstance(one, tuple) else (one,))] for one in found]
    return numpy.array(rows).T


def agree(found: "numpy.ndarray", reference: Sequence["numpy.ndarray"], first: int) -> None:
    """Both have their first value at `first`, and all of them within the tolerance, as a share of the value above 1."""
    assert len(found) == len(reference)
    for mine, theirs in zip(found, reference, strict=True):
        assert numpy.isnan(mine[:first]).all() and not numpy.isnan(mine[first:]).any()
        assert numpy.isnan(theirs[:first]).all() and not numpy.isnan(theirs[first:]).any()
        numpy.testing.assert_allclose(mine[first:], theirs[first:], rtol=TOLERANCE, atol=TOLERANCE)


def test_simple_average_equals_ta_lib(candles):
    state = WindowState()
    found = ours(candles, lambda candle: Sma(20).on_value(state, candle.close))
    agree(found, [talib.SMA(column(candles, "close"), 20)], first=19)


@pytest.mark.parametrize("period", [12, 26])
def test_exponential_average_equals_ta_lib(candles, period):
    state = AverageState()
    found = ours(candles, lambda candle: Ema(period).on_value(state, candle.close))
    agree(found, [talib.EMA(column(candles, "close"), period)], first=period - 1)


def test_rsi_equals_ta_lib(candles):
    state = RsiState()
    found = ours(candles, lambda candle: Rsi(14).on_close(state, candle.close))
    agree(found, [talib.RSI(column(candles, "close"), 14)], first=14)


def test_macd_equals_ta_lib(candles):
    state = MacdState()

    def value(candle: Candle) -> tuple[Decimal, ...] | None:
        found = Macd(12, 26, 9).on_close(state, candle.close)
        return None if found is None else (found.line, found.signal, found.histogram)

    agree(ours(candles, value), talib.MACD(column(candles, "close"), 12, 26, 9), first=33)


def test_bollinger_bands_equal_ta_lib(candles):
    state = WindowState()
    found = ours(candles, lambda candle: Bollinger(20, Decimal(2)).on_close(state, candle.close))
    upper, middle, lower = talib.BBANDS(column(candles, "close"), 20, 2, 2)
    agree(found, [lower, middle, upper], first=19)


def test_average_true_range_equals_ta_lib(candles):
    state = AtrState()
    found = ours(candles, lambda candle: Atr(14).on_candle(state, candle))
    agree(found, [talib.ATR(*(column(candles, name) for name in ("high", "low", "close")), 14)], first=14)


@pytest.mark.parametrize("period", [2, 14])
def test_average_directional_index_equals_ta_lib(candles, period):
    state = AdxState()
    found = ours(candles, lambda candle: Adx(period).on_candle(state, candle))
    agree(found, [talib.ADX(*(column(candles, name) for name in ("high", "low", "close")), period)], first=2 * period - 1)


def test_volatility_equals_numpy(candles):
    state = VolatilityState()
    found = ours(candles, lambda candle: Volatility(60, 60).on_close(state, candle.close))
    closes = column(candles, "close")
    returns = closes[1:] / closes[:-1] - 1
    windows = numpy.lib.stride_tricks.sliding_window_view(returns, 60)
    reference = numpy.concatenate([[numpy.nan] * 60, windows.std(axis=1, ddof=1) * numpy.sqrt(365 * 1440)])
    agree(found, [reference], first=60)
