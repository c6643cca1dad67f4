"""Sizes: the method's notional, the limits' cuts, the lot."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.sizing import Lots, Room, Size, fixed_fraction, sized, smallest_quantity
from tests.domain.risk_stories import D

LOTS = Lots(lot=D("0.001"), quantity_min=D("0.001"), notional_min=D(10))


def size(notional: str | Decimal, *rooms: tuple[str, str], mark: str = "50000") -> Size:
    return sized(
        method="fixed_fraction", inputs={}, notional=D(notional), lots=LOTS, mark=D(mark),
        rooms=tuple(Room(name, D(room)) for name, room in rooms),
    )


def test_the_fixed_fraction_loses_the_risk_budget_when_the_stop_is_hit() -> None:
    # 100,000 x .02 = 2,000 at risk; a fall of 4 % loses it on 50,000.
    assert fixed_fraction(equity=D(100_000), risk=D("0.02"), stop=D("0.04")) == 50_000


def test_nothing_is_risked_where_equity_is_gone() -> None:
    assert fixed_fraction(equity=D(-5), risk=D("0.02"), stop=D("0.02")) == 0


def test_each_limit_that_cuts_is_named_with_what_it_left() -> None:
    outcome = size("100000", ("position", "10000"), ("symbol_exposure", "20000"), ("total_exposure", "4000"))
    assert outcome.trims == (Room("position", D(10_000)), Room("total_exposure", D(4_000)))
    assert (outcome.quantity, outcome.notional, outcome.requested_quantity) == (D("0.08"), 4_000, 2)


def test_an_exceeded_limit_leaves_nothing_rather_than_less() -> None:
    outcome = size("100000", ("position", "-5000"))
    assert (outcome.quantity, outcome.notional) == (0, 0)


def test_the_quantity_is_rounded_down_to_the_lot() -> None:
    # 1,000 / 50,000 = .02; 1,049 buys .02098, 20 whole lots.
    assert size("1049").quantity == D("0.020")


def test_the_smallest_order_meets_every_minimum_in_whole_lots() -> None:
    # Notional: 10 / 3,000 = .00333, 4 lots. At 50,000 one lot is 50 and enough.
    assert smallest_quantity(LOTS, D(3_000)) == D("0.004")
    assert smallest_quantity(LOTS, D(50_000)) == D("0.001")


@given(
    st.decimals("0.001", "0.1", places=4), st.decimals("0", "0.05", places=4), st.decimals("0.001", "0.5", places=4),
    st.decimals("1", "1000000", places=2), st.decimals("0.01", "100000", places=2), st.decimals("0", "100000", places=2),
)
def test_the_size_never_falls_when_the_risk_budget_rises(
    risk: Decimal, more: Decimal, stop: Decimal, equity: Decimal, mark: Decimal, room: Decimal
) -> None:
    sizes = [
        sized(
            method="fixed_fraction", inputs={}, notional=fixed_fraction(equity=equity, risk=budget, stop=stop),
            rooms=(Room("position", room),), lots=LOTS, mark=mark,
        )
        for budget in (risk, risk + more)
    ]
    assert sizes[0].quantity <= sizes[1].quantity
    assert sizes[1].notional <= room
