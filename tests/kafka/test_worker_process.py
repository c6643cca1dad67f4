"""`cdb worker` as processes on a real broker: they start, share, die, stop on bugs and put bad bytes aside."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import schemas
from streams.domain.ids import order_key
from streams.domain.parameters import FeedParameters, SessionSettings
from streams.domain.records import DeadLetter, Mark, MarkSource
from streams.exchange.service import FeedService
from streams.exchange.wall import SystemWall
from streams.log.canonical import CanonicalRecord, canonical_records
from streams.log.codec import Codec, SchemaIds
from streams.log.interface import Log, watermark_headers
from streams.log.journal import newest_entry, read_range
from streams.log.kafka import KafkaLog
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.operate import sessions
from streams.operate.runtime import STAGES
from streams.operate.stack import Endpoints
from tests.kafka.processes import CdbProcess, Launcher, launcher

START = 1_700_000_000_000_000
CODEC = Codec.offline()

pytestmark = pytest.mark.timeout(240)


class Session(NamedTuple):
    """A session on the broker, with the log to look at it."""

    settings: SessionSettings
    layout: Layout
    log: Log

    @property
    def name(self) -> str:
        return self.settings.session

    def feed(self, *, log: Log | None = None, speed: str = "max") -> None:
        """Writes the whole feed."""
        wall = SystemWall(threading.Event())
        FeedService(log or self.log, CODEC, self.settings, wall, speed=speed, code_version="test").run()

    def append(self, topic: str, number: int, *, key: bytes, value: bytes, time: int = START) -> int:
        """The offset of one record that a foreign writer puts on the log."""
        place = self.layout.at(topic, number)
        writer = self.log.writer(f"{self.name}-foreign")
        writer.begin()
        writer.append(place, key=key, value=value, time=time)
        offset = self.log.end_offset(place)
        writer.commit()
        writer.close()
        return offset

    def final_watermark(self) -> int:
        entry = newest_entry(self.log, self.layout.journal("feed", 0), CODEC)
        return -1 if entry is None else entry.watermark

    def frontier(self, stage: str, task: int) -> int:
        """As the task's journal has it."""
        entry = newest_entry(self.log, self.layout.journal(stage, task), CODEC)
        return -1 if entry is None else entry.frontier

    def has_come_to_the_end(self, *stages: str) -> bool:
        """Whether every task has committed everything up to the feed's last promise."""
        end = self.final_watermark()
        tasks = {"risk": self.settings.risk_tasks}
        return all(
            self.frontier(stage, task) >= end for stage in stages for task in range(tasks.get(stage, self.settings.partitions))
        )

    def outputs(self, stage: str, log: Log | None = None) -> dict[str, list[CanonicalRecord]]:
        """The data records of everything the stage writes."""
        topics = STAGES[stage](self.settings, 0).outputs
        return {topic: canonical_records(log or self.log, self.layout, CODEC, topic) for topic in topics}

    def dead_letters(self) -> list[DeadLetter]:
        place = self.layout.at("dead_letters", 0)
        found = []
        for message in read_range(self.log, place, 0, self.log.end_offset(place)):
            record = CODEC.decode(message.value or b"", DeadLetter)
            assert isinstance(record, DeadLetter)
            found.append(record)
        return found

    def run_in_memory(self) -> Log:
        """The same session, run by one worker of each stage without a broker."""
        log = MemoryLog()
        sessions.create(log, CODEC, self.settings, schema_ids=SchemaIds.offline(), code_version="test", time=START)
        self.feed(log=log)
        run_turns(make_workers(log, STAGES.values(), self.settings, CODEC, code_version="test"))
        return log


@pytest.fixture
def make_session(lone_kafka: Endpoints, fresh_session: Callable[[], str]) -> Iterator[Callable[..., Session]]:
    """Makes sessions of the simulated feed: `seconds` of market time on so many `partitions`."""
    with KafkaLog(lone_kafka.bootstrap, client_id="test") as log:

        def make(*, seconds: int = 20, partitions: int = 1) -> Session:
            feed = FeedParameters(start_time=START, duration_seconds=seconds, rate_per_second=20)
            settings = SessionSettings(session=fresh_session(), partitions=partitions, feed=feed)
            sessions.create(log, CODEC, settings, schema_ids=SchemaIds.offline(), code_version="test", time=START)
            return Session(settings, Layout.of(settings), log)

        yield make


