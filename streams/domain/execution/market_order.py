"""
What a market order meets when it walks the visible levels, best price first.

Quantities in base units, notionals in quote currency. The sums over levels are exact; nothing is rounded here, except the last
level's quantity of a walk by notional (half to even at 12 places, never above what the level shows).
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from streams.domain.money import ZERO, quotient


class Walk(NamedTuple):
    """`quantity` and exact `notional` taken, and what was taken from each level as (price, quantity)."""

    quantity: Decimal
    notional: Decimal
    levels: list[tuple[Decimal, Decimal]]

    @property
    def average_price(self) -> Decimal:
        """Rounded half to even at 12 places; `quantity` must be above 0."""
        return quotient(self.notional, self.quantity)


def walk_quantity(levels: Iterable[tuple[Decimal, Decimal]], quantity: Decimal) -> Walk:
    """Takes up to `quantity`; less where the levels hold less."""
    return _walk(levels, quantity, by_notional=False)


def walk_notional(levels: Iterable[tuple[Decimal, Decimal]], notional: Decimal) -> Walk:
    """Takes up to `notional` worth; less where the levels hold less."""
    return _walk(levels, notional, by_notional=True)


def _walk(levels: Iterable[tuple[Decimal, Decimal]], wanted: Decimal, *, by_notional: bool) -> Walk:
    assert wanted > 0, f"a market order must want more than 0, was {wanted}"
    quantity = notional = ZERO
    taken = []
    for price, shown in levels:
        if shown <= 0:
            continue
        cost = price * shown
        left = wanted - (notional if by_notional else quantity)
        complete = left <= (cost if by_notional else shown)
        if complete:
            shown = min(shown, quotient(left, price)) if by_notional else left
            cost = price * shown
        if shown:
            quantity += shown
            notional += cost
            taken.append((price, shown))
        if complete:
            break
    return Walk(quantity, notional, taken)
