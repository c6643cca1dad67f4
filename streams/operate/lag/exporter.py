"""
The exporter: looks again and again, and shows what its last looks found on `/metrics`; `/health` is 503 once a look is overdue.

A round asks every part; one whose services are away keeps what it last found, which shows in `streams_lag_exporter_up` and in the time of
the last whole round.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from streams.errors import LogError
from streams.exchange.wall import Wall
from streams.metrics import catalogue as m
from streams.metrics.catalogue import Metric
from streams.metrics.made import CONTENT_TYPE, Family, family
from streams.operate.lag.measured import Behind, Lag, sums
from streams.operate.migrate import DatabaseError

MICROSECONDS = 1_000_000
# So many rounds without a whole one are not healthy.
ROUNDS_MISSED_MAX = 10

Values = Mapping[tuple[str, ...], float]
logger = logging.getLogger(__name__)


class Part(Protocol):
    """Something that is looked at in each round."""

    def turn(self) -> object:
        """Raises: LogError, DatabaseError where it must be asked again."""

    def values(self) -> Iterable[tuple[Metric, Values]]: ...


class LagPart:
    """The groups, as a part."""

    def __init__(self, lag: Lag) -> None:
        self._lag = lag
        self.found: list[Behind] = []

    def turn(self) -> None:
        self.found = self._lag.round()

    def values(self) -> Iterator[tuple[Metric, Values]]:
        yield m.GROUP_LAG, {one.consumer.labels: float(one.lag) for one in self.found}
        yield m.GROUP_LAG_SUM, {labels: float(total) for labels, total in sums(self.found).items()}
        yield m.GROUP_LAG_TIME, {one.consumer.labels: one.seconds for one in self.found}
        yield m.GROUP_OFFSET, {one.consumer.labels: float(one.current) for one in self.found}
        yield m.END_OFFSET, {(one.consumer.topic, str(one.consumer.partition)): float(one.end) for one in self.found}


class Round(NamedTuple):
    """When the last whole round ended (seconds since 1970 UTC; 0 for never) and what it took; `up`: whether the last one was whole."""

    up: bool = False
    ended: float = 0.0
    seconds: float = 0.0


class Exporter(Collector):
    """Of these parts, every `seconds`."""

    def __init__(self, parts: Sequence[Part], wall: Wall, seconds: float) -> None:
        self._parts, self._wall, self._seconds = parts, wall, seconds
        self._began = wall.monotonic()
        self._shown: list[tuple[Metric, dict[tuple[str, ...], float]]] = []
        self.last = Round()

    def run(self) -> None:
        """Rounds until told to stop. Raises: what a part raises beside faults that pass."""
        while not self._wall.wait(self._seconds - self.last.seconds if self.last.ended else 0):
            self.round()

    def round(self) -> None:
        """One look at every part."""
        began, whole = self._wall.monotonic(), True
        for part in self._parts:
            try:
                part.turn()
            except (LogError, DatabaseError) as fault:
                if not fault.retriable:
                    raise
                whole = False
                logger.warning("%s: %s", type(part).__name__, fault)
        # Parts of several sessions have the same metrics.
        values: dict[Metric, dict[tuple[str, ...], float]] = {}
        for part in self._parts:
            for metric, found in part.values():
                values.setdefault(metric, {}).update(found)
        self._shown = list(values.items())
        self.last = (
            Round(True, self._wall.now() / MICROSECONDS, self._wall.monotonic() - began) if whole else self.last._replace(up=False)
        )

    def collect(self) -> Iterator[Family]:
        last = self.last
        yield family(m.EXPORTER_UP, {(): float(last.up)})
        if last.ended:
            yield family(m.EXPORTER_ROUND, {(): last.ended})
            yield family(m.EXPORTER_ROUND_TIME, {(): last.seconds})
        for metric, values in self._shown:
            yield family(metric, values)

    def healthy(self) -> bool:
        """Whether a whole round ended lately."""
        if not self.last.ended:
            return self._wall.monotonic() - self._began < ROUNDS_MISSED_MAX * self._seconds
        return self._wall.now() / MICROSECONDS - self.last.ended < ROUNDS_MISSED_MAX * self._seconds


def application(exporter: Exporter) -> web.Application:
    """The pages of an exporter."""
    registry = CollectorRegistry()
    registry.register(exporter)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE})

    async def health(_: web.Request) -> web.Response:
        ended = time.strftime("%H:%M:%S", time.gmtime(exporter.last.ended)) if exporter.last.ended else "never"
        return web.Response(text=f"last whole round: {ended} UTC\n", status=200 if exporter.healthy() else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/health", health)])
    return app


async def serve(exporter: Exporter, *, host: str, port: int) -> None:
    """Rounds in a thread with the pages beside it, until told to stop. Raises: as `Exporter.run`; OSError for a busy port."""
    runner = web.AppRunner(application(exporter), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await asyncio.to_thread(exporter.run)
    finally:
        await runner.cleanup()
