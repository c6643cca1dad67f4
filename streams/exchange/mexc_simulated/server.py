"""
The simulated MEXC as a server on loopback: one port for spot websocket `/ws`, futures websocket `/edge`, REST, and `/control`.

It plays a feed (simulated, recorded or candles) as the market. Everything runs in one event loop, whose clock is its only clock.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated import control, futures_publish, futures_rest, spot_publish, spot_rest
from streams.exchange.mexc_simulated.answers import json_response
from streams.exchange.mexc_simulated.certificates import untrusted_context
from streams.exchange.mexc_simulated.clock import MICROSECONDS, ExchangeClock
from streams.exchange.mexc_simulated.connection import Connection
from streams.exchange.mexc_simulated.exchange import GOING_AWAY, Exchange
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.futures_socket import FuturesConnection
from streams.exchange.mexc_simulated.listing import Listing
from streams.exchange.mexc_simulated.market import Bucket, MarketDriver
from streams.exchange.mexc_simulated.settings import Settings
from streams.exchange.mexc_simulated.spot_socket import SpotConnection
from streams.exchange.mexc_simulated.truth import TruthLog
from streams.exchange.push import Feed, FundingNotice, Push

SHUTDOWN_SECONDS = 1.0


class SimulatedMexc:
    """`async with SimulatedMexc(feed, start=…) as mexc:` serves until the block ends; `mexc.exchange` switches and tells."""

    exchange: Exchange

    def __init__(
        self, feed: Feed, *, start: int, settings: Settings | None = None, speed: float = 1, seed: int = 1, history_seconds: int = 0,
        truth: Path | None = None,
    ) -> None:  # fmt: skip
        """
        `start`: market time when it begins to serve, µs; the first `history_seconds` of the feed lie before.

        `truth`: a file for the truth log; None keeps it in memory.
        """
        self._feed = feed
        self._start = start
        self.settings = settings or Settings()
        self._speed = speed
        self._seed = seed
        self._history = history_seconds * MICROSECONDS
        self._truth = truth
        self.port = 0

    async def __aenter__(self) -> Self:
        """Raises: OSError for a busy port; FeedError as the feed."""
        clock = ExchangeClock(start=self._start, speed=self._speed)
        truth, listing = TruthLog(self._truth), Listing(self._feed.instruments())
        source = (push for push in self._feed.pushes() if isinstance(push, Push | FundingNotice))
        driver = MarketDriver(source, listing, clock, truth, history=self._history)
        driver.warm()
        self.exchange = Exchange(self.settings, clock=clock, listing=listing, driver=driver, truth=truth, seed=self._seed)
        self._runner = web.AppRunner(_application(self.exchange), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        context = untrusted_context() if self.settings.tls else None
        site = web.TCPSite(self._runner, self.settings.host, self.settings.port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        clock.begin()
        self.market = asyncio.create_task(driver.run(self._publish, before=self.exchange.be_as_switched))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Raises: FeedError where the feed ended with one; a bug of the market's."""
        self.exchange.closing.set()
        self.market.cancel()
        for hub in self.exchange.hubs.values():
            for connection in list(hub.connections):
                connection.end("the exchange closes", GOING_AWAY)
        await self._runner.cleanup()
        self.exchange.truth.close()
        try:
            await self.market
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise

    @property
    def rest_url(self) -> str:
        """Spot and futures REST."""
        return self._url("http")

    @property
    def spot_url(self) -> str:
        """The spot websocket."""
        return f"{self._url('ws')}/ws"

    @property
    def futures_url(self) -> str:
        """The futures websocket."""
        return f"{self._url('ws')}/edge"

    def _url(self, scheme: str) -> str:
        return f"{scheme}{'s' if self.settings.tls else ''}://{self.settings.host}:{self.port}"

    def _publish(self, bucket: Bucket) -> None:
        if bucket.state.listed.market is Market.SPOT:
            spot_publish.publish(self.exchange, bucket)
        else:
            futures_publish.publish(self.exchange, bucket)


def _application(exchange: Exchange) -> web.Application:
    app = web.Application()
    app.add_routes([
        web.get("/ws", _socket(exchange, SpotConnection)), web.get("/edge", _socket(exchange, FuturesConnection)),
        *spot_rest.routes(exchange), *futures_rest.routes(exchange), *control.routes(exchange),
    ])  # fmt: skip
    return app


def _socket(exchange: Exchange, kind: type[Connection]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def serve(request: web.Request) -> web.StreamResponse:
        if exchange.faults.lasting(Fault.MAINTENANCE, market=kind.market) is not None:
            return json_response({"code": 503, "msg": "System maintenance"}, status=503)
        return await kind(exchange, request, exchange.connection_number()).run()

    return serve
