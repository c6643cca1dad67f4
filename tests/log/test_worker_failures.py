"""What a worker does when a transaction cannot be committed: it drops the turn, or stops where its slot is taken."""

import threading

import pytest

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.errors import Fenced, LogError
from streams.exchange.service import FeedService
from streams.exchange.wall import SystemWall
from streams.log.canonical import session_digests
from streams.log.codec import Codec, SchemaIds
from streams.log.layout import Layout
from streams.log.memory import MemoryLog, MemoryWriter
from streams.log.worker import Worker
from streams.operate import sessions
from streams.stages.signals import SignalsStage

START = 1_700_000_000_000_000
CODEC = Codec.offline()
SETTINGS = SessionSettings(session="s", feed=FeedParameters(start_time=START, duration_seconds=5, rate_per_second=20))


class FailingWriter(MemoryWriter):
    """Cannot commit a turn once it was told so, and aborts by itself, as a writer does whose broker went away."""

    def commit(self) -> None:
        log = self._log
        assert isinstance(log, FailingLog)
        if log.failures and self.name == "s-signals-0" and self._offsets:
            log.failures -= 1
            self.abort()
            raise LogError("the broker went away")
        super().commit()


class FailingLog(MemoryLog):
    """A log whose next `failures` commits of the worker fail."""

    failures = 0

    def writer(self, name: str) -> FailingWriter:
        found = super().writer(name)
        found.__class__ = FailingWriter
        assert isinstance(found, FailingWriter)
        return found


def make_log() -> FailingLog:
    log = FailingLog()
    sessions.create(log, CODEC, SETTINGS, schema_ids=SchemaIds.offline(), code_version="test", time=START)
    FeedService(log, CODEC, SETTINGS, SystemWall(threading.Event()), speed="max", code_version="test").run()
    return log


def run(worker: Worker) -> None:
    """Turns until nothing moves for a few of them."""
    still = 0
    while still < 5:
        turn = worker.receive()
        worker.step(turn)
        still = 0 if worker.commit() or turn.messages else still + 1


def step_something(worker: Worker) -> None:
    """Turns until one has something to commit, which is not done."""
    while worker.step(worker.receive()) == 0:
        pass


def make_worker(log: MemoryLog) -> Worker:
    return Worker(log, SignalsStage, SETTINGS, CODEC, code_version="test")


def test_turn_whose_transaction_failed_is_done_again_and_nothing_is_lost_or_doubled() -> None:
    calm, rough = make_log(), make_log()
    run(make_worker(calm))
    rough.failures = 2
    worker = make_worker(rough)
    run(worker)
    assert rough.failures == 0
    layout = Layout.of(SETTINGS)
    assert session_digests(rough, layout, CODEC) == session_digests(calm, layout, CODEC)


def test_worker_that_only_lost_its_place_in_the_group_joins_again_and_goes_on() -> None:
    calm, rough = make_log(), make_log()
    run(make_worker(calm))
    worker = make_worker(rough)
    step_something(worker)
    rough.lose(worker._member)  # type: ignore[arg-type]
    assert worker.commit() is False
    run(worker)
    layout = Layout.of(SETTINGS)
    assert session_digests(rough, layout, CODEC) == session_digests(calm, layout, CODEC)


def test_worker_whose_slot_is_taken_is_fenced() -> None:
    log = make_log()
    worker = make_worker(log)
    step_something(worker)
    log.writer("s-signals-0")
    with pytest.raises(Fenced):
        worker.commit()
