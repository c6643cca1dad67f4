"""Sizes: what each method asks for, the limits' cuts, the lot."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.risk_settings import SizingMethod, SizingSettings
from streams.domain.sizing import Lots, Room, Size, sized, smallest_quantity
from streams.domain.sizing_methods import METHODS, Measured, Wish
from tests.domain.risk_stories import D

LOTS = Lots(lot=D("0.001"), quantity_min=D("0.001"), notional_min=D(10))


def wish(method: SizingMethod, settings: dict[str, Any] | None = None, **measured: Any) -> Wish:
    given = {"equity": D(100_000), "mark": D(50_000), "stop": D("0.02")} | measured
    return METHODS[method](Measured(**given), SizingSettings(**(settings or {})))


def size(notional: str | Decimal, *rooms: tuple[str, str], price: str = "50000") -> Size:
    return sized(
        method="fixed_fraction", wish=Wish(D(notional), {}), lots=LOTS, price=D(price),
        rooms=tuple(Room(name, D(room)) for name, room in rooms),
    )


def test_the_fixed_fraction_loses_the_risk_budget_when_the_stop_is_hit() -> None:
    # 100,000 x .02 = 2,000 at risk; a fall of 4 % loses it on 50,000.
    assert wish("fixed_fraction", stop=D("0.04")).notional == 50_000


def test_the_volatility_target_holds_less_of_what_swings_more() -> None:
    # 100,000 x .20 / .80 = 25,000.
    assert wish("volatility_target", volatility=D("0.80")).notional == 25_000


def test_the_atr_method_loses_the_risk_budget_over_two_atrs() -> None:
    # 2,000 at risk over 2 x 500 a unit: 2 units, 100,000 at 50,000.
    assert wish("atr", atr=D(500)).notional == 100_000


def test_kelly_takes_a_quarter_of_the_edge() -> None:
    # Half winners of .04, half losers of .02: (.5 x .04 - .5 x .02) / .04 = .25, a quarter of it .0625.
    assert wish("kelly", returns=[D("0.04"), D("-0.02")] * 15).notional == 6_250


def test_kelly_without_losses_takes_a_quarter_and_never_more_than_all() -> None:
    assert wish("kelly", returns=[D("0.01")] * 30).notional == 25_000


def test_kelly_without_an_edge_takes_nothing() -> None:
    assert wish("kelly", returns=[D("0.02"), D("-0.02")] * 15).notional == 0
    assert wish("kelly", returns=[D("-0.02")] * 30).notional == 0


def test_kelly_is_the_fixed_fraction_until_there_are_trades_enough_and_says_so() -> None:
    outcome = wish("kelly", returns=[D("0.04"), D("-0.02")] * 14)
    assert (outcome.notional, outcome.stands_in) == (100_000, "fixed_fraction")


@pytest.mark.parametrize(("method", "word"), [("atr", "atr"), ("volatility_target", "volatility")])
def test_a_method_without_its_measure_asks_for_nothing_and_says_what_it_waits_for(method: Any, word: str) -> None:
    for missing in (None, D(0)):
        outcome = wish(method, **{word: missing})
        assert (outcome.notional, outcome.waits_for) == (0, word)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_risked_where_equity_is_gone(method: Any) -> None:
    measured = {"atr": D(500), "volatility": D("0.5"), "returns": [D("0.01")] * 30}
    assert wish(method, equity=D(-5), **measured).notional == 0


def test_each_limit_that_cuts_is_named_with_what_it_left() -> None:
    outcome = size("100000", ("position", "10000"), ("symbol_exposure", "20000"), ("total_exposure", "4000"))
    assert outcome.trims == (Room("position", D(10_000)), Room("total_exposure", D(4_000)))
    assert (outcome.quantity, outcome.notional, outcome.requested_quantity) == (D("0.08"), 4_000, 2)


def test_an_exceeded_limit_leaves_nothing_rather_than_less() -> None:
    outcome = size("100000", ("position", "-5000"))
    assert (outcome.quantity, outcome.notional) == (0, 0)


def test_the_quantity_is_rounded_down_to_the_lot() -> None:
    # 1,049 / 50,000 = .02098, 20 whole lots.
    assert size("1049").quantity == D("0.020")


def test_the_smallest_order_meets_every_minimum_in_whole_lots() -> None:
    # Notional: 10 / 3,000 = .00333, 4 lots. At 50,000 one lot is 50 and enough.
    assert smallest_quantity(LOTS, D(3_000)) == D("0.004")
    assert smallest_quantity(LOTS, D(50_000)) == D("0.001")


FRACTIONS = st.decimals("0.001", "0.05", places=4)


@given(
    st.sampled_from(sorted(METHODS)), FRACTIONS, FRACTIONS, st.decimals("0.001", "0.5", places=4),
    st.decimals("1", "1000000", places=2), st.decimals("0.01", "100000", places=2),
    st.decimals("0", "100000", places=2), st.lists(st.decimals("-0.1", "0.1", places=3), max_size=40),
)
def test_the_size_never_falls_when_the_risk_budget_rises(
    method: Any, risk: Decimal, more: Decimal, stop: Decimal, equity: Decimal, mark: Decimal, room: Decimal,
    returns: list[Decimal],
) -> None:
    sizes = []
    for budget in (risk, risk + more):
        settings = {"risk_per_trade_pct": budget, "target_volatility": 20 * budget}
        if not D("0.01") <= 20 * budget <= 2:
            return
        asked = wish(method, settings, equity=equity, mark=mark, stop=stop, atr=mark / 100, volatility=D("0.5"), returns=returns)
        assert asked.notional >= 0
        sizes.append(sized(method=method, wish=asked, rooms=(Room("position", room),), lots=LOTS, price=mark))
    assert sizes[0].quantity <= sizes[1].quantity
    assert sizes[1].notional <= room
