from decimal import localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.faults import faults_of
from streams.domain.indicators import Adx, AdxState, Atr, AtrState, Volatility, VolatilityState
from streams.domain.money import EXACT, amount, quotient
from streams.domain.parameters import MarketParameters
from streams.domain.records import Candle, Regime, RegimeName
from streams.domain.regime import MarketConditions, on_candle
from streams.domain.regime_settings import RegimeSettings
from streams.stages.state import decode_state, encode_state
from tests.domain.candle_series import PERPETUAL_HOURS, candle_series, make_candle, real_candles
from tests.domain.market import D

UNKNOWN, TREND, RANGE, CHAOS = RegimeName.UNKNOWN, RegimeName.TREND, RegimeName.RANGE, RegimeName.HIGH_VOL_CHAOTIC


@pytest.fixture(autouse=True)
def exact():
    """As hosts step."""
    with localcontext(EXACT):
        yield


class Market:
    """Candles of one symbol, and the regime records they make, by the candle's number."""

    def __init__(self, **changes: str | int) -> None:
        defaults = {"atr_period": 2, "adx_period": 2, "volatility_candles": 2}
        self.settings = RegimeSettings.model_validate(defaults | changes)
        self.state = MarketConditions()
        self.made: dict[int, Regime] = {}
        self.count = 0
        self.price = D(1000)

    def take(self, candle: Candle) -> None:
        record = on_candle(self.state, candle, self.settings)
        if record is not None:
            self.made[self.count] = record
        self.count += 1

    def candle(self, *, move: str | int = 0, size: str | int = 2) -> "Market":
        """The next candle: its middle `move` from the last one's, `size` from low to high."""
        self.price += D(move)
        half = D(size) / 2
        self.take(make_candle(self.count, self.price, self.price + half, self.price - half))
        return self

    def rising(self, count: int, *, step: str | int = 1, size: str | int = 2) -> "Market":
        for _ in range(count):
            self.candle(move=step, size=size)
        return self

    def swinging(self, count: int, *, size: str | int = 2) -> "Market":
        """Up, then down by as much: movement both ways."""
        for place in range(count):
            self.candle(move=1 if place % 2 == 0 else -1, size=size)
        return self

    @property
    def regimes(self) -> list[RegimeName]:
        return [record.regime for record in self.made.values()]


def test_first_candle_says_that_nothing_is_known_yet():
    [record] = Market().candle().made.values()
    assert (record.regime, record.adx, record.atr_ratio) == (UNKNOWN, None, None)
    assert (record.symbol, record.time) == ("BTCUSDT", make_candle(0, "1").time)


def test_trend_is_confirmed_by_the_third_candle_in_a_row_that_speaks_for_it():
    # ADX of period 2 is first known with candle 3; 3, 4 and 5 say 100.
    market = Market().rising(5)
    assert list(market.made) == [0]
    market.rising(3)
    assert list(market.made) == [0, 5]
    record = market.made[5]
    # High − low is 2, and so is high − close before: 2 / 1006 (rising by 1 from 1000, candle 5 closes at 1006).
    assert (record.regime, record.adx, record.atr_ratio) == (TREND, 100, quotient(D(2), D(1006)))


def test_range_needs_movement_both_ways():
    # Up 1, down 1 over n = 2: smoothed sums swing between ⅔ and 1⅓, index 33⅓: never 20 or below, so RANGE is put at 40.
    assert Market(regime_adx_range="40", regime_adx_trend="60").swinging(20).regimes == [UNKNOWN, RANGE]
    assert Market(regime_adx_range="20", regime_adx_trend="60").swinging(20).regimes == [UNKNOWN]


def test_market_that_stands_still_is_a_range():
    assert Market().rising(6, step=0).regimes == [UNKNOWN, RANGE]


