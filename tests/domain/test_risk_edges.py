"""Risk exactly at its limits, and what it says there: the last value that passes and the first that does not."""

import json
from decimal import Decimal
from typing import Any

import pytest

from streams.domain.parameters import AccountParameters
from streams.domain.portfolio import on_fill
from streams.domain.records import Alert, CommandKind, Order, Position, Side
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.margin import margin_room
from streams.domain.risk.restraint import correlated
from streams.domain.sizing import Room
from tests.domain.perpetual_stories import PERPETUAL, PerpetualStory, make_perpetual, make_perpetual_settings
from tests.domain.risk_stories import SECOND, D, Story, make_instrument, make_settings, only
from tests.domain.test_risk_checks import found
from tests.domain.test_trade_checks import ITS_MIRROR, UP_AND_DOWN, moved

BOLD: dict[str, Any] = {"risk_per_trade_pct": D("0.1"), "stop_loss_pct": D("0.4"), "max_position_pct": D("0.25")}


@pytest.mark.parametrize("kind", ["MARKET", "LIMIT"])
def test_a_price_far_below_one_is_a_price(kind: str) -> None:
    story = Story(make_settings(entries={"entry_order_type": kind}))
    story.mark("0.5")
    assert story.signal(Side.BUY, "0.5").approved


@pytest.mark.parametrize(("age", "code"), [(30 * SECOND - 100_000, "BOOK_STALE"), (30 * SECOND - 100_001, None)])
def test_a_book_is_stale_from_the_timeout_on(age: int, code: str | None) -> None:
    # The mark is told .1 s after the moment from which the age counts here.
    story = Story()
    story.mark("100", book_time=story.now - age)
    assert story.signal(Side.BUY, "100").rejection_code == code


@pytest.mark.parametrize("changes", [{"price": D(0)}, {"time": 1}], ids=["no price", "ahead"])
def test_a_signal_that_is_none_closes_nothing_either(changes: dict[str, Any]) -> None:
    story = Story()
    story.long("100")
    if "time" in changes:
        changes = {"time": story.now + 1}
    order = story.signal(Side.SELL, changes.pop("price", "100"), **changes)
    assert order.reduce_only and order.rejection_code in ("RECORD_INVALID", "FROM_THE_FUTURE")


def test_a_short_in_flight_counts_once_as_a_long_does() -> None:
    story = Story(make_settings(accounts=[AccountParameters(shorts_allowed=True)]), symbols=("BTCUSDT", "ETHUSDT"))
    story.mark("100")
    assert story.signal(Side.SELL, "100").notional == 10_000
    story.mark("100", symbol="ETHUSDT")
    order = story.signal(Side.BUY, "100", symbol="ETHUSDT")
    # 10,000 of the short and 10,000 of this.
    assert found(order, RejectionCode.TOTAL_EXPOSURE)["measured"] == "0.2"


def test_above_all_tiers_the_last_one_grants_the_leverage() -> None:
    # The tiers hold up to 600,000; the last one's initial rate of .02 grants 50, the first one's .01 would grant 100.
    settings = make_perpetual_settings(
        accounts=[AccountParameters(leverage=D(60), initial_equity=D(10_000_000))], leverage_max=D(125),
    )
    story = PerpetualStory(settings)
    story.mark("50000", symbol=PERPETUAL)
    order = story.signal(Side.BUY, "50000", symbol=PERPETUAL)
    assert order.rejection_code == "POSITION_ABOVE_TIERS"
    assert found(order, RejectionCode.LEVERAGE)["limit"] == "50"


def test_the_room_of_margin_pays_the_fee_of_the_whole_notional() -> None:
    # 100,000 x 10 / (1 + .0006 x 10): 994,035.785... bind 99,403.58 and cost 596.42.
    story = PerpetualStory()
    room = margin_room(story.account(), make_perpetual())
    assert room == Room("margin", (D(1_000_000) / D("1.006")).quantize(D("0.000000000001")))
    # Spot: 100,000 / 1.0006.
    assert margin_room(story.account(), make_instrument("BTCUSDT")).notional == (D(100_000) / D("1.0006")).quantize(D("1e-12"))


def test_with_cross_margin_what_the_others_must_keep_stands_behind_nothing_else() -> None:
    # Two shorts of .2 BTC at 50,000 keep 50 each. Liquidated at (10,000 + 100,000 - 50 - 50) / .2 = 549,500.
    account = AccountParameters(leverage=D(10), margin_mode="CROSS", shorts_allowed=True)
    story = PerpetualStory(make_perpetual_settings(accounts=[account], max_total_exposure_pct=D(1)))
    story.tell("instruments", "ETH_USDT", make_perpetual(symbol="ETH_USDT"))
    story.opened(Side.SELL)
    story.mark("50000", symbol="ETH_USDT")
    order = story.signal(Side.SELL, "50000", symbol="ETH_USDT")
    # Before its fill the order's fee of 6 counts as well: (549,470 - 50,000) / 50,000.
    assert found(order, RejectionCode.LIQUIDATION_DISTANCE)["measured"] == "9.9894"
    story.result(order, price="50000")
    assert only(Position, story.records)[-1].liquidation_price == 549_500


