"""
What the exchange leaves of positions that it takes over: everything at the bankruptcy price, whatever the mark is then.

Isolated: the position's margin is lost to the last digit, and the liquidation fee is charged to what the account's
balance holds beside it, as far as that reaches. Cross: the fee comes first out of what is left of the whole balance,
the rest of it is lost, and each position's price says its share, by value; the balance is zero afterwards. Where the
mark has jumped beyond the bankruptcy price the exchange's insurance bears the difference: an account never owes.

Amounts in quote units; rounded half to even at 12 places: prices, fees, shares (the last one takes what rounding left).
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from streams.domain.money import ZERO, amount, quotient
from streams.domain.perpetuals.margin import bankruptcy_price


class Held(NamedTuple):
    """A position that is taken over; `cost` and `value` (at the mark) have the sign of `quantity`."""

    quantity: Decimal
    cost: Decimal
    value: Decimal
    fee_rate: Decimal


class Takeover(NamedTuple):
    """At which price a position was closed, what closing it realized (a loss is negative), and the fee on top."""

    price: Decimal
    realized: Decimal
    fee: Decimal


def isolated_takeover(held: Held, *, margin: Decimal, balance: Decimal) -> Takeover:
    """`balance` is what the account holds beside all margin; nothing of the fee is charged where it is not above zero."""
    price = bankruptcy_price(quantity=held.quantity, cost=held.cost, margin=margin)
    fee = amount(abs(held.quantity) * price * held.fee_rate)
    return Takeover(price, -margin, max(min(fee, balance), ZERO))


def cross_takeovers(positions: Sequence[Held], *, collateral: Decimal) -> list[Takeover]:
    """
    One for each of `positions`, which are all that share the collateral: balance and what the marks show of them.

    Together they realize what takes `collateral`, less the fees, out of the account; below zero it is given.
    """
    left, total = collateral, sum((abs(held.value) for held in positions), ZERO)
    fees = []
    for held in positions:
        fees.append(max(min(amount(abs(held.value) * held.fee_rate), left), ZERO))
        left -= fees[-1]
    taken, lost = [], left
    for number, (held, fee) in enumerate(zip(positions, fees, strict=True), 1):
        share = lost if number == len(positions) else quotient(left * abs(held.value), total)
        lost -= share
        realized = held.value - held.cost - share
        taken.append(Takeover(quotient(held.cost + realized, held.quantity), realized, fee))
    return taken
