import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.parameters import StrategyParameters
from streams.domain.records import Side, Trade
from streams.domain.signals import strategy_faults, strategy_of
from streams.domain.signals.momentum import Momentum, MomentumSettings, MomentumState
from streams.domain.signals.strategy import Idea, Moment, indicators_text, plain
from streams.errors import ConfigError
from streams.stages.state import decode_state, encode_state
from tests.domain.market import MINUTE, SECOND, START, D, trade


def make_momentum(**changes: str) -> Momentum:
    parameters = {"SIGNAL_LOOKBACK_MIN": "1", "SIGNAL_THRESHOLD_PCT": "3", "SIGNAL_MIN_VOLUME": "0"} | changes
    made = strategy_of(StrategyParameters(name="m", kind="momentum", parameters=parameters))
    assert isinstance(made, Momentum)
    return made


class Run:
    """Feeds trades as (seconds after the start, price, quantity) and keeps the ideas by second."""

    def __init__(self, *trades: tuple[float, str, str], **changes: str) -> None:
        self.strategy, self.state = make_momentum(**changes), MomentumState()
        self.ideas: dict[float, Idea] = {}
        for second, price, quantity in trades:
            self.take(second, trade(price, quantity))

    def take(self, second: float, *trades: Trade) -> Idea | None:
        idea = self.strategy.on_event(self.state, Moment(START + round(second * SECOND), list(trades)))
        if idea is not None:
            self.ideas[second] = idea
        return idea


def test_rise_by_the_threshold_over_the_lookback_is_a_buy():
    run = Run((0, "100", "1"), (61, "103", "2"))
    [idea] = run.ideas.values()
    assert (idea.side, idea.price, idea.strength, idea.confidence) == (Side.BUY, 103, 1, D("0.3"))
    # 2 · 103; the first second is no longer within the minute
    assert idea.indicators == {"change_pct": D(3), "quote_volume": D(206), "reference_price": D(100)}


def test_fall_by_the_threshold_is_a_sell_and_confidence_ends_at_one():
    [idea] = Run((0, "100", "1"), (61, "70", "1")).ideas.values()
    assert (idea.side, idea.strength, idea.confidence) == (Side.SELL, 10, 1)
    assert idea.indicators["change_pct"] == -30
    assert idea.reason == "price changed -30 % in 1 min, threshold 3 %"


def test_change_just_below_the_threshold_is_none():
    assert Run((0, "100", "1"), (61, "102.99999", "1"), (62, "97.00001", "1")).ideas == {}


def test_change_is_against_the_price_of_then_and_not_from_trade_to_trade():
    run = Run((0, "100", "1"), (30, "102", "1"), (61, "102.9", "1"), (89, "105", "1"), (91.0, "105", "1"))
    # At 89 s the price of 29 s ago's minute is 100; at 91 s it is 102, and 105 is 2.9 % above it.
    assert list(run.ideas) == [89]
    assert run.ideas[89].indicators["reference_price"] == 100


def test_nothing_is_signalled_before_a_trade_is_older_than_the_lookback():
    run = Run((0.9, "100", "1"), (60.95, "200", "1"))
    assert run.ideas == {}
    assert run.take(61, trade("200")) is not None


def test_lookback_may_be_a_part_of_a_minute():
    run = Run((0, "100", "1"), (15, "104", "1"), (16, "104", "1"), SIGNAL_LOOKBACK_MIN="0.25")
    assert list(run.ideas) == [16]
    assert run.ideas[16].reason == "price changed 4 % in 0.25 min, threshold 3 %"


def test_volume_of_the_window_must_reach_the_minimum():
    run = Run((0, "100", "9"), (1, "100", "9"), (61, "104", "1"), SIGNAL_MIN_VOLUME="1004")
    assert run.ideas[61].indicators["quote_volume"] == 1004
    assert Run((0, "100", "9"), (1, "100", "9"), (61, "104", "1"), SIGNAL_MIN_VOLUME="1004.01").ideas == {}


def test_trades_of_one_push_count_together_and_the_last_sets_the_price():
    run = Run((0, "100", "1"))
    idea = run.take(61, trade("110", "2"), trade("104", "3"))
    assert (idea.price, idea.indicators["quote_volume"]) == (104, 2 * 110 + 3 * 104)


def test_signal_is_repeated_only_after_the_repeat_time_and_the_other_side_comes_at_once():
    run = Run((0, "100", "1"), *((61 + n, "104", "1") for n in range(12)), (73, "90", "1"), SIGNAL_REPEAT_SEC="5")
    assert [(second, idea.side) for second, idea in run.ideas.items()] == [
        (61, Side.BUY), (66, Side.BUY), (71, Side.BUY), (73, Side.SELL),
    ]  # fmt: skip


