"""How connections to MEXC are made: addresses of the settings, one protocol for each connection."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import aiohttp

from streams.exchange.mexc.connection import Connection, ConnectionTimes, Dial
from streams.exchange.mexc.events import Market, Subscription
from streams.exchange.mexc.futures_protocol import FuturesProtocol
from streams.exchange.mexc.pool import Pool
from streams.exchange.mexc.protocol import MexcProtocol
from streams.exchange.mexc.spot_protocol import SpotProtocol


def protocol_of(market: Market, contract_sizes: Mapping[str, Decimal]) -> MexcProtocol:
    """A new connection's protocol. `contract_sizes`: base units of one contract, by symbol."""
    return SpotProtocol() if market is Market.SPOT else FuturesProtocol(contract_sizes)


def dials(
    http: aiohttp.ClientSession, addresses: Mapping[Market, str], contract_sizes: Mapping[str, Decimal],
    times: ConnectionTimes = ConnectionTimes(),
) -> dict[Market, Callable[[Pool], Dial]]:  # fmt: skip
    """By market what makes a connection whose hearer is a pool."""

    def of(market: Market) -> Callable[[Pool], Dial]:
        def with_hearer(pool: Pool) -> Dial:
            def dial(name: str, subscriptions: Iterable[Subscription]) -> Connection:
                return Connection(
                    http, addresses[market], name=name, protocol=protocol_of(market, contract_sizes), subscriptions=subscriptions,
                    hearer=pool, times=times,
                )  # fmt: skip

            return dial

        return with_hearer

    return {market: of(market) for market in addresses}
