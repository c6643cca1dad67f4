"""
Candles of one symbol: trades gathered by the exchange's trade time into windows of fixed length.

A window starts at floor(t / length) · length and closes at its end + grace of logical time, by a timer; until then trades of the
next window go to a second one. At logical time t the open windows are those not yet closed, up to the one after the oldest of
them (or the present one, where the grace is longer than a window). A trade before them is late: counted, never let in. A trade
after them is dated ahead: counted, never let in, so one wrong date opens nothing. Windows without trades make no candle.

Times in µs, prices in quote currency, volume in base units, quote volume in quote currency, all sums exact.
"""

from decimal import Decimal

import msgspec

from streams.domain.money import amount
from streams.domain.records import Candle, Trade


class Window(msgspec.Struct):
    """One open window; `open_time` in µs."""

    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trade_count: int


class Candles(msgspec.Struct):
    """`windows` by rising time; `late_trades` since the last candle; `ahead_trades` since the session began."""

    windows: list[Window] = []
    late_trades: int = 0
    ahead_trades: int = 0


class Lengths(msgspec.Struct, frozen=True):
    """`window` and `grace` in µs."""

    window: int
    grace: int


def on_trade(candles: Candles, trade: Trade, *, now: int, lengths: Lengths) -> None:
    """Lets one trade into its window, if that is open at logical time `now`."""
    length = lengths.window
    open_time = trade.time - trade.time % length
    windows = candles.windows
    oldest = now - lengths.grace
    oldest -= oldest % length
    if open_time < oldest:
        candles.late_trades += 1
        return
    if open_time > max(oldest + length, now - now % length):
        candles.ahead_trades += 1
        return
    for place, window in enumerate(windows):
        if window.open_time == open_time:
            _add(window, trade)
            return
        if window.open_time > open_time:
            windows.insert(place, _opened(open_time, trade))
            return
    windows.append(_opened(open_time, trade))


def deadline(candles: Candles, lengths: Lengths) -> int | None:
    """When the oldest open window closes; None where no window holds a trade."""
    return candles.windows[0].open_time + lengths.window + lengths.grace if candles.windows else None


def on_deadline(candles: Candles, *, symbol: str, now: int, lengths: Lengths) -> Candle:
    """The candle of the oldest window, which is due at `now`. Sums are rounded half to even at 12 places."""
    due = deadline(candles, lengths)
    assert due == now, f"candle of {symbol} is due at {due}, not at {now}"
    window = candles.windows.pop(0)
    late, candles.late_trades = candles.late_trades, 0
    return Candle(
        event_id="", causation_id="", correlation_id="", session="", time=now, symbol=symbol,
        interval_seconds=lengths.window // 1_000_000, open_time=window.open_time,
        close_time=window.open_time + lengths.window, open=window.open, high=window.high, low=window.low,
        close=window.close, volume=amount(window.volume), quote_volume=amount(window.quote_volume),
        trade_count=window.trade_count, late_trades=late,
    )  # fmt: skip


def _opened(open_time: int, trade: Trade) -> Window:
    price = trade.price
    return Window(open_time, price, price, price, price, trade.quantity, price * trade.quantity, 1)


def _add(window: Window, trade: Trade) -> None:
    price = trade.price
    if price > window.high:
        window.high = price
    elif price < window.low:
        window.low = price
    window.close = price
    window.volume += trade.quantity
    window.quote_volume += price * trade.quantity
    window.trade_count += 1
