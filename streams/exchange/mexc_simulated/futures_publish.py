"""What a bucket of a perpetual's market says on `/edge`: deals, depth, prices, funding, candles, tickers."""

from functools import partial

from streams.exchange.mexc.events import Kind, Market
from streams.exchange.mexc_simulated import futures_frames as frames
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.futures_ticker import ticker
from streams.exchange.mexc_simulated.hub import Channel, Hub
from streams.exchange.mexc_simulated.klines import Kline
from streams.exchange.mexc_simulated.market import Bucket, SymbolMarket
from streams.exchange.mexc_simulated.sending import send, send_klines

DEPTH_FULL, TICKER, TICKERS = "depth.full", "ticker", "tickers"


def publish(exchange: Exchange, bucket: Bucket) -> None:
    """Sends each frame to whoever subscribed to it."""
    hub = exchange.hubs[Market.FUTURES]
    listed, symbol, ms = bucket.state.listed, bucket.state.symbol, bucket.time // 1000
    if bucket.trades:
        _deals(exchange, hub, bucket)
    if bucket.change is not None:
        change = bucket.change
        send(hub, Kind.DEPTH, symbol, lambda channel: frames.push("depth", symbol, frames.depth(listed, change), ms))
        send(hub, DEPTH_FULL, symbol, partial(_full_depth, bucket))
    if bucket.prices:
        mark, index = bucket.state.mark, bucket.state.index
        if mark is not None:
            send(hub, Kind.FAIR_PRICE, symbol, lambda channel: frames.push("fair.price", symbol, {"symbol": symbol, "price": mark}, ms))
        if index is not None:
            send(hub, Kind.INDEX_PRICE, symbol, lambda channel: frames.push("index.price", symbol, {"symbol": symbol, "price": index}, ms))
    if bucket.funding:
        send(hub, Kind.FUNDING_RATE, symbol, lambda channel: funding_frame(bucket.state, ms))
    send_klines(exchange, hub, bucket, partial(_kline, bucket))
    if bucket.trades:
        send(hub, TICKER, symbol, lambda channel: frames.push("ticker", symbol, ticker(bucket.state, ms), ms))
        send(hub, TICKERS, "", lambda channel: frames.push("tickers", symbol, [ticker(bucket.state, ms)], ms))


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
            send(hub, Kind.DEALS, symbol, partial(_pushed, "deal", symbol, deal, ms))
    else:
        send(hub, Kind.DEALS, symbol, lambda channel: frames.push("deal", symbol, deals, ms))


def _pushed(name: str, symbol: str, data: object, ms: int, channel: Channel) -> str:
    return frames.push(name, symbol, data, ms)


def _full_depth(bucket: Bucket, channel: Channel) -> str:
    bids, asks = bucket.state.book.top(int(channel.detail))
    listed = bucket.state.listed
    data = {"asks": frames.levels(listed, asks), "bids": frames.levels(listed, bids), "version": bucket.state.book.version}
    return frames.push("depth.full", bucket.state.symbol, data, bucket.time // 1000)


def _kline(bucket: Bucket, channel: Channel, kline: Kline) -> str:
    data = frames.kline(bucket.state.listed, channel.detail, kline)
    return frames.push("kline", bucket.state.symbol, data, bucket.time // 1000)
