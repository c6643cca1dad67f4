"""The pages of one stage's process, on loopback unless told otherwise: `/health`, `/status`, `/metrics`."""

import errno
import time

from aiohttp import web
from mode import Service

from streams.agents.watch import Watch
from streams.errors import StackError
from streams.metrics.made import CONTENT_TYPE, Metrics


class Pages(Service):
    """Serves a watch and its metrics. Raises: StackError at the start where the port is taken."""

    mundane_level = "debug"

    def __init__(self, watch: Watch, metrics: Metrics, *, host: str, port: int) -> None:
        super().__init__()
        self._watch = watch
        self._metrics = metrics
        self._host, self._port = host, port
        app = web.Application()
        app.add_routes(
            [web.get("/health", self._health), web.get("/status", self._status), web.get("/metrics", self._shown_metrics)]
        )
        self._runner = web.AppRunner(app, access_log=None)

    async def on_start(self) -> None:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, shutdown_timeout=1.0).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise StackError(f"port {self._port} on {self._host} must be free for the pages of {self._watch.stage}, is in use") from error

    async def on_stop(self) -> None:
        await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        health = self._watch.health(monotonic=time.monotonic(), wall=time.time())
        return web.Response(text=health.reason + "\n", status=200 if health.healthy else 503)

    async def _status(self, _: web.Request) -> web.Response:
        return web.json_response(self._watch.status(monotonic=time.monotonic(), wall=time.time()))

    async def _shown_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.page(), headers={"Content-Type": CONTENT_TYPE})
