"""Decisions: one record each, every check in it, the first failing one in the order of the rules names the
rejection."""

import json
from typing import Any

import msgspec
import pytest

from streams.domain.parameters import AccountParameters
from streams.domain.records import (
    InstrumentKind,
    InstrumentStatus,
    LedgerEntry,
    LedgerKind,
    Order,
    OrderType,
    PortfolioSnapshot,
    Purpose,
    ResultStatus,
    Side,
)
from streams.domain.risk.codes import AlertCode, RejectionCode
from streams.domain.rules import broken_rule
from tests.domain.risk_stories import SECOND, D, Story, make_instrument, make_settings, only

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")


def found(order: Order, code: RejectionCode) -> dict[str, Any]:
    [finding] = [finding for finding in json.loads(order.checks) if finding["code"] == code.name]
    assert isinstance(finding, dict)
    return finding


def test_the_documented_defaults_approve_a_sane_trade_at_a_tenth_of_equity() -> None:
    # 100,000 x .02 / .02 = 100,000 asked for, 10 % = 10,000 left by the position limit, .2 at 50,000.
    story = Story(make_settings(documented=True))
    story.mark("50000")
    order = story.signal(Side.BUY, "50000")
    assert order.approved and order.rejection_code is None
    assert (order.quantity, order.notional, order.requested_notional) == (D("0.2"), 10_000, 100_000)
    assert (order.order_type, order.purpose, order.reduce_only) == (OrderType.MARKET, Purpose.ENTRY, False)
    assert json.loads(order.sizing) == {
        "method": "fixed_fraction", "inputs": {"equity": "100000", "mark": "50000", "risk": "0.02", "stop": "0.02"},
        "notional": "100000", "trims": [{"limit": "position", "room": "10000"}], "quantity": "0.2",
    }


def test_three_trades_fill_the_exposure_limit_and_the_fourth_is_refused_with_it() -> None:
    story = Story(symbols=SYMBOLS)
    for symbol in SYMBOLS[:3]:
        story.long("100", symbol=symbol)
    assert story.account().portfolio.exposure() == 30_000
    story.mark("100", symbol="XRPUSDT")
    order = story.signal(Side.BUY, "100", symbol="XRPUSDT")
    # The smallest order the exchange takes is .1 at 100, 10 more: 30,010 of 100,000.
    assert order.rejection_code == "TOTAL_EXPOSURE"
    assert (order.measured, order.limit, order.quantity) == (D("0.3001"), D("0.3"), 0)


def test_orders_in_flight_are_counted_as_if_filled() -> None:
    story = Story(symbols=SYMBOLS)
    for symbol in SYMBOLS:
        story.mark("100", symbol=symbol)
    orders = [story.signal(Side.BUY, "100", symbol=symbol) for symbol in SYMBOLS]
    assert [order.rejection_code for order in orders] == [None, None, None, "TOTAL_EXPOSURE"]
    # Once one of them has ended without a fill, there is room again.
    story.reject(orders[0])
    story.mark("100", symbol="XRPUSDT")
    assert story.signal(Side.BUY, "100", symbol="XRPUSDT").approved


def test_every_check_is_recorded_with_its_measure_even_after_the_first_failure() -> None:
    story = Story()
    story.mark("100", gap=True)
    order = story.signal(Side.BUY, "110", strategy="resting")
    assert order.rejection_code == "STRATEGY_DISABLED"
    assert not found(order, RejectionCode.FEED_GAP)["passed"]
    anomaly = found(order, RejectionCode.PRICE_ANOMALY)
    # |100 - 110| / 110
    assert (anomaly["passed"], anomaly["measured"], anomaly["limit"]) == (False, "0.090909090909", "0.01")
    assert found(order, RejectionCode.TOTAL_EXPOSURE)["measured"] == "0.1"


def test_a_decision_is_a_valid_record_approved_or_not() -> None:
    story = Story()
    story.mark("100")
    for order in (story.signal(Side.SELL, "100"), story.signal(Side.BUY, "100")):
        assert broken_rule(msgspec.structs.replace(order, session="story")) is None


MARK_FAULTS = [
    ({"feed_down": True}, "FEED_DOWN"),
    ({"gap": True}, "FEED_GAP"),
    ({"book_present": False}, "BOOK_MISSING"),
    ({"book_crossed": True}, "BOOK_CROSSED"),
    ({"mark": None}, "MARK_MISSING"),
]


