"""A REST server that answers as it is told, and remembers what it was asked; and a clock that `sleep` moves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from streams.exchange.mexc.rest.client import RestClient
from streams.exchange.mexc.rest.limits import SharedLimits
from streams.exchange.mexc.settings import MexcSettings

NOW = 1_700_000_000_000_000
SECRET = "45d0b3c26f2644f19bfb98b07741b2f5"  # of MEXC's own examples


class Asked(NamedTuple):
    method: str
    path: str
    query: str
    headers: dict[str, str]


class Share(Random):
    """Every wait is this share of the longest one."""

    def __init__(self, share: float) -> None:
        super().__init__(0)
        self._share = share

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self._share


class Clock:
    """The wall clock in µs; whoever sleeps moves it."""

    def __init__(self) -> None:
        self.time = NOW
        self.slept: list[float] = []

    def now(self) -> int:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += int(seconds * 1_000_000)


Answer = Callable[[Asked, int], Awaitable[web.StreamResponse] | web.StreamResponse]


class Scripted(NamedTuple):
    client: RestClient
    clock: Clock
    asked: list[Asked]
    limits: SharedLimits


@asynccontextmanager
async def scripted(folder: Path, answer: Answer, **settings: Any) -> AsyncIterator[Scripted]:
    """`answer` is given what was asked, and how many requests came before. With a key unless `settings` say otherwise."""
    asked: list[Asked] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(Asked(request.method, request.path, request.rel_url.raw_query_string, dict(request.headers)))
        found = answer(asked[-1], len(asked) - 1)
        return found if isinstance(found, web.StreamResponse) else await found

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    (folder / "key").write_text("mx0vglsgdd7flAhfqq\n")
    (folder / "secret").write_text(SECRET + "\n")
    chosen = MexcSettings(**{
        "spot_rest": base, "futures_rest": base, "limits_file": folder / "limits.sqlite", "key_file": folder / "key",
        "secret_file": folder / "secret", "answer_seconds": 2, "retry_seconds_first": 0.25, **settings,
    })  # fmt: skip
    clock = Clock()
    try:
        async with aiohttp.ClientSession() as http:
            with SharedLimits(chosen.limits_file, chosen.limit_share) as limits:
                yield Scripted(RestClient(http, chosen, limits, clock.now, sleep=clock.sleep, random=Share(1)), clock, asked, limits)
    finally:
        await runner.cleanup()


def json(content: Any, status: int = 200, **headers: str) -> web.Response:
    return web.json_response(content, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})
