"""Known answers worked by hand, and every indicator against a recomputation from the whole history in exact fractions."""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.indicators import (
    Adx,
    AdxState,
    Atr,
    AtrState,
    AverageState,
    Bands,
    Bollinger,
    Ema,
    Macd,
    MacdState,
    MacdValue,
    Rsi,
    RsiState,
    Sma,
    Volatility,
    VolatilityState,
    WindowState,
)
from streams.domain.money import EXACT
from streams.domain.records import Candle
from streams.stages.state import decode_state, encode_state
from tests.domain.candle_series import candle_series, candles_of
from tests.domain.market import D

# 34 digits a step, and a few dozen steps.
NEAR = Fraction(1, 10**30)


@pytest.fixture(autouse=True)
def exact():
    """As hosts step."""
    with localcontext(EXACT):
        yield


def values(indicator: Any, state: Any, closes: Sequence[str | int]) -> list[Any]:
    """The indicator's value after each close."""
    take = indicator.on_close if hasattr(indicator, "on_close") else indicator.on_value
    return [take(state, D(close)) for close in closes]


def test_simple_average_is_the_mean_of_the_newest_values():
    # (1+2+6)/3 = 3, (2+6+4)/3 = 4, (6+4+1)/3 = 11/3
    assert values(Sma(3), WindowState(), [1, 2, 6, 4, 1]) == [None, None, 3, 4, D("3." + "6" * 32 + "7")]


def test_exponential_average_begins_with_the_mean_and_moves_by_two_over_n_plus_one():
    # Seed (1+2+6)/3 = 3; k = 2/4: 3 + (4−3)/2 = 3.5; 3.5 + (1−3.5)/2 = 2.25
    assert values(Ema(3), AverageState(), [1, 2, 6, 4, 1]) == [None, None, 3, D("3.5"), D("2.25")]


def test_average_of_one_value_is_that_value():
    assert values(Ema(1), AverageState(), [5, 7]) == [5, 7]


def test_rsi_is_the_share_of_gains_smoothed_by_wilder():
    # Changes +1, +2, −1 over n = 3: gains 3/3 = 1, losses 1/3; 100 · 1/(4/3) = 75.
    # Then −1: gains (1·2 + 0)/3 = 2/3, losses (1/3·2 + 1)/3 = 5/9; 100 · (6/9)/(11/9) = 600/11.
    found = values(Rsi(3), RsiState(), [10, 11, 13, 12, 11])
    assert found[:3] == [None, None, None]
    assert found[3] == pytest.approx(D(75), abs=D("1e-30"))
    assert found[4] == pytest.approx(D(600) / 11, abs=D("1e-30"))


def test_rsi_is_100_where_all_rises_0_where_all_falls_and_50_where_nothing_moves():
    assert values(Rsi(2), RsiState(), [1, 2, 3])[-1] == 100
    assert values(Rsi(2), RsiState(), [3, 2, 1])[-1] == 0
    assert values(Rsi(2), RsiState(), [3, 3, 3])[-1] == 50


def test_bollinger_bands_lie_sigmas_of_the_population_around_the_mean():
    # Mean of 2, 4, 4, 4, 5, 5, 7, 9 is 5; squares of the distances sum to 32; σ = √(32/8) = 2.
    found = values(Bollinger(8, D(2)), WindowState(), [2, 4, 4, 4, 5, 5, 7, 9])
    assert found == [None] * 7 + [Bands(lower=D(1), middle=D(5), upper=D(9))]
    assert values(Bollinger(2, D("1.5")), WindowState(), [99, 4, 8])[-1] == Bands(lower=D(3), middle=D(6), upper=D(9))


def test_bands_of_a_price_that_stands_still_are_that_price():
    assert values(Bollinger(3, D(2)), WindowState(), ["7.1", 4, 4, 4])[-1] == Bands(D(4), D(4), D(4))


