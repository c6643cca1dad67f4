"""
The operator's endpoint, `/control/…`, which no exchange has: faults on and off, what is listed, and the truth so far.

    POST   /control/faults            {"fault": "silence", "seconds": 90, "symbol": "BTCUSDT"}
    GET    /control/faults            those that are or will be switched on
    DELETE /control/faults            all off; ?fault=NAME one
    POST   /control/symbols/{symbol}  {"status": "2"}, {"tick_size": "0.1"}, {"taker_fee_rate": "0.001"}
    GET    /control/truth             entries from ?after=N on; empty where they go to a file
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Literal

import msgspec
from aiohttp import web

from streams.errors import ConfigError
from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.faults import Fault


class FaultAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See `Faults.switch_on`."""

    fault: Fault
    after: float = 0
    seconds: float | None = None
    times: int | None = None
    market: Market | None = None
    symbol: str | None = None
    detail: float | None = None


class SymbolAsk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes of a symbol; the rest stays."""

    status: Literal["1", "2", "3"] | None = None
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    maker_fee_rate: Decimal | None = None
    taker_fee_rate: Decimal | None = None


def routes(exchange: Exchange) -> list[web.RouteDef]:
    async def switch(request: web.Request) -> web.Response:
        ask = msgspec.json.decode(await request.read(), type=FaultAsk)
        return _json(exchange.switch_on(**msgspec.structs.asdict(ask)))

    async def switches(request: web.Request) -> web.Response:
        return _json(exchange.faults.active())

    async def off(request: web.Request) -> web.Response:
        name = request.query.get("fault")
        exchange.switch_off(None if name is None else Fault(name))
        return _json(exchange.faults.active())

    async def change(request: web.Request) -> web.Response:
        listed = exchange.listing.symbols.get(request.match_info["symbol"])
        if listed is None:
            raise ConfigError(f"SYMBOL must be one of {', '.join(exchange.listing.symbols)}, was {request.match_info['symbol']}")
        ask = msgspec.json.decode(await request.read(), type=SymbolAsk)
        for name, value in msgspec.structs.asdict(ask).items():
            if value is not None:
                setattr(listed, name, value)
        return _json(listed.spot_entry() if listed.market is Market.SPOT else listed.contract_entry())

    async def truth(request: web.Request) -> web.Response:
        return _json(exchange.truth.entries[int(request.query.get("after", 0)) :])

    return [
        web.post("/control/faults", _told(switch)), web.get("/control/faults", switches), web.delete("/control/faults", _told(off)),
        web.post("/control/symbols/{symbol}", _told(change)), web.get("/control/truth", truth),
    ]  # fmt: skip


def _told(handler: Callable[[web.Request], Awaitable[web.Response]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def tell(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except (msgspec.MsgspecError, ConfigError, ValueError) as error:
            return _json({"error": str(error)}, status=400)

    return tell


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json")
