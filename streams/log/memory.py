"""
A log in one process's memory, with Kafka's rules: what a transaction wrote is seen once it is committed, an open transaction
holds back every later record of its partitions, and each transaction ends with a marker that takes an offset in every
partition it wrote to, so that nobody comes to rely on dense offsets.

Times stay exact µs. Nothing expires and topic configuration is ignored. It serves one thread, so nothing here waits: `poll`
returns at once, and what would have to wait for another's transaction (`committed`) raises `LogError`.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from streams.errors import Fenced, LogError, PartitionsLost
from streams.log.interface import Headers, Member, Message, Partition, Reader, Writer
from streams.log.memory_group import Group, GroupToken
from streams.log.memory_reader import Cursor, MemoryReader, Shelf

_message = tuple.__new__


class MemoryMember(MemoryReader):
    """
    A member of a group with eager rebalancing: all give up everything, then each takes its share at its next poll.

    A member that is lost (`MemoryLog.lose`) learns of it at its next poll and joins again.
    """

    def __init__(
        self, log: "MemoryLog", group: Group, topic: str, on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition], bool], None],
    ) -> None:
        super().__init__(log.shelf, {})
        self._log = log
        self._group = group
        self._topic = topic
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._generation = -1
        self.member_id = group.join(topic)

    def poll(self, count_max: int, timeout_s: float) -> list[Message]:
        if not self._group.knows(self.member_id):
            self._give_up(lost=True)
            self.member_id = self._group.join(self._topic)
        if self._group.wants_rejoin(self.member_id):
            self._give_up(lost=False)
            self._group.rejoin(self.member_id)
        if self._group.settled and self._generation != self._group.generation:
            self._generation = self._group.generation
            numbers = self._group.share(self.member_id, self._log.topics()[self._topic])
            taken = [Partition(self._topic, number) for number in numbers]
            self._put(self._cursors_at({p: self._group.offsets.get(p, self._log.start_offset(p)) for p in taken}))
            if taken:
                self._on_assigned(tuple(taken))
        return super().poll(count_max, timeout_s)

    def _give_up(self, *, lost: bool) -> None:
        held = tuple(self._cursors)
        self._put({})
        if held:
            self._on_revoked(held, lost)

    def assignment(self) -> tuple[Partition, ...]:
        return tuple(self._cursors)

    def seek(self, partition: Partition, offset: int) -> None:
        self._own((partition,))
        self._cursors[partition] = Cursor(self._log.shelf(partition), offset)
        self._deal()

    def token(self) -> GroupToken:
        """Raises `Fenced` where the member holds nothing: what it read before may not be committed."""
        if not self._cursors:
            raise PartitionsLost(f"a member of the group on {self._topic} must hold a partition to commit, holds none")
        return GroupToken(self.member_id, self._generation)

    def close(self) -> None:
        self._group.leave(self.member_id)
        self._give_up(lost=False)


class MemoryWriter:
    """One transaction at a time under a name; see `Writer`."""

    def __init__(self, log: "MemoryLog", name: str) -> None:
        self.name = name
        self._log = log
        self._began = False
        self._written: dict[Partition, tuple[Shelf, list[int]]] = {}
        self._offsets: dict[str, dict[Partition, int]] = {}
        self._live = True

    def begin(self) -> None:
        self._check()
        assert not self._began, f"writer {self.name} has a transaction open already"
        self._began = True

    def append(
        self, partition: Partition, *, key: bytes | None, value: bytes | None, headers: Headers = (), time: int
    ) -> None:
        if not self._live or not self._began:
            self._check_began()
        written = self._written.get(partition)
        if written is None:
            shelf = self._log.shelf(partition)
            written = self._written[partition] = (shelf, [])
            shelf.open_from[self] = shelf.next_offset
        shelf, offsets = written
        offset = shelf.next_offset
        shelf.next_offset = offset + 1
        offsets.append(offset)
        shelf.messages.append(_message(Message, (partition[0], partition[1], offset, key, value, headers, time)))

    def offsets(self, group: str, positions: Mapping[Partition, int], token: Any = None) -> None:
        self._check_began()
        if token is not None and not self._log.group(group).accepts(token):
            raise PartitionsLost(f"group {group} has moved on from {token}: its partitions belong to another member")
        self._offsets.setdefault(group, {}).update(positions)

    def commit(self) -> None:
        self._check_began()
        for group, positions in self._offsets.items():
            self._log.group(group).offsets.update(positions)
        self._end(aborted=False)

    def abort(self) -> None:
        self._check_began()
        self._end(aborted=True)

    def close(self) -> None:
        """Aborts what is open, as the broker does with a writer that went away."""
        if self._live and self._began:
            self._end(aborted=True)
        self._live = False
        self._log.forget(self)

    def fence(self) -> None:
        """Another writer has the name now: what is open is aborted and nothing more may be written."""
        if self._began:
            self._end(aborted=True)
        self._live = False

    def pending(self, group: str, partition: Partition) -> bool:
        return partition in self._offsets.get(group, {})

    def _end(self, *, aborted: bool) -> None:
        for shelf, offsets in self._written.values():
            shelf.end_transaction(self, offsets if aborted else None)
        self._written = {}
        self._offsets = {}
        self._began = False

    def _check(self) -> None:
        if not self._live:
            raise Fenced(f"writer {self.name} must be the only one of its name, another has taken it over")

    def _check_began(self) -> None:
        self._check()
        assert self._began, f"writer {self.name} has no transaction open"


class MemoryLog:
    """All topics of one process; see `Log`."""

    def __init__(self) -> None:
        self._topics: dict[str, list[Shelf]] = {}
        self._writers: dict[str, MemoryWriter] = {}
        self._groups: dict[str, Group] = {}
        self._member_ids = count(1)

    def topics(self) -> dict[str, int]:
        return {topic: len(shelves) for topic, shelves in self._topics.items()}

    def create(self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None) -> None:
        for topic, number in topics.items():
            shelves = self._topics.setdefault(topic, [Shelf(Partition(topic, n)) for n in range(number)])
            if len(shelves) != number:
                raise LogError(f"topic {topic} must have {number} partitions, has {len(shelves)}")

    def delete(self, topics: Sequence[str]) -> None:
        for topic in topics:
            if topic not in self._topics:
                raise LogError(f"topic {topic} must exist, does not")
            del self._topics[topic]

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        return MemoryReader(self.shelf, positions)

    def member(
        self, group: str, topic: str, *, on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition], bool], None],
    ) -> Member:
        self.shelf(Partition(topic, 0))
        return MemoryMember(self, self.group(group), topic, on_assigned, on_revoked)

    def lose(self, member: MemoryMember) -> None:
        """Puts a member out of its group without its doing, as the broker does after the session time-out."""
        for group in self._groups.values():
            group.leave(member.member_id)

    def writer(self, name: str) -> Writer:
        previous = self._writers.get(name)
        if previous is not None:
            previous.fence()
        writer = self._writers[name] = MemoryWriter(self, name)
        return writer

    def forget(self, writer: MemoryWriter) -> None:
        """Frees the name of a writer that was closed."""
        if self._writers.get(writer.name) is writer:
            del self._writers[writer.name]

    def start_offset(self, partition: Partition) -> int:
        self.shelf(partition)
        return 0

    def end_offset(self, partition: Partition) -> int:
        return self.shelf(partition).stable_offset

    def settled_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int] | None:
        shelves = {partition: self.shelf(partition) for partition in partitions}
        if any(shelf.stable_count < len(shelf.messages) for shelf in shelves.values()):
            return None
        return {partition: shelf.stable_offset for partition, shelf in shelves.items()}

    def offset_at(self, partition: Partition, time: int) -> int:
        shelf = self.shelf(partition)
        stable = shelf.messages[: shelf.stable_count]
        return next((message.offset for message in stable if message.time >= time), shelf.stable_offset)

    def committed(self, group: str, partition: Partition) -> int | None:
        """Raises `LogError` while a transaction with this offset is open: in one thread it cannot end while this waits."""
        self.shelf(partition)
        for writer in self._writers.values():
            if writer.pending(group, partition):
                raise LogError(
                    f"offset of group {group} on {partition.topic}-{partition.number} is pending in a transaction of {writer.name}"
                )
        return self.group(group).offsets.get(partition)

    def group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group(self._member_ids))

    def shelf(self, partition: Partition) -> Shelf:
        """The partition's records; raises `LogError` where there is no such topic or partition."""
        topic, number = partition
        shelves = self._topics.get(topic)
        if shelves is None:
            raise LogError(f"topic {topic} must exist, does not")
        if not 0 <= number < len(shelves):
            raise LogError(f"partition of {topic} must be 0..{len(shelves) - 1}, was {number}")
        return shelves[number]