def test_a_liquidation_is_a_lost_trade_of_its_strategy() -> None:
    # 1,000 lost of 10,000 paid, and 10,000 - 1,000 x .0002 of fee.
    story = PerpetualStory(make_perpetual_settings(stop_out_cooldown_sec=60, max_consecutive_losses=1))
    story.opened()
    story.mark("45250", symbol=PERPETUAL)
    record = story.account().track_records["momentum"]
    assert (record.losses_in_a_row, record.lost_at, record.returns) == (1, story.now, [D("-0.10018")])
    story.mark("45250", symbol=PERPETUAL)
    order = story.signal(Side.BUY, "45250", symbol=PERPETUAL)
    assert not found(order, RejectionCode.STOP_OUT_COOLDOWN)["passed"], "a liquidation is a stop-out"
    assert not found(order, RejectionCode.CONSECUTIVE_LOSSES)["passed"]


@pytest.mark.parametrize("side", Side)
def test_what_two_strategies_hold_both_ways_round_is_no_risk_that_others_share(side: Side) -> None:
    accounts = [AccountParameters(shorts_allowed=True)]
    for prices in (UP_AND_DOWN, ITS_MIRROR):
        story = moved(
            {"BTCUSDT": UP_AND_DOWN, "ETHUSDT": prices}, accounts=accounts, max_position_pct=D("0.05"), max_positions_a_symbol=2,
        )
        story.long("100")
        story.mark("100")
        story.result(story.signal(Side.SELL, "100", strategy="other"), price="100")
        assert sum((p.value for _, _, p in story.account().portfolio.each()), D(0)) == 0
        story.mark("100", symbol="ETHUSDT")
        order = story.signal(side, "100", symbol="ETHUSDT")
        assert order.approved
        assert found(order, RejectionCode.CORRELATED_EXPOSURE)["measured"] is None


def answered(story: Story, kind: CommandKind) -> str:
    return only(Alert, story.command(kind))[-1].message


def test_an_operator_is_told_how_many_resting_entries_were_cancelled() -> None:
    story = Story(make_settings(entries={"entry_order_type": "LIMIT"}, max_symbol_exposure_pct=D("0.2")))
    story.mark("100")
    orders = [story.signal(Side.BUY, "100", strategy=strategy) for strategy in ("momentum", "other")]
    assert all(order.approved for order in orders)
    words = answered(story, CommandKind.FLATTEN)
    assert words == "FLATTEN by ann: 0 exits ordered, 2 already in flight, 0 refused, 2 resting entries cancelled"


def test_an_order_is_decided_on_the_exact_limits_of_equity() -> None:
    """A tenth of equity is allowed, a lot more is not."""
    for lot, approved in ((D(100), True), (D("100.001"), False)):
        story = Story()
        story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", lot_size=lot, quantity_min=lot))
        story.mark("100")
        order: Order = story.signal(Side.BUY, "100")
        assert order.approved is approved
        assert order.quantity == (Decimal(100) if approved else 0)


def test_failures_are_counted_for_an_hour() -> None:
    story = Story()
    counts = []
    for wait in ("1", "3598", "1", "3600"):
        story.wait(wait)
        story.mark("100")
        order = story.signal(Side.BUY, "100")
        counts.append(found(order, RejectionCode.CIRCUIT_BREAKER_FAILURES_AN_HOUR)["measured"])
        if len(counts) < 3:
            story.reject(order, after="0")
    # The first one is 3,598.1 s old, then 3,599.2 s, and the hour is over for both.
    assert counts == ["0", "1", "2", "0"]


def test_a_failure_of_an_hour_ago_is_none_of_this_hour() -> None:
    story = Story(make_settings(execution_failures_an_hour_max=2))
    for after in ("1", "3599.9"):
        story.wait(after)
        story.mark("100")
        story.reject(story.signal(Side.BUY, "100"), after="0")
    assert story.account().failures_latch == ""
    assert len(story.account().failure_times) == 1


def test_after_a_reset_it_takes_as_many_failures_again() -> None:
    story = Story()
    for _ in range(2):
        for failures in (1, 2, 3):
            story.wait(2)
            story.mark("100")
            order = story.signal(Side.BUY, "100")
            assert order.approved, failures
            story.reject(order)
        assert story.account().failures_latch == "CIRCUIT_BREAKER_FAILURES_IN_A_ROW"
        story.command(CommandKind.RESET)