@pytest.mark.parametrize(("changes", "code"), MARK_FAULTS)
def test_an_entry_needs_a_market_that_is_seen_completely(changes: dict[str, Any], code: str) -> None:
    story = Story()
    story.mark("100", **changes)
    assert story.signal(Side.BUY, "100").rejection_code == code


SIGNAL_FAULTS = [
    ({"strategy": "nobody"}, "STRATEGY_UNKNOWN"),
    ({"strategy": "resting"}, "STRATEGY_DISABLED"),
    ({"symbol": "DOGEUSDT"}, "SYMBOL_UNKNOWN"),
    ({"price": D(0)}, "RECORD_INVALID"),
]


@pytest.mark.parametrize(("changes", "code"), SIGNAL_FAULTS)
def test_a_signal_must_be_valid(changes: dict[str, Any], code: str) -> None:
    story = Story()
    story.mark("100")
    assert story.signal(Side.BUY, changes.pop("price", "100"), **changes).rejection_code == code


def test_a_signal_from_the_future_is_refused_with_the_seconds_it_is_ahead() -> None:
    story = Story()
    story.mark("100")
    order = story.signal(Side.BUY, "100", time=story.now + SECOND // 2)
    assert (order.rejection_code, order.measured, order.limit) == ("FROM_THE_FUTURE", D("0.5"), 0)


def test_a_signal_is_stale_when_it_reaches_the_timeout() -> None:
    story = Story()
    story.mark("100")
    assert story.signal(Side.BUY, "100", time=story.now - 30 * SECOND).rejection_code == "SIGNAL_STALE"
    assert story.signal(Side.BUY, "100", time=story.now - 30 * SECOND + 1).approved


def test_a_price_is_stale_by_the_newest_market_record_not_by_the_newest_mark() -> None:
    story = Story()
    story.mark("100", market_time=story.now - 30 * SECOND)
    order = story.signal(Side.BUY, "100")
    assert (order.rejection_code, order.measured, order.limit) == ("MARK_STALE", D("30.1"), 30)


INSTRUMENT_FAULTS = [
    ({"status": InstrumentStatus.PAUSED}, "INSTRUMENT_NOT_ONLINE"),
    ({"kind": InstrumentKind.PERPETUAL}, "TIERS_MISSING"),
    ({"quote_asset": "USDC"}, "CONVERSION_MISSING"),
    ({"valid_to": 5}, "SYMBOL_UNKNOWN"),
]


@pytest.mark.parametrize(("changes", "code"), INSTRUMENT_FAULTS)
def test_an_instrument_must_be_tradable_by_the_account(changes: dict[str, Any], code: str) -> None:
    story = Story()
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", **changes))
    story.mark("100")
    assert story.signal(Side.BUY, "100").rejection_code == code


def test_what_is_quoted_in_the_accounts_own_currency_is_traded_and_booked_in_it() -> None:
    story = Story(make_settings(accounts=[AccountParameters(currency="USDC")]), symbols=())
    story.tell("instruments", "BTCUSDC", make_instrument("BTCUSDC", base_asset="BTC", quote_asset="USDC"))
    story.long("100", symbol="BTCUSDC")
    story.mark("101", symbol="BTCUSDC")
    made = story.result(story.signal(Side.SELL, "101", symbol="BTCUSDC"), price="101")
    assert [(entry.kind, entry.asset) for entry in only(LedgerEntry, made)] == [(LedgerKind.REALIZED_PNL, "USDC")]
    assert {snapshot.currency for snapshot in only(PortfolioSnapshot, made)} == {"USDC"}


def test_a_wide_spread_is_measured_against_its_mean_as_a_fraction_of_mid() -> None:
    # (100.3 - 99.7) / 100 = .006 against a mean of .001 is 6 times; 5 are allowed.
    story = Story()
    story.mark("100", best_bid=D("99.7"), best_ask=D("100.3"), spread_mean=D("0.001"))
    order = story.signal(Side.BUY, "100")
    assert (order.rejection_code, order.measured, order.limit) == ("SPREAD_ANOMALY", 6, 5)
    story.mark("100", best_bid=D("99.75"), best_ask=D("100.25"), spread_mean=D("0.001"))
    assert story.signal(Side.BUY, "100").approved


def test_a_spread_without_history_is_not_yet_measurable_and_passes() -> None:
    story = Story()
    story.mark("100", spread_mean=None)
    order = story.signal(Side.BUY, "100")
    finding = found(order, RejectionCode.SPREAD_ANOMALY)
    assert order.approved and finding["passed"] and finding["note"] == "not_yet_measurable"


def test_a_second_order_waits_for_the_first_ones_answer() -> None:
    story = Story()
    story.mark("100")
    first = story.signal(Side.BUY, "100")
    assert first.approved
    assert story.signal(Side.BUY, "100").rejection_code == "ORDER_IN_FLIGHT"
    # A partial answer is not the last one; but what it opened may be closed, and only once.
    story.result(first, price="100", quantity=D(10), terminal=False)
    exit_order = story.signal(Side.SELL, "100")
    assert exit_order.approved and exit_order.quantity == 10
    assert story.signal(Side.SELL, "100").rejection_code == "ORDER_IN_FLIGHT"
    # What the entry opens afterwards is closed as well.
    story.result(first, price="100", quantity=D(5), status=ResultStatus.CANCELLED)
    story.result(exit_order, price="100", quantity=D(10))
    assert [(o.purpose, o.quantity) for o in only(Order, story.mark("100"))] == [(Purpose.FLATTEN, 5)]


def test_a_buy_on_top_of_a_long_is_refused() -> None:
    story = Story()
    story.long("100")
    assert story.signal(Side.BUY, "100").rejection_code == "POSITION_ALREADY_OPEN"


def test_a_sale_without_a_position_opens_a_short_only_where_shorts_are_allowed() -> None:
    story = Story()
    story.mark("100")
    assert story.signal(Side.SELL, "100").rejection_code == "SHORTS_NOT_ALLOWED"
    shorter = Story(make_settings(accounts=[AccountParameters(shorts_allowed=True)]))
    shorter.mark("100")
    order = shorter.signal(Side.SELL, "100")
    assert order.approved and order.purpose is Purpose.ENTRY and order.quantity == 100
    shorter.result(order, price="100")
    back = shorter.signal(Side.BUY, "100")
    assert back.approved and back.purpose is Purpose.EXIT and back.reduce_only and back.quantity == 100


def test_the_whole_position_is_sold_on_a_sell_signal() -> None:
    story = Story()
    story.long("50000")
    order = story.signal(Side.SELL, "50000")
    assert order.approved and order.purpose is Purpose.EXIT and order.reduce_only
    assert (order.side, order.quantity) == (Side.SELL, D("0.2"))
    assert json.loads(order.sizing) == {"method": "whole_position", "quantity": "0.2"}


def test_an_exit_passes_what_refuses_an_entry_and_the_record_says_waived() -> None:
    story = Story()
    story.long("100")
    story.mark("99.5", gap=True, book_present=False)
    order = story.signal(Side.SELL, "110")
    assert order.approved
    assert found(order, RejectionCode.FEED_GAP) == {
        "check": "feed", "code": "FEED_GAP", "passed": False, "measured": None, "limit": None, "waived": True,
    }
    assert found(order, RejectionCode.PRICE_ANOMALY)["waived"]


def test_an_exit_on_a_stale_price_is_refused() -> None:
    story = Story()
    story.long("100")
    story.wait(30)
    assert story.signal(Side.SELL, "100").rejection_code == "MARK_STALE"


def test_a_size_below_the_exchanges_minimum_is_refused_with_the_minimum() -> None:
    # .0000005 x 100,000 / .5 = .1 quote units; the exchange takes 10, which is .1 at 100.
    story = Story(make_settings(risk_per_trade_pct=D("0.0000005"), stop_loss_pct=D("0.5")))
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    assert (order.rejection_code, order.measured, order.limit) == ("BELOW_MINIMUM", D("0.001"), D("0.1"))


def test_strategies_of_one_account_share_the_symbols_limit() -> None:
    story = Story()
    story.long("100")
    order = story.signal(Side.BUY, "100", strategy="other")
    assert (order.rejection_code, order.measured) == ("SYMBOL_EXPOSURE", D("0.1001"))


def test_a_strategys_own_limit_holds_over_all_its_symbols() -> None:
    story = Story(make_settings(max_strategy_exposure_pct=D("0.15")), symbols=SYMBOLS)
    story.long("100", symbol="BTCUSDT")
    story.long("100", symbol="ETHUSDT")
    assert story.account().portfolio.exposure() == 15_000
    story.mark("100", symbol="SOLUSDT")
    assert story.signal(Side.BUY, "100", symbol="SOLUSDT").rejection_code == "STRATEGY_EXPOSURE"
    assert story.signal(Side.BUY, "100", symbol="SOLUSDT", strategy="other").approved


def test_each_code_says_what_it_means() -> None:
    for codes in (RejectionCode, AlertCode):
        assert all(code.doc.endswith(".") for code in codes)