def test_condition_that_flickers_does_not_signal_faster_than_the_repeat_time():
    flicker = ((61 + n / 10, "104" if n % 2 else "100", "1") for n in range(100))
    run = Run((0, "100", "1"), *flicker)
    assert list(run.ideas) == [61.1, 66.1]


def test_diagnosis_says_what_is_missing():
    strategy, state = make_momentum(SIGNAL_LOOKBACK_MIN="15", SIGNAL_MIN_VOLUME="500"), MomentumState()
    assert strategy.diagnosis(state) == "no trades seen yet; needs 15 min of them"
    strategy.on_event(state, Moment(START, [trade("100")]))
    strategy.on_event(state, Moment(START + 5 * MINUTE, [trade("99")]))
    assert strategy.diagnosis(state) == (
        "warming up: 600 s of 900 s left until a change can be measured; largest change so far -1 % against SIGNAL_THRESHOLD_PCT 3"
    )
    strategy.on_event(state, Moment(START + 16 * MINUTE, [trade("99.5", "2")]))
    assert strategy.diagnosis(state) == (
        "no signal; largest change -0.5 % in 15 min against SIGNAL_THRESHOLD_PCT 3; "
        "largest volume 298 against SIGNAL_MIN_VOLUME 500"
    )
    strategy.on_event(state, Moment(START + 17 * MINUTE, [trade("90", "9")]))
    assert strategy.diagnosis(state).startswith("1 signals; largest change -10 % in 15 min")


def test_history_warms_up_without_counting_as_signalled():
    strategy, state = make_momentum(), MomentumState()
    strategy.on_event(state, Moment(START, [trade("100")], history=True))
    assert strategy.on_event(state, Moment(START + 61 * SECOND, [trade("104")], history=True)) is not None
    assert strategy.diagnosis(state).startswith("no signal; largest change 4 %")
    assert strategy.on_event(state, Moment(START + 70 * SECOND, [trade("105")])) is not None
    assert strategy.diagnosis(state).startswith("1 signals; largest change 5 %")


def test_parameters_out_of_range_are_all_named_with_rule_and_value():
    parameters = {
        "SIGNAL_LOOKBACK_MIN": "0",
        "SIGNAL_THRESHOLD_PCT": "NaN",
        "SIGNAL_MIN_VOLUME": "-1",
        "SIGNAL_FOO": "1",
    }
    faults = strategy_faults(StrategyParameters(name="m", kind="momentum", parameters=parameters))
    assert faults == [
        "SIGNAL_LOOKBACK_MIN must be 0.1..1440, was 0",
        "SIGNAL_THRESHOLD_PCT must be 0.001..100, was NaN",
        "SIGNAL_MIN_VOLUME must be 0..1E+12, was -1",
        "SIGNAL_FOO must be one of SIGNAL_LOOKBACK_MIN, SIGNAL_THRESHOLD_PCT, SIGNAL_MIN_VOLUME, SIGNAL_REPEAT_SEC, was unknown",
    ]
    with pytest.raises(ConfigError, match=r"strategies\.m: SIGNAL_LOOKBACK_MIN must be"):
        strategy_of(StrategyParameters(name="m", kind="momentum", parameters=parameters))


def test_unknown_kind_names_those_there_are():
    faults = strategy_faults(StrategyParameters(name="m", kind="magic"))
    assert faults == ["KIND must be one of mean_reversion, momentum, trend, was magic"]


def test_defaults_are_the_documented_ones():
    made = MomentumSettings()
    assert (made.signal_lookback_min, made.signal_threshold_pct, made.signal_min_volume) == (15, 3, 100_000)


def test_indicators_are_canonical_text():
    text = indicators_text({"b": D("1.500"), "a": D("1E+3")})
    assert text == '{"a":"1000","b":"1.5"}'
    assert plain(D("0.000")) == "0"
    assert json.loads(text)["b"] == "1.5"


steps = st.lists(
    st.tuples(st.integers(0, 40 * SECOND), st.integers(80, 120), st.integers(1, 5)), min_size=1, max_size=80
)


@settings(max_examples=50)
@given(steps)
def test_reference_and_volume_equal_a_full_recomputation(steps):
    """And the state is bounded by the lookback, and decodes to what was encoded."""
    strategy, state, now, history = make_momentum(), MomentumState(), START, []
    for wait, price, quantity in steps:
        now += wait
        history.append((now // SECOND, Decimal(price), Decimal(quantity)))
        strategy.on_event(state, Moment(now, [trade(str(price), str(quantity), time=now)]))
        then = now // SECOND - 60
        before = [price for second, price, _ in history if second < then]
        assert state.reference == (before[-1] if before else None)
        assert state.quote_volume == sum(price * quantity for second, price, quantity in history if second >= then)
        assert len(state.seconds) <= 61
        state = decode_state(encode_state(state), MomentumState)
