"""
How large an entry is: a method's notional, trimmed to what each limit leaves, rounded down to the lot.

Notionals in quote units, quantities in base units, all unsigned. The method's notional is rounded half to even at 12
places, the quantity towards zero to the lot; nothing else is rounded. Whether the result may be traded is not decided
here: the checks do.
"""

from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from streams.domain.money import EXACT, ZERO, amount, floor_to, quotient
from streams.domain.records import Instrument


class Room(NamedTuple):
    """What one limit leaves for an order, in quote units; below zero when it is already exceeded."""

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

    method: str
    inputs: dict[str, Decimal]
    requested_notional: Decimal
    requested_quantity: Decimal
    trims: tuple[Room, ...]  # the limits that cut, in order; each left its own `notional`
    quantity: Decimal
    notional: Decimal


def fixed_fraction(*, equity: Decimal, risk: Decimal, stop: Decimal) -> Decimal:
    """
    The notional that loses `risk` (a fraction of equity) when the price moves by `stop` (a fraction of the price).

    Equity 100,000, risk .02, stop .02: 100,000. Zero where equity is not above zero. `stop` is above zero.
    """
    return quotient(equity * risk, stop) if equity > 0 else ZERO


def sized(
    *, method: str, inputs: dict[str, Decimal], notional: Decimal, rooms: tuple[Room, ...], lots: Lots, mark: Decimal
) -> Size:
    """`notional` cut to each of `rooms` in turn and rounded down to the lot at `mark` (above zero)."""
    left = notional
    trims = []
    for room in rooms:
        if room.notional < left:
            left = max(room.notional, ZERO)
            trims.append(room)
    quantity = floor_to(EXACT.divide(left, mark), lots.lot)
    return Size(
        method=method, inputs=inputs, requested_notional=notional,
        requested_quantity=floor_to(EXACT.divide(notional, mark), lots.lot), trims=tuple(trims),
        quantity=amount(quantity), notional=quantity * mark,
    )


def smallest_quantity(lots: Lots, mark: Decimal) -> Decimal:
    """The smallest quantity that the exchange takes at `mark`: whole lots, at least both minima and one lot."""
    needed = max(lots.lot, lots.quantity_min, EXACT.divide(lots.notional_min, mark))
    return EXACT.divide(needed, lots.lot).to_integral_value(rounding=ROUND_CEILING) * lots.lot
