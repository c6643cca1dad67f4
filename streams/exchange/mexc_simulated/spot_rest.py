"""Spot REST, `/api/v3/…`: weights, limits, then what the market says. Quantities in base units, times in ms, texts for decimals."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from aiohttp import web

from streams.domain.records import Level, Side, Trade
from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated import spot_account
from streams.exchange.mexc_simulated.answers import Asked, Handler, Refused, faulty, json_response, noted, whole
from streams.exchange.mexc_simulated.clock import MICROSECONDS
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.futures_ticker import last_day
from streams.exchange.mexc_simulated.klines import window_end
from streams.exchange.mexc_simulated.listing import text
from streams.exchange.mexc_simulated.market import SymbolMarket

DEPTH_MAX, KLINES_MAX, TRADES_MAX = 5000, 1000, 1000
# MEXC's REST spellings; `1h` is not one of them.
INTERVALS = {
    "1m": "Min1", "5m": "Min5", "15m": "Min15", "30m": "Min30", "60m": "Min60", "4h": "Hour4", "8h": "Hour8", "1d": "Day1",
    "1W": "Week1", "1M": "Month1",
}  # fmt: skip


class Endpoint(NamedTuple):
    method: str
    path: str
    weight: int
    handler: Handler


def routes(exchange: Exchange) -> list[web.RouteDef]:
    """What is served below `/api/v3/`."""
    table = [*_ENDPOINTS, *(Endpoint(*one) for one in spot_account.ENDPOINTS)]
    return [web.route(one.method, f"/api/v3/{one.path}", _served(exchange, one)) for one in table]


def _served(exchange: Exchange, endpoint: Endpoint) -> Any:
    async def serve(request: web.Request) -> web.Response:
        response, code = await _answer(exchange, endpoint, request)
        noted(exchange, request, response.status, code)
        return response

    return serve


async def _answer(exchange: Exchange, endpoint: Endpoint, request: web.Request) -> tuple[web.Response, int]:
    broken = await faulty(exchange, Market.SPOT, endpoint.path)
    if broken is not None:
        return broken, 0
    breach = exchange.limits.spot(request.remote or "", endpoint.path, endpoint.weight)
    if breach is not None:
        content = {"code": breach.status, "msg": "Too Many Requests" if breach.status == 429 else "IP banned"}
        return json_response(content, status=breach.status, retry_after=breach.retry_after), breach.status
    try:
        return json_response(await endpoint.handler(Asked(exchange, request, request.query.get("symbol", "")))), 0
    except Refused as refused:
        return json_response({"code": refused.code, "msg": str(refused)}, status=refused.status), refused.code


async def _ping(asked: Asked) -> object:
    return {}


async def _time(asked: Asked) -> object:
    return {"serverTime": asked.exchange.clock.said_ms()}


async def _exchange_info(asked: Asked) -> object:
    """All symbols, one by `symbol`, or some by `symbols`."""
    listed = asked.exchange.listing.of(Market.SPOT)
    wanted = asked.symbol or asked.request.query.get("symbols", "")
    if wanted:
        names = wanted.split(",")
        listed = [one for one in listed if one.symbol in names]
        if not listed:
            raise Refused(400, 10007, "bad symbol")
    return {
        "timezone": "CST", "serverTime": asked.exchange.clock.said_ms(), "rateLimits": [], "exchangeFilters": [],
        "symbols": [one.spot_entry() for one in listed],
    }  # fmt: skip


async def _depth(asked: Asked) -> object:
    state = _state(asked)
    limit = whole(asked.request.query.get("limit"), "limit", default=100, least=1, most=DEPTH_MAX)
    bids, asks = state.book.top(limit)
    return {
        "lastUpdateId": state.book.version, "bids": _pairs(bids), "asks": _pairs(asks), "timestamp": asked.exchange.clock.said_ms(),
    }  # fmt: skip


async def _klines(asked: Asked) -> object:
    """Candles that open in [startTime, endTime]; without start the newest. One-minute candles reach back for about 30 days."""
    state, query, exchange = _state(asked), asked.request.query, asked.exchange
    interval = INTERVALS.get(query.get("interval", ""))
    if interval is None:
        raise Refused(400, -1121, "Invalid interval.")
    limit = whole(query.get("limit"), "limit", default=500, least=1, most=KLINES_MAX)
    end = whole(query.get("endTime"), "endTime", default=1 << 50, most=1 << 50) * 1000 + 1
    start = whole(query.get("startTime"), "startTime", default=0, most=1 << 50) * 1000
    if interval == "Min1":
        start = max(start, exchange.clock.said() - int(exchange.settings.limits.kline_reach * MICROSECONDS))
    state.klines.reach(exchange.clock.said())
    found = state.klines.between(interval, start=start, end=end)
    found = found[:limit] if "startTime" in query else found[-limit:]
    return [
        [
            one.start // 1000, text(one.open), text(one.high), text(one.low), text(one.close), text(one.volume),
            window_end(interval, one.start) // 1000, text(one.amount),
        ]
        for one in found
    ]  # fmt: skip


async def _trades(asked: Asked) -> object:
    limit = whole(asked.request.query.get("limit"), "limit", default=500, least=1, most=TRADES_MAX)
    return [
        {
            "id": None, "price": text(one.price), "qty": text(one.quantity), "quoteQty": text(one.price * one.quantity),
            "time": one.time // 1000, "isBuyerMaker": one.aggressor is Side.SELL, "isBestMatch": True,
            "tradeType": "BID" if one.aggressor is Side.BUY else "ASK",
        }
        for one in list(_state(asked).trades)[-limit:][::-1]
    ]  # fmt: skip


async def _agg_trades(asked: Asked) -> object:
    """Newest first; between startTime and endTime where they are given, at most an hour apart. No ids."""
    query, state = asked.request.query, _state(asked)
    limit = whole(query.get("limit"), "limit", default=500, least=1, most=TRADES_MAX)
    found: list[Trade] = list(state.trades)
    if "startTime" in query or "endTime" in query:
        start = whole(query.get("startTime"), "startTime", default=0, most=1 << 50)
        end = whole(query.get("endTime"), "endTime", default=1 << 50, most=1 << 50)
        found = [one for one in found if start <= one.time // 1000 <= end]
    return [
        {
            "a": None, "f": None, "l": None, "p": text(one.price), "q": text(one.quantity), "T": one.time // 1000,
            "m": one.aggressor is Side.SELL, "M": True,
        }
        for one in found[-limit:][::-1]
    ]  # fmt: skip


async def _ticker_day(asked: Asked) -> object:
    return _one_or_all(asked, _day)


async def _ticker_price(asked: Asked) -> object:
    return _one_or_all(asked, lambda state, ms: {"symbol": state.symbol, "price": text(state.last or Decimal(0))})


async def _ticker_book(asked: Asked) -> object:
    return _one_or_all(asked, lambda state, ms: {"symbol": state.symbol, **_best(state)})


async def _average(asked: Asked) -> object:
    """Of the last five minutes, weighted by volume."""
    minutes = _state(asked).klines.minutes[-5:]
    volume = sum((one.volume for one in minutes), Decimal(0))
    price = sum((one.amount for one in minutes), Decimal(0)) / volume if volume else Decimal(0)
    return {"mins": 5, "price": text(round(price, 8))}


_ENDPOINTS = (
    Endpoint("GET", "ping", 1, _ping), Endpoint("GET", "time", 1, _time), Endpoint("GET", "exchangeInfo", 10, _exchange_info),
    Endpoint("GET", "depth", 1, _depth), Endpoint("GET", "klines", 1, _klines), Endpoint("GET", "trades", 5, _trades),
    Endpoint("GET", "aggTrades", 1, _agg_trades), Endpoint("GET", "ticker/24hr", 1, _ticker_day),
    Endpoint("GET", "ticker/price", 1, _ticker_price), Endpoint("GET", "ticker/bookTicker", 1, _ticker_book),
    Endpoint("GET", "avgPrice", 1, _average),
)  # fmt: skip


def _state(asked: Asked) -> SymbolMarket:
    listed = asked.exchange.listing.get(asked.symbol, Market.SPOT)
    if listed is None:
        raise Refused(400, -1121 if asked.symbol else 33333, "Invalid symbol." if asked.symbol else "param 'symbol' is required")
    return asked.exchange.driver.states[listed.symbol]


def _one_or_all(asked: Asked, make: Any) -> object:
    ms = asked.exchange.clock.said_ms()
    if asked.symbol:
        return make(_state(asked), ms)
    return [make(asked.exchange.driver.states[one.symbol], ms) for one in asked.exchange.listing.of(Market.SPOT)]


def _day(state: SymbolMarket, ms: int) -> dict[str, Any]:
    day = last_day(state)
    zero = Decimal(0)
    rise = day.close - day.open if day is not None else zero
    return {
        "symbol": state.symbol, "priceChange": text(rise),
        "priceChangePercent": text(round(rise / day.open, 8)) if day is not None else "0",
        "prevClosePrice": text(day.open if day else zero), "lastPrice": text(state.last or zero), **_best(state),
        "openPrice": text(day.open if day else zero), "highPrice": text(day.high if day else zero),
        "lowPrice": text(day.low if day else zero), "volume": text(day.volume if day else zero),
        "quoteVolume": text(day.amount if day else zero), "openTime": ms - 86_400_000, "closeTime": ms, "count": None,
    }  # fmt: skip


def _best(state: SymbolMarket) -> dict[str, str | None]:
    best = state.book.best()
    if best is None:
        return {"bidPrice": None, "bidQty": None, "askPrice": None, "askQty": None}
    return {
        "bidPrice": text(best.bid.price), "bidQty": text(best.bid.quantity), "askPrice": text(best.ask.price),
        "askQty": text(best.ask.quantity),
    }  # fmt: skip


def _pairs(levels: Iterable[Level]) -> list[tuple[str, str]]:
    return [(text(level.price), text(level.quantity)) for level in levels]
