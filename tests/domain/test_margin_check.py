"""Check 11: leverage, distance to liquidation, and whether the account can pay; and the settings it goes by."""

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import AccountParameters
from streams.domain.records import CommandKind, Order, Side
from tests.domain.perpetual_stories import PERPETUAL, PerpetualStory, make_perpetual, make_perpetual_settings
from tests.domain.risk_stories import D, Story, make_settings

UNIT = D("0.000000000002")


def account(**changes: Any) -> AccountParameters:
    return AccountParameters.model_validate({"leverage": D(10), "shorts_allowed": True} | changes)


def asked(story: Story, side: Side = Side.BUY, *, price: str = "50000") -> Order:
    story.mark(price, symbol=PERPETUAL)
    return story.signal(side, price, symbol=PERPETUAL)


def margin_findings(order: Order) -> dict[str, tuple[bool, Any, Any]]:
    return {
        f["code"]: (f["passed"], f["measured"], f["limit"]) for f in json.loads(order.checks) if f["check"] == "margin"
    }


def test_a_perpetual_order_records_what_was_measured_of_its_margin() -> None:
    # .2 BTC at 50,000: 1,000 of margin and 6 of fee; liquidated at 45,250, which is .095 away.
    order = asked(PerpetualStory())
    assert order.approved
    assert margin_findings(order) == {
        "TIERS_MISSING": (True, None, None),
        "POSITION_ABOVE_TIERS": (True, "10000", "600000"),
        "LEVERAGE": (True, "10", "10"),
        "LIQUIDATION_DISTANCE": (True, "0.095", "0"),
        "MARGIN_NOT_AVAILABLE": (True, "1006", "100000"),
    }


@pytest.mark.parametrize("side", Side)
def test_the_default_distance_refuses_leverage_10_and_approves_5(side: Side) -> None:
    # Leverage 5 is liquidated .2 - .005 = .195 away.
    near = PerpetualStory(make_perpetual_settings(accounts=[account()], min_liquidation_distance=D("0.15")))
    order = asked(near, side)
    assert (order.rejection_code, order.measured, order.limit) == ("LIQUIDATION_DISTANCE", D("0.095"), D("0.15"))
    far = PerpetualStory(make_perpetual_settings(accounts=[account(leverage=5)], min_liquidation_distance=D("0.15")))
    order = asked(far, side)
    assert order.approved and margin_findings(order)["LIQUIDATION_DISTANCE"] == (True, "0.195", "0.15")


@pytest.mark.parametrize(("at_least", "code"), [("0.095", None), ("0.0950001", "LIQUIDATION_DISTANCE")])
def test_exactly_the_distance_asked_for_is_enough(at_least: str, code: str | None) -> None:
    story = PerpetualStory(make_perpetual_settings(accounts=[account()], min_liquidation_distance=D(at_least)))
    assert asked(story).rejection_code == code


def test_what_is_measured_is_the_position_with_the_order() -> None:
    # .2 BTC at 50,000 bind 1,000; .196 more at 51,000 (a tenth of 100,200) bind 999.6: value 19,996, maintenance 99.98. It
    # is refused anyway, since the position is open already.
    story = PerpetualStory(make_perpetual_settings(
        max_position_pct=D("0.25"), max_symbol_exposure_pct=D(1), risk_per_trade_pct=D("0.04"),
    ))
    story.opened()
    found = margin_findings(asked(story, price="51000"))
    liquidated = (D(19_996) - D("1999.6") + D("99.98")) / D("0.396")
    assert found["POSITION_ABOVE_TIERS"][1] == "19996"
    assert D(found["LIQUIDATION_DISTANCE"][1]) == pytest.approx((D(51_000) - liquidated) / D(51_000), abs=UNIT)


def test_an_exit_in_flight_binds_nothing() -> None:
    story = PerpetualStory()
    story.opened()
    assert asked(story, Side.SELL).reduce_only
    story.tell("instruments", "ETH_USDT", make_perpetual(symbol="ETH_USDT"))
    story.mark("50000", symbol="ETH_USDT")
    order = story.signal(Side.BUY, "50000", symbol="ETH_USDT")
    assert margin_findings(order)["MARGIN_NOT_AVAILABLE"] == (True, "1006", "99000")


