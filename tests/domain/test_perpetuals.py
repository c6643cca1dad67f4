"""The arithmetic of perpetuals: numbers worked by hand, and what must hold for any."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.money import amount
from streams.domain.perpetuals.funding import funding_payment
from streams.domain.perpetuals.liquidation import Held, cross_takeovers, isolated_takeover
from streams.domain.perpetuals.margin import (
    bankruptcy_price,
    distance,
    initial_margin,
    is_used_up,
    liquidation_price,
    maintenance_margin,
)
from streams.domain.perpetuals.tiers import Tier, Tiers, increasing, level_of, tiers_fault, tiers_of, tiers_text
from tests.domain.perpetual_stories import TIERS
from tests.domain.risk_stories import D

UNIT = D("0.000000000001")


# MEXC's rule with a base of 0.5 BTC and steps of 0.5 BTC: .5, 1, 1.5; rates .005, .01, .015; initial .01, .02, .03.
MEXC = increasing(
    levels=3, base_quantity=D("0.5"), quantity_step=D("0.5"), maintenance_margin_rate=D("0.005"),
    maintenance_step=D("0.005"), initial_margin_rate=D("0.01"), initial_step=D("0.01"),
)


def liquidated_at(quantity: str, entry: str, *, leverage: str = "10", tiers: Tiers = tiers_of(TIERS)) -> Decimal | None:
    cost = D(quantity) * D(entry)
    return liquidation_price(
        quantity=D(quantity), cost=cost, margin=initial_margin(cost, D(leverage)),
        maintenance=maintenance_margin(tiers, quantity=D(quantity), cost=cost),
    )


def test_a_tenth_of_a_bitcoin_at_50000_with_leverage_10_is_liquidated_at_45250_long_and_54750_short() -> None:
    # Margin 5,000 / 10 = 500, maintenance 5,000 x .005 = 25: (5,000 - 500 + 25) / .1 and (5,000 + 500 - 25) / .1.
    assert liquidated_at("0.1", "50000") == 45_250
    assert liquidated_at("-0.1", "50000") == 54_750


def test_the_bankruptcy_price_loses_the_margin_and_nothing_else() -> None:
    # (5,000 - 500) / .1 long, (5,000 + 500) / .1 short.
    assert bankruptcy_price(quantity=D("0.1"), cost=D(5000), margin=D(500)) == 45_000
    assert bankruptcy_price(quantity=D("-0.1"), cost=D(-5000), margin=D(500)) == 55_000


def test_a_long_whose_margin_is_more_than_its_value_has_no_liquidation_price() -> None:
    assert liquidation_price(quantity=D(1), cost=D(100), margin=D(150), maintenance=D(1)) is None
    assert liquidation_price(quantity=D(1), cost=D(100), margin=D("100.5"), maintenance=D(0)) is None
    assert liquidation_price(quantity=D(1), cost=D(100), margin=D(100), maintenance=D(0)) is None
    assert liquidation_price(quantity=D(1), cost=D(100), margin=D("99.5"), maintenance=D(0)) == D("0.5")
    assert distance(mark=D(100), liquidation=None) == 1
    assert distance(mark=D(100), liquidation=D(85)) == distance(mark=D(100), liquidation=D(115)) == D("0.15")


def test_a_level_holds_its_maximum_and_its_rate_counts_for_the_whole_position() -> None:
    # 1 BTC at 50,000 is worth exactly 50,000, the last of level 1: 250 of maintenance. A hundredth of a cent more is
    # level 2: 500.
    tiers = tiers_of(TIERS)
    assert maintenance_margin(tiers, quantity=D(1), cost=D(50_000)) == 250
    assert maintenance_margin(tiers, quantity=D(-1), cost=D("-50000.0001")) == D("500.000001")
    assert maintenance_margin(tiers, quantity=D(0), cost=D(0)) == 0
    assert maintenance_margin((), quantity=D(1), cost=D(100)) == 0
    # 2 BTC at 50,000, leverage 10: (100,000 - 10,000 + 1,000) / 2.
    assert liquidated_at("2", "50000") == 45_500


def test_a_position_beyond_the_last_level_keeps_its_rate() -> None:
    assert level_of(tiers_of(TIERS), quantity=D(20), notional=D(1_000_000)) is None
    assert maintenance_margin(tiers_of(TIERS), quantity=D(20), cost=D(1_000_000)) == 10_000


def test_mexc_levels_rise_by_their_steps_from_the_first() -> None:
    assert [(t.maximum_quantity, t.maintenance_margin_rate, t.initial_margin_rate) for t in MEXC] == [
        (D("0.5"), D("0.005"), D("0.01")), (D(1), D("0.01"), D("0.02")), (D("1.5"), D("0.015"), D("0.03")),
    ]
    assert [t.leverage_max for t in MEXC] == [100, 50, D("33.333333333333")]
    assert maintenance_margin(MEXC, quantity=D("0.5"), cost=D(100)) == D("0.5"), "the first level holds .5"
    # By quantity the price says nothing: 0.6 BTC stand in level 2 at 10 as at 50,000.
    assert maintenance_margin(MEXC, quantity=D("0.6"), cost=D(6)) == D("0.06")
    assert liquidated_at("-0.6", "50000", tiers=MEXC) == 54_500


def test_the_text_of_tiers_reads_back_as_the_same() -> None:
    assert tiers_of(tiers_text(MEXC)) == MEXC
    assert tiers_text(tiers_of(TIERS)) == TIERS


@pytest.mark.parametrize(("text", "fault"), [
    ('[{"maintenance_margin_rate":"0.1","initial_margin_rate":"0.1"}]', "tier 1 must have one of maximum_notional"),
    ('[{"maintenance_margin_rate":"0.1","initial_margin_rate":"0.1","maximum_notional":"1","maximum_quantity":"1"}]',
     "tier 1 must have one of"),
    ('[{"maintenance_margin_rate":"0.2","initial_margin_rate":"0.1","maximum_notional":"1"}]', "tier 1 must have 0 <="),
    ('[{"maintenance_margin_rate":"0","initial_margin_rate":"0","maximum_notional":"1"}]', "tier 1 must have 0 <="),
    ('[{"maintenance_margin_rate":"0","initial_margin_rate":"1","maximum_notional":"0"}]', "tier 1 must hold more"),
    ('[{"maintenance_margin_rate":"0","initial_margin_rate":"1","maximum_notional":"1","liquidation_fee_rate":"1"}]',
     "tier 1 must have 0 <= liquidation_fee_rate"),
    ('[{"maintenance_margin_rate":"0","initial_margin_rate":"1","maximum_notional":"1"},'
     '{"maintenance_margin_rate":"0","initial_margin_rate":"1","maximum_quantity":"2"}]', "tier 2 must hold more"),
    ('[{"maintenance_margin_rate":"0.1","initial_margin_rate":"1","maximum_notional":"1"},'
     '{"maintenance_margin_rate":"0","initial_margin_rate":"1","maximum_notional":"2"}]', "tier 2 must not have a lower"),
    ("[1]", "Expected `object`"),
])
def test_tiers_that_are_none_are_refused_with_the_reason(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        tiers_of(text)


def test_longs_pay_shorts_at_a_positive_rate() -> None:
    # .1 BTC at a mark of 50,000 and a rate of one basis point: 5,000 x .0001 = .5.
    assert funding_payment(quantity=D("0.1"), mark_price=D(50_000), rate=D("0.0001")) == D("-0.5")
    assert funding_payment(quantity=D("-0.1"), mark_price=D(50_000), rate=D("0.0001")) == D("0.5")
    assert funding_payment(quantity=D("0.1"), mark_price=D(50_000), rate=D("-0.0001")) == D("0.5")
    assert funding_payment(quantity=D(0), mark_price=D(50_000), rate=D("0.0001")) == 0


def test_an_isolated_takeover_costs_the_margin_and_a_fee_that_the_balance_can_bear() -> None:
    # Closed at 45,000: 4,500 x .0002 = .9 of fee; a balance of .5 bears .5 of it, an empty one nothing.
    held = Held(D("0.1"), D(5000), D("4525"), D("0.0002"))
    assert isolated_takeover(held, margin=D(500), balance=D(1000)) == (45_000, -500, D("0.9"))
    assert isolated_takeover(held, margin=D(500), balance=D("0.5")) == (45_000, -500, D("0.5"))
    assert isolated_takeover(held, margin=D(500), balance=D(-3)) == (45_000, -500, 0)


def test_a_cross_takeover_shares_what_is_left_by_value() -> None:
    # Long 1 worth 900 of cost 1,000, short 3 worth 300 of cost 306; 13.2 left. Fees: .9 and .3; of the other 12 the long
    # loses 9 and the short 3: it closes at 891, the short at (306 - 6 + 3) / 3 = 101.
    long, short = Held(D(1), D(1000), D(900), D("0.001")), Held(D(-3), D(-306), D(-300), D("0.001"))
    assert cross_takeovers([long, short], collateral=D("13.2")) == [
        (891, -109, D("0.9")), (101, 3, D("0.3")),
    ]


def test_where_the_mark_jumped_beyond_bankruptcy_the_exchange_bears_the_rest() -> None:
    # The long shows a loss of 100 on a balance of 60: it is closed at 40 better than the mark, and no fee is charged.
    assert cross_takeovers([Held(D(1), D(1000), D(900), D("0.001"))], collateral=D(-40)) == [(940, -60, 0)]


AMOUNTS = st.decimals("0.000001", "1000000", places=6)


@given(
    st.sampled_from([1, -1]), st.decimals("0.001", "100", places=3), st.decimals("1", "100000", places=2),
    st.decimals("1", "125", places=1), st.decimals("0.5", "1.5", places=6),
)
def test_margin_is_used_up_exactly_from_the_liquidation_price_on(
    sign: int, size: Decimal, entry: Decimal, leverage: Decimal, move: Decimal
) -> None:
    quantity = sign * size
    cost = quantity * entry
    margin = initial_margin(cost, leverage)
    maintenance = maintenance_margin(tiers_of(TIERS), quantity=quantity, cost=cost)
    price = liquidation_price(quantity=quantity, cost=cost, margin=margin, maintenance=maintenance)
    assert price is not None
    mark = amount(price * move)
    used_up = is_used_up(margin=margin, unrealized=amount(quantity * mark) - cost, maintenance=maintenance)
    # Prices have 12 places: the rounded price is less than one of them away from the exact one.
    if abs(mark - price) > UNIT:
        assert used_up is (mark <= price if sign > 0 else mark >= price)


@given(
    st.lists(st.tuples(st.sampled_from([1, -1]), AMOUNTS, AMOUNTS, AMOUNTS), min_size=1, max_size=5),
    st.decimals("-1000", "1000", places=12), st.decimals("0", "0.05", places=4),
)
def test_cross_takeovers_leave_nothing_of_the_collateral_and_never_a_debt(
    positions: list[tuple[int, Decimal, Decimal, Decimal]], collateral: Decimal, rate: Decimal
) -> None:
    held = [Held(s * q, s * amount(q * e), s * amount(q * m), rate) for s, q, e, m in positions]
    shown = sum((one.value - one.cost for one in held), D(0))
    taken = cross_takeovers(held, collateral=collateral)
    balance = collateral - shown
    assert balance + sum((one.realized - one.fee for one in taken), D(0)) == 0
    assert all(one.fee >= 0 for one in taken)


@given(st.lists(st.tuples(AMOUNTS, st.decimals("0", "0.1", places=6)), max_size=6))
def test_maintenance_never_falls_when_a_position_grows(steps: list[tuple[Decimal, Decimal]]) -> None:
    maxima, rates = sorted({size for size, _ in steps}), sorted(rate for _, rate in steps)
    tiers = tuple(
        Tier(maximum_notional=size, maintenance_margin_rate=rate, initial_margin_rate=D(1))
        for size, rate in zip(maxima, rates, strict=False)
    )
    assert tiers_fault(tiers) is None
    kept = [maintenance_margin(tiers, quantity=D(1), cost=size) for size in sorted([*maxima, *(m + 1 for m in maxima)])]
    assert kept == sorted(kept)
