"""
A running session as it stood at one moment, over all of its topics.

Copied one after the other, topics are of different moments: a journal would not know the outputs that stand beside it, and a worker that
went on from there would write them twice. So the ends of all partitions are asked for again and again until two answers are the same and
no transaction is open: between the two nothing happened, so together they are a moment that there was. A session rests many times a
second; one that does not within `SECONDS_MAX` is copied as it comes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from streams.log.interface import Log, Partition
from streams.log.read_only import ReadOnlyLog
from streams.replay.checkpoints.checkpoint import topics_of

SECONDS_MAX = 20.0


class MomentLog(ReadOnlyLog):
    """A log that ends, for who reads it, where it ended at a moment; other partitions than those asked for end as they do."""

    def __init__(self, log: Log, ends: Mapping[Partition, int]) -> None:
        super().__init__(log)
        self._ends = dict(ends)

    def end_offset(self, partition: Partition) -> int:
        return self._ends[partition] if partition in self._ends else super().end_offset(partition)


def moment_of(log: Log, session: str, *, seconds_max: float = SECONDS_MAX) -> MomentLog | None:
    """The session as it stands at some moment from now on; None where it does not rest within `seconds_max`. Raises: LogError."""
    counts = log.topics()
    places = [Partition(topic, number) for topic in topics_of(session) for number in range(counts.get(topic, 0))]
    deadline = time.monotonic() + seconds_max
    before = log.settled_ends(places)
    while True:
        now = log.settled_ends(places)
        if now is not None and now == before:
            return MomentLog(log, now)
        if time.monotonic() > deadline:
            return None
        before = now
