"""
Which member of a memory log's group holds which partitions, and which tokens may still commit.

Eager, as Kafka's classic protocol: a join or a leave asks all members to give up everything and to join again; when the last
one has, a new generation begins and each takes its share. Until then nobody holds anything.
"""

from collections.abc import Iterator
from typing import NamedTuple

from streams.log.interface import Partition


class GroupToken(NamedTuple):
    """Who read the records whose offsets a transaction commits, and in which generation of the group."""

    member_id: int
    generation: int


class Group:
    """One consumer group: its members in the order they joined, its generation, its committed offsets."""

    def __init__(self, ids: Iterator[int]) -> None:
        self.offsets: dict[Partition, int] = {}
        self.generation = 0
        self._topics: dict[int, str] = {}
        self._awaited: set[int] = set()
        self._ids = ids

    @property
    def settled(self) -> bool:
        """Whether every member has joined the present generation."""
        return not self._awaited

    def join(self, topic: str) -> int:
        member_id = next(self._ids)
        self._topics[member_id] = topic
        self._awaited = set(self._topics)
        return member_id

    def leave(self, member_id: int) -> None:
        if self._topics.pop(member_id, None) is not None:
            self._awaited = set(self._topics)
            if not self._topics:
                self.generation += 1

    def knows(self, member_id: int) -> bool:
        return member_id in self._topics

    def wants_rejoin(self, member_id: int) -> bool:
        return member_id in self._awaited

    def rejoin(self, member_id: int) -> None:
        self._awaited.discard(member_id)
        if not self._awaited:
            self.generation += 1

    def share(self, member_id: int, partition_count: int) -> range:
        """The partition numbers of the member's topic that are its own: dealt out in turn to those who want the topic."""
        peers = [other for other, topic in self._topics.items() if topic == self._topics[member_id]]
        return range(peers.index(member_id), partition_count, len(peers))

    def accepts(self, token: GroupToken) -> bool:
        """A generation's tokens hold until the next one begins, as the broker has it."""
        return token.generation == self.generation and token.member_id in self._topics
