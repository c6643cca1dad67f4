"""A connection that does not come about names its fault; waits grow with full jitter and are short again after a good minute."""

import asyncio
from random import Random

import aiohttp
import pytest

from streams.domain.parameters import FeedParameters
from streams.exchange.mexc.backoff import FIRST_SECONDS, SECONDS_MAX, Backoff
from streams.exchange.mexc.connection import Connection, ConnectionFault, ConnectionTimes, Fault
from streams.exchange.mexc.events import Kind, Said, Subscription
from streams.exchange.mexc.lane import spread
from streams.exchange.mexc.pool import subscriptions_of
from streams.exchange.mexc.spot_protocol import SpotProtocol
from streams.exchange.mexc_simulated.server import SimulatedMexc
from streams.exchange.mexc_simulated.settings import Settings
from streams.exchange.simulated import SimulatedFeed
from tests.exchange.sessions import T0


class Deaf:
    """Hears nothing: no connection of these tests comes about."""

    def frame(self, connection: str, frame: str | bytes, said: list[Said]) -> None: ...

    def garbled(self, connection: str, frame: str | bytes, why: str) -> None: ...

    def acknowledged(self, connection: str, subscriptions: list[Subscription]) -> None: ...

    def refused(self, connection: str, subscription: Subscription, reason: str) -> None: ...

    async def room(self) -> None: ...


async def fault_of(url: str) -> Fault:
    async with aiohttp.ClientSession() as http:
        connection = Connection(
            http, url, name="spot-0#0", protocol=SpotProtocol(), subscriptions=[Subscription(Kind.DEALS, "BTCUSDT")], hearer=Deaf(),
            times=ConnectionTimes(handshake=3),
        )  # fmt: skip
        with pytest.raises(ConnectionFault, match="spot-0#0: ") as told:
            await connection.run()
    return told.value.fault


def test_name_that_has_no_address_and_a_port_where_nobody_listens_are_unreachable():
    assert asyncio.run(fault_of("ws://exchange.invalid:9/ws")) is Fault.UNREACHABLE
    assert asyncio.run(fault_of("ws://127.0.0.1:9/ws")) is Fault.UNREACHABLE


def test_certificate_that_nobody_trusts_is_a_fault_of_tls():
    async def told() -> Fault:
        feed = SimulatedFeed(FeedParameters(symbols=("BTCUSDT",), start_time=T0))
        async with SimulatedMexc(feed, start=T0, settings=Settings(tls=True)) as server:
            return await fault_of(server.spot_url)

    assert asyncio.run(told()) is Fault.TLS


def test_server_that_takes_a_connection_and_never_shakes_hands_is_given_up():
    async def told() -> Fault:
        server = await asyncio.start_server(lambda reader, writer: reader.read(), "127.0.0.1", 0)
        async with server:
            return await fault_of(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws")

    assert asyncio.run(told()) is Fault.HANDSHAKE


def test_waits_are_anywhere_up_to_a_bound_that_doubles_up_to_half_a_minute():
    tries = [Backoff(Random(seed)) for seed in range(400)]
    for number in range(10):
        waits = [one.next() for one in tries]
        bound = min(FIRST_SECONDS * 2**number, SECONDS_MAX)
        assert min(waits) < 0.05 * bound and 0.95 * bound < max(waits) <= bound


def test_after_a_good_minute_the_next_wait_is_short_again():
    backoff = Backoff(Random(1))
    for _ in range(10):
        backoff.next(lived=59)
    assert backoff.next(lived=60) <= FIRST_SECONDS


def test_200_symbols_are_spread_over_connections_of_30_with_no_symbol_torn():
    symbols = [f"S{number}USDT" for number in range(200)]
    [subscriptions] = subscriptions_of(symbols).values()
    lists = spread(subscriptions, 30)
    assert sorted(one for some in lists for one in some) == sorted(subscriptions)
    assert max(map(len, lists)) <= 30 and len(lists) == 29
    homes = [{number for number, some in enumerate(lists) for one in some if one.symbol == symbol} for symbol in symbols]
    assert all(len(home) == 1 for home in homes)