def test_a_position_that_would_be_liquidated_at_the_mark_is_refused_with_no_distance_asked_for() -> None:
    # Leverage 100 binds .01 of the value, and a tier that keeps .02 of it takes it over .01 above the mark.
    tiers = '[{"maximum_notional":"50000","maintenance_margin_rate":"0.02","initial_margin_rate":"0.02"}]'
    settings = make_perpetual_settings(accounts=[account(leverage=100)], leverage_max=D(125))
    order = asked(PerpetualStory(settings, tiers=tiers))
    assert margin_findings(order)["LIQUIDATION_DISTANCE"] == (False, "-0.01", "0")
    assert order.rejection_code == "LEVERAGE"


@pytest.mark.parametrize("side", Side)
def test_a_position_that_would_be_liquidated_exactly_at_the_mark_is_refused(side: Side) -> None:
    # Leverage 50 binds .02 of the value, which is what the tier keeps of it.
    tiers = '[{"maximum_notional":"50000","maintenance_margin_rate":"0.02","initial_margin_rate":"0.02"}]'
    settings = make_perpetual_settings(accounts=[account(leverage=50)], leverage_max=D(125))
    order = asked(PerpetualStory(settings, tiers=tiers), side)
    assert (order.rejection_code, order.measured, order.limit) == ("LIQUIDATION_DISTANCE", 0, 0)


@pytest.mark.parametrize(("changes", "limit"), [({"leverage_max": D(8)}, 8), ({}, 10)])
def test_leverage_is_limited_by_the_instrument_and_by_its_tier(changes: dict[str, Any], limit: int) -> None:
    # The tier's initial rate of .1 grants leverage 10.
    tiers = '[{"maximum_notional":"50000","maintenance_margin_rate":"0.005","initial_margin_rate":"0.1"}]'
    settings = make_perpetual_settings(accounts=[account(leverage=20)], leverage_max=D(125))
    order = asked(PerpetualStory(settings, tiers=tiers, **changes))
    assert (order.rejection_code, order.measured, order.limit) == ("LEVERAGE", 20, limit)


@pytest.mark.parametrize(("maximum", "measured", "limit"), [
    ('"maximum_notional":"9999"', "10000", "9999"), ('"maximum_quantity":"0.19"', "0.2", "0.19"),
])
def test_a_position_above_the_highest_tier_is_refused(maximum: str, measured: str, limit: str) -> None:
    tiers = f'[{{{maximum},"maintenance_margin_rate":"0.005","initial_margin_rate":"0.01"}}]'
    order = asked(PerpetualStory(tiers=tiers))
    assert order.rejection_code == "POSITION_ABOVE_TIERS"
    assert (order.measured, order.limit) == (D(measured), D(limit))


@pytest.mark.parametrize(("unit", "measured", "limits"), [
    ("maximum_notional", "10000", ("5000", "9999")), ("maximum_quantity", "0.2", ("0.1", "0.19")),
])
def test_the_limit_of_a_position_above_all_tiers_is_the_last_ones(unit: str, measured: str, limits: tuple[str, str]) -> None:
    tiers = [{unit: limit, "maintenance_margin_rate": "0.005", "initial_margin_rate": "0.01"} for limit in limits]
    order = asked(PerpetualStory(tiers=json.dumps(tiers)))
    assert order.rejection_code == "POSITION_ABOVE_TIERS"
    assert (order.measured, order.limit) == (D(measured), D(limits[1]))


def test_a_perpetual_without_tiers_is_refused() -> None:
    order = asked(PerpetualStory(tiers="[]"))
    assert order.rejection_code == "TIERS_MISSING"


def test_what_positions_and_entries_in_flight_bind_is_not_available() -> None:
    # 100,000 less 1,000 of the first position; an entry in flight binds 1,000 more.
    story = PerpetualStory(make_perpetual_settings(max_symbol_exposure_pct=D(1), max_total_exposure_pct=D(1)))
    story.opened()
    for number, available in enumerate(("99000", "98000")):
        name = f"X{number}_USDT"
        story.tell("instruments", name, make_perpetual(symbol=name))
        story.mark("50000", symbol=name)
        order = story.signal(Side.BUY, "50000", symbol=name)
        assert margin_findings(order)["MARGIN_NOT_AVAILABLE"] == (True, "1006", available)