def test_macd_is_the_distance_of_both_averages_and_its_own_average_the_signal():
    # fast 2, slow 4, signal 2 on 1, 3, 5, 7, 12, 6.
    # slow: (1+3+5+7)/4 = 4; 4·3/5 + 12·2/5 = 7.2; 7.2·3/5 + 6·2/5 = 6.72
    # fast begins with the same candle: (5+7)/2 = 6; 6/3 + 12·2/3 = 10; 10/3 + 6·2/3 = 22/3
    # line: 2, 2.8, 22/3 − 6.72 = 46/75; signal: (2+2.8)/2 = 2.4; 2.4/3 + 46/75·2/3 = 272/225
    found = values(Macd(2, 4, 2), MacdState(), [1, 3, 5, 7, 12, 6])
    assert found[:4] == [None] * 4
    assert found[4] == MacdValue(fast=D(10), slow=D("7.2"), line=D("2.8"), signal=D("2.4"), histogram=D("0.4"))
    assert found[5].line == pytest.approx(D(46) / 75, abs=D("1e-30"))
    assert found[5].signal == pytest.approx(D(272) / 225, abs=D("1e-30"))
    assert found[5].histogram == pytest.approx(D(46) / 75 - D(272) / 225, abs=D("1e-30"))
    assert Macd(2, 4, 2).candles == 5


def test_true_range_spans_the_close_before():
    # After a close of 10: high 12, low 11 → 12 − 10 = 2. After 11: 10.5 to 8 → 11 − 8 = 3. Mean 2.5.
    # After 9: 10 to 8 → 2; (2.5 + 2)/2 = 2.25.
    state = AtrState()
    found = [Atr(2).on_candle(state, candle) for candle in candles_of("10 9 10", "12 11 11", "10.5 8 9", "10 8 9")]
    assert found == [None, None, D("2.5"), D("2.25")]


def test_directional_index_is_the_share_of_movement_that_goes_one_way():
    # n = 2, high/low: 10/8, 12/9, 13/8, 12/7, 12/7
    # moves: up 2; rise 1 = fall 1: none; fall 1 > rise −1: down 1; none
    # sums begin with n − 1 = 1 move: up 2, down 0
    # 2nd move: up 2 − 1 + 0 = 1, down 0: index 100. 3rd: up .5, down 1: 100·.5/1.5 = 33⅓. First value (100 + 33⅓)/2 = 66⅔.
    # 4th: up .25, down .5: 33⅓; (66⅔ + 33⅓)/2 = 50.
    state = AdxState()
    found = [Adx(2).on_candle(state, candle) for candle in candles_of("10 8 9", "12 9 9", "13 8 9", "12 7 9", "12 7 9")]
    assert found[:3] == [None] * 3
    assert found[3] == pytest.approx(D(200) / 3, abs=D("1e-30"))
    assert found[4] == pytest.approx(D(50), abs=D("1e-30"))


def test_directional_index_is_100_where_all_moves_one_way_and_0_where_nothing_moves():
    for step, expected in (("1", 100), ("-1", 100), ("0", 0)):
        state = AdxState()
        bars = [f"{20 + n * D(step)} {10 + n * D(step)} 15" for n in range(5)]
        assert [Adx(2).on_candle(state, candle) for candle in candles_of(*bars)][-1] == expected


def test_volatility_is_the_samples_deviation_of_returns_in_a_year():
    # 100 → 110 → 99: returns .1 and −.1, mean 0, sample variance (.01 + .01)/1; √.02 · √365 = √7.3 for days
    found = values(Volatility(2, 86_400), VolatilityState(), [100, 110, 99])
    assert found[:2] == [None, None]
    assert found[2] == pytest.approx(D("7.3").sqrt(), abs=D("1e-30"))
    # Of minutes: 1440 times as many in a year, √1440 times as much.
    [*_, minutes] = values(Volatility(2, 60), VolatilityState(), [100, 110, 99])
    assert minutes == pytest.approx((D("7.3") * 1440).sqrt(), abs=D("1e-28"))


