"""How REST answers: the refusals that spot and futures share, the faults of a server and its web firewall, and the truth log's entry."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.futures_frames import json_text
from streams.exchange.mexc_simulated.truth import RestAsked

_FIREWALL = b"<html><head><title>403 Forbidden</title></head><body>Access Denied</body></html>"


class Refused(Exception):
    """An answer that is an error: HTTP status, MEXC's code and message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Asked(NamedTuple):
    """A request as a handler sees it."""

    exchange: Exchange
    request: web.Request
    symbol: str

    @property
    def address(self) -> str:
        return self.request.remote or ""


Handler = Callable[[Asked], Awaitable[object]]


def json_response(content: object, *, status: int = 200, retry_after: int | None = None) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.Response(body=json_text(content), status=status, content_type="application/json", headers=headers)


async def faulty(exchange: Exchange, market: Market, path: str) -> web.Response | None:
    """The answer of the fault that shows on this request, None where none does."""
    def hits(fault: Fault) -> float | None:
        struck = exchange.strikes(fault, market=market, what=path)
        return None if struck is None else struck.detail

    if exchange.faults.lasting(Fault.MAINTENANCE, market=market) is not None:
        return json_response({"code": 503, "msg": "System maintenance"}, status=503)
    if hits(Fault.REST_SILENCE) is not None:
        await exchange.closing.wait()
    if hits(Fault.FORBIDDEN_403) is not None:
        return web.Response(body=_FIREWALL, status=403, content_type="text/html")
    if (seconds := hits(Fault.BANNED_418)) is not None:
        return json_response({"code": 418, "msg": "IP banned"}, status=418, retry_after=int(seconds))
    if (seconds := hits(Fault.STORM_429)) is not None:
        return json_response({"code": 429, "msg": "Too Many Requests"}, status=429, retry_after=int(seconds))
    if (status := hits(Fault.SERVER_ERROR)) is not None:
        return web.Response(text="internal error", status=int(status))
    return None


def noted(exchange: Exchange, request: web.Request, status: int, code: int = 0) -> None:
    """The request in the truth log."""
    exchange.truth.add(RestAsked(
        symbol=request.query.get("symbol", request.match_info.get("symbol", "")), time=exchange.clock.said(), method=request.method,
        path=request.path, status=status, code=code,
    ))  # fmt: skip


def whole(text: str | None, name: str, *, default: int, least: int = 0, most: int) -> int:
    """A whole number of the query; more than the most is the most. Raises: Refused."""
    if text is None or not text:
        return default
    try:
        number = int(text)
    except ValueError as error:
        raise Refused(400, 33333, f"param '{name}' is invalid") from error
    if number < least:
        raise Refused(400, 33333, f"param '{name}' is invalid")
    return min(number, most)
