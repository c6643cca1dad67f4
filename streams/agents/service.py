"""
The service that owns a stage's worker: receives in its own thread, hands each turn to the agent, commits what came back.

A turn is acknowledged by nothing but its own transaction. Whatever goes wrong ends the service, and with it the process: a bug
must not skip a record, and after a fault of the world the log says where to go on.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import faust
from mode import Service

from streams.agents.turns import Aged, Stepped, Work
from streams.agents.watch import Phase, Watch
from streams.domain.records import Record
from streams.errors import Fenced
from streams.log.held import Turn
from streams.log.worker import Worker
from streams.metrics import catalogue as m
from streams.metrics.made import Metrics

MICROSECONDS = 1_000_000

# Receives of one turn; each waits the worker's `wait_s` (5 ms) for a first message, and the first that brings one ends the turn.
RECEIVES_MAX = 20
# After a turn that brought nothing (a live feed is never silent for so long) each receive waits so much.
IDLE_WAIT_S = 0.02
# A turn costs the same whether it steps ten events or a thousand. Where many come, one that gathers them for a moment is worth it.
GATHER_RATE = 2000.0
GATHER_S = 0.02
LOOK_S = 0.25
MEASURE_S = 2.0
CLOSE_S_MAX = 20.0
# Outputs that are once so young show a live session; from then on every age counts, however old.
LIVE_AGE_S_MAX = 60.0
# A market's clock may be ahead of ours by so much; of a session whose time runs faster than the clock no age says anything.
AHEAD_S_MAX = 2.0

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class WorkerThread:
    """One thread that makes calls in order. A daemon: a call that hangs in a library does not keep the process alive."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    async def call(self, function: Callable[[], Result]) -> Result:
        """What `function` returns or raises, made in the thread."""
        future: Future[Result] = Future()
        self._calls.put((future, function))
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        while True:
            future, function = self._calls.get()
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 (raised again where the call is awaited)
                future.set_exception(error)