def test_a_fill_ends_the_row_of_failures_and_not_what_it_latched() -> None:
    story = Story(symbols=("BTCUSDT", "ETHUSDT"))
    story.long("100")
    for _ in range(3):
        story.wait(2)
        story.mark("100", symbol="ETHUSDT")
        story.reject(story.signal(Side.BUY, "100", symbol="ETHUSDT"))
    story.mark("100")
    story.result(story.signal(Side.SELL, "100"), price="100")
    assert story.account().failures_in_a_row == 0
    order = story.signal(Side.BUY, "100")
    assert (order.rejection_code, order.measured) == ("CIRCUIT_BREAKER_FAILURES_IN_A_ROW", 0)
    assert found(order, RejectionCode.CIRCUIT_BREAKER_FAILURES_IN_A_ROW)["note"] == "latched"


def test_a_resume_may_be_confirmed_up_to_five_minutes_later() -> None:
    for wait, switch in ((300, "RUNNING"), ("300.000001", "HALT_ALL")):
        story = Story()
        story.command(CommandKind.HALT)
        story.command(CommandKind.RESUME_REQUEST)
        story.wait(wait)
        story.command(CommandKind.RESUME_CONFIRM)
        assert story.account().switch.value == switch


def test_what_is_held_already_leaves_less_room() -> None:
    story = Story()
    story.long("100")
    order = story.signal(Side.BUY, "100")
    assert order.rejection_code == "POSITION_ALREADY_OPEN"
    assert json.loads(order.sizing)["trims"][0] == {"limit": "position", "room": "0"}


@pytest.mark.parametrize(("held", "side", "names"), [
    (Side.SELL, Side.SELL, ("BTCUSDT",)), (Side.SELL, Side.BUY, ()), (Side.BUY, Side.BUY, ("BTCUSDT",)), (Side.BUY, Side.SELL, ()),
])
def test_the_last_cent_of_a_holding_has_a_side_like_the_rest(held: Side, side: Side, names: tuple[str, ...]) -> None:
    story = moved({"BTCUSDT": UP_AND_DOWN, "ETHUSDT": UP_AND_DOWN})
    on_fill(
        story.account().portfolio, symbol="BTCUSDT", strategy="other", side=held, quantity=D("0.0001"), notional=D("0.01"),
        fee=D(0), mark=D(100), time=story.now,
    )
    group = correlated(story.account(), story.state.markets, story.stage.rules, symbol="ETHUSDT", side=side)
    assert group.names == names


@pytest.mark.parametrize(("mark", "code"), [
    # 250 units from 100: to 76 are 6 % of equity, to 58 are 10.5 %.
    ("76", RejectionCode.DAILY_DRAWDOWN), ("58", RejectionCode.CIRCUIT_BREAKER_DRAWDOWN),
])
def test_a_breaker_that_is_latched_says_so_when_the_loss_is_gone(mark: str, code: RejectionCode) -> None:
    story = Story(make_settings(**BOLD, max_symbol_exposure_pct=D("0.5")))
    story.long("100")
    before = found(story.signal(Side.BUY, "100", strategy="other"), code)
    assert before["passed"] and "note" not in before
    story.mark(mark)
    story.mark("100")
    after = found(story.signal(Side.BUY, "100", strategy="other"), code)
    assert not after["passed"] and (after["measured"], after["note"]) == ("0", "latched")


def test_a_fill_is_valued_at_the_newest_mark_else_at_the_one_it_was_decided_on() -> None:
    for newest, valued in ((D(101), D(101)), (None, D(100))):
        story = Story()
        story.mark("100")
        order = story.signal(Side.BUY, "100")
        story.mark("101", mark=newest)
        [position] = only(Position, story.result(order, price="100"))
        assert (position.mark, position.unrealized_pnl) == (valued, 100 * (valued - 100))


def test_what_is_held_of_the_orders_own_symbol_counts_among_those_that_move_as_one() -> None:
    # 5,000 of BTC, 5,000 of ETH by another strategy, and 12,000 are allowed: 2,000 are left.
    story = moved(
        {"BTCUSDT": UP_AND_DOWN, "ETHUSDT": UP_AND_DOWN}, max_correlated_exposure_pct=D("0.12"), max_position_pct=D("0.05"),
        max_positions_a_symbol=2,
    )
    for symbol, strategy in (("BTCUSDT", "momentum"), ("ETHUSDT", "other")):
        story.mark("100", symbol=symbol)
        story.result(story.signal(Side.BUY, "100", symbol=symbol, strategy=strategy), price="100")
    order = story.signal(Side.BUY, "100", symbol="ETHUSDT")
    assert order.approved and order.notional == 2_000


def test_only_what_failed_and_does_not_bind_exits_is_waived_and_for_exits_alone() -> None:
    story = Story()
    story.mark("100", gap=True)
    entry = story.signal(Side.BUY, "100")
    assert not found(entry, RejectionCode.FEED_GAP)["passed"] and '"waived"' not in entry.checks
    story.long("100")
    story.mark("100", gap=True)
    waived = [one["code"] for one in json.loads(story.signal(Side.SELL, "100").checks) if "waived" in one]
    assert waived == ["FEED_GAP"]
