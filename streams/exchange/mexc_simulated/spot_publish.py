"""
What a bucket of a spot market says on `/ws`: deals, depth, best prices, candles.

The 10 ms channels get the same frames as the 100 ms ones.
"""

from collections.abc import Callable
from functools import partial

from streams.exchange.mexc.events import Kind, Market
from streams.exchange.mexc_simulated import spot_frames as frames
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.hub import Channel, Hub
from streams.exchange.mexc_simulated.market import Bucket
from streams.exchange.mexc_simulated.wrong import wrong_candle

LIMIT_DEPTH, TICKER_BATCH = "limit_depth", "book_ticker_batch"


def publish(exchange: Exchange, bucket: Bucket) -> None:
    """Sends each frame to whoever subscribed to it."""
    hub, symbol = exchange.hubs[Market.SPOT], bucket.state.symbol
    old = exchange.faults.lasting(Fault.OLD_SCHEMA, market=Market.SPOT, symbol=symbol) is not None
    if bucket.trades:
        _send(hub, Kind.DEALS, symbol, partial(frames.deals, bucket=bucket, old_schema=old))
    if bucket.change is not None:
        _send(hub, Kind.DEPTH, symbol, partial(frames.depth, bucket=bucket))
        _send(hub, LIMIT_DEPTH, symbol, partial(frames.limit_depth, bucket=bucket))
    if bucket.best is not None:
        _send(hub, Kind.BOOK_TICKER, symbol, partial(frames.book_ticker, bucket=bucket, old_schema=old))
        _send(hub, TICKER_BATCH, symbol, partial(frames.book_ticker_batch, bucket=bucket))
    _klines(exchange, hub, bucket)


def _klines(exchange: Exchange, hub: Hub, bucket: Bucket) -> None:
    """The closed minute as it ended, then the open candle with each trade."""
    state = bucket.state
    channels = hub.channels(Kind.KLINE, state.symbol)
    closed = [wrong_candle(exchange, state.listed, kline) for kline in bucket.closed] if channels else []
    for channel in channels:
        said = list(closed) if channel.detail == "Min1" else []
        if bucket.trades and (current := state.klines.current(channel.detail)) is not None:
            said.append(current)
        for kline in said:
            hub.send(channel, partial(frames.kline, channel, bucket.time, kline))


def _send(hub: Hub, kind: Kind | str, symbol: str, make: Callable[[Channel], bytes]) -> None:
    for channel in hub.channels(kind, symbol):
        hub.send(channel, partial(make, channel))
