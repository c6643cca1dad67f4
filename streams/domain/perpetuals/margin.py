"""
What a position in a perpetual binds, what it must keep, and the mark at which it is lost.

Amounts in quote units; quantities in base units, short negative; `cost` is quantity × entry price, sign of the quantity;
`margin` is what is set aside for the position alone. With the maintenance fixed by the value at entry,

    long:  liquidation = (entry·size - margin + maintenance) / size
    short: liquidation = (entry·size + margin - maintenance) / size

is exact: 0.1 BTC at 50,000 with leverage 10 (margin 500) and a rate of .005 (maintenance 25) is liquidated at 45,250 long
and 54,750 short. The bankruptcy price is the same without the maintenance: there the margin is lost to the last digit.

Rounded half to even at 12 places: margin, maintenance, and prices (which are for people: what triggers is
`is_used_up`, on exact amounts).
"""

from decimal import Decimal

from streams.domain.money import ONE, ZERO, amount, quotient
from streams.domain.perpetuals.tiers import Tiers, level_of


def initial_margin(notional: Decimal, leverage: Decimal) -> Decimal:
    """What opening `notional` (unsigned) binds."""
    return quotient(abs(notional), leverage)


def maintenance_margin(tiers: Tiers, *, quantity: Decimal, cost: Decimal) -> Decimal:
    """
    What a position must keep: its value at entry times the rate of its level; zero for a flat one.

    A position beyond the last level keeps that level's rate: it was opened when the exchange still took its size.
    """
    if not quantity or not tiers:
        return ZERO
    tier = level_of(tiers, quantity=abs(quantity), notional=abs(cost)) or tiers[-1]
    return amount(abs(cost) * tier.maintenance_margin_rate)


def is_used_up(*, margin: Decimal, unrealized: Decimal, maintenance: Decimal) -> bool:
    """Whether the margin left, with what the mark shows, is down to what must be kept."""
    return margin + unrealized <= maintenance


def liquidation_price(*, quantity: Decimal, cost: Decimal, margin: Decimal, maintenance: Decimal) -> Decimal | None:
    """
    The mark at which `is_used_up` becomes true; None where no price above zero does it (a long without leverage).

    With cross margin `margin` is the whole account's, less what its other positions must keep.
    """
    assert quantity, "a flat position has no liquidation price"
    # quantity × price - cost + margin = maintenance, for either sign of the quantity.
    price = quotient(cost - margin + maintenance, quantity)
    return price if price > 0 else None


def bankruptcy_price(*, quantity: Decimal, cost: Decimal, margin: Decimal) -> Decimal:
    """The price at which closing loses exactly `margin`; not above zero for a long without leverage."""
    assert quantity, "a flat position has no bankruptcy price"
    return quotient(cost - margin, quantity)


def distance(*, mark: Decimal, liquidation: Decimal | None) -> Decimal:
    """From the mark to the liquidation price, as a fraction of the mark; 1 where there is no such price."""
    return ONE if liquidation is None else quotient(abs(mark - liquidation), mark)