@pytest.fixture
def cdb(lone_kafka: Endpoints, tmp_path: Path) -> Iterator[Launcher]:
    with launcher(lone_kafka.bootstrap, tmp_path) as started:
        yield started


def start_worker(cdb: Launcher, session: Session, stage: str, slot: str = "0") -> CdbProcess:
    return cdb.start("worker", stage, "--session", session.name, "--slot", slot)


def test_worker_takes_its_tasks_is_healthy_and_exits_0_when_told_to_stop(
    make_session: Callable[..., Session], cdb: Launcher
) -> None:
    session = make_session(partitions=2)
    worker = start_worker(cdb, session, "signals")
    worker.holds([0, 1])
    session.feed()
    worker.until(lambda: session.has_come_to_the_end("signals"), "coming to the feed's end")
    assert worker.page("health")[0] == 200
    worker.until(lambda: all(task["lag"] == 0 for task in worker.status()["tasks"]), "a lag of nothing")
    assert f'streams_outputs_total{{session="{session.name}",stage="signals",topic="marks"}}' in worker.page("metrics")[1]
    assert worker.terminate() == 0


def test_three_stages_in_one_process_write_what_a_backtest_writes(make_session: Callable[..., Session], cdb: Launcher) -> None:
    session = make_session(seconds=40)
    worker = start_worker(cdb, session, "all")
    ports = range(worker.port, worker.port + 3)
    worker.until(lambda: [worker.page("health", port=port)[0] for port in ports] == [200] * 3, "three healthy pages")
    session.feed()
    worker.until(lambda: session.has_come_to_the_end(*STAGES), "coming to the feed's end")
    backtest = session.run_in_memory()
    for stage in STAGES:
        assert session.outputs(stage) == session.outputs(stage, backtest)
    assert worker.terminate() == 0


def test_killed_worker_leaves_its_task_to_the_other_and_nothing_is_lost_or_doubled(
    make_session: Callable[..., Session], cdb: Launcher
) -> None:
    session = make_session(seconds=60, partitions=2)
    survivor, victim = start_worker(cdb, session, "signals", "0"), start_worker(cdb, session, "signals", "1")
    victim.until(lambda: len(victim.assignment()) == len(survivor.assignment()) == 1, "each worker holding one task")
    [task] = victim.assignment()
    feeding = threading.Thread(target=session.feed, kwargs={"speed": "5x"})
    feeding.start()
    victim.until(lambda: session.frontier("signals", task) > START, "the victim having committed something")
    victim.kill()
    survivor.holds([0, 1])
    feeding.join()
    survivor.until(lambda: session.has_come_to_the_end("signals"), "coming to the feed's end")
    outputs = session.outputs("signals")
    assert outputs["marks"]
    assert outputs == session.outputs("signals", session.run_in_memory())


def test_bug_in_a_step_ends_the_process_with_70_and_a_traceback(make_session: Callable[..., Session], cdb: Launcher) -> None:
    session = make_session()
    worker = start_worker(cdb, session, "risk")
    worker.holds([0])
    promise_then_break_it(session)
    assert worker.exit_code() == 70
    assert "this is a bug" in worker.said
    assert "below the promise" in worker.said
    assert "Traceback" in worker.said
    assert session.dead_letters() == []


def promise_then_break_it(session: Session) -> None:
    """What no signals worker ever writes: a mark that is older than the watermark before it."""
    place = session.layout.at("marks", 0)
    name = f"{session.name}/signals/nobody/BTCUSDT/0"
    mark = Mark(
        event_id=name, causation_id=name, correlation_id=name, session=session.name, time=START, symbol="BTCUSDT", mark=None,
        source=MarkSource.NONE, index=None, last=None, best_bid=None, best_bid_quantity=None, best_ask=None,
        best_ask_quantity=None, gap=False, feed_down=False, book_present=False, book_crossed=False, book_time=None,
        market_time=START, spread_mean=None, depth=[], atr=None, volatility=None,
    )  # fmt: skip
    writer = session.log.writer(f"{session.name}-foreign")
    writer.begin()
    writer.append(place, key=None, value=None, headers=watermark_headers(START + 1), time=START + 1)
    writer.append(place, key=b"BTCUSDT", value=CODEC.wire(mark), time=START)
    writer.commit()
    writer.close()


