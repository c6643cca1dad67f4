"""Shares of equity by regime and score, and that they never hold an exit back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.allocation import RegimeWatch, TrackRecord, on_closed_trade, on_cooldown_over, on_due, on_regime, share_of
from streams.domain.parameters import AccountParameters
from streams.domain.records import Allocation, Order, Purpose, Record, RegimeName, Side
from streams.domain.risk_settings import AllocationSettings
from streams.domain.rules import broken_rule
from streams.stages.contract import Timer
from tests.domain.risk_stories import SECOND, START, D, Story, make_settings, only
from tests.domain.test_rejection_codes import lose, regime

DEFAULTS = AllocationSettings()
DAY = 86_400 * SECOND
TREND, RANGE, CHAOTIC, UNKNOWN = RegimeName.TREND, RegimeName.RANGE, RegimeName.HIGH_VOL_CHAOTIC, RegimeName.UNKNOWN


def shares(records: list[Record]) -> list[tuple[str, Any, Any]]:
    return [(one.strategy, one.regime, one.fraction) for one in only(Allocation, records)]


def confirmed(*names: RegimeName) -> RegimeWatch:
    """A symbol whose regimes were each confirmed, an hour apart."""
    watch = RegimeWatch()
    for hour, name in enumerate(names):
        on_regime(watch, name, hour * 3600 * SECOND, DEFAULTS)
        on_due(watch, (hour * 3600 + 60) * SECOND, DEFAULTS)
    return watch


@pytest.mark.parametrize(("name", "fraction"), [(TREND, "0.3"), (RANGE, "0.1"), (CHAOTIC, "0.02")])
def test_each_regime_has_its_share(name: RegimeName, fraction: str) -> None:
    assert share_of(confirmed(name), None, DEFAULTS).fraction == D(fraction)


def test_a_tenth_stands_in_until_the_first_confirmed_regime() -> None:
    assert share_of(None, None, DEFAULTS).fraction == D("0.1")
    watch = RegimeWatch()
    on_regime(watch, UNKNOWN, 0, DEFAULTS)
    assert watch.due is None, "nothing known is no first regime"
    on_regime(watch, TREND, 1, DEFAULTS)
    assert (share_of(watch, None, DEFAULTS).fraction, watch.due) == (D("0.1"), 1 + 60 * SECOND)


def test_a_regime_counts_after_it_has_held_for_sixty_seconds() -> None:
    watch = confirmed(TREND)
    on_regime(watch, RANGE, 7200 * SECOND, DEFAULTS)
    on_regime(watch, RANGE, 7230 * SECOND, DEFAULTS)
    assert watch.due == 7260 * SECOND, "said again, it does not begin anew"
    on_regime(watch, TREND, 7259 * SECOND, DEFAULTS)
    assert (watch.due, watch.regime) == (None, TREND)


def test_a_share_that_drops_to_zero_stays_there_for_three_days() -> None:
    watch = confirmed(TREND, UNKNOWN)
    dropped_at = 3660 * SECOND
    assert watch.due == dropped_at + 3 * DAY
    on_regime(watch, TREND, dropped_at + DAY, DEFAULTS)
    on_due(watch, dropped_at + DAY + 60 * SECOND, DEFAULTS)
    found = share_of(watch, None, DEFAULTS)
    assert (found.fraction, found.regime, found.cooldown_until) == (0, TREND, dropped_at + 3 * DAY)
    on_due(watch, dropped_at + 3 * DAY, DEFAULTS)
    assert share_of(watch, None, DEFAULTS).fraction == D("0.3")


def test_a_cool_down_and_a_confirmation_of_one_moment_are_both_taken() -> None:
    watch = confirmed(TREND, UNKNOWN)
    over = 3660 * SECOND + 3 * DAY
    on_regime(watch, RANGE, over - 60 * SECOND, DEFAULTS)
    on_due(watch, over, DEFAULTS)
    assert (share_of(watch, None, DEFAULTS).fraction, watch.due) == (D("0.1"), None)


def test_a_regime_without_a_share_before_it_needs_no_cool_down() -> None:
    settings = AllocationSettings(allocation_warmup=D(0), allocation_range=D(0))
    watch = RegimeWatch()
    on_regime(watch, RANGE, 0, settings)
    on_due(watch, 60 * SECOND, settings)
    assert watch.zero_until is None


def test_the_score_is_an_average_that_gives_the_newest_trade_three_tenths() -> None:
    record = TrackRecord()
    for earned in ("0.01", "0.02", "-0.01"):
        on_closed_trade(record, D(earned), 0, DEFAULTS)
    # .01; .3 x .02 + .7 x .01 = .013; .3 x -.01 + .7 x .013 = .0061.
    assert record.score == D("0.0061")


def test_the_score_is_used_after_thirty_trades_over_seven_days() -> None:
    for trades, days, dropped in ((30, 7, True), (29, 7, False), (30, 6, False)):
        record = TrackRecord()
        for number in range(trades):
            last = number == trades - 1
            found = on_closed_trade(record, D("-0.01"), days * DAY if last else 0, DEFAULTS)
            assert found is (dropped and last)
        assert (record.cooldown_until is not None) is dropped


def test_a_good_score_keeps_the_share_and_a_bad_one_takes_it_once() -> None:
    record = TrackRecord()
    for number in range(40):
        assert not on_closed_trade(record, D("0.01"), number * DAY, DEFAULTS)
    assert not on_closed_trade(record, D("-0.02"), 41 * DAY, DEFAULTS), "a score of .001 is above zero"
    assert on_closed_trade(record, D("-0.5"), 42 * DAY, DEFAULTS)
    assert not on_closed_trade(record, D("-0.5"), 43 * DAY, DEFAULTS), "it cools down already"
    assert share_of(confirmed(TREND), record, DEFAULTS).fraction == 0


def test_a_score_of_zero_takes_the_share() -> None:
    record = TrackRecord()
    found = [on_closed_trade(record, D(0), number * DAY, DEFAULTS) for number in range(30)]
    assert found == [False] * 29 + [True]


def test_after_the_cool_down_the_score_begins_anew_and_the_returns_stay() -> None:
    record = TrackRecord()
    for number in range(130):
        on_closed_trade(record, D("-0.01"), number * DAY, DEFAULTS)
    on_cooldown_over(record)
    assert (record.score, record.trades, record.cooldown_until, len(record.returns)) == (None, 0, None, 100)
    assert not on_closed_trade(record, D("-0.01"), 200 * DAY, DEFAULTS)
    assert (record.score, record.first_at, len(record.returns)) == (D("-0.01"), 200 * DAY, 100)


def test_the_session_begins_by_saying_each_strategys_share() -> None:
    story = Story(make_settings(documented=True, accounts=[AccountParameters(name="b"), AccountParameters(name="a")]))
    made = only(Allocation, story.mark("100"))
    assert [(one.account, one.strategy, one.fraction) for one in made] == [
        ("a", "momentum", D("0.1")), ("a", "other", D("0.1")), ("b", "momentum", D("0.1")), ("b", "other", D("0.1")),
    ]
    assert only(Allocation, story.mark("100")) == []


def test_a_confirmed_regime_is_told_once_by_its_timer_and_limits_the_next_entry() -> None:
    story = Story(make_settings(documented=True))
    story.mark("100")
    assert regime(story, CHAOTIC) == []
    assert story.stage.next_timer(story.state) == Timer(story.now + 30 * SECOND, "BTCUSDT", "stale")
    story.wait(20)
    story.mark("100", after="0")
    story.wait(20)
    story.mark("100", after="0")
    made = story.wait(20)
    assert shares(made) == [("momentum", CHAOTIC, D("0.02")), ("other", CHAOTIC, D("0.02"))]
    assert {one.reason for one in only(Allocation, made)} == {"BTCUSDT: regime HIGH_VOL_CHAOTIC"}
    assert all(one.time == START + 100_000 + 60 * SECOND for one in only(Allocation, made))
    order = story.signal(Side.BUY, "100")
    assert order.approved and order.notional == 2_000


def test_the_earlier_of_two_regimes_is_told_first() -> None:
    story = Story(make_settings(documented=True))
    regime(story, TREND)
    story.wait(10)
    regime(story, CHAOTIC, symbol="ETHUSDT")
    earlier, later = (story.state.regimes[symbol].due for symbol in ("BTCUSDT", "ETHUSDT"))
    assert earlier < later
    assert story.state.allocation_timer == (earlier, "BTCUSDT", "regime")


def test_only_strategies_that_trade_the_symbol_hear_of_its_regime() -> None:
    settings = make_settings(documented=True)
    first, other, resting = settings.strategies
    story = Story(settings.model_copy(update={"strategies": (
        first.model_copy(update={"symbols": ("ETHUSDT",)}), other, resting,
    )}))
    story.mark("100")
    regime(story, TREND)
    assert shares(story.wait(61)) == [("other", TREND, D("0.3"))]


def test_a_strategy_without_success_loses_its_share_for_three_days() -> None:
    story = Story(make_settings(documented=True, max_consecutive_losses=1000))
    story.mark("100")
    regime(story, TREND)
    lose(story, 29, days=1)
    count = len(story.records)
    lose(story, 1, days=1)
    [told] = only(Allocation, story.records[count:])
    assert (told.fraction, told.regime, told.cooldown_until) == (0, TREND, story.now + 3 * DAY)
    # Each lost .1 of 100, and no fees: -.001 on average.
    assert told.score == D("-0.001")
    assert broken_rule_of(told) is None
    assert story.signal(Side.BUY, "100").rejection_code == "STRATEGY_COOLING_DOWN"
    other = story.signal(Side.BUY, "100", strategy="other")
    assert other.approved, "the other one's record is its own"
    story.result(other, price="100")
    story.result(story.signal(Side.SELL, "100", strategy="other"), price="100")
    made = story.wait_until(told.time + 3 * DAY)
    assert shares(made)[-1] == ("momentum", TREND, D("0.3"))
    assert story.state.allocation_timer is None


def broken_rule_of(record: Allocation) -> str | None:
    import msgspec

    return broken_rule(msgspec.structs.replace(record, session="story", event_id="x"))


@given(st.sampled_from(RegimeName), st.booleans())
def test_an_exit_never_asks_for_a_share(name: RegimeName, by_signal: bool) -> None:
    story = Story(make_settings(documented=True, allocation_trend=D(0), allocation_range=D(0), allocation_high_vol_chaotic=D(0)))
    story.long("100")
    regime(story, TREND)
    story.wait(61)
    regime(story, name)
    story.wait(61)
    made = only(Order, story.mark("97.9"))
    if by_signal:
        story.reject(made[0])
        made = [story.signal(Side.SELL, "97.9")]
    assert [(order.approved, order.quantity) for order in made] == [(True, 100)]
    assert made[0].purpose is (Purpose.EXIT if by_signal else Purpose.STOP_LOSS)