def test_large_candles_against_the_price_are_chaos_whatever_the_trend():
    # Size 30 at a price near 1000: 30/1007 < .03 < 31/1007.
    assert Market().rising(8, size=30).regimes == [UNKNOWN, TREND]
    assert Market().rising(8, size=31).regimes == [UNKNOWN, CHAOS]


def test_ratio_of_exactly_the_threshold_counts():
    market = Market(regime_atr_ratio="0.03")
    for _ in range(6):
        market.candle(size=30)
    assert market.regimes == [UNKNOWN, CHAOS]
    assert market.made[4].atr_ratio == D("0.03")


def test_chaos_is_seen_before_the_trend_can_be():
    # ATR of period 2 is first known with candle 2, ADX of period 14 not before candle 27.
    market = Market(adx_period=14).rising(5, size=100)
    assert list(market.made) == [0, 4]
    assert (market.made[4].regime, market.made[4].adx) == (CHAOS, None)


@pytest.mark.parametrize(("limits", "expected"), [
    ({"regime_adx_range": "20", "regime_adx_trend": "100"}, TREND),  # ADX 100 is at the limit
    ({"regime_adx_range": "0", "regime_adx_trend": "1"}, TREND),
])  # fmt: skip
def test_limits_belong_to_trend(limits, expected):
    assert Market(**limits).rising(8).regimes == [UNKNOWN, expected]


def test_adx_at_the_range_limit_is_a_range():
    assert Market(regime_adx_range="0", regime_adx_trend="1").rising(8, step=0).regimes == [UNKNOWN, RANGE]


def test_adx_between_the_limits_keeps_the_regime():
    market = Market(regime_adx_range="20", regime_adx_trend="90").rising(8)
    assert market.regimes == [UNKNOWN, TREND]
    market.swinging(30)
    adx = Adx(2).value(market.state.adx_state)
    assert adx is not None and 20 < adx < 90
    assert market.regimes == [UNKNOWN, TREND]


def test_two_candles_are_not_enough_and_an_interruption_begins_the_count_anew():
    # With periods of 2 a jump of 400 lifts ATR above 3 % for several candles; period 2 halves it each time.
    market = Market(atr_period=2).rising(8)
    assert market.regimes == [UNKNOWN, TREND]
    high = [market.state.bars]
    for size in ("90", "2", "2", "90", "2", "2", "90"):
        market.rising(1, size=size)
        high.append(market.state.bars)
    # 46 / 1010 is chaos; then 24 and 13 / 1010 are not: it never speaks three times in a row.
    assert high == [0, 1, 0, 0, 1, 0, 0, 1]
    assert market.regimes == [UNKNOWN, TREND]


def test_candles_for_different_regimes_do_not_add_up():
    # Candles 3 and 4 speak for TREND; 5, 6 and 7 for chaos, which must have its own three.
    market = Market().rising(5).rising(3, size=100)
    assert list(market.made) == [0, 7]
    assert market.made[7].regime is CHAOS


def test_regime_bars_of_one_changes_at_once():
    assert list(Market(regime_bars=1).rising(5).made) == [0, 3]


def test_change_is_said_once_and_the_way_back_needs_its_own_candles():
    market = Market().rising(8)
    market.rising(4, size=200)
    assert market.regimes == [UNKNOWN, TREND, CHAOS]
    market.rising(20)
    assert market.regimes == [UNKNOWN, TREND, CHAOS, TREND]


def test_atr_and_volatility_are_rounded_at_12_places():
    market = Market(atr_period=3, volatility_candles=3)
    for size, move in (("1", "1"), ("1", "2"), ("2", "-1"), ("2", "1")):
        market.candle(size=size, move=move)
    # True ranges 2.5 (to the close before), 2, 2: mean 6.5/3.
    assert market.state.atr == D("2.166666666667")
    assert market.state.volatility == amount(market.state.volatility)
    assert market.state.volatility > 0


