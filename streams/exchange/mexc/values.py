"""
What a value of MEXC's may be, by which nothing that it sends can stop the log or a stage that reads it.

Prices, quantities and rates are exact and have at most 12 decimal places; only an index and a mark, which MEXC averages to as many
places as it likes, are rounded half to even there. The largest price times the largest quantity is 10^24, which leaves a hundred such
trades room in a candle's sum of 26 digits. Times are of the years 1970 to 9999. Everything raises FrameError with name and value.
"""

from decimal import Decimal, InvalidOperation

from streams.domain.money import EXACT, UNIT, ZERO
from streams.errors import FrameError

PRICE_MAX = Decimal(10) ** 9  # quote units
QUANTITY_MAX = Decimal(10) ** 15  # base units
SUM_MAX = Decimal(10) ** 24  # a candle's
MS_MAX = 253_402_300_799_999
MICROSECONDS_IN_MS = 1000
# Versions and ids of MEXC have up to 16 digits.
VERSION_MAX = 10**18
TEXT_MAX = 64

_ONE_RATE = Decimal(1)


def price(value: str | Decimal, what: str = "price") -> Decimal:
    """Above 0, exactly as sent."""
    found = _exact(value, what, PRICE_MAX)
    if not found:
        raise FrameError(f"{what} must be above 0, was {_shown(value)}")
    return found


def quantity(value: str | Decimal, what: str = "quantity") -> Decimal:
    """From 0, exactly as sent: zero removes a level."""
    return _exact(value, what, QUANTITY_MAX)


def traded(value: str | Decimal, what: str = "quantity") -> Decimal:
    """A quantity above 0."""
    found = _exact(value, what, QUANTITY_MAX)
    if not found:
        raise FrameError(f"{what} must be above 0, was {_shown(value)}")
    return found


def contracts(value: Decimal, size: Decimal, what: str) -> Decimal:
    """So many contracts in base units, from 0."""
    return _exact(EXACT.multiply(_exact(value, what, QUANTITY_MAX), size), what, QUANTITY_MAX)


def summed(value: str | Decimal, what: str) -> Decimal:
    """A candle's price, volume or amount, from 0."""
    return _exact(value, what, SUM_MAX)


def averaged(value: Decimal, what: str) -> Decimal:
    """A mark or an index above 0, to 12 places."""
    found = _rounded(value, what)
    if not ZERO < found <= PRICE_MAX:
        raise FrameError(f"{what} must be above 0 and at most {PRICE_MAX}, was {_shown(value)}")
    return found


def rate(value: Decimal, what: str) -> Decimal:
    """A fraction between −1 and 1, to 12 places."""
    found = _rounded(value, what)
    if not -_ONE_RATE < found < _ONE_RATE:
        raise FrameError(f"{what} must be between -1 and 1, was {_shown(value)}")
    return found


def moment(ms: int, what: str) -> int:
    """Milliseconds as microseconds since 1970 UTC."""
    if not 0 <= ms <= MS_MAX:
        raise FrameError(f"{what} must be milliseconds from 0 to {MS_MAX}, was {ms}")
    return ms * MICROSECONDS_IN_MS


def whole(value: str | int, what: str) -> int:
    """A version, from 0."""
    if isinstance(value, str):
        if not value.isascii() or not value.isdecimal() or len(value) > len(str(VERSION_MAX)):
            raise FrameError(f"{what} must be a whole number, was {_shown(value)}")
        value = int(value)
    if not 0 <= value <= VERSION_MAX:
        raise FrameError(f"{what} must be from 0 to {VERSION_MAX}, was {value}")
    return value


def name(value: str, what: str) -> str:
    """An id: short, of printable ASCII, or empty."""
    if len(value) > TEXT_MAX or not (value.isascii() and value.isprintable()):
        raise FrameError(f"{what} must have at most {TEXT_MAX} printable characters, was {_shown(value)}")
    return value


def _exact(value: str | Decimal, what: str, most: Decimal) -> Decimal:
    try:
        found = value if isinstance(value, Decimal) else Decimal(value)
        # Comparing what is no number raises as well.
        good = ZERO <= found <= most and found.quantize(UNIT, context=EXACT) == found
    except InvalidOperation:
        good = False
    if not good:
        raise FrameError(f"{what} must be a number from 0 to {most} with at most 12 places, was {_shown(value)}")
    return found


def _rounded(value: Decimal, what: str) -> Decimal:
    try:
        found = value.quantize(UNIT, context=EXACT)
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite():
        raise FrameError(f"{what} must be a number, was {_shown(value)}")
    # A number of fewer places stays as it is written.
    return value if found == value else found


def _shown(value: str | Decimal) -> str:
    return repr(str(value)[:40])
