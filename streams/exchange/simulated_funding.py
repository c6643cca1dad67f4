"""
What a simulated perpetual has beside its book: funding rates, and an index and a mark (fair) price from them.

Settlements lie at full hours. A rate is drawn for each from the seed, the symbol and its time alone; it is announced
when the one before is settled, or when the market begins. The index is the middle of the book; the mark is

    index × (1 + rate × time to settlement / interval)

(the exchanges' formula of a fair price). Whole numbers: prices in microticks, rates in millionths, times in µs.
"""

from decimal import Decimal
from random import Random

from streams.domain.money import EXACT
from streams.exchange.simulated_book import MICROTICKS

INTERVAL_HOURS = 1
INTERVAL = INTERVAL_HOURS * 3_600_000_000
MILLION = 1_000_000
# .03 % either way.
RATE_MAX_MILLIONTHS = 300


def settlement_after(time: int) -> int:
    """The first settlement later than `time`."""
    return time // INTERVAL * INTERVAL + INTERVAL


def rate_millionths(seed: int, symbol: str, settlement: int) -> int:
    """The rate that is settled then; positive: longs pay."""
    drawn = Random(f"{seed}/{symbol}/funding/{settlement}").getrandbits(32)
    return (drawn * (2 * RATE_MAX_MILLIONTHS + 1) >> 32) - RATE_MAX_MILLIONTHS


def rate_of(seed: int, symbol: str, settlement: int) -> Decimal:
    """The same as a fraction."""
    return EXACT.divide(Decimal(rate_millionths(seed, symbol, settlement)), Decimal(MILLION))


def index_and_mark(*, seed: int, symbol: str, price: int, tick: Decimal, time: int) -> dict[str, Decimal]:
    """The prices that a push of the perpetual carries; `price` in microticks. Rounded down to the tick."""
    settlement = settlement_after(time)
    premium = price * rate_millionths(seed, symbol, settlement) * (settlement - time) // (INTERVAL * MILLION)
    return {
        "index_price": EXACT.multiply(Decimal(price // MICROTICKS), tick),
        "mark_price": EXACT.multiply(Decimal((price + premium) // MICROTICKS), tick),
    }
