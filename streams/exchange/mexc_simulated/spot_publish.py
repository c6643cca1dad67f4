"""
What a bucket of a spot market says on `/ws`: deals, depth, best prices, candles.

The 10 ms channels get the same frames as the 100 ms ones.
"""

from functools import partial

from streams.exchange.mexc.events import Kind, Market
from streams.exchange.mexc_simulated import spot_frames as frames
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.market import Bucket
from streams.exchange.mexc_simulated.sending import send, send_klines

LIMIT_DEPTH, TICKER_BATCH = "limit_depth", "book_ticker_batch"


def publish(exchange: Exchange, bucket: Bucket) -> None:
    """Sends each frame to whoever subscribed to it."""
    hub, symbol = exchange.hubs[Market.SPOT], bucket.state.symbol
    old = exchange.faults.lasting(Fault.OLD_SCHEMA, market=Market.SPOT, symbol=symbol) is not None
    if bucket.trades:
        send(hub, Kind.DEALS, symbol, partial(frames.deals, bucket=bucket, old_schema=old))
    if bucket.change is not None:
        send(hub, Kind.DEPTH, symbol, partial(frames.depth, bucket=bucket))
        send(hub, LIMIT_DEPTH, symbol, partial(frames.limit_depth, bucket=bucket))
    if bucket.best is not None:
        send(hub, Kind.BOOK_TICKER, symbol, partial(frames.book_ticker, bucket=bucket, old_schema=old))
        send(hub, TICKER_BATCH, symbol, partial(frames.book_ticker_batch, bucket=bucket))
    send_klines(exchange, hub, bucket, lambda channel, kline: frames.kline(channel, bucket.time, kline))
