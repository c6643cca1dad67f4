"""
Since when the oldest data record waits, by the times of records.

Between a consumer's offset and the end of a partition stand data records, watermarks and transaction markers; only the first kind is
work. So a consumer that has handled everything is 0 s behind however many offsets follow, and one that stands before an idle hour is as
old as the first record after it, not as the hour. What was scanned is not scanned again.
"""

import time
from collections.abc import Hashable, Iterator, Mapping
from contextlib import closing
from typing import NamedTuple, TypeVar

from streams.errors import LogError
from streams.log.interface import Log, Partition
from streams.log.journal import backwards

POLL_MAX = 500
POLL_S = 0.05
SCAN_S_MAX = 20.0

Key = TypeVar("Key", bound=Hashable)


class Cleared(NamedTuple):
    """No data record stands in [`start`, `end`); the one at `end` has `time` (µs), or none was there yet (None)."""

    start: int
    end: int
    time: int | None

    def holds(self, offset: int) -> bool:
        """Whether what is known says all about a consumer at `offset`, but for what came at the end since."""
        return self.start <= offset <= self.end


class OldestWaiting:
    """The first data record at or after a consumer's offset, for many consumers at once; each has a key that does not change."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._known: dict[Hashable, tuple[Partition, Cleared]] = {}
        self._newest: dict[Partition, tuple[int, int]] = {}

    def times(self, consumers: Mapping[Key, tuple[Partition, int]]) -> dict[Key, int | None]:
        """By consumer the time (µs) of the oldest data record that it has not handled; None where none waits."""
        self._known = {key: known for key, known in self._known.items() if key in consumers}
        scans: dict[Hashable, tuple[Partition, int]] = {}
        for key, (partition, offset) in consumers.items():
            at, known = self._known.get(key, (None, None))
            if at != partition or known is None or not known.holds(offset):
                self._known[key] = partition, Cleared(offset, offset, None)
            if self._known[key][1].time is None:
                scans[key] = partition, self._known[key][1].end
        for wave in _waves(scans):
            self._scan(wave)
        return {key: self._known[key][1].time for key in consumers}

    def newest(self, partition: Partition) -> int | None:
        """The time of the partition's last data record, µs; None where there is none."""
        end = self._log.end_offset(partition)
        known = self._newest.get(partition)
        if known is None or known[0] != end:
            found = next((message.time for message in backwards(self._log, partition) if message.value is not None), None)
            if found is None:
                return None
            self._newest[partition] = known = (end, found)
        return known[1]

    def _scan(self, wave: Mapping[Partition, tuple[Hashable, int]]) -> None:
        """Reads on from where each consumer's clear stretch ends, until a data record or the end."""
        starts = {partition: max(offset, self._log.start_offset(partition)) for partition, (_, offset) in wave.items()}
        ends = {partition: self._log.end_offset(partition) for partition in wave}
        open_ones = {partition for partition in wave if starts[partition] < ends[partition]}
        if not open_ones:
            return
        deadline = time.monotonic() + SCAN_S_MAX
        with closing(self._log.reader({partition: starts[partition] for partition in open_ones})) as reader:
            while open_ones:
                for message in reader.poll(POLL_MAX, POLL_S):
                    partition = Partition(message.topic, message.partition)
                    if partition in open_ones and message.value is not None:
                        self._note(wave[partition][0], message.offset, message.time)
                        open_ones.discard(partition)
                for partition in [one for one in open_ones if reader.position(one) >= ends[one]]:
                    self._note(wave[partition][0], reader.position(partition), None)
                    open_ones.discard(partition)
                if open_ones and time.monotonic() > deadline:
                    raise LogError(f"{min(open_ones)} must be readable within {SCAN_S_MAX:.0f} s, was not")

    def _note(self, key: Hashable, end: int, found: int | None) -> None:
        partition, known = self._known[key]
        self._known[key] = partition, Cleared(known.start, end, found)


def _waves(scans: Mapping[Hashable, tuple[Partition, int]]) -> Iterator[dict[Partition, tuple[Hashable, int]]]:
    """The scans in groups that hold each partition once: a reader reads a partition from one place."""
    left = dict(scans)
    while left:
        wave: dict[Partition, tuple[Hashable, int]] = {}
        for key, (partition, offset) in list(left.items()):
            if partition not in wave:
                wave[partition] = key, offset
                del left[key]
        yield wave