def test_volatility_forgets_returns_before_its_window():
    found = values(Volatility(2, 86_400), VolatilityState(), [1, 100, 110, 99])[-1]
    assert found == pytest.approx(D("7.3").sqrt(), abs=D("1e-30"))
    assert values(Volatility(2, 60), VolatilityState(), [5, 5, 5])[-1] == 0


def mean(numbers: Sequence[Fraction]) -> Fraction:
    return sum(numbers, Fraction(0)) / len(numbers)


def smoothed(numbers: Sequence[Fraction], n: int, share: Fraction) -> Fraction | None:
    """The mean of the first n, then each further one's share of the way."""
    if len(numbers) < n:
        return None
    found = mean(numbers[:n])
    for number in numbers[n:]:
        found += (number - found) * share
    return found


def near(found: Decimal | None, expected: Fraction | None) -> bool:
    return found is None if expected is None else found is not None and abs(Fraction(found) - expected) <= NEAR


def closes_of(candles: Sequence[Candle]) -> list[Fraction]:
    return [Fraction(candle.close) for candle in candles]


periods = st.integers(2, 6)


@given(candle_series(), periods)
def test_averages_equal_a_recomputation(candles, n):
    window, ema = WindowState(), AverageState()
    for place, candle in enumerate(candles):
        closes = closes_of(candles[: place + 1])
        assert near(Sma(n).on_value(window, candle.close), mean(closes[-n:]) if len(closes) >= n else None)
        assert near(Ema(n).on_value(ema, candle.close), smoothed(closes, n, Fraction(2, n + 1)))
    held = window.values
    assert (window.total, window.squares, len(held)) == (sum(held), sum(value * value for value in held), min(n, len(candles)))


@given(candle_series(), periods)
def test_bands_and_volatility_equal_a_recomputation_from_their_window(candles, n):
    bands, volatility = WindowState(), VolatilityState()
    for place, candle in enumerate(candles):
        closes = closes_of(candles[: place + 1])
        found = Bollinger(n, D(2)).on_close(bands, candle.close)
        assert (found is None) == (len(closes) < n)
        if found is not None:
            # Held against the variance: a root is no fraction.
            middle = mean(closes[-n:])
            variance = mean([(close - middle) ** 2 for close in closes[-n:]])
            assert near(found.middle, middle)
            assert abs((Fraction(found.upper) - middle) ** 2 - 4 * variance) < NEAR
            assert abs((middle - Fraction(found.lower)) ** 2 - 4 * variance) < NEAR
            assert found.lower <= found.middle <= found.upper
        value = Volatility(n, 60).on_close(volatility, candle.close)
        returns = [after / before - 1 for before, after in pairwise(closes)][-n:]
        assert (value is None) == (len(returns) < n)
        if value is not None:
            variance = sum((one - mean(returns)) ** 2 for one in returns) / (n - 1)
            assert abs(Fraction(value) ** 2 / (365 * 1440) - variance) < Fraction(1, 10**15)


@given(candle_series(), periods)
def test_rsi_and_average_true_range_equal_a_recomputation(candles, n):
    rsi, atr = RsiState(), AtrState()
    changes: list[Fraction] = []
    ranges: list[Fraction] = []
    for before, candle in pairwise([None, *candles]):
        if before is not None:
            close = before.close
            changes.append(Fraction(candle.close - close))
            ranges.append(Fraction(max(candle.high - candle.low, abs(candle.high - close), abs(candle.low - close))))
        gain = smoothed([max(change, Fraction(0)) for change in changes], n, Fraction(1, n))
        loss = smoothed([max(-change, Fraction(0)) for change in changes], n, Fraction(1, n))
        expected = None
        if gain is not None and loss is not None:
            expected = 100 * gain / (gain + loss) if gain + loss else Fraction(50)
        found = Rsi(n).on_close(rsi, candle.close)
        assert near(found, expected)
        assert found is None or 0 <= found <= 100
        assert near(Atr(n).on_candle(atr, candle), smoothed(ranges, n, Fraction(1, n)))