@pytest.mark.parametrize("limit", ["25", "30"])
def test_limits_that_overlap_are_refused_with_both_values(limit):
    with pytest.raises(ValueError) as fault:
        MarketParameters.model_validate({"regime_adx_range": limit})
    assert faults_of(fault.value, MarketParameters) == [f"REGIME_ADX_RANGE must be below REGIME_ADX_TREND (25), was {limit}"]


def test_each_setting_has_its_range():
    wrong = {
        "atr_period": "1", "adx_period": "201", "volatility_candles": "1", "regime_atr_ratio": "0", "regime_adx_trend": "0",
        "regime_adx_range": "-1", "regime_bars": "0",
    }  # fmt: skip
    with pytest.raises(ValueError) as fault:
        MarketParameters.model_validate(wrong)
    assert faults_of(fault.value, MarketParameters) == [
        "ATR_PERIOD must be a whole number 2..200, was 1",
        "ADX_PERIOD must be a whole number 2..200, was 201",
        "VOLATILITY_CANDLES must be a whole number 2..1440, was 1",
        "REGIME_ATR_RATIO must be 0.0001..1, was 0",
        "REGIME_ADX_TREND must be 1..100, was 0",
        "REGIME_ADX_RANGE must be 0..100, was -1",
        "REGIME_BARS must be a whole number 1..100, was 0",
    ]


def test_defaults_are_the_documented_ones():
    made = MarketParameters()
    assert (made.regime_atr_ratio, made.regime_adx_trend, made.regime_adx_range, made.regime_bars) == (D("0.03"), 25, 20, 3)
    assert (made.atr_period, made.adx_period, made.volatility_candles) == (14, 14, 60)


def test_crash_of_march_2020_is_chaos_by_the_hour():
    market = Market(atr_period=14, adx_period=14)
    for candle in real_candles(PERPETUAL_HOURS, 3_500, 1_500):
        market.take(candle)
    assert CHAOS in market.regimes and TREND in market.regimes and RANGE in market.regimes
    assert all(before is not after for before, after in zip(market.regimes, market.regimes[1:], strict=False))
    assert all(record.atr_ratio >= D("0.03") for record in market.made.values() if record.regime is CHAOS)
    assert all(record.adx >= 25 for record in market.made.values() if record.regime is TREND)
    assert all(record.adx <= 20 for record in market.made.values() if record.regime is RANGE)


def spoken(adx, ratio, current: RegimeName, settings: RegimeSettings) -> RegimeName:
    if ratio is not None and ratio >= settings.regime_atr_ratio:
        return CHAOS
    if adx is not None and adx >= settings.regime_adx_trend:
        return TREND
    if adx is not None and adx <= settings.regime_adx_range:
        return RANGE
    return current


@given(candle_series(), st.integers(1, 4), st.sampled_from(["0.1", "0.3", "0.5"]))
def test_regime_equals_a_recomputation_from_all_candles(candles, bars, ratio):
    """A change is where the newest `bars` candles each speak for one other regime; and the state goes through bytes."""
    market = Market(regime_bars=bars, regime_atr_ratio=ratio, regime_adx_trend="45", regime_adx_range="30")
    atr_state, adx_state, volatility_state = AtrState(), AdxState(), VolatilityState()
    words: list[RegimeName] = []
    regime = UNKNOWN
    for place, candle in enumerate(candles):
        market.take(candle)
        market.state = decode_state(encode_state(market.state), MarketConditions)
        atr, adx = Atr(2).on_candle(atr_state, candle), Adx(2).on_candle(adx_state, candle)
        volatility = Volatility(2, 60).on_close(volatility_state, candle.close)
        assert market.state.atr == (None if atr is None else amount(atr))
        assert market.state.volatility == (None if volatility is None else amount(volatility))
        words.append(spoken(adx, None if atr is None else atr / candle.close, regime, market.settings))
        if words[-1] is not regime and words[-bars:] == [words[-1]] * bars:
            regime, words = words[-1], []
            assert market.made[place].regime is regime
        else:
            assert (place in market.made) == (place == 0)
        assert market.state.regime is regime