@pytest.mark.parametrize(("fee", "quantity", "found"), [
    ("89900", "0.049", (True, "98.0588", "100")), ("89995", "0.002", (False, "10.006", "5")),
])
def test_an_entry_is_trimmed_to_what_the_balance_can_pay(fee: str, quantity: str, found: tuple[bool, str, str]) -> None:
    # Without leverage .2 BTC bind 10,000; a fee of 89,900 leaves 100 beside them. ETH at 2,000 with its fee of .0006:
    # 100 / 1.0006 = 99.94 pay .049. A fee of 89,995 leaves 5, and the smallest order of 10 needs 10.006.
    story = PerpetualStory(make_perpetual_settings(
        accounts=[account(leverage=1)], max_total_exposure_pct=D(1), max_strategy_exposure_pct=D(1),
    ))
    story.mark("50000", symbol=PERPETUAL)
    story.result(story.signal(Side.BUY, "50000", symbol=PERPETUAL), price="50000", fee=fee)
    story.tell("instruments", "ETH_USDT", make_perpetual(symbol="ETH_USDT"))
    story.mark("2000", symbol="ETH_USDT")
    story.command(CommandKind.RESET)
    order = story.signal(Side.BUY, "2000", symbol="ETH_USDT")
    sizing = json.loads(order.sizing)
    assert (sizing["trims"][-1]["limit"], sizing["quantity"]) == ("margin", quantity)
    assert margin_findings(order)["MARGIN_NOT_AVAILABLE"] == found


def test_spot_must_be_paid_in_full() -> None:
    story = Story()
    story.mark("50000")
    order = story.signal(Side.BUY, "50000")
    # .2 at 50,000 and .0006 of it.
    assert margin_findings(order) == {"MARGIN_NOT_AVAILABLE": (True, "10006", "100000")}


def test_with_cross_margin_the_distance_is_measured_with_the_whole_balance() -> None:
    # Short .2 BTC: (10,000 + 100,000 - 6 - 50) / .2 = 549,720, which is 9.9944 marks away.
    story = PerpetualStory(make_perpetual_settings(accounts=[account(margin_mode="CROSS")]))
    order = asked(story, Side.SELL)
    assert order.approved and margin_findings(order)["LIQUIDATION_DISTANCE"] == (True, "9.9944", "0")
    assert margin_findings(asked_long())["LIQUIDATION_DISTANCE"] == (True, "1", "0"), "no price liquidates it"


def asked_long() -> Order:
    return asked(PerpetualStory(make_perpetual_settings(accounts=[account(margin_mode="CROSS")])))


def test_with_cross_margin_what_the_marks_show_counts_as_balance() -> None:
    story = PerpetualStory(make_perpetual_settings(accounts=[account(margin_mode="CROSS")], max_total_exposure_pct=D(1)))
    story.opened()
    story.mark("51000", symbol=PERPETUAL)
    story.tell("instruments", "ETH_USDT", make_perpetual(symbol="ETH_USDT"))
    story.mark("50000", symbol="ETH_USDT")
    order = story.signal(Side.BUY, "50000", symbol="ETH_USDT")
    # 100,000 - 1,000 + 200.
    assert margin_findings(order)["MARGIN_NOT_AVAILABLE"] == (True, "1006", "99200")


def test_an_exit_needs_no_margin() -> None:
    story = PerpetualStory(make_perpetual_settings(accounts=[account()]))
    story.opened()
    order = asked(story, Side.SELL)
    assert order.approved and order.reduce_only and margin_findings(order) == {}


@pytest.mark.parametrize(("changes", "fault"), [
    ({"leverage": 0}, "LEVERAGE must be 1..125, was 0"),
    ({"leverage": "125.5"}, "LEVERAGE must be 1..125, was 125.5"),
    ({"margin_mode": "NONE"}, "MARGIN_MODE must be 'ISOLATED' or 'CROSS', was NONE"),
])
def test_an_account_outside_its_ranges_is_refused_with_the_range(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AccountParameters.model_validate(changes)
    assert faults_of(caught.value, AccountParameters) == [fault]


def test_a_session_whose_account_has_more_leverage_than_allowed_does_not_start() -> None:
    with pytest.raises(ValidationError, match=r"accounts.main.leverage must be at most LEVERAGE_MAX \(10\), was 11"):
        make_settings(accounts=[AccountParameters(leverage=Decimal(11))])
