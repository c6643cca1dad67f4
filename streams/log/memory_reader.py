"""
How records lie in a memory log's partitions and how readers move through them.

A shelf is one partition: its records in offset order, and how far they may be seen. Readers keep an index into it, so a poll
is a slice of a list.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from operator import attrgetter

from streams.errors import LogError
from streams.log.interface import Message, Partition
from streams.log.rota import Rota

_offset_of = attrgetter("offset")


class Shelf:
    """
    One partition's records in offset order, with how far readers may see.

    Aborted records are taken out of `messages`. They always lie at or after `stable_count`, which no reader has passed.
    """

    __slots__ = ("messages", "next_offset", "open_from", "partition", "stable_count", "stable_offset")

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.messages: list[Message] = []
        self.next_offset = 0
        self.open_from: dict[object, int] = {}
        self.stable_offset = 0
        self.stable_count = 0

    def end_transaction(self, writer: object, aborted: list[int] | None) -> None:
        """Puts the marker and moves the last stable offset. `aborted` holds the offsets to forget, None on commit."""
        first = self.open_from.pop(writer)
        if aborted is not None:
            gone = set(aborted)
            at = bisect_left(self.messages, first, key=_offset_of)
            self.messages[at:] = [message for message in self.messages[at:] if message.offset not in gone]
        self.next_offset += 1
        if self.open_from:
            self.stable_offset = min(self.open_from.values())
            self.stable_count = bisect_left(self.messages, self.stable_offset, key=_offset_of)
        else:
            self.stable_offset = self.next_offset
            self.stable_count = len(self.messages)


class Cursor:
    """A reader's place in a shelf: the index of the next message, or the offset it waits for while that is not stable."""

    __slots__ = ("index", "shelf", "waits_for")

    def __init__(self, shelf: Shelf, offset: int) -> None:
        if not 0 <= offset <= shelf.next_offset:
            topic, number = shelf.partition
            raise LogError(f"offset of {topic}-{number} must be 0..{shelf.next_offset}, was {offset}")
        self.shelf = shelf
        self.index = 0
        self.waits_for: int | None = offset

    def settle(self) -> bool:
        """Whether `index` is known, now that the shelf's stable offset may have moved."""
        if self.waits_for is not None and self.waits_for <= self.shelf.stable_offset:
            self.index = bisect_left(self.shelf.messages, self.waits_for, key=_offset_of)
            self.waits_for = None
        return self.waits_for is None

    def position(self) -> int:
        if not self.settle():
            assert self.waits_for is not None
            return self.waits_for
        if self.index < self.shelf.stable_count:
            return self.shelf.messages[self.index].offset
        return self.shelf.stable_offset


class MemoryReader(Rota[Cursor]):
    """Reads partitions in turn; see `Reader`."""

    def __init__(self, shelf_of: Callable[[Partition], Shelf], positions: Mapping[Partition, int]) -> None:
        self._shelf_of = shelf_of
        super().__init__(self._cursors_at(positions))

    def _cursors_at(self, positions: Mapping[Partition, int]) -> dict[Partition, Cursor]:
        return {p: Cursor(self._shelf_of(p), offset) for p, offset in positions.items()}

    def poll(self, count_max: int, timeout_s: float) -> list[Message]:
        # Nothing can arrive while the one thread waits, so `timeout_s` is not waited for.
        found: list[Message] = []
        room = count_max
        for cursor in self._turns:
            if cursor.waits_for is not None and not cursor.settle():
                continue
            shelf = cursor.shelf
            index = cursor.index
            count = min(shelf.stable_count - index, room)
            if count:
                cursor.index = index + count
                found += shelf.messages[index : index + count]
                room -= count
                if not room:
                    break
        self._turns.rotate(-1)
        return found

    def position(self, partition: Partition) -> int:
        self._own((partition,))
        return self._cursors[partition].position()
