"""
The mark of one symbol and what decisions need to know beside it: top of book, depth, spread, and whether the feed is whole.

The mark is the exchange's own (perpetuals), else the mid of best bid and ask, else the last trade; its source is named. A mark is
made at most once in the mark interval, the newest state at the interval's end by a timer, but at once when a flag changes (gap,
feed down, book present, book crossed).

`spread_mean` is the mean of (ask − bid) / mid over the marks of this hour and the 23 before it, from sums per hour: each spread
is rounded half to even at 12 places, sums are exact. Crossed and one-sided books do not count.
ATR and volatility are those of the newest closed candle (`streams.domain.regime`): they wait for the next mark, and make none.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from streams.domain.book import Book, Top, is_crossed, top, visible
from streams.domain.execution.market_order import walk_notional
from streams.domain.money import ZERO, quotient
from streams.domain.records import DepthStep, Mark, MarketData, MarkSource, Side

HOUR = 3_600_000_000
HOURS = 24
TWO = Decimal(2)


class HourSpread(msgspec.Struct):
    """Relative spreads of one hour of logical time (hours since 1970)."""

    hour: int
    total: Decimal
    count: int


class MarkState(msgspec.Struct):
    """Times in logical µs. `market_id` is the newest real record; `due` is when a held-back mark goes out."""

    exchange_mark: Decimal | None = None
    index: Decimal | None = None
    last: Decimal | None = None
    market_time: int | None = None
    market_id: str = ""
    made_at: int | None = None
    made_flags: int = 0
    due: int | None = None
    spreads: list[HourSpread] = []


def on_market(state: MarkState, book: Book, data: MarketData, interval: int) -> bool:
    """Takes in one record that `book` has taken in already; whether a mark is to be made now. `interval` in µs."""
    if not data.feed_down:
        state.market_time, state.market_id = data.time, data.event_id
        if data.trades:
            state.last = data.trades[-1].price
        if data.mark_price is not None:
            state.exchange_mark = data.mark_price
        if data.index_price is not None:
            state.index = data.index_price
    elif state.market_time is None:
        return False
    if state.made_at is None or data.time >= state.made_at + interval or _flags(book) != state.made_flags:
        return True
    state.due = state.made_at + interval
    return False


def mark(
    state: MarkState,
    book: Book,
    *,
    symbol: str,
    now: int,
    exchange_marked: bool,
    depth_notionals: Sequence[Decimal],
    atr: Decimal | None,
    volatility: Decimal | None,
) -> Mark:
    """
    The mark at `now`, which counts as made. `exchange_marked`: the exchange's own mark holds for this instrument.

    Its correlation id is the newest real market record, also where a timer made it.
    """
    assert state.market_time is not None, f"mark of {symbol} before any market record"
    best = top(book)
    state.made_at, state.made_flags, state.due = now, _flags(book), None
    price, source = _price(state, best, exchange_marked=exchange_marked)
    return Mark(
        event_id="", causation_id="", correlation_id=state.market_id, session="", time=now, symbol=symbol,
        mark=price, source=source, index=state.index, last=state.last,
        best_bid=best.bid, best_bid_quantity=best.bid_quantity, best_ask=best.ask, best_ask_quantity=best.ask_quantity,
        gap=book.gap, feed_down=book.feed_down, book_present=book.present, book_crossed=best.crossed,
        book_time=book.time, market_time=state.market_time, spread_mean=_spread_mean(state, best, now),
        depth=_depth(book, depth_notionals) if book.present and not best.crossed else [],
        atr=atr, volatility=volatility,
    )  # fmt: skip


def _flags(book: Book) -> int:
    return book.gap | book.feed_down << 1 | book.present << 2 | is_crossed(book) << 3


def _price(state: MarkState, best: Top, *, exchange_marked: bool) -> tuple[Decimal | None, MarkSource]:
    if exchange_marked and state.exchange_mark is not None:
        return state.exchange_mark, MarkSource.EXCHANGE
    if best.bid is not None and best.ask is not None:
        return quotient(best.bid + best.ask, TWO), MarkSource.MID
    if state.last is not None:
        return state.last, MarkSource.LAST
    return None, MarkSource.NONE


def _spread_mean(state: MarkState, best: Top, now: int) -> Decimal | None:
    hour = now // HOUR
    spreads = state.spreads
    if best.bid is not None and best.ask is not None and best.ask > best.bid:
        if not spreads or spreads[-1].hour != hour:
            spreads.append(HourSpread(hour, ZERO, 0))
        spreads[-1].total += quotient(2 * (best.ask - best.bid), best.ask + best.bid)
        spreads[-1].count += 1
    while spreads and spreads[0].hour <= hour - HOURS:
        del spreads[0]
    count = sum(spread.count for spread in spreads)
    return quotient(sum((spread.total for spread in spreads), ZERO), Decimal(count)) if count else None


def _depth(book: Book, notionals: Sequence[Decimal]) -> list[DepthStep]:
    """One step for each side and notional; none for a side that is empty."""
    steps = []
    for side in (Side.BUY, Side.SELL):
        for notional in notionals:
            walk = walk_notional(visible(book, side), notional)
            if walk.quantity:
                steps.append(DepthStep(side, notional, walk.average_price, walk.quantity))
    return steps


def mark_deviation(price: Decimal, mark: Decimal) -> Decimal:
    """How far a price is from the mark, as a fraction of it without sign: 0.01 is one per cent. `mark` above 0."""
    return quotient(abs(price - mark), mark)
