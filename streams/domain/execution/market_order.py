"""
What a taking order meets when it walks the visible levels, best price first, and no further than its limit price.

Quantities in base units, notionals in quote currency. The sums over levels are exact; nothing is rounded here, except the last
level's quantity of a walk by notional (half to even at 12 places, never above what the level shows).
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

from streams.domain.money import ZERO, quotient
from streams.domain.records import Side


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


def within(levels: Iterable[tuple[Decimal, Decimal]], limit: Decimal | None, taker: Side) -> Iterator[tuple[Decimal, Decimal]]:
    """The levels that a taker with a limit price meets; all of them where `limit` is None."""
    for price, quantity in levels:
        if limit is not None and (price > limit if taker is Side.BUY else price < limit):
            return
        yield price, quantity


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
