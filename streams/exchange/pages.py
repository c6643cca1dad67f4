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
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.exchange.pacing import Outcome
from streams.exchange.service import FeedService

METRICS_CONTENT = "text/plain; version=0.0.4; charset=utf-8"


class FeedMetrics(Collector):
    """The status as metrics, read when they are asked for."""

    def __init__(self, service: FeedService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        status = self._service.status()
        for name, text, count in (
            ("streams_feed_records", "Market records written since the start", status.records),
            ("streams_feed_flushes", "Transactions committed since the start", status.flushes),
            ("streams_feed_gaps", "Pushes that say something before them is missing", status.gaps),
            ("streams_feed_time_suspects", "Pushes whose event time was not believed", status.suspects),
        ):
            yield CounterMetricFamily(name, text, value=count)
        for name, text, value in (
            ("streams_feed_healthy", "1 while the feed is healthy", int(status.healthy)),
            ("streams_feed_watermark_seconds", "Last watermark, seconds since 1970", status.watermark / 1e6),
            ("streams_feed_flush_age_seconds", "Seconds since the last flush", status.flush_age_seconds),
        ):
            if value is not None:
                yield GaugeMetricFamily(name, text, value=value)
        offset = GaugeMetricFamily("streams_feed_offset_seconds", "Smallest receive − event time", labels=["venue"])
        for venue, seconds in status.offset_seconds.items():
            offset.add_metric([venue], seconds)
        yield offset
        price = GaugeMetricFamily("streams_feed_last_price", "Last trade's price in quote units", labels=["symbol"])
        for symbol, quote in status.prices.items():
            price.add_metric([symbol], float(quote))
        yield price


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
        return web.Response(body=generate_latest(registry), headers={"Content-Type": METRICS_CONTENT})

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
