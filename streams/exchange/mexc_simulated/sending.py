"""How what a bucket holds goes to whoever hears it: the same for both markets, which differ in their frames alone."""

from collections.abc import Callable
from functools import partial

from streams.exchange.mexc.events import Kind
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.hub import Channel, Hub
from streams.exchange.mexc_simulated.klines import Kline
from streams.exchange.mexc_simulated.market import Bucket
from streams.exchange.mexc_simulated.wrong import wrong_candle


def send(hub: Hub, kind: Kind | str, symbol: str, make: Callable[[Channel], str | bytes]) -> None:
    """A frame on each channel of a kind that somebody hears."""
    for channel in hub.channels(kind, symbol):
        hub.send(channel, partial(make, channel))


def send_klines(exchange: Exchange, hub: Hub, bucket: Bucket, make: Callable[[Channel, Kline], str | bytes]) -> None:
    """The closed minute as it ended, then the open candle with each trade."""
    state = bucket.state
    channels = hub.channels(Kind.KLINE, state.symbol)
    closed = [wrong_candle(exchange, state.listed, kline) for kline in bucket.closed] if channels else []
    for channel in channels:
        said = list(closed) if channel.detail == "Min1" else []
        if bucket.trades and (current := state.klines.current(channel.detail)) is not None:
            said.append(current)
        for kline in said:
            hub.send(channel, partial(make, channel, kline))