@given(candle_series(), periods)
def test_directional_index_equals_a_recomputation(candles, n):
    state = AdxState()
    ups: list[Fraction] = []
    downs: list[Fraction] = []
    indexes: list[Fraction] = []
    for before, candle in pairwise([None, *candles]):
        if before is not None:
            rise, fall = Fraction(candle.high - before.high), Fraction(before.low - candle.low)
            ups.append(rise if rise > max(fall, 0) else Fraction(0))
            downs.append(fall if fall > max(rise, 0) else Fraction(0))
        if len(ups) >= n:
            up, down = (smoothed_sum(moves, n) for moves in (ups, downs))
            indexes.append(100 * abs(up - down) / (up + down) if up + down else Fraction(0))
        found = Adx(n).on_candle(state, candle)
        assert near(found, smoothed(indexes, n, Fraction(1, n)))
        assert found is None or 0 <= found <= 100


def smoothed_sum(moves: Sequence[Fraction], n: int) -> Fraction:
    total = sum(moves[: n - 1], Fraction(0))
    for move in moves[n - 1 :]:
        total += move - total / n
    return total


@given(candle_series(), periods, st.integers(1, 6), st.integers(1, 6))
def test_macd_equals_a_recomputation(candles, fast, above, signal):
    state, slow = MacdState(), fast + above
    macd = Macd(fast, slow, signal)
    lines: list[Fraction] = []
    for place, candle in enumerate(candles):
        closes = closes_of(candles[: place + 1])
        if len(closes) >= slow:
            both = [smoothed(closes[slow - n :], n, Fraction(2, n + 1)) for n in (fast, slow)]
            lines.append(both[0] - both[1])
        found = macd.on_close(state, candle.close)
        assert (found is None) == (len(closes) < macd.candles)
        if found is not None:
            expected = smoothed(lines, signal, Fraction(2, signal + 1))
            assert near(found.line, lines[-1]) and near(found.signal, expected)
            assert near(found.fast, both[0]) and near(found.slow, both[1])
            assert near(found.histogram, lines[-1] - expected)


KINDS: list[tuple[Any, type]] = [
    (Sma(3), WindowState), (Ema(3), AverageState), (Rsi(3), RsiState), (Macd(2, 4, 2), MacdState), (Bollinger(3, D(2)), WindowState),
    (Atr(3), AtrState), (Adx(3), AdxState), (Volatility(3, 60), VolatilityState),
]  # fmt: skip


def take(indicator: Any, state: Any, candle: Candle) -> Any:
    if hasattr(indicator, "on_candle"):
        return indicator.on_candle(state, candle)
    return values(indicator, state, [candle.close])[0]


@pytest.mark.parametrize(("indicator", "kind"), KINDS, ids=lambda each: type(each).__name__ if isinstance(each, tuple) else "")
@given(candles=candle_series(max_size=25))
def test_decoded_state_goes_on_to_the_same_digits(indicator, kind, candles):
    """And the newest value can be asked for again, with nothing taken in."""
    through, restarted = kind(), kind()
    for candle in candles:
        found = take(indicator, through, candle)
        assert repr(take(indicator, restarted, candle)) == repr(found) == repr(indicator.value(through))
        raw = encode_state(restarted)
        restarted = decode_state(raw, kind)
        assert raw == encode_state(restarted) == encode_state(through)


@pytest.mark.parametrize(("indicator", "kind"), KINDS, ids=lambda each: type(each).__name__ if isinstance(each, tuple) else "")
@given(candles=candle_series(max_size=25))
def test_state_stays_small_however_long_the_history(indicator, kind, candles):
    """No number grows beyond 34 digits but a window's exact sums: here, values of two decimals."""
    state = kind()
    for candle in candles:
        take(indicator, state, candle)
    assert len(encode_state(state)) < 500
