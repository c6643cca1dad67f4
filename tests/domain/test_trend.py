from decimal import localcontext
from itertools import pairwise

import pytest
from hypothesis import given

from streams.domain.indicators import Adx, AdxState, Macd, MacdState
from streams.domain.money import EXACT, quotient
from streams.domain.parameters import StrategyParameters
from streams.domain.records import Side
from streams.domain.signals import strategy_faults
from streams.domain.signals.trend import TrendSettings
from tests.domain.candle_series import SPOT_MINUTES, candle_series, candles_of, real_candles
from tests.domain.candle_strategies import Run
from tests.domain.market import D

SHORT = {"EMA_FAST": "2", "EMA_SLOW": "3", "MACD_SIGNAL": "1", "ADX_PERIOD": "2"}
FALL = (110, 109, 108, 107, 106)


@pytest.fixture(autouse=True)
def exact():
    """As hosts step."""
    with localcontext(EXACT):
        yield


def run(*closes: str | int, **changes: str) -> Run:
    return Run("trend", SHORT | changes).closes(*closes)


def test_fast_average_that_crosses_up_in_a_market_that_moves_one_way_is_a_buy():
    [(place, idea)] = run(*FALL, 109).ideas.items()
    # slow: (110+109+108)/3 = 109, 108, 107, then (107+109)/2 = 108
    # fast: (109+108)/2 = 108.5, 107.5, 106.5, then 106.5/3 + 109·2/3 = 108 1/6: above for the first time
    # ADX: down 1, 1.5, 1.75, 1.875 without up: 100. Then up 3, down .9375: 100·2.0625/3.9375 = 52.380952; mean 76.190476
    assert (place, idea.side, idea.price) == (5, Side.BUY, 109)
    assert idea.indicators == {
        "adx": D("76.190476190476"), "fast": D("108.166666666667"), "slow": 108, "line": D("0.166666666667"),
        "signal": D("0.166666666667"), "histogram": 0,
    }  # fmt: skip
    # 76.190476 / 25 and / 100
    assert (idea.strength, idea.confidence) == (D("3.047619047619"), D("0.761904761905"))
    assert idea.reason == "EMA 2 crossed EMA 3, ADX 76.190476190476"


def test_fast_average_that_crosses_down_is_a_sell():
    assert run(90, 91, 92, 93, 94, 91).sides() == [(5, "SELL")]


def test_side_on_which_the_averages_begin_is_no_cross():
    found = run(*FALL, 105, 104)
    assert found.ideas == {}
    assert found.state.side is Side.SELL
    assert found.state.crosses == 0


def test_one_signal_for_each_cross():
    assert run(*FALL, 109, 112, 115, 118, 90, 80, 70).sides() == [(5, "BUY"), (9, "SELL")]


def test_cross_waits_for_its_adx():
    # After candle 5 with ADX 76.19: up 4.5, down .46875: 81.13, ADX 78.66; up 5.25, down .234375: 91.45, ADX 85.06.
    found = run(*FALL, 109, 112, ADX_MIN="80")
    assert found.ideas == {}
    assert "1 crosses of EMA 2 and 3 in 7 candles, the last of them not confirmed yet; ADX 78.66" in found.diagnosis
    found.closes(115)
    assert found.sides() == [(7, "BUY")]
    assert found.ideas[7].price == 115
    assert found.closes(118).sides() == [(7, "BUY")]


def test_opposite_cross_ends_the_wait():
    found = run(*FALL, 109, 100, 95, 90, 85, 80, ADX_MIN="80")
    assert [side for _, side in found.sides()] == ["SELL"]
    assert found.state.crosses == 2


def test_adx_of_exactly_the_limit_confirms():
    # Highs and lows fall without end: ADX 100, while the last close, within its candle, lifts the fast average.
    bars = [f"{200 - n} {100 - n} {close}" for n, close in enumerate([*FALL, 109])]
    found = Run("trend", SHORT | {"ADX_MIN": "100"}).candles(candles_of(*bars))
    assert found.sides() == [(5, "BUY")]
    assert run(*FALL, 109, ADX_MIN="76.190476").sides() == [(5, "BUY")]
    assert run(*FALL, 109, ADX_MIN="76.190477").ideas == {}


