"""
Where indicators are rounded: half to even at 34 significant digits (those of decimal128), far beyond the 12 places of records.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

WORKING = Context(prec=34, rounding=ROUND_HALF_EVEN)


def working(value: Decimal) -> Decimal:
    """`value`, computed under `money.EXACT`, rounded half to even at 34 significant digits."""
    return WORKING.plus(value)
