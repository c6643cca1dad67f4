"""
A webhook on this machine that Alertmanager can tell: each alert as a line for people, and as JSON in a file.

What it is told it does not judge, and it keeps nothing but the file. A message larger than a mebibyte is refused.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec
from aiohttp import web

BODY_BYTES_MAX = 1 << 20
DESKTOP_SECONDS_MAX = 5.0


class Alert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of a message, as Alertmanager writes it."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: datetime
    annotations: dict[str, str] = {}

    @property
    def line(self) -> str:
        """For people: when it began, how bad it is, what it says, where to read on."""
        severity = self.labels.get("severity", "?") if self.status == "firing" else "resolved"
        name = self.labels.get("alertname", "?")
        summary = self.annotations.get("summary", "")
        return f"{self.starts_at:%Y-%m-%d %H:%M:%S} {severity:<8} {name}: {summary} [{self.annotations.get('runbook_url', '-')}]"


class Message(msgspec.Struct, frozen=True):
    """What Alertmanager posts; the rest of it is not needed."""

    alerts: list[Alert]


class Receiver:
    """`show` gets each alert's line; `file`, where named, one JSON object a line; `desktop` shows them as notifications too."""

    def __init__(self, show: Callable[[str], None], *, file: Path | None = None, desktop: bool = False) -> None:
        self._show = show
        self._file = file
        self._notify = shutil.which("notify-send") if desktop else None

    def application(self) -> web.Application:
        """The pages: POST / for Alertmanager, GET /health."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.add_routes([web.post("/", self._told), web.get("/health", self._health)])
        return app

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def _told(self, request: web.Request) -> web.Response:
        try:
            message = msgspec.json.decode(await request.read(), type=Message)
        except msgspec.DecodeError as fault:
            return web.Response(status=400, text=f"not a message of Alertmanager: {fault}\n")
        for alert in message.alerts:
            self._show(alert.line)
            if self._notify is not None:
                await self._on_desktop(self._notify, alert)
        if self._file is not None:
            with self._file.open("ab") as out:
                out.write(b"".join(msgspec.json.encode(alert) + b"\n" for alert in message.alerts))
        return web.Response(status=204)

    async def _on_desktop(self, program: str, alert: Alert) -> None:
        """A desktop that is not there, or does not answer, keeps nobody from the next alert."""
        urgency = "critical" if alert.labels.get("severity") == "critical" and alert.status == "firing" else "normal"
        title = f"cdb: {alert.labels.get('alertname', '?')}"
        shown = await asyncio.create_subprocess_exec(program, "--urgency", urgency, "--", title, alert.annotations.get("summary", ""))
        try:
            await asyncio.wait_for(shown.wait(), DESKTOP_SECONDS_MAX)
        except TimeoutError:
            shown.kill()
            await shown.wait()
