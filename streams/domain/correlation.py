"""
Whether two markets move together: the correlation of their returns from minute to minute.

A minute's close is the last mark of that logical minute; a return spans two neighbouring minutes, rounded half to even at
12 places; sums are exact, the correlation is rounded half to even at 12 places.
Minutes without a mark give no return, rather than a made-up zero.
"""

from decimal import Decimal

import msgspec

from streams.domain.money import EXACT, ONE, ZERO, quotient

MINUTE = 60_000_000


class MinuteReturns(msgspec.Struct):
    """`price` is the last mark of `minute`; `closed` minute (since 1970) and return of each closed one."""

    minute: int = -1
    price: Decimal | None = None
    close: Decimal | None = None  # of the minute before
    closed: list[tuple[int, Decimal]] = []


def on_price(returns: MinuteReturns, price: Decimal, time: int, kept: int) -> None:
    """Takes in a mark at `time` (µs); keeps the returns of the newest `kept` minutes."""
    minute = time // MINUTE
    if minute == returns.minute:
        returns.price = price
        return
    if returns.close is not None and returns.price is not None:
        returns.closed.append((returns.minute, quotient(returns.price - returns.close, returns.close)))
    while returns.closed and returns.closed[0][0] < minute - kept:
        del returns.closed[0]
    returns.close = returns.price if minute == returns.minute + 1 else None
    returns.minute, returns.price = minute, price


def correlation(one: MinuteReturns, other: MinuteReturns, count_min: int) -> Decimal | None:
    """
    Pearson's correlation over the minutes that both know, −1..1.

    None with fewer than `count_min` of them, or where a market has not moved at all.
    """
    known = dict(other.closed)
    pairs = [(value, known[minute]) for minute, value in one.closed if minute in known]
    count = len(pairs)
    if count < max(count_min, 2):
        return None
    sum_x, sum_y = (sum((pair[place] for pair in pairs), ZERO) for place in (0, 1))
    # Multiplied by the count twice: no division before the last.
    covariance = count * sum((x * y for x, y in pairs), ZERO) - sum_x * sum_y
    variance_x = count * sum((x * x for x, _ in pairs), ZERO) - sum_x * sum_x
    variance_y = count * sum((y * y for _, y in pairs), ZERO) - sum_y * sum_y
    if not variance_x or not variance_y:
        return None
    return max(-ONE, min(ONE, quotient(covariance, EXACT.sqrt(variance_x * variance_y))))