def test_averages_that_meet_have_not_crossed():
    # slow 107, 108; fast 106.5: a close of c gives slow (107+c)/2 and fast (106.5+2c)/3: equal at c = 108.
    found = run(*FALL, 108)
    assert (found.state.macd.line, found.state.side, found.state.crosses) == (0, Side.SELL, 0)
    assert found.closes(100).ideas == {}
    assert run(*FALL, 108, 112).sides() == [(6, "BUY")]


def test_equal_averages_from_the_start_stand_on_no_side():
    found = run(100, 100, 100, 100, 100, 100)
    assert (found.state.side, found.ideas) == (None, {})
    # The first side after that is no cross either.
    assert found.closes(101, 102).state.crosses == 0


def test_nothing_is_signalled_before_both_indicators_are_known():
    found = run(*FALL, ADX_PERIOD="5")
    assert (found.ideas, found.diagnosis) == ({}, "warming up: 5 of 10 candles")
    assert run(*FALL, MACD_SIGNAL="9").diagnosis == "warming up: 5 of 11 candles"
    assert run(*FALL[:3]).diagnosis == "warming up: 3 of 4 candles"
    # One of the two is not enough, whichever it is.
    assert [run(*FALL, ADX_PERIOD="5").is_warm, run(*FALL, MACD_SIGNAL="9").is_warm, run(*FALL).is_warm] == [False, False, True]


def test_diagnosis_names_crosses_and_adx_beside_its_limit():
    assert run(*FALL).diagnosis == "0 crosses of EMA 2 and 3 in 5 candles; ADX 100 now against ADX_MIN 25"
    assert run(*FALL, 109).diagnosis == "1 crosses of EMA 2 and 3 in 6 candles; ADX 76.190476190476 now against ADX_MIN 25"


def test_parameters_out_of_range_are_all_named():
    wrong = {"EMA_FAST": "1", "EMA_SLOW": "2", "MACD_SIGNAL": "0", "ADX_PERIOD": "1", "ADX_MIN": "101"}
    assert strategy_faults(StrategyParameters(name="t", kind="trend", parameters=wrong)) == [
        "EMA_FAST must be a whole number 2..200, was 1",
        "EMA_SLOW must be a whole number 3..500, was 2",
        "MACD_SIGNAL must be a whole number 1..100, was 0",
        "ADX_PERIOD must be a whole number 2..200, was 1",
        "ADX_MIN must be 1..100, was 101",
    ]


@pytest.mark.parametrize("fast", ["26", "30"])
def test_fast_average_must_be_the_faster(fast):
    faults = strategy_faults(StrategyParameters(name="t", kind="trend", parameters={"EMA_FAST": fast}))
    assert faults == [f"EMA_FAST must be below EMA_SLOW (26), was {fast}"]


def test_defaults_are_the_documented_ones():
    made = TrendSettings()
    assert (made.ema_fast, made.ema_slow, made.macd_signal, made.adx_period, made.adx_min) == (12, 26, 9, 14, 25)


@given(candle_series(max_size=40))
def test_ideas_are_where_the_rule_says_and_nowhere_else(candles):
    """Told from the list of all values so far: the newest cross, if it was not signalled yet, and ADX."""
    found = Run("trend", SHORT | {"ADX_MIN": "40"}).candles(candles)
    macd_state, adx_state = MacdState(), AdxState()
    sides: list[tuple[int, Side]] = []
    signalled = -1
    for place, candle in enumerate(candles):
        macd, adx = Macd(2, 3, 1).on_close(macd_state, candle.close), Adx(2).on_candle(adx_state, candle)
        idea = found.ideas.get(place)
        if macd is None or adx is None:
            assert idea is None
            continue
        if macd.line:
            sides.append((place, Side.BUY if macd.line > 0 else Side.SELL))
        crosses = [at for (_, before), (at, after) in pairwise(sides) if before is not after]
        due = bool(crosses) and crosses[-1] > signalled and adx >= 40
        assert (idea is not None) == due
        if idea is not None:
            signalled = place
            assert idea.side is sides[-1][1]
            assert idea.strength == quotient(adx, D(40)) and idea.price == candle.close


def test_crash_of_august_2024_is_followed_down():
    found = Run("trend", {}).candles(real_candles(SPOT_MINUTES, 13_000, 4_000))
    assert {idea.side for idea in found.ideas.values()} == {Side.BUY, Side.SELL}
    assert 0 < len(found.ideas) < found.state.crosses
    assert all(idea.indicators["adx"] >= 25 for idea in found.ideas.values())
