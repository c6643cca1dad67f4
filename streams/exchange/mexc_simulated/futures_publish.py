"""What a bucket of a perpetual's market says on `/edge`: deals, depth, prices, funding, candles, tickers."""

from collections.abc import Callable
from functools import partial

from streams.exchange.mexc.events import Kind, Market
from streams.exchange.mexc_simulated import futures_frames as frames
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.futures_ticker import ticker
from streams.exchange.mexc_simulated.hub import Channel, Hub
from streams.exchange.mexc_simulated.market import Bucket, SymbolMarket
from streams.exchange.mexc_simulated.wrong import wrong_candle

DEPTH_FULL, TICKER, TICKERS = "depth.full", "ticker", "tickers"


def publish(exchange: Exchange, bucket: Bucket) -> None:
    """Sends each frame to whoever subscribed to it."""
    hub = exchange.hubs[Market.FUTURES]
    listed, symbol, ms = bucket.state.listed, bucket.state.symbol, bucket.time // 1000
    if bucket.trades:
        _deals(exchange, hub, bucket)
    if bucket.change is not None:
        change = bucket.change
        _send(hub, Kind.DEPTH, symbol, lambda channel: frames.push("depth", symbol, frames.depth(listed, change), ms))
        _send(hub, DEPTH_FULL, symbol, partial(_full_depth, bucket))
    if bucket.prices:
        mark, index = bucket.state.mark, bucket.state.index
        if mark is not None:
            _send(hub, Kind.FAIR_PRICE, symbol, lambda channel: frames.push("fair.price", symbol, {"symbol": symbol, "price": mark}, ms))
        if index is not None:
            _send(hub, Kind.INDEX_PRICE, symbol, lambda channel: frames.push("index.price", symbol, {"symbol": symbol, "price": index}, ms))
    if bucket.funding:
        _send(hub, Kind.FUNDING_RATE, symbol, lambda channel: funding_frame(bucket.state, ms))
    _klines(exchange, hub, bucket)
    if bucket.trades:
        _send(hub, TICKER, symbol, lambda channel: frames.push("ticker", symbol, ticker(bucket.state, ms), ms))
        _send(hub, TICKERS, "", lambda channel: frames.push("tickers", symbol, [ticker(bucket.state, ms)], ms))


def funding_frame(state: SymbolMarket, ms: int) -> str:
    """MEXC's sample says `rate`, its table `fundingRate`: both are here."""
    funding = state.funding
    assert funding is not None, "asked for where there is a rate"
    data = {
        "symbol": state.symbol, "rate": funding.rate, "fundingRate": funding.rate, "nextSettleTime": funding.settlement_time // 1000,
    }  # fmt: skip
    return frames.push("funding.rate", state.symbol, data, ms)


def _deals(exchange: Exchange, hub: Hub, bucket: Bucket) -> None:
    symbol, ms = bucket.state.symbol, bucket.time // 1000
    deals = [frames.deal(bucket.state.listed, trade) for trade in bucket.trades]
    if exchange.faults.lasting(Fault.DEAL_OBJECTS, market=Market.FUTURES, symbol=symbol) is not None:
        for deal in deals:
            _send(hub, Kind.DEALS, symbol, partial(_pushed, "deal", symbol, deal, ms))
    else:
        _send(hub, Kind.DEALS, symbol, lambda channel: frames.push("deal", symbol, deals, ms))


def _pushed(name: str, symbol: str, data: object, ms: int, channel: Channel) -> str:
    return frames.push(name, symbol, data, ms)


def _full_depth(bucket: Bucket, channel: Channel) -> str:
    bids, asks = bucket.state.book.top(int(channel.detail))
    listed = bucket.state.listed
    data = {"asks": frames.levels(listed, asks), "bids": frames.levels(listed, bids), "version": bucket.state.book.version}
    return frames.push("depth.full", bucket.state.symbol, data, bucket.time // 1000)


def _klines(exchange: Exchange, hub: Hub, bucket: Bucket) -> None:
    state = bucket.state
    channels = hub.channels(Kind.KLINE, state.symbol)
    closed = [wrong_candle(exchange, state.listed, kline) for kline in bucket.closed] if channels else []
    for channel in channels:
        said = list(closed) if channel.detail == "Min1" else []
        if bucket.trades and (current := state.klines.current(channel.detail)) is not None:
            said.append(current)
        for kline in said:
            data = frames.kline(state.listed, channel.detail, kline)
            hub.send(channel, partial(frames.push, "kline", state.symbol, data, bucket.time // 1000))


def _send(hub: Hub, kind: Kind | str, symbol: str, make: Callable[[Channel], str]) -> None:
    for channel in hub.channels(kind, symbol):
        hub.send(channel, partial(make, channel))
