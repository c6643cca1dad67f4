"""Stages as Faust apps on a log in memory: turns are stepped, committed and counted, and nothing that fails goes on."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from streams.agents.app import StageApp, StageSetup
from streams.agents.service import WorkerService
from streams.agents.turns import Stepped
from streams.agents.watch import HealthLimits, Phase
from streams.domain.parameters import FeedParameters, SessionSettings
from streams.domain.records import Signal
from streams.errors import Fenced
from streams.exchange.service import FeedService
from streams.exchange.wall import SystemWall
from streams.log.batch import Emission
from streams.log.codec import Codec, SchemaIds
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.worker import Worker
from streams.metrics.catalogue import served_by
from streams.metrics.made import Metrics
from streams.operate import sessions
from streams.operate.stack.settings import free_ports
from streams.stages.contract import StageFactory
from streams.stages.signals import SignalsStage
from tests.contract.samples import sample

START = 1_700_000_000_000_000
CODEC = Codec.offline()
SETTINGS = SessionSettings(session="s", feed=FeedParameters(start_time=START, duration_seconds=5, rate_per_second=20))

pytestmark = pytest.mark.timeout(60)


class BrokenStage(SignalsStage):
    """A stage with a bug: it cannot step."""

    def step(self, state: Any, event: Any) -> Any:
        raise AssertionError("a quantity that cannot be")


def make_log() -> MemoryLog:
    """A session with its whole feed written."""
    log = MemoryLog()
    sessions.create(log, CODEC, SETTINGS, schema_ids=SchemaIds.offline(), code_version="test", time=START)
    FeedService(log, CODEC, SETTINGS, SystemWall(threading.Event()), speed="max", code_version="test").run()
    return log


def make_app(log: MemoryLog, stage_of: StageFactory = SignalsStage) -> StageApp:
    def open_worker() -> Worker:
        return Worker(log, stage_of, SETTINGS, CODEC, code_version="test")

    return StageApp(StageSetup("s", "signals", open_worker, "127.0.0.1", free_ports(1)[0], HealthLimits()))


async def until(condition: Callable[[], bool], app: StageApp) -> None:
    """Returns once the condition holds; raises what ended the app before."""
    async with asyncio.timeout(30):
        while not condition():
            ended = app.worker_service.ended
            if ended is not None and ended.done():
                await ended
            await asyncio.sleep(0.01)


def metric(app: StageApp, name: str, **labels: str) -> float | None:
    return app.metrics.registry.get_sample_value(name, {"session": "s", "stage": "signals", **labels})


def test_feed_is_stepped_committed_and_counted_and_a_stop_leaves_the_group() -> None:
    log = make_log()

    async def story() -> StageApp:
        app = make_app(log)
        await app.start()
        await until(lambda: bool(metric(app, "streams_outputs_total", topic="marks")), app)
        await app.stop()
        assert app.worker_service.ended is not None
        assert app.worker_service.ended.done()
        return app

    app = asyncio.run(story())
    assert app.watch.phase is Phase.STOPPING
    assert metric(app, "streams_events_total") == app.watch.events > 0
    assert metric(app, "streams_transactions_total") == app.watch.transactions > 0
    marks = sum(1 for message in messages(log, "marks") if message is not None)
    assert metric(app, "streams_outputs_total", topic="marks") == marks


def messages(log: MemoryLog, topic: str) -> list[bytes | None]:
    place = Layout.of(SETTINGS).at(topic, 0)
    return [message.value for message in log.reader({place: 0}).poll(100_000, 0)]


def test_bug_in_an_agent_ends_the_service_with_that_bug_and_writes_nothing() -> None:
    log = make_log()

    async def story() -> StageApp:
        app = make_app(log, BrokenStage)
        await app.start()
        with pytest.raises(AssertionError, match="a quantity that cannot be"):
            await until(lambda: False, app)
        await app.stop()
        return app

    app = asyncio.run(story())
    assert app.watch.phase is Phase.FAILED
    assert messages(log, "marks") == []
    assert app.watch.transactions == 0


def test_worker_whose_slot_is_taken_ends_fenced() -> None:
    log = make_log()

    async def story() -> StageApp:
        app = make_app(log)
        await app.start()
        await until(lambda: app.watch.transactions > 0, app)
        log.writer("s-signals-0")
        place = Layout.of(SETTINGS).at("market_data", 0)
        foreign = log.writer("foreign")
        foreign.begin()
        foreign.append(place, key=b"x", value=b"no record", time=START)
        foreign.commit()
        with pytest.raises(Fenced):
            await until(lambda: False, app)
        await app.stop()
        return app

    app = asyncio.run(story())
    assert app.watch.phase is Phase.FENCED


@pytest.mark.parametrize(("behind_s", "counted"), [(0.2, 1), (90.0, 0), (-1.0, 0), (-5.0, 0)])
def test_first_output_within_a_minute_of_the_clock_shows_a_live_session(behind_s: float, counted: int) -> None:
    service = make_app(make_log()).worker_service
    observed = ages_of(service, [behind_s])
    assert len(observed) == counted


def test_in_a_live_session_every_age_counts_however_old_and_a_clock_a_little_ahead_is_no_age() -> None:
    service = make_app(make_log()).worker_service
    assert ages_of(service, [0.2, 90.0, -1.0, -5.0]) == pytest.approx([0.2, 90.0, 0.0], abs=0.15)


def ages_of(service: WorkerService, behind_s: list[float]) -> list[float]:
    """What the histogram takes for signals made so long ago, each in a turn of its own."""
    found: list[float] = []
    metrics, codec = Metrics(served_by("stage"), {"session": "s", "stage": "signals"}), CODEC
    worker = Worker(make_log(), SignalsStage, SETTINGS, codec, code_version="test")
    total = 0.0
    service._metrics = metrics
    for behind in behind_s:
        at = int((time.time() - behind) * 1_000_000)
        signal = sample(Signal, session="s", time=at)
        service._count_outputs(worker, Stepped(1, [Emission("signals", "main", codec.wire(signal), at, "")], []))
        read = metrics.registry.get_sample_value
        labels = {"session": "s", "stage": "signals"}
        count, now = read("streams_signal_age_seconds_count", labels), read("streams_signal_age_seconds_sum", labels)
        assert count is not None and now is not None
        if count > len(found):
            found.append(now - total)
            total = now
    worker.close()
    return found
