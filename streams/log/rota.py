"""Whose turn it is among a reader's partitions: each poll begins with another one, so that none starves, and passes over the paused."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from streams.log.interface import Partition

CursorT = TypeVar("CursorT")


class Rota(Generic[CursorT]):
    """A reader's cursors by partition, and in `_turns` those that a poll asks, in turn; the poll itself rotates it."""

    def __init__(self, cursors: Mapping[Partition, CursorT]) -> None:
        self._paused: set[Partition] = set()
        self._put(cursors)

    def _put(self, cursors: Mapping[Partition, CursorT]) -> None:
        """These cursors in place of all before, none of them paused."""
        self._cursors = dict(cursors)
        self._paused.clear()
        self._deal()

    def _deal(self) -> None:
        self._turns = deque(cursor for partition, cursor in self._cursors.items() if partition not in self._paused)

    def pause(self, partitions: Sequence[Partition]) -> None:
        self._paused.update(self._own(partitions))
        self._deal()

    def resume(self, partitions: Sequence[Partition]) -> None:
        self._paused.difference_update(self._own(partitions))
        self._deal()

    def close(self) -> None:
        self._put({})

    def _own(self, partitions: Sequence[Partition]) -> Sequence[Partition]:
        for partition in partitions:
            assert partition in self._cursors, f"{partition} is not among this reader's partitions"
        return partitions
