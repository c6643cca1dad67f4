"""
A recorded session made again in memory under other settings: the same market data from its log, the same commands at the same moments.

The stages run as they do in a backtest, by the same workers on a log in memory; only the feed is the record instead of the source. The
session keeps its name, so a decision with the same cause has the same id in both.
"""

from collections.abc import Callable

from streams.domain.parameters import SessionSettings
from streams.domain.records import Command
from streams.errors import LogError
from streams.log.batch import Taken
from streams.log.interface import Message, Partition, Writer
from streams.log.journal import READ_WAIT_S, entries_from
from streams.log.layout import FEED_TOPICS
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.log.takeover import taken_commands
from streams.operate.topics import create_session
from streams.replay.backtest import put_commands
from streams.replay.recorded.recorded import Recorded

READ_MAX = 4000

Progress = Callable[[float, int], None]


def made_again(recorded: Recorded, settings: SessionSettings, *, code_version: str, progress: Progress | None = None) -> Recorded:
    """
    The session under `settings`, as far as its market data go. `progress` is told (share of the market data 0..1, events).

    Raises: LogError where market data or commands are no more on the log.
    """
    assert (settings.session, settings.partitions, settings.risk_tasks, settings.feed) == (
        recorded.settings.session, recorded.settings.partitions, recorded.settings.risk_tasks, recorded.settings.feed,
    ), "what decides the inputs stays as it was"  # fmt: skip
    layout, log = recorded.layout, MemoryLog()
    create_session(log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
    commands = put_commands(_commands(recorded), log, recorded.codec, settings)
    workers = make_workers(
        log, tuple(recorded.stages.values()), settings, recorded.codec, code_version=code_version, commands=commands
    )
    places = [layout.at(topic, number) for topic in FEED_TOPICS for number in range(layout.count(topic))]
    ends = {place: recorded.log.end_offset(place) for place in places}
    starts = {place: recorded.log.start_offset(place) for place in places}
    for place, start in starts.items():
        if start:
            raise LogError(f"{place.topic}/{place.number} must begin with offset 0, begins with {start}: what lies before is gone")
    total = max(sum(ends[place] - starts[place] for place in places), 1)
    reader, writer, events = recorded.log.reader(starts), log.writer("record"), 0
    try:
        while any(reader.position(place) < ends[place] for place in places):
            _copy(writer, [m for m in reader.poll(READ_MAX, READ_WAIT_S) if m.offset < ends[Partition(m.topic, m.partition)]])
            events += run_turns(workers)
            if progress is not None:
                left = sum(max(ends[place] - reader.position(place), 0) for place in places)
                progress(1 - left / total, events)
    finally:
        reader.close()
        writer.close()
    run_turns(workers)
    for worker in workers:
        worker.close()
    return Recorded.of(log, recorded.codec, settings, recorded.stages)


def _copy(writer: Writer, messages: list[Message]) -> None:
    writer.begin()
    for message in messages:
        place = Partition(message.topic, message.partition)
        writer.append(place, key=message.key, value=message.value, headers=message.headers, time=message.time)
    writer.commit()


def _commands(recorded: Recorded) -> dict[int, list[tuple[Taken, Command]]]:
    """The commands that each task took, in order, by the journals."""
    found = {}
    for stage, number in recorded.tasks():
        if stage.takes_commands:
            entries = entries_from(recorded.log, recorded.layout.journal(stage.name, number), recorded.codec, 0)
            found[number] = taken_commands(recorded.log, recorded.layout, recorded.codec, entries)
    return found
