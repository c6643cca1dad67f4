"""
The page over HTTP: `/` and its two files, `/events` (server-sent events), `/commands/prepare` and `/commands/confirm`, `/health`.

Reading needs no token, commanding always does. Whoever is refused is logged, counted, and stands in the history that `cdb status`
shows; so does every command that was carried out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from streams.errors import ConfigError, LogError, StreamsError
from streams.operate.history import Entry, record
from streams.operate.page.desk import Desk
from streams.operate.page.guard import HEADERS, Guard, Refusal

logger = logging.getLogger(__name__)

HISTORY_KIND = "operator page"
STREAMS_MAX = 16
# A browser that is told nothing for so long may think the connection dead.
BEAT_SECONDS = 10.0
BODY_BYTES_MAX = 8192
# What floods the page must not fill the disk: more refusals in a minute than these are counted only.
KEPT_A_MINUTE = 20
FILES = {"/": ("page.html", "text/html"), "/page.css": ("page.css", "text/css"), "/page.js": ("page.js", "text/javascript")}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Page:
    """One session's page. `history`: the file that keeps refusals and commands."""

    def __init__(self, desk: Desk, guard: Guard, history: Path) -> None:
        self._desk, self._guard, self._history = desk, guard, history
        self._shown: tuple[int, bytes] = (0, b"")
        self._changed = asyncio.Condition()
        self._streams = 0
        self._kept: deque[float] = deque(maxlen=KEPT_A_MINUTE)
        self.refused: Counter[str] = Counter()

    def application(self) -> web.Application:
        """Its routes, behind its guard."""
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._door])
        texts = resources.files("streams.operate.page")
        for path, (name, kind) in FILES.items():
            app.router.add_get(path, _file((texts / name).read_bytes(), kind))
        app.router.add_get("/events", self._events)
        app.router.add_get("/health", self._health)
        app.router.add_post("/commands/prepare", self._prepare)
        app.router.add_post("/commands/confirm", self._confirm)
        return app

    async def follow(self) -> None:
        """Reads the session for as long as the page is served. Raises: LogError, where that cannot pass by itself."""
        await self._show(self._desk.document())
        while True:
            try:
                document = await asyncio.to_thread(self._desk.look)
            except LogError as fault:
                if not fault.retriable:
                    raise
                logger.warning("the log is away: %s", fault)
                await asyncio.sleep(1.0)
                continue
            if document is not None:
                await self._show(document)

    async def _show(self, document: dict[str, Any]) -> None:
        async with self._changed:
            self._shown = (self._shown[0] + 1, msgspec.json.encode({**document, "writes": self._guard.writes}))
            self._changed.notify_all()

    @web.middleware
    async def _door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        reads = request.method in {"GET", "HEAD"}
        refusal = self._guard.refuse_read(request.headers) if reads else self._guard.refuse_command(request.headers, time.monotonic())
        if refusal is not None:
            await self._turn_away(request, refusal)
            return _json({"error": refusal.message}, status=refusal.status)
        try:
            answer = await handler(request)
        except web.HTTPException as fault:
            return _json({"error": fault.reason}, status=fault.status)
        return answer

    async def _turn_away(self, request: web.Request, refusal: Refusal) -> None:
        self.refused[refusal.reason] += 1
        count = self.refused[refusal.reason]
        said = f"{request.method} {request.path[:100]} from {request.remote}: {refusal.message} ({refusal.reason}, number {count})"
        logger.warning("refused %s", said)
        at = time.monotonic()
        if len(self._kept) < KEPT_A_MINUTE or at - self._kept[0] > 60:
            self._kept.append(at)
            await self._keep("refused", said)

    async def _keep(self, verdict: str, said: str) -> None:
        entry = Entry(time.time_ns() // 1000, HISTORY_KIND, verdict, [f"session {self._desk.settings.session}: {said}"])
        await asyncio.to_thread(record, self._history, entry)

    async def _health(self, _: web.Request) -> web.Response:
        return _json({"healthy": self._shown[0] > 0, "refused": dict(self.refused)}, status=200 if self._shown[0] else 503)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= STREAMS_MAX:
            return _json({"error": f"at most {STREAMS_MAX} browsers may watch at a time"}, status=503)
        self._streams += 1
        try:
            answer = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
            await answer.prepare(request)
            await self._tell(answer)
        except ConnectionError:
            # The browser has gone.
            pass
        finally:
            self._streams -= 1
        return answer

    async def _tell(self, answer: web.StreamResponse) -> None:
        told = 0
        while True:
            try:
                async with asyncio.timeout(BEAT_SECONDS), self._changed:
                    while self._shown[0] <= told:
                        await self._changed.wait()
            except TimeoutError:
                await answer.write(b": still here\n\n")
                continue
            told, document = self._shown
            await answer.write(b"data: " + document + b"\n\n")

    async def _prepare(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._first_step)

    async def _confirm(self, request: web.Request) -> web.Response:
        return await self._answered(request, self._second_step)

    async def _answered(self, request: web.Request, step: Callable[[object], Awaitable[dict[str, Any]]]) -> web.Response:
        try:
            return _json(await step(msgspec.json.decode(await request.read())))
        except msgspec.DecodeError:
            return _json({"error": "a command must be JSON"}, status=400)
        except ConfigError as fault:
            return _json({"error": str(fault)}, status=400)
        except StreamsError as fault:
            logger.warning("a command was not carried out: %s", fault)
            return _json({"error": str(fault)}, status=503)

    async def _first_step(self, asked: object) -> dict[str, Any]:
        return self._desk.prepare(asked, time.monotonic())

    async def _second_step(self, asked: object) -> dict[str, Any]:
        request = self._desk.take(asked.get("ticket") if isinstance(asked, dict) else None, time.monotonic())
        # On the log before in the history: a full disk must not stand between an operator and a halt.
        done = await asyncio.to_thread(self._desk.carry_out, request, now=time.time_ns() // 1000)
        verdict = "confirmed" if done["confirmed"] else "sent"
        logger.warning("%s by %s: %s, command %s", request.kind.value, request.operator, verdict, done["command"])
        try:
            await self._keep(verdict, f"{request.kind.value} by {request.operator}, command {done['command']}")
        except StreamsError as fault:
            logger.warning("%s", fault)
        return done


async def serve(page: Page, *, host: str, port: int, ready: Callable[[], None]) -> None:
    """
    Serves until cancelled.

    Raises: OSError for a busy port; LogError where the session cannot be read any more.
    """
    runner = web.AppRunner(page.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, shutdown_timeout=1.0).start()
        ready()
        await page.follow()
    finally:
        await runner.cleanup()


def _file(content: bytes, kind: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=HEADERS)

    return answer


def _json(content: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(content), status=status, content_type="application/json", headers=HEADERS)
