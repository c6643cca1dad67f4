"""
Bad input: named, put aside or refused, and the rest goes on.

What the issue lists and where it is held (`module::test`), beside what is here:

- unknown command or setting, out-of-range value, all faults at once: `tests/cli/test_commands.py::test_wrong_words_end_with_2…`,
  `tests/operate/test_connection.py::test_every_fault_is_reported_at_once…`, `tests/operate/test_strategies.py::test_every_fault_is…`,
  `tests/operate/test_plan.py::test_every_fault_is_said_at_once…`, `tests/operate/test_stack_faults.py::test_every_fault_of_the_settings…`
- truncated or corrupt recording: `tests/exchange/test_recorded.py::test_corrupt_line…`, `::test_truncated_gzip…`,
  `::test_flipped_bytes_in_a_gzip…`, `tests/exchange/test_service.py::test_corrupt_line_ends_the_session_cleanly…`
- undecodable bytes on merged topics and commands: `tests/kafka/test_worker_process.py::test_undecodable_bytes_on_any_input…`; put
  aside by Connect: `tests/operate/test_sink.py::test_undecodable_bytes_go_to…`, `tests/operate/test_dead_letters.py`
- unknown schema id: `tests/contract/test_codec.py::test_what_is_no_record_of_ours…`; old and new schema versions: `::test_older_version…`,
  `::test_newer_version…`, `tests/operate/test_sink.py::test_record_of_an_older_schema…`
- impossible values: `tests/contract/test_rules.py`; time going backwards and an hour ahead: `tests/exchange/test_clock.py`,
  `tests/exchange/test_writer.py::test_push_an_hour_ahead…`
- full disk for the archive: `tests/log/test_archive_log.py::test_full_disk_is_named…`
"""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

import schemas
from streams.domain.parameters import SessionSettings
from streams.domain.records import Candle, DeadLetter, Level, MarketData, PortfolioSnapshot, Record
from streams.exchange.service import feed_of
from streams.exchange.writer import FeedWriter
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES
from streams.operate.stack import Stack
from streams.operate.topics import create_session
from tests.contract.samples import sample
from tests.exchange.sessions import T0, small_recording, ticker, trade, write_lines
from tests.kafka.processes import launcher
from tests.kafka.story import Theatre, theatre_on, until

pytestmark = pytest.mark.timeout(600)
OFFLINE = Codec.offline()
SECOND = 1_000_000
MINUTE = 60 * SECOND


def records(log: Log, codec: Codec, settings: SessionSettings, topic: str, *, number: int = 0) -> list[Record]:
    """Those that can be read."""
    place = Layout.of(settings).at(topic, number)
    values = [message.value for message in read_range(log, place, log.start_offset(place), log.end_offset(place))]
    return [codec.decode(value) for value in values if value is not None and not value.startswith(b"\xff")]


def letters(log: Log, codec: Codec, settings: SessionSettings) -> list[DeadLetter]:
    return [one for one in records(log, codec, settings, "dead_letters") if isinstance(one, DeadLetter)]


# The whole session, on the real stack


@pytest.fixture
def theatre(stack: Stack, tmp_path: Path) -> Iterator[Theatre]:
    with theatre_on(stack, tmp_path) as ready:
        yield ready


def recorded(session: str, path: Path) -> SessionSettings:
    return settings_of(Ask(session=session, files=(path,)))


