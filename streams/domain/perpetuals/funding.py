"""What one funding settlement moves between longs and shorts."""

from decimal import Decimal

from streams.domain.money import amount


def funding_payment(*, quantity: Decimal, mark_price: Decimal, rate: Decimal) -> Decimal:
    """
    Cash the holder receives at one funding time; negative means paid. Rounded half to even at 12 places.

    `quantity` in base units, short negative; `mark_price` in quote currency; `rate` per interval (0.0001 is one basis
    point). Zero for a flat position.
    """
    # Longs pay shorts when the rate is positive, hence the minus.
    return amount(-quantity * mark_price * rate)
