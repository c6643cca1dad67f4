"""
Faust on channels: one app for each stage, without Faust's Kafka, tables, leader election and web.

Faust gives agents, supervision and service start-up and shut-down; consumer and producer are ours (`streams.agents.service`). What
an agent raises ends the process: Faust would log it, start the agent anew and go on with the next turn.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, NamedTuple

import faust
from faust.app.base import BootStrategy
from mode.types import ServiceT

from streams.agents import execution, risk, signals
from streams.agents.pages import Pages
from streams.agents.service import WorkerService
from streams.agents.watch import HealthLimits, Watch
from streams.log.worker import Worker
from streams.metrics.catalogue import served_by
from streams.metrics.made import Metrics

AGENTS: dict[str, ModuleType] = {"signals": signals, "risk": risk, "execution": execution}

# Supervisors wait 30 s before they kill.
STOP_S_MAX = 27.0
EXIT_FAILED = 1

logger = logging.getLogger(__name__)


class StageSetup(NamedTuple):
    """One stage to run: `open_worker` is called once, in the worker's own thread; its pages stand on `host`:`port`."""

    session: str
    stage: str
    open_worker: Callable[[], Worker]
    host: str
    port: int
    limits: HealthLimits


class ChannelBoot(BootStrategy):
    """Sensors, pages, agents, and the service that owns the worker; ends in the opposite order."""

    enable_kafka = False
    enable_web = False

    def server(self) -> Iterable[ServiceT]:
        app = self.app
        assert isinstance(app, StageApp)
        return self._chain(self.sensors(), [app.pages], self.agents(), [app.worker_service])


class StageApp(faust.App):
    """The Faust app of one stage."""

    BootStrategy = ChannelBoot
    mundane_level = "debug"

    def __init__(self, setup: StageSetup) -> None:
        # The broker is never asked for: nothing of Faust's transport starts.
        super().__init__(f"{setup.session}-{setup.stage}", broker="kafka://127.0.0.1:9", autodiscover=False, web_enabled=False)
        agents = AGENTS[setup.stage]
        self.watch = Watch(setup.session, setup.stage, setup.limits)
        self.metrics = Metrics(served_by("stage"), {"session": setup.session, "stage": setup.stage})
        self.worker_service = WorkerService(
            self, setup.open_worker, watch=self.watch, metrics=self.metrics, counted=agents.COUNTED, count=agents.count,
            aged=agents.aged, told=agents.told, show=getattr(agents, "show", None),
        )
        self.pages = Pages(self.watch, self.metrics, host=setup.host, port=setup.port)
        self.agent(self.worker_service.channel, name=setup.stage)(agents.agent)

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        # Faust calls this before it starts the agent anew; its own version tells the consumer that is not there.
        self.worker_service.agent_failed(exc)

    def _create_directories(self) -> None:
        """Faust keeps tables in a data folder; there are none."""


def run(setups: Iterable[StageSetup]) -> None:
    """
    Runs stages in this process until SIGTERM or SIGINT, or until one of them fails.

    A stop finishes the turns under way and leaves the groups, in 27 s at most. Raises: what ended the stage that failed.
    """
    asyncio.run(_run(list(setups)))


async def _run(setups: list[StageSetup]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    apps = [StageApp(setup) for setup in setups]
    started: list[StageApp] = []
    stopping = asyncio.create_task(stop.wait())
    try:
        for app, setup in zip(apps, setups, strict=True):
            started.append(app)
            await app.start()
            logger.info("%s of session %s: pages on http://%s:%d", setup.stage, setup.session, setup.host, setup.port)
        turns = [app.worker_service.ended for app in apps if app.worker_service.ended is not None]
        await asyncio.wait([stopping, *turns], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        _, hung = await asyncio.wait([asyncio.create_task(app.stop()) for app in started], timeout=STOP_S_MAX)
        if hung:
            # Nothing is lost: what is not committed does not exist.
            logger.warning("stages did not end within %.0f s, leaving them", STOP_S_MAX)
            os._exit(0 if stop.is_set() else EXIT_FAILED)
    for task in turns:
        if task.done() and not task.cancelled():
            task.result()