def test_session_of_a_corrupt_recording_ends_with_the_line_named_and_is_whole_up_to_it(
    theatre: Theatre, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    lines = small_recording()
    settings = recorded(fresh_session(), Path(write_lines(tmp_path / "a.jsonl", [*lines[:5], "12 {broken", *lines[5:]])))
    running = theatre.session(settings, speed="max")
    running.start()
    try:
        until(lambda: (running.check(), running.progress().settled)[1], "the session being at its end", seconds=120)
    finally:
        assert running.end(time.time_ns() // 1000)
    assert "a.jsonl line 6" in (running.progress().error or "")
    log, codec = theatre.runtime.log, theatre.runtime.codec
    assert len(records(log, codec, settings, "market_data")) == 5
    theatre.must_replay_and_reconcile(settings)


def test_session_of_a_truncated_recording_has_what_came_before(
    theatre: Theatre, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = [f"{(T0 + n * 1000) * 1000} {ticker(n * 7919 % 100_003)}" for n in range(20_000)]
    write_lines(path, lines)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    settings = recorded(fresh_session(), path)
    running = theatre.session(settings, speed="max")
    running.start()
    try:
        until(lambda: (running.check(), running.progress().settled)[1], "the session being at its end", seconds=120)
    finally:
        assert running.end(time.time_ns() // 1000)
    progress = running.progress()
    assert "a.jsonl.gz line " in (progress.error or "")
    whole = len(records(theatre.runtime.log, theatre.runtime.codec, settings, "market_data"))
    assert 1000 < whole < 19_000 and f"line {whole + 1}: " in (progress.error or "")
    theatre.must_replay_and_reconcile(settings)


def test_undecodable_bytes_on_every_topic_of_the_sink_are_one_letter_each_and_the_rows_go_on(
    theatre: Theatre, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    """
    The stages answer for the topics they read; for every topic with a table Connect does, and the watchdog moves its letters. What can be
    read and breaks a rule the watchdog finds itself where no stage takes it.
    """
    settings = recorded(fresh_session(), Path(write_lines(tmp_path / "a.jsonl", small_recording())))
    running = theatre.session(settings, speed="max")
    log, codec = theatre.runtime.log, theatre.runtime.codec
    layout = Layout.of(settings)
    topics = sorted(name for name, spec in schemas.catalogue().items() if spec.table and name not in {"dead_letters", "journal"})
    writer = log.writer(f"{settings.session}-foreign")
    writer.begin()
    for topic in topics:
        writer.append(layout.at(topic, 0), key=b"k", value=b"\xff no record of " + topic.encode(), time=T0)
    odd = sample(PortfolioSnapshot, session=settings.session, event_id=f"{settings.session}/odd", exposure=Decimal(-1))
    writer.append(layout.at("portfolio_snapshots", 0), key=b"k", value=codec.wire(odd), time=T0)
    writer.commit()
    writer.close()
    running.start()
    try:
        until(lambda: (running.check(), running.progress().settled)[1], "the session being at its end", seconds=120)
        until(lambda: len(from_connect(log, codec, settings)) >= len(topics), "a letter for each topic", seconds=120)
        until(lambda: bool(of_rule(log, codec, settings, "sums_not_negative")), "the letter of the broken rule", seconds=120)
    finally:
        running.supervisor.stop()
    found = from_connect(log, codec, settings)
    assert sorted((one.source_topic, one.source_offset, one.payload) for one in found) == [
        (topic, 0, b"\xff no record of " + topic.encode()) for topic in topics
    ]
    assert all(one.cause for one in found)
    [letter] = of_rule(log, codec, settings, "sums_not_negative")
    assert (letter.source_topic, letter.source_offset, letter.payload) == ("portfolio_snapshots", 1, codec.wire(odd))


def from_connect(log: Log, codec: Codec, settings: SessionSettings) -> list[DeadLetter]:
    return of_rule(log, codec, settings, "sink_decodable")


def of_rule(log: Log, codec: Codec, settings: SessionSettings, rule: str) -> list[DeadLetter]:
    return [one for one in letters(log, codec, settings) if one.rule == rule]


@pytest.mark.parametrize("topic", ["marks", "journal"])
def test_missing_topic_ends_the_worker_with_its_name(
    stack: Stack, theatre: Theatre, fresh_session: Callable[[], str], tmp_path: Path, topic: str
) -> None:
    settings = settings_of(Ask(session=fresh_session(), duration_seconds=10))
    theatre.session(settings, speed="max")
    full = Layout.of(settings).full(topic)
    theatre.runtime.log.delete([full])
    endpoints = stack.endpoints()
    with launcher(endpoints.bootstrap, tmp_path) as cdb:
        worker = cdb.start("worker", "risk", "--session", settings.session, "--registry", endpoints.ccompat_url)
        assert worker.exit_code(120) == 1
        assert full in worker.said and "Traceback" not in worker.said


# What the stages make of it, in memory


def played(settings: SessionSettings, spoil: Callable[[MarketData], MarketData | None] = lambda _: None) -> MemoryLog:
    """A recorded session in which every market record that `spoil` answers to is followed by that answer, by a foreign hand."""
    log = MemoryLog()
    create_session(log, settings.session, feeds=1, risk=1)
    feed = feed_of(settings)
    writer = FeedWriter(log, OFFLINE, settings, code_version="test", records_max=1)
    writer.introduce(feed.instruments())
    workers = make_workers(log, STAGES.values(), settings, OFFLINE, code_version="test")
    place = Layout.of(settings).at("market_data", 0)
    for push in feed.pushes():
        before = log.end_offset(place)
        writer.put(push)
        for message in list(read_range(log, place, before, log.end_offset(place))):
            record = OFFLINE.decode(message.value) if message.value is not None else None
            spoiled = spoil(record) if isinstance(record, MarketData) else None
            if spoiled is not None:
                foreign = log.writer("foreign")
                foreign.begin()
                foreign.append(place, key=message.key, value=OFFLINE.wire(spoiled), time=spoiled.time)
                foreign.commit()
        run_turns(workers)
    writer.finish()
    run_turns(workers)
    return log


def outputs(log: Log, settings: SessionSettings) -> dict[str, list[Record]]:
    topics = {topic for stage in STAGES.values() for topic in stage(settings, 0).outputs}
    return {topic: records(log, OFFLINE, settings, topic) for topic in sorted(topics)}


def on_third(change: Callable[[MarketData], MarketData]) -> Callable[[MarketData], MarketData | None]:
    return lambda record: change(record) if record.sequence == 2 else None


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("level_price_above_zero_quantity_not_negative", {"bids": [Level(Decimal("100.10"), Decimal(-1))]}),
        ("top_price_above_zero_with_its_quantity", {"best_bid": Decimal(-5), "best_bid_quantity": Decimal(1)}),
        ("time_above_watermark", {}),
    ],
)
def test_impossible_market_record_is_a_letter_of_each_reader_and_changes_nothing_else(
    tmp_path: Path, rule: str, change: dict[str, object]
) -> None:
    """The last one is a time that goes backwards: the foreign record comes after the promise that covers its time."""
    settings = recorded("s", Path(write_lines(tmp_path / "a.jsonl", small_recording())))
    log = played(settings, on_third(lambda record: msgspec.structs.replace(record, event_id="s/foreign/0", **change)))
    found = letters(log, OFFLINE, settings)
    assert {one.event_id.split("/")[1] for one in found} == {"signals", "execution"} and len(found) == 2
    assert {one.rule for one in found} == {rule}
    assert outputs(log, settings) == outputs(played(settings), settings)


def test_crossed_book_is_news_and_no_fault(tmp_path: Path) -> None:
    lines = [line.replace('"b":"100.10"', '"b":"100.30"') for line in small_recording()]
    settings = recorded("s", Path(write_lines(tmp_path / "a.jsonl", lines)))
    log = played(settings)
    assert letters(log, OFFLINE, settings) == []
    assert any(getattr(mark, "book_crossed", False) for mark in outputs(log, settings)["marks"])


def test_push_dated_an_hour_ahead_holds_no_candle_up(tmp_path: Path) -> None:
    """Trades of three minutes; the false one comes in the first, and each minute's candle still has that minute's times."""
    start = T0 // 1000

    def line(second: int, event_ms: int, number: int) -> str:
        return f"{(start + second * 1000 + 50) * 1_000_000} {trade(event_ms, trade_id=number)}"

    lines = [
        line(second, start + second * 1000 + (3_600_000 if second == 20 else 0), number)
        for number, second in enumerate(range(0, 180, 5), 1)
    ]
    settings = recorded("s", Path(write_lines(tmp_path / "a.jsonl", lines)))
    log = played(settings)
    suspects = [one for one in records(log, OFFLINE, settings, "market_data") if isinstance(one, MarketData) and one.time_suspect]
    assert len(suspects) == 1
    candles = [one for one in outputs(log, settings)["candles"] if isinstance(one, Candle)]
    assert len(candles) >= 3
    assert all(one.time <= T0 + 4 * MINUTE for one in candles), "candles close by the market's time"
    assert all(later.time - earlier.time == MINUTE for earlier, later in pairwise(candles))
