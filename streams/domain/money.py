"""
Exact decimals for money, prices and quantities, and the one place where they are rounded.

Every amount that leaves a step has at most 12 decimal places and 26 integer digits, as the schemas' decimal(38,12).
Sums, differences and products of such amounts are exact in `EXACT` (100 digits); whatever can be inexact (a division, a product
that goes on the log) passes through `amount`, which rounds half to even at 12 places, or `floor_to`, which rounds towards zero.
"""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow

# Hosts run every step under this context, so that a thread's own default cannot change a result.
EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero, Overflow])

SCALE = 12
UNIT = Decimal(1).scaleb(-SCALE)
ZERO = Decimal(0)
ONE = Decimal(1)
BPS = Decimal(10_000)  # basis points in the whole


def amount(value: Decimal) -> Decimal:
    """`value` rounded half to even at 12 decimal places: the rounding point of everything that is recorded."""
    return value.quantize(UNIT, context=EXACT)


def quotient(numerator: Decimal, denominator: Decimal) -> Decimal:
    """`numerator / denominator` rounded half to even at 12 decimal places."""
    return EXACT.divide(numerator, denominator).quantize(UNIT, context=EXACT)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` (> 0) not above |value|, with value's sign: lots and ticks round towards zero."""
    return (EXACT.divide(value, step).to_integral_value(rounding=ROUND_DOWN) * step).normalize(EXACT) + ZERO
