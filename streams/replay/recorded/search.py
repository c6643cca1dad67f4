"""
Where something stands on a partition, found by a few short reads instead of reading all of it.

Whatever rises along a partition can be searched for: the time of its records, or the sequence numbers of one symbol. Offsets have
holes, and some messages have no key (watermarks, other symbols), so each look reads a short run of messages. Looks alternate between
where a steady rate would have it and the middle: four or five find a moment in a million records, and twice the bisections at worst.
"""

from collections.abc import Callable
from typing import NamedTuple

from streams.log.interface import Log, Message, Partition
from streams.log.journal import READ_WAIT_S

LOOK_MESSAGES = 256

Key = Callable[[Message], int | None]


def time_of(message: Message) -> int | None:
    """The key of data records: their time (on Kafka in whole milliseconds); marks that carry no value have none."""
    return None if message.value is None else message.time


class _Look(NamedTuple):
    """The keyed messages of one short read as (offset, key), and the offset after everything that was read."""

    keyed: list[tuple[int, int]]
    reached: int


def first_offset(log: Log, partition: Partition, wanted: int, key: Key = time_of) -> int:
    """
    The offset of the first message whose key is `wanted` or more; the end offset where there is none.

    Keys must not fall along the partition. Raises: LogError as the log.
    """
    low, high = log.start_offset(partition), log.end_offset(partition)
    answer = high
    below: tuple[int, int] | None = None
    above: tuple[int, int] | None = None
    straight = False
    while low < high:
        at = (low + high) // 2
        if straight and below is not None and above is not None and above[1] > below[1]:
            share = (wanted - below[1]) / (above[1] - below[1])
            # A little early: a run that begins before what is wanted and ends after it is the last one.
            at = below[0] + int((above[0] - below[0]) * share) - LOOK_MESSAGES // 2
            at = min(max(at, low), high - 1)
        straight = not straight
        if high - low <= LOOK_MESSAGES:
            at = low
        look = _look(log, partition, at, high, key)
        if not look.keyed:
            # Nothing but unkeyed messages between `at` and `high`.
            high = at
        elif look.keyed[0][1] >= wanted:
            above, answer, high = look.keyed[0], look.keyed[0][0], at
        elif look.keyed[-1][1] < wanted:
            below, low = look.keyed[-1], max(look.reached, look.keyed[-1][0] + 1)
        else:
            return next(offset for offset, found in look.keyed if found >= wanted)
    return answer


def _look(log: Log, partition: Partition, start: int, end: int, key: Key) -> _Look:
    """A short run of messages from `start` on, and on from there until one has a key."""
    reader = log.reader({partition: start})
    keyed: list[tuple[int, int]] = []
    reached = start
    try:
        while not keyed and reader.position(partition) < end:
            for message in reader.poll(LOOK_MESSAGES, READ_WAIT_S):
                if message.offset >= end:
                    break
                found = key(message)
                if found is not None:
                    keyed.append((message.offset, found))
            reached = reader.position(partition)
        return _Look(keyed, reached)
    finally:
        reader.close()
