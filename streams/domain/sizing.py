"""
How large an entry is: a method's wish, trimmed to what each limit leaves, rounded down to the lot.

Notionals and the price that they are divided by in the account's currency, quantities in base units, all unsigned. The
quantity is rounded towards zero to the lot; nothing else is rounded. Whether the result may be traded is not decided here: the checks do.
"""

from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from streams.domain.money import EXACT, ZERO, amount, floor_to
from streams.domain.records import Instrument
from streams.domain.risk_settings import SizingMethod
from streams.domain.sizing_methods import Wish


class Room(NamedTuple):
    """What one limit leaves for an order, in the account's currency; below zero when it is already exceeded."""

    limit: str
    notional: Decimal


class Lots(NamedTuple):
    """What the exchange takes: multiples of `lot`, and the smallest order by quantity and by notional."""

    lot: Decimal
    quantity_min: Decimal
    notional_min: Decimal


def lots_of(instrument: Instrument) -> Lots:
    return Lots(lot=instrument.lot_size, quantity_min=instrument.quantity_min, notional_min=instrument.notional_min)


class Size(NamedTuple):
    """An order's size as asked for by the method, what each limit cut, and what is left in whole lots."""

    method: SizingMethod
    wish: Wish
    requested_quantity: Decimal
    trims: tuple[Room, ...]  # the limits that cut, in order; each left its own `notional`
    quantity: Decimal
    notional: Decimal

    @property
    def requested_notional(self) -> Decimal:
        return self.wish.notional


def sized(
    *, method: SizingMethod, wish: Wish, rooms: tuple[Room, ...], lots: Lots, price: Decimal
) -> Size:
    """What `wish` asks for, cut to each of `rooms` in turn and rounded down to the lot at `price` (above zero)."""
    left = wish.notional
    trims = []
    for room in rooms:
        if room.notional < left:
            left = max(room.notional, ZERO)
            trims.append(room)
    quantity = floor_to(EXACT.divide(left, price), lots.lot)
    return Size(
        method=method, wish=wish, requested_quantity=floor_to(EXACT.divide(wish.notional, price), lots.lot),
        trims=tuple(trims), quantity=amount(quantity), notional=quantity * price,
    )


def smallest_quantity(lots: Lots, mark: Decimal) -> Decimal:
    """The smallest quantity that the exchange takes at `mark`: whole lots, at least both minima and one lot."""
    needed = max(lots.lot, lots.quantity_min, EXACT.divide(lots.notional_min, mark))
    return EXACT.divide(needed, lots.lot).to_integral_value(rounding=ROUND_CEILING) * lots.lot