def test_undecodable_bytes_on_any_input_become_one_dead_letter_each_and_the_rest_goes_on(
    make_session: Callable[..., Session], cdb: Launcher
) -> None:
    session = make_session()
    places = {topic: session.append(topic, 0, key=b"x", value=b"\xff no record") for topic in (*schemas.merged_topics(), "commands")}
    first = start_worker(cdb, session, "all")
    first.until(lambda: first.page("health")[0] == 200, "being healthy")
    session.feed()
    first.until(lambda: session.has_come_to_the_end(*STAGES), "coming to the feed's end")
    first.kill()
    again = start_worker(cdb, session, "all")
    last = session.append("commands", 0, key=b"x", value=b"\xff no command either")
    read_by = [(stage, one.topic) for stage, kind in STAGES.items() for one in kind(session.settings, 0).inputs] + [("risk", "commands")]
    expected = {(stage, topic, places[topic]) for stage, topic in read_by} | {("risk", "commands", last)}
    again.until(lambda: len(session.dead_letters()) >= len(expected), "a letter for the last bytes")
    letters = session.dead_letters()
    assert {(one.event_id.split("/")[1], one.source_topic, one.source_offset) for one in letters} == expected
    assert len(letters) == len(expected)
    assert all(one.payload is not None and one.payload.startswith(b"\xff no ") for one in letters)
    assert {one.rule for one in letters} == {"wire_header"}
    backtest = session.run_in_memory()
    for stage in STAGES:
        assert outputs_but_for_garbage(session, stage) == session.outputs(stage, backtest)


def outputs_but_for_garbage(session: Session, stage: str) -> dict[str, list[CanonicalRecord]]:
    """The stage's data records without the bytes that a foreign writer put first on each partition."""
    found: dict[str, list[CanonicalRecord]] = {}
    for topic in STAGES[stage](session.settings, 0).outputs:
        place = session.layout.at(topic, 0)
        written = [
            (message.key or b"", message.value)
            for message in read_range(session.log, place, 0, session.log.end_offset(place))
            if message.value and not message.value.startswith(b"\xff")
        ]
        records = [(CODEC.decode(value), key, value) for key, value in written]
        found[topic] = sorted(
            (
                CanonicalRecord(record.time, record.event_id, key, value[5:], CODEC.schema_of(value) or "")
                for record, key, value in records
            ),
            key=lambda one: (one.time, order_key(one.event_id)),
        )
    return found


def test_second_process_in_a_slot_fences_the_first_which_exits_75(make_session: Callable[..., Session], cdb: Launcher) -> None:
    session = make_session(seconds=600, partitions=2)
    first = start_worker(cdb, session, "signals")
    first.holds([0, 1])
    stop = threading.Event()
    service = FeedService(session.log, CODEC, session.settings, SystemWall(stop), speed="1x", code_version="test")
    feeding = threading.Thread(target=service.run)
    feeding.start()
    try:
        first.until(lambda: session.frontier("signals", 0) > START, "the first having committed something")
        second = start_worker(cdb, session, "signals")
        assert first.exit_code() == 75
        second.holds([0, 1])
        reached = session.frontier("signals", 0)
        second.until(lambda: session.frontier("signals", 0) > reached, "the second going on")
    finally:
        stop.set()
        feeding.join()
    assert "cdb: " in first.said
    assert "Traceback" not in first.said


def test_worker_of_a_session_that_does_not_exist_names_the_sessions_there_are(
    make_session: Callable[..., Session], cdb: Launcher
) -> None:
    session = make_session()
    worker = cdb.start("worker", "risk", "--session", "nowhere")
    assert worker.exit_code() == 2
    assert "session must be one of" in worker.said
    assert session.name in worker.said


def test_worker_whose_port_is_taken_names_the_port_and_starts_nothing(make_session: Callable[..., Session], cdb: Launcher) -> None:
    session = make_session()
    first = start_worker(cdb, session, "signals")
    first.holds([0])
    second = cdb.start("worker", "signals", "--session", session.name, "--slot", "1", port=first.port)
    assert second.exit_code() == 1
    assert f"port {first.port} on 127.0.0.1 must be free" in second.said
    assert "Traceback" not in second.said
    assert first.assignment() == [0]
