"""
How far each consumer of each group is behind: offsets as Kafka's own tool tells them, and seconds by the records' own times.

A stage's group holds only the partition that names the task; where a task stands in the partitions it reads beside that, its
journal says, and that is told with the source `journal`. Seconds are wall time minus the time of the oldest record that waits; in a
session whose time is not the wall clock's (recordings, backtests, simulated markets at another speed) the partition's newest record
takes the clock's place.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple, Protocol

import schemas
from streams.domain.parameters import SessionSettings
from streams.exchange.writer import STAGE as FEED
from streams.exchange.writer import TASK as FEED_TASK
from streams.exchange.writer import source_of
from streams.log.codec import Codec
from streams.log.interface import Log, Partition
from streams.log.journal import newest_entry, positions_of
from streams.log.layout import Layout
from streams.operate.lag.waiting import OldestWaiting

MICROSECONDS = 1_000_000
STAGES = ("signals", "risk", "execution")


class Groups(Protocol):
    """See `streams.log.kafka_groups.KafkaGroups`; tests on a log in memory bring their own."""

    def names(self) -> list[str]: ...

    def committed(self, groups: list[str]) -> dict[str, dict[Partition, int]]: ...

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]: ...


class Consumer(NamedTuple):
    """Who reads a partition. `task` is empty for Kafka's own offsets."""

    group: str
    topic: str
    partition: int
    source: Literal["group", "journal"]
    task: str = ""

    @property
    def labels(self) -> tuple[str, ...]:
        """As the catalogue has them."""
        return self.group, self.topic, str(self.partition), self.source, self.task


class Behind(NamedTuple):
    """Where a consumer stands. `lag` in offsets, markers included; `seconds` 0 where no data record waits."""

    consumer: Consumer
    current: int
    end: int
    lag: int
    seconds: float


class Lag:
    """Measures every group there is, or those of `groups`; with the journals of `sessions`. `wall`: seconds since 1970 UTC."""

    def __init__(
        self, log: Log, codec: Codec, groups: Groups, *, sessions: Mapping[str, SessionSettings], wall: Callable[[], float],
        only: tuple[str, ...] = (),
    ) -> None:
        self._log, self._codec, self._groups, self._wall = log, codec, groups, wall
        self._layouts = {name: Layout.of(settings) for name, settings in sessions.items()}
        self._only = only
        self._waiting = OldestWaiting(log)

    def round(self) -> list[Behind]:
        """One look at everything. Raises: LogError."""
        names = [name for name in self._groups.names() if not self._only or name in self._only]
        places: dict[Consumer, int] = {}
        for group, offsets in self._groups.committed(names).items():
            places |= {Consumer(group, *partition, "group"): offset for partition, offset in offsets.items()}
        for layout in self._layouts.values():
            places |= {
                consumer: offset for consumer, offset in self._journalled(layout).items()
                if (not self._only or consumer.group in self._only) and consumer._replace(source="group", task="") not in places
            }
        ends = self._groups.ends({Partition(one.topic, one.partition) for one in places})
        there = {one: at for one, at in places.items() if (one.topic, one.partition) in ends}
        places_of = {one: (Partition(one.topic, one.partition), at) for one, at in there.items()}
        behind = {one: (place, at) for one, (place, at) in places_of.items() if at < ends[place]}
        oldest = self._waiting.times(behind)
        live = {session: self._is_live(layout) for session, layout in self._layouts.items()}
        return [
            Behind(one, at, ends[place], max(ends[place] - at, 0), self._seconds(place, oldest.get(one), live))
            for one, (place, at) in sorted(places_of.items())
        ]

    def _journalled(self, layout: Layout) -> dict[Consumer, int]:
        """Where the tasks stand in what they read outside their groups."""
        found: dict[Consumer, int] = {}
        for stage in STAGES:
            for task in range(layout.risk_tasks if stage == "risk" else layout.partitions):
                entry = newest_entry(self._log, layout.journal(stage, task), self._codec)
                for (topic, number), (offset, _) in positions_of(entry).items() if entry else ():
                    if offset >= 0 and topic in schemas.catalogue():
                        found[Consumer(layout.group(stage), layout.full(topic), number, "journal", str(task))] = offset
        return found

    def _is_live(self, layout: Layout) -> bool:
        entry = newest_entry(self._log, layout.journal(FEED, FEED_TASK), self._codec)
        # Before its feed there are only an operator's commands, which have the wall clock's time.
        return entry is None or source_of(entry).live

    def _seconds(self, partition: Partition, oldest: int | None, live: Mapping[str, bool]) -> float:
        if oldest is None:
            return 0.0
        session = partition.topic.rpartition(".")[0]
        now = self._wall() * MICROSECONDS if live.get(session, True) else self._waiting.newest(partition) or oldest
        return max(now - oldest, 0) / MICROSECONDS


def sums(found: Iterable[Behind]) -> dict[tuple[str, str], int]:
    """Lag of a group over its partitions, by group and source."""
    total: dict[tuple[str, str], int] = {}
    for one in found:
        key = one.consumer.group, one.consumer.source
        total[key] = total.get(key, 0) + one.lag
    return total
