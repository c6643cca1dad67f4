"""
Every request that this program can make of MEXC. What does not stand here cannot be sent: the client takes a `Route`, never a path.

The one order among them is tested by the exchange and executed by nobody. Weights and limits are those that MEXC documents: on spot
500 of weight in 10 s for each endpoint, on futures 20 requests in 2 s, and one of contract details in 5 s.
"""

from enum import Enum
from typing import NamedTuple

from streams.exchange.mexc.events import Market


class Endpoint(NamedTuple):
    """`weight` of one request; `most` of it in `window_ms`. `signed`: with a key. `safe`: asking twice is as good as once."""

    market: Market
    method: str
    path: str
    weight: int = 1
    most: int = 500
    window_ms: int = 10_000
    signed: bool = False
    safe: bool = True


def _futures(path: str, *, most: int = 20, window_ms: int = 2_000) -> Endpoint:
    return Endpoint(Market.FUTURES, "GET", f"/api/v1/contract/{path}", most=most, window_ms=window_ms)


class Route(Enum):
    TIME = Endpoint(Market.SPOT, "GET", "/api/v3/time")
    EXCHANGE_INFO = Endpoint(Market.SPOT, "GET", "/api/v3/exchangeInfo", 10)
    DEPTH = Endpoint(Market.SPOT, "GET", "/api/v3/depth")
    KLINES = Endpoint(Market.SPOT, "GET", "/api/v3/klines")
    TRADES = Endpoint(Market.SPOT, "GET", "/api/v3/trades", 5)
    TRADE_FEE = Endpoint(Market.SPOT, "GET", "/api/v3/tradeFee", 20, signed=True)
    ACCOUNT = Endpoint(Market.SPOT, "GET", "/api/v3/account", 10, signed=True)
    ORDER_TEST = Endpoint(Market.SPOT, "POST", "/api/v3/order/test", signed=True, safe=False)
    CONTRACT_PING = _futures("ping")
    CONTRACT_DETAIL = _futures("detail", most=1, window_ms=5_000)
    CONTRACT_DEPTH = _futures("depth/{symbol}")
    CONTRACT_DEALS = _futures("deals/{symbol}")
    CONTRACT_FUNDING_RATE = _futures("funding_rate/{symbol}")

    @property
    def endpoint(self) -> Endpoint:
        found: Endpoint = self.value
        return found
