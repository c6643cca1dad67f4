"""A log that nobody can write to through this: what replay holds, whatever log lies behind."""

from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from streams.errors import LogError
from streams.log.interface import Log, Member, Partition, Reader, Writer


class ReadOnlyLog:
    """The reading half of a log; see `Log`. `create`, `delete`, `member`, `writer` and `committed` raise `LogError` and ask nobody."""

    def __init__(self, log: Log) -> None:
        # Only what reads is kept: a writer could not be had from here by mistake.
        self._topics, self._reader = log.topics, log.reader
        self._start_offset, self._end_offset, self._offset_at = log.start_offset, log.end_offset, log.offset_at
        self._settled_ends = log.settled_ends

    def topics(self) -> dict[str, int]:
        return self._topics()

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        return self._reader(positions)

    def start_offset(self, partition: Partition) -> int:
        return self._start_offset(partition)

    def end_offset(self, partition: Partition) -> int:
        return self._end_offset(partition)

    def settled_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int] | None:
        return self._settled_ends(partitions)

    def offset_at(self, partition: Partition, time: int) -> int:
        return self._offset_at(partition, time)

    def create(self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._refuse(f"topics {sorted(topics)} cannot be created")

    def delete(self, topics: Sequence[str]) -> None:
        self._refuse(f"topics {sorted(topics)} cannot be deleted")

    def member(
        self, group: str, topic: str, *, on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition], bool], None],
    ) -> Member:
        self._refuse(f"group {group} cannot be joined")

    def writer(self, name: str) -> Writer:
        self._refuse(f"writer {name} cannot be opened")

    def committed(self, group: str, partition: Partition) -> int | None:
        self._refuse(f"group {group} cannot be asked")

    def _refuse(self, what: str) -> NoReturn:
        raise LogError(f"{what}: replay only reads")


class StillLog(ReadOnlyLog):
    """A log as it stood when it was first asked: where partitions begin and end is asked once, so that one answer is of one moment."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self._starts: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}

    def start_offset(self, partition: Partition) -> int:
        if partition not in self._starts:
            self._starts[partition] = super().start_offset(partition)
        return self._starts[partition]

    def end_offset(self, partition: Partition) -> int:
        if partition not in self._ends:
            self._ends[partition] = super().end_offset(partition)
        return self._ends[partition]
