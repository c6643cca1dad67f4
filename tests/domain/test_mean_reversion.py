from decimal import localcontext
from itertools import pairwise

import pytest
from hypothesis import given

from streams.domain.indicators import Bollinger, Rsi, RsiState, WindowState
from streams.domain.money import EXACT
from streams.domain.parameters import StrategyParameters
from streams.domain.records import Side
from streams.domain.signals import strategy_faults
from streams.domain.signals.mean_reversion import MeanReversionSettings
from tests.domain.candle_series import SPOT_MINUTES, candle_series, real_candles
from tests.domain.candle_strategies import Run
from tests.domain.market import D

SHORT = {"BOLLINGER_PERIOD": "4", "BOLLINGER_SIGMAS": "1.5", "RSI_PERIOD": "2"}


@pytest.fixture(autouse=True)
def exact():
    """As hosts step."""
    with localcontext(EXACT):
        yield


def run(*closes: str | int, **changes: str) -> Run:
    return Run("mean_reversion", SHORT | changes).closes(*closes)


def test_close_below_the_lower_band_with_a_low_rsi_is_a_buy():
    [idea] = run(100, 100, 100, 96).ideas.values()
    # Mean 99, σ = √((1+1+1+9)/4) = √3; lower 99 − 1.5·√3 = 96.401923788647. No gain at all: RSI 0.
    assert (idea.side, idea.price, idea.confidence) == (Side.BUY, 96, 1)
    # 3 from the middle, the band 1.5·√3: 2/√3
    assert idea.strength == D("1.154700538379")
    assert idea.indicators == {"rsi": 0, "lower": D("96.401923788647"), "middle": 99, "upper": D("101.598076211353")}
    assert idea.reason == "close 96 outside the bands 96.401923788647 to 101.598076211353"


def test_close_above_the_upper_band_with_a_high_rsi_is_a_sell():
    [idea] = run(100, 100, 100, 104).ideas.values()
    assert (idea.side, idea.price, idea.confidence, idea.strength) == (Side.SELL, 104, 1, D("1.154700538379"))
    assert idea.indicators["rsi"] == 100


def test_rsi_of_exactly_the_limit_counts_and_one_beyond_does_not():
    # Changes g, 0, 0, −7 with RSI 2: gain g/8, loss 3.5. g = 12: 1.5/5 = 30 %.
    found = run(88, 100, 100, 100, 93)
    assert found.sides() == [(4, "BUY")]
    assert (found.ideas[4].indicators["rsi"], found.ideas[4].confidence) == (30, D("0.4"))
    assert run("87.99", 100, 100, 100, 93).ideas == {}
    found = run(112, 100, 100, 100, 107)
    assert found.sides() == [(4, "SELL")]
    assert (found.ideas[4].indicators["rsi"], found.ideas[4].confidence) == (70, D("0.4"))
    assert run("112.01", 100, 100, 100, 107).ideas == {}


def test_side_is_that_of_the_band_and_its_own_limit():
    """Below the lower band with an RSI above the upper limit is nothing, and the other way round."""
    # Gain 32/8 = 4, loss 7/2: 4/7.5 = 53 %, above 51 though the close is below its band. Mirrored: 47 %, below 49.
    assert run(68, 100, 100, 100, 93, RSI_OVERBOUGHT="51").ideas == {}
    assert run(132, 100, 100, 100, 107, RSI_OVERSOLD="49").ideas == {}


def test_close_on_the_band_is_inside():
    # Two closes lie exactly one σ from their mean.
    for closes in ((100, 90, 80, 70, 60), (60, 70, 80, 90, 100)):
        found = run(*closes, BOLLINGER_PERIOD="2", BOLLINGER_SIGMAS="1")
        assert found.ideas == {}
        assert found.diagnosis.startswith("0 of 5 candles closed outside the bands")


def test_price_that_stands_still_after_a_fall_is_no_signal():
    # The RSI stays at 0, and the bands close in on the price.
    assert list(run(110, 100, 100, 100, 100, 100, 100).ideas) == []


def test_every_candle_that_holds_is_a_signal():
    assert run(100, 100, 100, 100, 96, 90, 80).sides() == [(4, "BUY"), (5, "BUY"), (6, "BUY")]


def test_nothing_is_signalled_before_both_indicators_are_known():
    assert run(100, 100, 96).ideas == {}
    found = run(100, 100, 100, 96, RSI_PERIOD="4")
    assert found.ideas == {}
    assert found.diagnosis == "warming up: 4 of 5 candles"
    assert run(100, 100, 96).diagnosis == "warming up: 3 of 4 candles"
    assert (run(100, 100, 96).is_warm, found.is_warm, run(100, 100, 100, 96).is_warm) == (False, False, True)


def test_diagnosis_says_how_often_closes_were_outside_and_what_the_rsi_is():
    found = run("87.99", 100, 100, 100, 93)
    # Gain 12.01/8 = 1.50125, loss 3.5: 30.0174956260934…
    assert found.diagnosis == (
        "1 of 5 candles closed outside the bands; RSI 30.017495626093 now against RSI_OVERSOLD 30 and RSI_OVERBOUGHT 70"
    )


def test_parameters_out_of_range_are_all_named():
    wrong = {"BOLLINGER_PERIOD": "1", "BOLLINGER_SIGMAS": "6", "RSI_PERIOD": "1", "RSI_OVERSOLD": "50", "RSI_OVERBOUGHT": "50"}
    assert strategy_faults(StrategyParameters(name="m", kind="mean_reversion", parameters=wrong)) == [
        "BOLLINGER_PERIOD must be a whole number 2..500, was 1",
        "BOLLINGER_SIGMAS must be 0.5..5, was 6",
        "RSI_PERIOD must be a whole number 2..200, was 1",
        "RSI_OVERSOLD must be 1..49, was 50",
        "RSI_OVERBOUGHT must be 51..99, was 50",
    ]


def test_defaults_are_the_documented_ones():
    made = MeanReversionSettings()
    assert (made.bollinger_period, made.bollinger_sigmas, made.rsi_period) == (20, 2, 14)
    assert (made.rsi_oversold, made.rsi_overbought) == (30, 70)


@given(candle_series(max_size=40))
def test_ideas_are_where_the_rule_says_and_nowhere_else(candles):
    found = Run("mean_reversion", SHORT).candles(candles)
    closes, rsi_state = WindowState(), RsiState()
    for place, candle in enumerate(candles):
        bands = Bollinger(4, D("1.5")).on_close(closes, candle.close)
        rsi = Rsi(2).on_close(rsi_state, candle.close)
        idea = found.ideas.get(place)
        if bands is None or rsi is None:
            assert idea is None
            continue
        buys = candle.close < bands.lower and rsi <= 30
        sells = candle.close > bands.upper and rsi >= 70
        assert (idea is not None) == (buys or sells)
        if idea is not None:
            assert idea.side is (Side.BUY if buys else Side.SELL)
            assert idea.strength >= 1 and 0 < idea.confidence <= 1 and idea.price == candle.close


def test_crash_of_august_2024_is_bought_low_and_sold_high():
    candles = real_candles(SPOT_MINUTES, 13_000, 4_000)
    found = Run("mean_reversion", {}).candles(candles)
    assert {idea.side for idea in found.ideas.values()} == {Side.BUY, Side.SELL}
    for place, idea in found.ideas.items():
        before = sum(candle.close for candle in candles[place - 19 : place + 1]) / 20
        assert (idea.side is Side.BUY) == (idea.price < before)
    assert all(first < second for first, second in pairwise(found.ideas))
    assert "of 4000 candles closed outside the bands" in found.diagnosis
