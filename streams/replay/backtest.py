"""
A whole session in one process's memory: the same feed, stages, merge and transactions, on a log that is a list.

Given the same market data (and, later, the same journalled commands) its data records are byte-equal to a live session's.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.errors import FeedError
from streams.exchange.pacing import Runner
from streams.exchange.push import Push
from streams.exchange.service import feed_of
from streams.exchange.wall import Wall
from streams.exchange.writer import FeedWriter
from streams.log.codec import Codec
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.operate.topics import create_session
from streams.stages.contract import StageFactory

PUSHES_A_TURN = 500

Progress = Callable[[int, int], None]


class Backtest(NamedTuple):
    """A finished session on its memory log; `error` where the recording broke off."""

    log: MemoryLog
    codec: Codec
    settings: SessionSettings
    pushes: int
    events: int
    error: FeedError | None


def backtest(
    settings: SessionSettings, stages: tuple[StageFactory, ...], wall: Wall, *, code_version: str,
    progress: Progress | None = None,
) -> Backtest:
    """
    The session's feed from start to end, and every stage after it. `progress` is told (pushes, logical time in µs).

    Raises: ConfigError, FeedError as the feed does before its first push.
    """
    log, codec = MemoryLog(), Codec.offline()
    create_session(log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
    feed = feed_of(settings)
    writer = FeedWriter(log, codec, settings, code_version=code_version)
    writer.introduce(feed.instruments())
    workers = make_workers(log, stages, settings, codec, code_version=code_version)
    counts = [0, 0]

    def fed() -> Iterator[Push]:
        for push in feed.pushes():
            yield push
            counts[0] += 1
            if counts[0] % PUSHES_A_TURN == 0:
                writer.flush()
                counts[1] += run_turns(workers)
                if progress is not None:
                    progress(counts[0], writer.clock.state.last)

    outcome = Runner(writer, wall, None).run(fed())
    writer.close()
    counts[1] += run_turns(workers)
    for worker in workers:
        worker.close()
    return Backtest(log, codec, settings, counts[0], counts[1], outcome.error)
