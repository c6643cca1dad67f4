"""Checks 10, 12 and 13: counts, expected cost, and what holds back after losses."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.correlation import MINUTE, MinuteReturns, correlation, on_price
from streams.domain.parameters import AccountParameters
from streams.domain.records import CommandKind, DepthStep, Order, ResultStatus, Side
from streams.domain.risk.codes import RejectionCode
from tests.domain.risk_stories import D, Story, make_settings, only
from tests.domain.test_rejection_codes import SYMBOLS, lose
from tests.domain.test_risk_checks import found

# Known to the marks: 5,000 at 100.1 on average, 20,000 at 100.4.
DEEP = {"depth": [
    DepthStep(Side.BUY, D(5_000), D("100.1"), D(5_000) / D("100.1")),
    DepthStep(Side.BUY, D(20_000), D("100.4"), D(20_000) / D("100.4")),
    DepthStep(Side.SELL, D(20_000), D("99.9"), D(20_000) / D("99.9")),
]}


def finding(order: Order, code: str) -> dict[str, Any]:
    [one] = [one for one in json.loads(order.checks) if one["code"] == code]
    assert isinstance(one, dict)
    return one


def cost(order: Order) -> Any:
    return D(finding(order, "EXPECTED_COST")["measured"])


def bought(mark: dict[str, Any], *, entries: dict[str, Any] | None = None, **risk: Any) -> Order:
    story = Story(make_settings(entries=entries, **risk))
    story.mark("100", **mark)
    return story.signal(Side.BUY, "100")


def test_the_cost_is_that_of_the_first_depth_step_that_holds_the_order_and_the_fee() -> None:
    # 10,000 lie in the step of 20,000: 40 bps, and 6 for the taker.
    assert cost(bought(DEEP)) == 46
    # 4,000 lie in the step of 5,000: 10 bps.
    assert cost(bought(DEEP, max_position_pct=D("0.04"))) == 16


def test_beyond_the_last_step_the_slippage_grows_with_the_notional() -> None:
    # 25,000 against 20,000 at 40 bps: 50.
    settings = {"max_position_pct": D("0.25"), "max_symbol_exposure_pct": D("0.25")}
    assert cost(bought(DEEP, **settings)) == 56


def test_a_book_that_ends_is_enough_for_what_it_holds() -> None:
    # 99.9 units at 100.2 are 10,009.98 of 50,000: enough for 10,000, not for 25,000.
    short = {"depth": [DepthStep(Side.BUY, D(50_000), D("100.2"), D("99.9"))]}
    assert bought(short).approved
    order = bought(short, max_position_pct=D("0.25"), max_symbol_exposure_pct=D("0.25"))
    assert (order.rejection_code, order.measured, order.limit) == ("BOOK_TOO_THIN", D("10009.98"), 25_000)


def test_without_a_book_the_model_of_trades_stands_in() -> None:
    # 5 bps, and twice the volatility of an hour: .936 / 93.6 (the root of 8,760 hours) is .01, 200 bps.
    order = bought({"book_present": False, "depth": [], "volatility": None}, book_required=False)
    assert order.approved and cost(order) == 11
    assert finding(order, "EXPECTED_COST")["note"] == "trades_only"
    order = bought({"book_present": False, "depth": [], "volatility": D("0.936")}, book_required=False)
    assert order.rejection_code == "EXPECTED_COST" and abs(cost(order) - 211) < D("0.02")


@pytest.mark.parametrize(("entries", "bps"), [
    # Waits at or below the mark: no slippage, the maker's fee of 2 bps.
    ({"entry_order_type": "LIMIT", "entry_limit_offset_bps": D(5)}, "2"),
    ({"entry_order_type": "LIMIT_MAKER"}, "2"),
    # Crosses by at most 20 bps of the 40 that the book would cost.
    ({"entry_order_type": "LIMIT", "entry_limit_offset_bps": D(-20)}, "26"),
    ({"entry_order_type": "IMMEDIATE_OR_CANCEL", "entry_limit_offset_bps": D(-20)}, "26"),
    # At the mark's own price nothing slips.
    ({"entry_order_type": "FILL_OR_KILL"}, "6"),
    # Once set off as a market order, or at most 10 bps beyond its stop.
    ({"entry_order_type": "STOP"}, "46"),
    ({"entry_order_type": "STOP_LIMIT", "entry_limit_offset_bps": D(-10)}, "16"),
])
def test_a_limit_bounds_the_cost(entries: dict[str, Any], bps: str) -> None:
    assert cost(bought(DEEP, entries=entries)) == pytest.approx(D(bps), abs=D("0.05"))


def test_a_short_that_waits_above_the_mark_is_a_maker() -> None:
    story = Story(make_settings(
        accounts=[AccountParameters(shorts_allowed=True)], entries={"entry_order_type": "LIMIT", "entry_limit_offset_bps": D(5)},
    ))
    story.mark("100", **DEEP)
    assert cost(story.signal(Side.SELL, "100")) == 2


def test_an_exits_cost_is_recorded_and_holds_nothing_back() -> None:
    story = Story()
    story.long("100")
    thin = {"depth": [DepthStep(Side.SELL, D(10_000), D(90), D(1))]}
    [order] = only(Order, story.mark("97", **thin))
    assert order.approved
    # (97 - 90) / 97 is 721.65 bps, and 6 for the fee.
    assert finding(order, "EXPECTED_COST")["waived"] and round(cost(order), 2) == D("727.65")
    assert finding(order, "BOOK_TOO_THIN")["waived"]


def test_an_entry_that_ended_without_a_fill_was_no_trade_and_no_position() -> None:
    story = Story(make_settings(documented=True, max_trades_an_hour=1, execution_failures_in_a_row_max=100))
    for _ in range(3):
        story.mark("100")
        order = story.signal(Side.BUY, "100")
        assert order.approved
        story.reject(order)
    story.long("100")
    assert story.account().entry_times and story.account().failures_in_a_row == 0


def test_a_trade_is_forgotten_after_an_hour_and_an_order_after_a_second() -> None:
    story = Story(make_settings(documented=True, max_trades_an_hour=1, max_orders_a_second=1))
    story.long("100")
    story.wait(1)
    story.result(story.signal(Side.SELL, "100"), price="100")
    story.mark("100", after="3597")
    assert story.signal(Side.BUY, "100").rejection_code == "TRADES_AN_HOUR"
    story.mark("100", after="3")
    assert story.signal(Side.BUY, "100").approved
    assert len(story.account().entry_times) == 1 and len(story.account().order_times) == 1


def test_an_entry_that_rested_for_more_than_an_hour_is_forgotten_already_when_it_ends() -> None:
    story = Story(make_settings(entries={"entry_order_type": "LIMIT", "entry_expiry_sec": 7200}), symbols=SYMBOLS)
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    story.mark("100", symbol="ETHUSDT", after="3601")
    assert story.signal(Side.BUY, "100", symbol="ETHUSDT").approved
    story.result(order, price="1", quantity=D(0), status=ResultStatus.EXPIRED)
    assert len(story.account().entry_times) == 1, "the other one's"


def test_exits_are_counted_as_orders_and_never_refused_for_their_count() -> None:
    story = Story(make_settings(documented=True, max_orders_a_second=1))
    story.mark("100")
    story.result(story.signal(Side.BUY, "100"), price="100", after="0.1")
    order = story.signal(Side.SELL, "100")
    assert order.approved and finding(order, "ORDERS_A_SECOND")["waived"]
    assert finding(order, "OPEN_POSITIONS")["measured"] == "1", "an exit opens nothing"


def test_a_stop_out_holds_the_strategy_from_the_symbol_for_five_minutes() -> None:
    story = Story(make_settings(documented=True, max_position_pct=D("0.04")), symbols=SYMBOLS)
    story.long("100")
    [order] = only(Order, story.mark("97"))
    story.result(order, price="97")
    story.mark("97", after="299.9")
    refused = story.signal(Side.BUY, "97")
    assert (refused.rejection_code, refused.measured, refused.limit) == ("STOP_OUT_COOLDOWN", D("299.9"), 300)
    assert story.signal(Side.BUY, "97", strategy="other").approved, "the other one was not stopped out"
    story.mark("97", symbol="ETHUSDT")
    assert story.signal(Side.BUY, "97", symbol="ETHUSDT").approved


def test_a_profit_at_the_trailing_stop_is_no_stop_out() -> None:
    story = Story(make_settings(documented=True, trailing_stop_pct=D("0.03")))
    story.long("100")
    story.mark("110")
    [order] = only(Order, story.mark("106"))
    story.result(order, price="106")
    story.mark("106")
    assert story.signal(Side.BUY, "106").approved


def test_after_five_losses_in_a_row_a_strategy_pauses_for_an_hour() -> None:
    story = Story(make_settings(documented=True))
    lose(story, 5)
    lost_at = story.now
    story.wait("3599")
    story.mark("100", after="0")
    refused = story.signal(Side.BUY, "100")
    assert (refused.rejection_code, refused.measured, refused.limit) == ("CONSECUTIVE_LOSSES", 5, 5)
    story.reject(story.signal(Side.BUY, "100", strategy="other"))
    story.wait_until(lost_at + 3_600_000_000)
    story.mark("100", after="0")
    assert story.signal(Side.BUY, "100").approved


def test_a_gain_ends_the_row_of_losses() -> None:
    story = Story(make_settings(documented=True))
    lose(story, 4)
    lose(story, 1, price="100.2")
    lose(story, 4)
    story.mark("100")
    assert story.account().track_records["momentum"].losses_in_a_row == 4


def test_fees_count_in_what_a_trade_has_earned() -> None:
    # 100 units bought at 100 and sold at 100.05 earn 5; fees of 6 twice make a loss of 7 on 10,000.
    story = Story()
    story.long("100", fee="6")
    story.result(story.signal(Side.SELL, "100"), price="100.05", fee="6")
    assert story.account().track_records["momentum"].returns == [D("-0.0007")]


def test_a_trade_closed_in_parts_is_one_trade() -> None:
    story = Story()
    story.long("100")
    order = story.signal(Side.SELL, "100")
    story.result(order, price="101", quantity=D(50), status=ResultStatus.PARTIAL, terminal=False)
    assert story.account().track_records == {}
    story.result(order, price="103", quantity=D(50))
    # 50 and 150 earned on 10,000.
    assert story.account().track_records["momentum"].returns == [D("0.02")]


def moved(prices: dict[str, list[str]], **risk: Any) -> Story:
    """A story in which each minute brings one mark of each symbol; the last one is 100 for all."""
    story = Story(make_settings(documented=True, allocation_warmup=D(1), **risk), symbols=tuple(prices))
    for minute in zip(*prices.values(), strict=True):
        for place, (symbol, price) in enumerate(zip(prices, minute, strict=True)):
            story.mark(price, symbol=symbol, after="0.1" if place else "59.9")
    return story


UP_AND_DOWN = ["100", "101", "100.5", "100"] * 9
ITS_MIRROR = ["100", "99", "99.5", "100"] * 9
OTHERWISE = ["100", "100", "101", "101", "100", "100.5"] * 6


def test_symbols_that_move_as_one_share_a_limit_and_size_is_trimmed_to_it() -> None:
    story = moved({"BTCUSDT": UP_AND_DOWN, "ETHUSDT": UP_AND_DOWN}, max_correlated_exposure_pct=D("0.12"))
    story.long("100")
    story.mark("100", symbol="ETHUSDT")
    order = story.signal(Side.BUY, "100", symbol="ETHUSDT")
    assert order.approved and order.notional == 2_000
    assert json.loads(order.sizing)["trims"][-1] == {"limit": "correlated_exposure", "room": "2000"}
    assert finding(order, "CORRELATED_EXPOSURE")["note"] == "BTCUSDT"


def test_symbols_that_move_otherwise_do_not() -> None:
    story = moved({"BTCUSDT": UP_AND_DOWN, "ETHUSDT": OTHERWISE})
    story.long("100")
    story.mark("100", symbol="ETHUSDT")
    order = story.signal(Side.BUY, "100", symbol="ETHUSDT")
    assert order.notional == 10_000
    assert "note" not in finding(order, "CORRELATED_EXPOSURE")


def test_a_mirrored_market_is_one_risk_the_other_way_round() -> None:
    story = moved({"BTCUSDT": UP_AND_DOWN, "ETHUSDT": ITS_MIRROR})
    story.long("100")
    story.mark("100", symbol="ETHUSDT")
    assert story.signal(Side.BUY, "100", symbol="ETHUSDT").approved
    shorter = moved({"BTCUSDT": UP_AND_DOWN, "ETHUSDT": ITS_MIRROR}, accounts=[AccountParameters(shorts_allowed=True)])
    shorter.long("100")
    shorter.mark("100", symbol="ETHUSDT")
    assert shorter.signal(Side.SELL, "100", symbol="ETHUSDT").rejection_code == "CORRELATED_EXPOSURE"


def test_a_correlation_without_history_is_not_yet_measurable_and_passes() -> None:
    story = moved({"BTCUSDT": UP_AND_DOWN[:20], "ETHUSDT": UP_AND_DOWN[:20]})
    story.long("100")
    story.mark("100", symbol="ETHUSDT")
    order = story.signal(Side.BUY, "100", symbol="ETHUSDT")
    assert order.approved and finding(order, "CORRELATED_EXPOSURE")["note"] == "not_yet_measurable"


def test_an_unknown_market_has_no_correlation() -> None:
    story = moved({"BTCUSDT": UP_AND_DOWN})
    story.long("100")
    order = story.signal(Side.BUY, "100", symbol="DOGEUSDT")
    assert order.rejection_code == "SYMBOL_UNKNOWN"
    assert finding(order, "CORRELATED_EXPOSURE")["note"] == "not_yet_measurable"


def returned(prices: list[str | None], kept: int = 60) -> MinuteReturns:
    returns = MinuteReturns()
    for minute, price in enumerate(prices):
        if price is not None:
            on_price(returns, D(price), minute * MINUTE, kept)
    return returns


def test_a_return_spans_two_neighbouring_minutes_by_their_last_marks() -> None:
    returns = MinuteReturns()
    for second, price in ((0, "90"), (59, "100"), (60, "105"), (119, "110"), (120, "99"), (180, "99")):
        on_price(returns, D(price), second * 1_000_000, 60)
    # Closes 100, 110, 99: +.1 and -.1.
    assert returns.closed == [(1, D("0.1")), (2, D("-0.1"))]


def test_a_minute_without_a_mark_gives_no_return() -> None:
    assert [minute for minute, _ in returned(["100", "101", None, "103", "104", "105", "106"]).closed] == [1, 4, 5]


def test_only_the_newest_minutes_are_kept() -> None:
    assert [minute for minute, _ in returned([str(100 + n) for n in range(20)], kept=5).closed] == [14, 15, 16, 17, 18]


def test_the_correlation_of_three_minutes_by_hand() -> None:
    # In hundredths x = 1, 2, 3 and y = 2, 4, 3: covariance 3 x (2 + 8 + 9) - 6 x 9 = 3, variances 3 x 14 - 36 = 6 and
    # 3 x 29 - 81 = 6: 3 / 6.
    one = MinuteReturns(closed=[(1, D("0.01")), (2, D("0.02")), (3, D("0.03"))])
    other = MinuteReturns(closed=[(1, D("0.02")), (2, D("0.04")), (3, D("0.03")), (9, D("0.9"))])
    assert correlation(one, other, 3) == D("0.5")
    assert correlation(one, other, 4) is None


def test_a_market_that_does_not_move_has_no_correlation() -> None:
    still = MinuteReturns(closed=[(1, D(0)), (2, D(0))])
    assert correlation(still, MinuteReturns(closed=[(1, D(1)), (2, D(2))]), 2) is None


RETURNS = st.lists(st.tuples(st.decimals("-0.1", "0.1", places=4), st.decimals("-0.1", "0.1", places=4)), min_size=2, max_size=30)


@given(RETURNS)
def test_a_correlation_is_symmetric_within_one_and_one_with_itself(pairs: list[tuple[Any, Any]]) -> None:
    one, other = (MinuteReturns(closed=[(n, pair[place]) for n, pair in enumerate(pairs)]) for place in (0, 1))
    value = correlation(one, other, 2)
    assert value == correlation(other, one, 2)
    assert value is None or -1 <= value <= 1
    assert correlation(one, one, 2) in (None, 1)


def test_the_switch_and_the_counts_survive_a_restart() -> None:
    story = Story(make_settings(documented=True))
    lose(story, 5)
    story.command(CommandKind.REDUCE_ONLY)
    raw = story.stage.encode(story.state)
    story.state = story.stage.decode(raw)
    assert story.stage.encode(story.state) == raw
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    assert order.rejection_code == "KILL_SWITCH_REDUCE_ONLY"
    assert not found(order, RejectionCode.CONSECUTIVE_LOSSES)["passed"]
