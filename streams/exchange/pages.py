"""
The feed's web pages, on loopback unless told otherwise: `/health` (503 when not healthy), `/status` (JSON), `/metrics`
(Prometheus).

They only read `FeedService.status`; the feed itself runs in a thread beside them.
"""

import asyncio
from collections.abc import Iterator

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from streams.exchange.pacing import Outcome
from streams.exchange.service import FeedService
from streams.metrics import catalogue as m
from streams.metrics.made import CONTENT_TYPE, Family, family


class FeedMetrics(Collector):
    """The status as metrics, read when they are asked for."""

    def __init__(self, service: FeedService) -> None:
        self._service = service

    def collect(self) -> Iterator[Family]:
        status = self._service.status()
        own = (status.session,)
        for metric, value in (
            (m.FEED_RECORDS, status.records),
            (m.FEED_FLUSHES, status.flushes),
            (m.FEED_GAPS, status.gaps),
            (m.FEED_GAP_TIME, status.gap_seconds),
            (m.FEED_SUSPECTS, status.suspects),
            (m.FEED_HEALTHY, int(status.healthy)),
            (m.FEED_LIVE, int(status.live and status.healthy and status.phase == "running")),
            (m.FEED_WATERMARK, status.watermark / 1e6),
            (m.FEED_FLUSH_AGE, status.flush_age_seconds),
        ):
            if value is not None:
                yield family(metric, {own: value})
        yield family(m.FEED_OFFSET, {(*own, venue): seconds for venue, seconds in status.offset_seconds.items()})
        yield family(m.FEED_PRICE, {(*own, symbol): float(quote) for symbol, quote in status.prices.items()})


def application(service: FeedService) -> web.Application:
    """The pages of one feed."""
    registry = CollectorRegistry()
    registry.register(FeedMetrics(service))

    async def health(request: web.Request) -> web.Response:
        status = service.status()
        body = {name: getattr(status, name) for name in ("healthy", "phase", "error", "flush_age_seconds")}
        return _json(body, status=200 if status.healthy else 503)

    async def status_page(request: web.Request) -> web.Response:
        return _json(service.status())

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE})

    app = web.Application()
    app.add_routes([web.get("/health", health), web.get("/status", status_page), web.get("/metrics", metrics)])
    return app


async def run_with_pages(service: FeedService, *, host: str, port: int) -> Outcome:
    """
    Runs the feed in a thread with its pages beside it, until the feed ends.

    Raises: as `FeedService.run`; OSError for a busy port.
    """
    runner = web.AppRunner(application(service), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        return await asyncio.to_thread(service.run)
    finally:
        await runner.cleanup()


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json")