class WorkerService(Service):
    """
    `open_worker` makes the worker, in the worker's thread; `count` counts one committed record of the topics in `counted`.

    `aged` says for such a record when the market was that began it, `told` what it says, for the log; `show` puts what a stage's
    tasks know into gauges.
    """

    mundane_level = "debug"

    def __init__(
        self, app: faust.App, open_worker: Callable[[], Worker], *, watch: Watch, metrics: Metrics,
        counted: tuple[str, ...], count: Callable[[Metrics, Record], None], aged: Callable[[Record], Aged | None],
        told: Callable[[Record], str],
        show: Callable[[Metrics, Worker], None] | None = None,
    ) -> None:
        super().__init__()
        self.channel = app.channel(maxsize=1)
        self.ended: asyncio.Task[None] | None = None
        self._app = app
        self._open_worker = open_worker
        self._watch = watch
        self._metrics = metrics
        self._counted, self._count, self._aged, self._told, self._shown = frozenset(counted), count, aged, told, show
        self._live = False
        self._thread = WorkerThread(f"{watch.stage}-worker")
        self._pending: asyncio.Future[Stepped] | None = None
        self._looked_at = self._measured_at = float("-inf")
        self._idle = False
        self._crowded = False
        self._committed_at = time.monotonic()
        self._rate = 0.0

    async def on_start(self) -> None:
        # Without it the agents never wake: Faust's own consumer, which is not used, would do it.
        self._app.flow_control.resume()
        self.ended = asyncio.create_task(self._run(), name=self._watch.stage)

    async def on_stop(self) -> None:
        """Waits until the turn under way is committed and the group is left."""
        if self.ended is not None:
            await asyncio.wait([self.ended], timeout=CLOSE_S_MAX)

    def agent_failed(self, error: BaseException) -> None:
        """Ends the service with what the agent raised."""
        assert self._pending is not None and not self._pending.done(), f"an agent failed without a turn: {error!r}"
        self._pending.set_exception(error)

    async def _run(self) -> None:
        try:
            worker = await self._thread.call(self._open_worker)
            self._watch.phase = Phase.RUNNING
            try:
                while not self.should_stop:
                    await self._turn(worker)
                self._watch.phase = Phase.STOPPING
            finally:
                await self._thread.call(worker.close)
        except Fenced as fault:
            self._watch.phase, self._watch.fault = Phase.FENCED, str(fault)
            raise
        except BaseException as fault:
            self._watch.phase, self._watch.fault = Phase.FAILED, str(fault)
            raise

    async def _turn(self, worker: Worker) -> None:
        turn = await self._thread.call(lambda: self._receive(worker))
        began = time.monotonic()
        self._pending = asyncio.get_running_loop().create_future()
        await self.channel.send(value=Work(worker, turn, self._pending))
        stepped = await self._pending
        committed = await self._thread.call(worker.commit)
        now = time.monotonic()
        # More may be waiting in the queues than a step takes: the next turn must not wait for messages.
        self._crowded = stepped.events >= worker.limits.events_max
        self._rate = stepped.events / max(now - self._committed_at, 1e-6)
        self._committed_at = now
        self._watch.turned(worker, now)
        self._metrics.count(m.TURNS)
        self._metrics.count(m.EVENTS, by=stepped.events)
        if committed:
            self._metrics.count(m.TRANSACTIONS)
            self._metrics.observe(m.TURN_TIME, now - began)
            self._count_outputs(worker, stepped)
        if now - self._measured_at >= MEASURE_S:
            self._measured_at = now
            await self._thread.call(lambda: self._watch.measure(worker))
        if now - self._looked_at >= LOOK_S:
            self._looked_at = now
            self._watch.look(worker, now)
            self._show(worker)

    def _receive(self, worker: Worker) -> Turn:
        """The worker's next turn; an empty one only after several receives brought nothing."""
        limits = worker.limits
        if self._rate >= GATHER_RATE and not self._crowded:
            time.sleep(GATHER_S)
        if self._idle:
            worker.limits = limits._replace(wait_s=max(limits.wait_s, IDLE_WAIT_S))
        turn = worker.receive()
        for _ in range(0 if self._crowded else RECEIVES_MAX - 1):
            if turn.messages or turn.commands or self.should_stop:
                break
            turn = worker.receive()
        worker.limits = limits
        self._idle = not (turn.messages or turn.commands or self._crowded)
        return turn

    def _count_outputs(self, worker: Worker, stepped: Stepped) -> None:
        metrics, wall = self._metrics, time.time()
        by_topic: dict[str, int] = {}
        for emission in stepped.emissions:
            by_topic[emission.topic] = by_topic.get(emission.topic, 0) + 1
            self._live = self._live or 0 <= wall - (emission.time - worker.stage.output_delay) / MICROSECONDS <= LIVE_AGE_S_MAX
            if emission.topic in self._counted:
                record = worker.codec.decode(emission.value)
                self._count(metrics, record)
                logger.info("%s", self._told(record), extra={"event_id": record.event_id, "correlation_id": record.correlation_id})
                self._measure_age(self._aged(record), wall)
        for topic, number in by_topic.items():
            metrics.count(m.OUTPUTS, topic, by=number)
        for letter in stepped.dead_letters:
            metrics.count(m.DEAD_LETTERS, letter.source_topic, letter.rule)

    def _measure_age(self, aged: Aged | None, wall: float) -> None:
        if aged is not None and self._live:
            age = wall - aged.time / MICROSECONDS
            if age >= -AHEAD_S_MAX:
                self._metrics.observe(aged.metric, max(age, 0.0))

    def _show(self, worker: Worker) -> None:
        """Puts what the watch sees into the gauges."""
        metrics = self._metrics
        metrics.set(m.TASKS, value=len(self._watch.tasks))
        for gauge in (m.FRONTIER, m.QUEUE, m.LAG):
            metrics.forget(gauge)
        for seen in self._watch.tasks.values():
            task = str(seen.task)
            metrics.set(m.FRONTIER, task, value=seen.frontier / MICROSECONDS)
            for one in seen.inputs:
                place = (task, one.topic, str(one.partition))
                metrics.set(m.QUEUE, *place, value=one.queue)
                if one.lag is not None:
                    metrics.set(m.LAG, *place, value=one.lag)
        if self._shown is not None:
            self._shown(metrics, worker)

