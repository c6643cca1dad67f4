"""
The price of a market order where a venue shows trades and no book: the original system's slippage model.

slippage in bps = 5 + 10 · notional / depth + 2 · 10,000 · volatility / √8760, against the last trade, always to the taker's harm.
Without a book, `depth` is the quote volume traded in the present and the last minute, and volatility / √8760 is the volatility of
one hour: √(60 · sum of squared returns / minutes they span) over the minutes of the last hour that had trades. The whole is at most
2,000 bps: in a market wilder than that the formula says nothing, least of all a price of zero. No more is filled than was traded
in those two minutes and not yet filled on paper. Minutes are of logical time; the root, the returns and the price are
rounded half to even at 12 places.
"""

from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

import msgspec

from streams.domain.money import BPS, EXACT, ZERO, amount, quotient
from streams.domain.records import MarketData, Side

MINUTE = 60_000_000
MINUTES = 60
BASE_BPS = Decimal(5)
DEPTH_BPS = Decimal(10)
VOLATILITY_FACTOR = Decimal(2)
BPS_MAX = Decimal(2_000)


class Minute(msgspec.Struct):
    """Minute since 1970, its last price, base units traded and not yet filled on paper, quote volume."""

    minute: int
    close: Decimal
    available: Decimal
    quote_volume: Decimal


class Tape(msgspec.Struct):
    """The minutes of the last hour that had trades, oldest first."""

    minutes: list[Minute] = []


class ModelFill(NamedTuple):
    quantity: Decimal
    price: Decimal


def on_trades(tape: Tape, data: MarketData) -> None:
    """Takes a record's trades in, at its logical time."""
    minute = data.time // MINUTE
    minutes = tape.minutes
    if not minutes or minutes[-1].minute != minute:
        minutes.append(Minute(minute, data.trades[0].price, ZERO, ZERO))
        while minutes[0].minute <= minute - MINUTES:
            del minutes[0]
    newest = minutes[-1]
    newest.close = data.trades[-1].price
    for trade in data.trades:
        newest.available += trade.quantity
        newest.quote_volume += trade.price * trade.quantity


def model_fill(tape: Tape, *, side: Side, quantity: Decimal, now: int, limit: Decimal | None, whole: bool) -> ModelFill | None:
    """
    What a taking order gets at `now`, which is then gone from the tape.

    None where the last two minutes had no trades, the model's price is beyond `limit`, or there is less than a `whole` order wants.
    """
    recent = [minute for minute in tape.minutes if minute.minute >= now // MINUTE - 1]
    filled = min(quantity, sum((minute.available for minute in recent), ZERO))
    if not filled or (whole and filled < quantity):
        return None
    last = recent[-1].close
    impact = quotient(DEPTH_BPS * filled * last, sum((minute.quote_volume for minute in recent), ZERO))
    bps = min(slippage_bps(impact=impact, hourly=hourly_volatility(tape)), BPS_MAX)
    price = quotient(last * (BPS + bps if side is Side.BUY else BPS - bps), BPS)
    if limit is not None and (price > limit if side is Side.BUY else price < limit):
        return None
    left = filled
    for minute in reversed(recent):
        used = min(left, minute.available)
        minute.available -= used
        left -= used
    return ModelFill(filled, price)


def slippage_bps(*, impact: Decimal, hourly: Decimal) -> Decimal:
    """The formula, unbounded. `impact`: its term in the notional, bps; `hourly`: the volatility of an hour, a fraction of 1."""
    return BASE_BPS + impact + VOLATILITY_FACTOR * BPS * hourly


def hourly_volatility(tape: Tape) -> Decimal:
    """√(60 · mean squared return of a minute), a fraction of 1; minutes without trades count. 0 with fewer than two with."""
    closes = [minute.close for minute in tape.minutes]
    returns = [quotient(new - old, old) for old, new in pairwise(closes)]
    if not returns:
        return ZERO
    squares = sum((value * value for value in returns), ZERO)
    # Far apart, as the points of hourly candles are, returns are those of many minutes.
    span = tape.minutes[-1].minute - tape.minutes[0].minute
    return amount(EXACT.sqrt(quotient(squares * MINUTES, Decimal(span))))
