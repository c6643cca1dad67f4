"""Futures REST, `/api/v1/contract/…`: everything in `{"success","code","data"}`, numbers for decimals, volumes in contracts."""

from typing import Any

from aiohttp import web

from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated.answers import Asked, Handler, Refused, faulty, json_response, noted, whole
from streams.exchange.mexc_simulated.clock import MICROSECONDS
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.futures_frames import deal, levels
from streams.exchange.mexc_simulated.futures_ticker import ticker
from streams.exchange.mexc_simulated.klines import LENGTHS
from streams.exchange.mexc_simulated.market import SymbolMarket

DEPTH_MAX, DEALS_MAX, KLINES_MAX = 2000, 100, 2000
RATE_MAX = 0.003


def routes(exchange: Exchange) -> list[web.RouteDef]:
    """What is served below `/api/v1/contract/`."""
    return [web.get(f"/api/v1/contract/{path}", _served(exchange, path, handler)) for path, handler in _ENDPOINTS.items()]


def _served(exchange: Exchange, path: str, handler: Handler) -> Any:
    endpoint = path.split("/", maxsplit=1)[0]

    async def serve(request: web.Request) -> web.Response:
        response, code = await _answer(exchange, endpoint, handler, request)
        noted(exchange, request, response.status, code)
        return response

    return serve


async def _answer(exchange: Exchange, endpoint: str, handler: Handler, request: web.Request) -> tuple[web.Response, int]:
    broken = await faulty(exchange, Market.FUTURES, endpoint)
    if broken is not None:
        return broken, 0
    if exchange.limits.futures(request.remote or "", endpoint) is not None:
        return _failed(510, "Excessive frequency of requests"), 510
    try:
        data = await handler(Asked(exchange, request, request.match_info.get("symbol", request.query.get("symbol", ""))))
    except Refused as refused:
        return _failed(refused.code, str(refused)), refused.code
    return json_response({"success": True, "code": 0, "data": data}), 0


def _failed(code: int, message: str) -> web.Response:
    return json_response({"success": False, "code": code, "message": message})


async def _ping(asked: Asked) -> object:
    return asked.exchange.clock.said_ms()


async def _detail(asked: Asked) -> object:
    """All contracts, or the one that is asked for."""
    if asked.symbol:
        return _state(asked).listed.contract_entry()
    return [one.contract_entry() for one in asked.exchange.listing.of(Market.FUTURES)]


async def _depth(asked: Asked) -> object:
    state = _state(asked)
    limit = whole(asked.request.query.get("limit"), "limit", default=100, least=1, most=DEPTH_MAX)
    bids, asks = state.book.top(limit)
    return {
        "asks": levels(state.listed, asks), "bids": levels(state.listed, bids), "version": state.book.version,
        "timestamp": asked.exchange.clock.said_ms(),
    }  # fmt: skip


async def _deals(asked: Asked) -> object:
    """Newest first."""
    state = _state(asked)
    limit = whole(asked.request.query.get("limit"), "limit", default=100, least=1, most=DEALS_MAX)
    return [deal(state.listed, trade) for trade in list(state.trades)[-limit:][::-1]]


async def _kline(asked: Asked) -> object:
    """Columns; start and end in seconds, both included."""
    state, query = _state(asked), asked.request.query
    interval = query.get("interval", "Min1")
    if interval not in LENGTHS:
        raise Refused(200, 600, "Parameter interval error")
    now = asked.exchange.clock.said()
    state.klines.reach(now)
    end = whole(query.get("end"), "end", default=now // MICROSECONDS, most=1 << 40) * MICROSECONDS + 1
    start = whole(query.get("start"), "start", default=0, most=1 << 40) * MICROSECONDS
    found = state.klines.between(interval, start=start, end=end)[-KLINES_MAX:]
    contracts = state.listed.contracts
    return {
        "time": [one.start // MICROSECONDS for one in found], "open": [one.open for one in found], "close": [one.close for one in found],
        "high": [one.high for one in found], "low": [one.low for one in found], "vol": [contracts(one.volume) for one in found],
        "amount": [one.amount for one in found], "realOpen": [one.open for one in found], "realClose": [one.close for one in found],
        "realHigh": [one.high for one in found], "realLow": [one.low for one in found],
    }  # fmt: skip


async def _ticker(asked: Asked) -> object:
    ms = asked.exchange.clock.said_ms()
    if asked.symbol:
        return ticker(_state(asked), ms)
    return [ticker(asked.exchange.driver.states[one.symbol], ms) for one in asked.exchange.listing.of(Market.FUTURES)]


async def _funding_rate(asked: Asked) -> object:
    state = _state(asked)
    funding = state.funding
    if funding is None:
        raise Refused(200, 1002, "no funding rate yet")
    return {
        "symbol": state.symbol, "fundingRate": funding.rate, "maxFundingRate": RATE_MAX, "minFundingRate": -RATE_MAX,
        "collectCycle": funding.interval_hours, "nextSettleTime": funding.settlement_time // 1000,
        "timestamp": asked.exchange.clock.said_ms(),
    }  # fmt: skip


async def _fair_price(asked: Asked) -> object:
    state = _state(asked)
    return {"symbol": state.symbol, "fairPrice": state.mark, "timestamp": asked.exchange.clock.said_ms()}


async def _index_price(asked: Asked) -> object:
    state = _state(asked)
    return {"symbol": state.symbol, "indexPrice": state.index, "timestamp": asked.exchange.clock.said_ms()}


_ENDPOINTS: dict[str, Handler] = {
    "ping": _ping, "detail": _detail, "depth/{symbol}": _depth, "deals/{symbol}": _deals, "kline/{symbol}": _kline, "ticker": _ticker,
    "funding_rate/{symbol}": _funding_rate, "fair_price/{symbol}": _fair_price, "index_price/{symbol}": _index_price,
}  # fmt: skip


def _state(asked: Asked) -> SymbolMarket:
    listed = asked.exchange.listing.get(asked.symbol, Market.FUTURES)
    if listed is None:
        raise Refused(200, 1001, "Contract does not exist!")
    return asked.exchange.driver.states[listed.symbol]
