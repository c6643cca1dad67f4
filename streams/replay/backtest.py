"""
A whole session in one process's memory: the same feed, stages, merge and transactions, on a log that is a list.

Given the same market data and the same journalled commands its data records are byte-equal to a live session's. The market data
come from the session's source again, not from its log: a source that has changed since is found.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.domain.records import Command, JournalEntry
from streams.errors import ConfigError, FeedError
from streams.exchange.pacing import Runner
from streams.exchange.push import Quiet, Told
from streams.exchange.service import feed_of
from streams.exchange.wall import Wall
from streams.exchange.writer import FeedWriter, source_of
from streams.log.batch import Taken
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import entries_from, newest_entry
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.log.takeover import taken_commands
from streams.operate.topics import create_session
from streams.stages.contract import StageFactory

PUSHES_A_TURN = 500

Progress = Callable[[int, int], None]


class Given(NamedTuple):
    """
    What a session on a log was given besides its settings: the commands that each risk task took, and where its feed came to
    (None: to its own end).
    """

    commands: dict[int, list[tuple[Taken, Command]]]
    broke_off: JournalEntry | None = None

    @classmethod
    def of(cls, log: Log, codec: Codec, settings: SessionSettings, stages: tuple[StageFactory, ...]) -> "Given":
        """
        Read from the journals of a session that stands still.

        Raises: ConfigError where one of its tasks has not come as far as its feed: what it will write is not there to compare.
        """
        layout = Layout.of(settings)
        feed = newest_entry(log, layout.journal("feed", 0), codec)
        commands: dict[int, list[tuple[Taken, Command]]] = {}
        for stage_of in stages:
            stage = stage_of(settings, 0)
            for number in range(layout.tasks(stage)):
                entries = entries_from(log, layout.journal(stage.name, number), codec, 0)
                reached, promised = entries[-1].frontier if entries else -1, feed.watermark if feed else -1
                if reached < promised:
                    raise ConfigError(
                        f"session {settings.session} must have settled to be compared: {stage.name} task {number} must stand at "
                        f"{promised}, was {reached}; let it go on first"
                    )
                if stage.takes_commands:
                    commands[number] = taken_commands(log, layout, codec, entries)
        ended = feed is not None and source_of(feed).ended
        return cls(commands, None if ended else feed)


class Backtest(NamedTuple):
    """
    A finished session on its memory log; `error` where the recording broke off. `candles`: read from a feed of candles; `gaps`:
    pushes that say something is missing before them; `seconds` of the wall that feed and stages took.
    """

    log: MemoryLog
    codec: Codec
    settings: SessionSettings
    pushes: int
    events: int
    error: FeedError | None
    candles: int = 0
    gaps: int = 0
    seconds: float = 0.0


def backtest(
    settings: SessionSettings, stages: tuple[StageFactory, ...], wall: Wall, *, code_version: str,
    progress: Progress | None = None, given: Given = Given({}),
) -> Backtest:
    """
    The session's feed from start to end, and every stage after it. `progress` is told (pushes, logical time in µs); `given`: what
    another session was given, to be given again.

    Raises: ConfigError, FeedError as the feed does before its first push.
    """
    began = wall.monotonic()
    log, codec = MemoryLog(), Codec.offline()
    create_session(log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
    commands = put_commands(given.commands, log, codec, settings)
    feed = feed_of(settings)
    writer = FeedWriter(log, codec, settings, code_version=code_version)
    writer.introduce(feed.instruments())
    workers = make_workers(log, stages, settings, codec, code_version=code_version, commands=commands)
    counts = [0, 0]

    def fed() -> Iterator[Told]:
        for push in feed.pushes():
            assert not isinstance(push, Quiet), "a backtest has no live source"
            if given.broke_off is not None and writer.outputs_count >= given.broke_off.outputs_count:
                return
            yield push
            counts[0] += 1
            if counts[0] % PUSHES_A_TURN == 0:
                writer.flush()
                counts[1] += run_turns(workers)
                if progress is not None:
                    progress(counts[0], writer.clock.state.last)

    error = None
    if given.broke_off is None:
        error = Runner(writer, wall, None).run(fed()).error
    else:
        for push in fed():
            writer.put(push)
        writer.clock.state.last = max(writer.clock.state.last, given.broke_off.watermark)
        writer.flush()
    writer.close()
    counts[1] += run_turns(workers)
    for worker in workers:
        worker.close()
    return Backtest(
        log, codec, settings, counts[0], counts[1], error, candles=feed.candles,
        gaps=writer.counters.gaps, seconds=wall.monotonic() - began,
    )  # fmt: skip


def put_commands(
    given: Mapping[int, Sequence[tuple[Taken, Command]]], log: MemoryLog, codec: Codec, settings: SessionSettings
) -> dict[int, list[tuple[Taken, Command]]]:
    """The commands, by risk task, on this log's own topic, and the journal's words about them with the places they have here."""
    layout = Layout.of(settings)
    placed: dict[int, list[tuple[Taken, Command]]] = {}
    writer = log.writer("given")
    for number, commands in given.items():
        partition = layout.at("commands", number)
        placed[number] = []
        for taken, command in commands:
            value, offset = codec.wire(command), log.end_offset(partition)
            writer.begin()
            writer.append(partition, key=command.account.encode(), value=value, time=command.time)
            writer.commit()
            here = taken._replace(offset=offset, digest=hashlib.sha256(value).hexdigest())
            placed[number].append((here, command))
    writer.close()
    return placed
