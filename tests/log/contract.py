"""
What every `Log` must do, whatever it stands on. Each implementation subclasses these suites and gives the fixture
`world`.

Times are whole milliseconds, as Kafka keeps no more; they lie in the past, as those of recordings do.
"""

import time as clock
from collections.abc import Callable, Iterable
from itertools import count
from typing import Protocol

import pytest

from streams.errors import Fenced, LogError
from streams.log.interface import Headers, Log, Member, Message, Partition, Writer

T0 = 1_700_000_000_000_000
DEADLINE_S = 30.0
_numbers = count(1)


class World(Protocol):
    """A log to write to, names nobody else uses, and the log to read: the same one, or an archive of it."""

    @property
    def log(self) -> Log: ...

    def name(self) -> str: ...

    def reading(self) -> Log: ...

    def impatient(self) -> Log:
        """The same log, asked by somebody who waits for a second at most."""

    def settle(self, *partitions: Partition) -> None:
        """Returns once finished transactions are seen: a commit may return before its markers are on the log."""

    def delivered(self, writer: Writer) -> None:
        """Returns once what `writer` appended has its place on the log."""


def new_topic(world: World, partitions: int = 1) -> str:
    topic = world.name()
    world.log.create({topic: partitions})
    return topic


def append(writer: Writer, partition: Partition, *values: str, time: int = T0, headers: Headers = ()) -> None:
    for value in values:
        writer.append(partition, key=b"k", value=value.encode(), headers=headers, time=time)


def put(world: World, partition: Partition, *values: str, time: int = T0) -> None:
    """One committed transaction with these values."""
    writer = world.log.writer(world.name())
    writer.begin()
    append(writer, partition, *values, time=time)
    writer.commit()
    writer.close()
    world.settle(partition)


def poll_until(holds: Callable[[], bool], *steps: Callable[[], object]) -> None:
    deadline = clock.monotonic() + DEADLINE_S
    while not holds():
        assert clock.monotonic() < deadline, "did not come to hold in time"
        for step in steps:
            step()


def read_to_end(log: Log, *partitions: Partition, start: int | None = None) -> list[Message]:
    """Everything that may be read now from `start` (the beginning) to each partition's end."""
    reader = log.reader({p: log.start_offset(p) if start is None else start for p in partitions})
    ends = {p: log.end_offset(p) for p in partitions}
    found: list[Message] = []
    poll_until(
        lambda: all(reader.position(p) >= end for p, end in ends.items()), lambda: found.extend(reader.poll(100, 0.1))
    )
    reader.close()
    return found


def values(messages: Iterable[Message]) -> list[str]:
    return [(message.value or b"").decode() for message in messages]


class ReadingContract:
    """What holds of any log that has been written to."""

    def test_committed_records_are_read_in_the_order_they_were_appended(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        put(world, partition, "a", "b")
        put(world, partition, "c")
        found = read_to_end(world.reading(), partition)
        assert values(found) == ["a", "b", "c"]
        assert [m.offset for m in found] == sorted({m.offset for m in found})

    def test_record_comes_back_as_it_was_appended(self, world: World) -> None:
        partition = Partition(new_topic(world, 2), 1)
        headers = (("a", b"1"), ("empty", b""), ("a", b"2"))
        writer = world.log.writer(world.name())
        writer.begin()
        writer.append(partition, key=b"BTCUSDT", value=b"\x00\xff", headers=headers, time=T0 + 7_000)
        writer.append(partition, key=b"", value=b"", time=T0 + 8_000)
        writer.append(partition, key=None, value=None, headers=(("cdb-watermark", b"5"),), time=T0 + 9_000)
        writer.commit()
        world.settle(partition)
        topic, number = partition
        assert read_to_end(world.reading(), partition) == [
            Message(topic, number, 0, b"BTCUSDT", b"\x00\xff", headers, T0 + 7_000),
            Message(topic, number, 1, b"", b"", (), T0 + 8_000),
            Message(topic, number, 2, None, None, (("cdb-watermark", b"5"),), T0 + 9_000),
        ]

    def test_record_of_half_a_mebibyte_fits(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        chunk = bytes(range(256)) * 2048
        writer = world.log.writer(world.name())
        writer.begin()
        for _ in range(3):
            writer.append(partition, key=b"snapshot", value=chunk, time=T0)
        writer.commit()
        world.settle(partition)
        assert [m.value for m in read_to_end(world.reading(), partition)] == [chunk] * 3

    def test_open_transaction_is_not_seen_and_does_not_move_the_end(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        put(world, partition, "before")
        end = world.log.end_offset(partition)
        writer = world.log.writer(world.name())
        writer.begin()
        append(writer, partition, "open")
        log = world.reading()
        assert log.end_offset(partition) == end
        assert values(read_to_end(log, partition)) == ["before"]
        writer.abort()

    def test_aborted_transaction_leaves_nothing_to_read(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        writer = world.log.writer(world.name())
        writer.begin()
        append(writer, partition, "wrong")
        writer.abort()
        writer.begin()
        append(writer, partition, "right")
        writer.commit()
        world.settle(partition)
        assert values(read_to_end(world.reading(), partition)) == ["right"]

    def test_transaction_spans_partitions(self, world: World) -> None:
        topic = new_topic(world, 2)
        both = [Partition(topic, 0), Partition(topic, 1)]
        writer = world.log.writer(world.name())
        for outcome in (writer.abort, writer.commit):
            writer.begin()
            for partition in both:
                append(writer, partition, outcome.__name__)
            outcome()
        world.settle(*both)
        found = read_to_end(world.reading(), *both)
        assert sorted((m.partition, m.value) for m in found) == [(0, b"commit"), (1, b"commit")]

    def test_end_is_past_the_transaction_marker_and_position_reaches_it(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        assert world.reading().end_offset(partition) == 0
        put(world, partition, "a", "b")
        put(world, partition, "c")
        log = world.reading()
        # Offsets 0, 1, marker, 3, marker.
        assert log.end_offset(partition) == 5
        assert [m.offset for m in read_to_end(log, partition)] == [0, 1, 3]
        reader = log.reader({partition: 0})
        assert reader.position(partition) == 0
        poll_until(lambda: reader.position(partition) == 5, lambda: reader.poll(10, 0.1))
        reader.close()

    def test_reading_begins_at_the_given_offset_and_in_a_hole_at_the_record_after_it(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        put(world, partition, "a", "b")
        put(world, partition, "c")
        log = world.reading()
        assert values(read_to_end(log, partition, start=1)) == ["b", "c"]
        assert values(read_to_end(log, partition, start=2)) == ["c"]
        assert values(read_to_end(log, partition, start=5)) == []

    def test_offset_at_a_time_is_that_of_the_first_record_not_earlier(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        put(world, partition, "a", time=T0 + 10_000)
        put(world, partition, "b", time=T0 + 20_000)
        put(world, partition, "c", time=T0 + 20_000)
        put(world, partition, "d", time=T0 + 30_000)
        log = world.reading()
        at = [log.offset_at(partition, T0 + ms * 1000) for ms in (0, 10, 11, 20, 30, 31)]
        # Each transaction takes two offsets: its record's and its marker's.
        assert at == [0, 0, 2, 2, 6, log.end_offset(partition)]

    def test_settled_ends_are_told_only_while_no_transaction_is_open(self, world: World) -> None:
        topic = new_topic(world, 2)
        first, second = Partition(topic, 0), Partition(topic, 1)
        put(world, first, "a", "b")
        world.settle(first, second)
        ends = world.reading().settled_ends([first, second])
        assert ends == {place: world.reading().end_offset(place) for place in (first, second)}
        writer = world.log.writer(world.name())
        writer.begin()
        append(writer, second, "c")
        world.delivered(writer)
        assert world.log.settled_ends([first]) is not None and world.log.settled_ends([first, second]) is None
        writer.abort()
        writer.close()

    def test_offset_at_a_time_of_an_empty_partition_is_its_end(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        assert world.reading().offset_at(partition, T0) == 0

    def test_poll_returns_no_more_than_asked_for_and_loses_nothing(self, world: World) -> None:
        topic = new_topic(world, 2)
        wanted = {Partition(topic, n): [f"{n}-{i}" for i in range(50)] for n in range(2)}
        for partition, sent in wanted.items():
            put(world, partition, *sent)
        reader = world.reading().reader(dict.fromkeys(wanted, 0))
        found: list[Message] = []

        def step() -> None:
            batch = reader.poll(7, 0.1)
            assert len(batch) <= 7
            found.extend(batch)

        poll_until(lambda: len(found) >= 100, step)
        for partition, sent in wanted.items():
            assert values(m for m in found if m.partition == partition.number) == sent
        reader.close()

    def test_paused_partition_is_silent_until_resumed_and_goes_on_where_it_was(self, world: World) -> None:
        topic = new_topic(world, 2)
        quiet, loud = Partition(topic, 0), Partition(topic, 1)
        put(world, quiet, *[f"q{i}" for i in range(10)])
        put(world, loud, *[f"l{i}" for i in range(10)])
        reader = world.reading().reader({quiet: 0, loud: 0})
        first: list[Message] = []
        poll_until(lambda: any(m.partition == 0 for m in first), lambda: first.extend(reader.poll(1, 0.1)))
        reader.pause([quiet])
        paused: list[Message] = []
        poll_until(lambda: reader.position(loud) == 11, lambda: paused.extend(reader.poll(100, 0.1)))
        paused += reader.poll(100, 0.2)
        assert not [m for m in paused if m.partition == 0]
        reader.resume([quiet])
        after: list[Message] = []
        poll_until(lambda: reader.position(quiet) == 11, lambda: after.extend(reader.poll(100, 0.1)))
        assert values(m for m in first + after if m.partition == 0) == [f"q{i}" for i in range(10)]
        assert values(m for m in first + paused + after if m.partition == 1) == [f"l{i}" for i in range(10)]
        reader.close()

    def test_missing_topic_and_partition_are_named(self, world: World) -> None:
        topic = new_topic(world)
        log = world.reading()
        for ask in (log.end_offset, log.start_offset, lambda p: log.reader({p: 0}), lambda p: log.committed("g", p)):
            with pytest.raises(LogError, match=r"topic nowhere must exist"):
                ask(Partition("nowhere", 0))
            with pytest.raises(LogError, match=rf"partition of {topic} must be 0\.\.0, was 1"):
                ask(Partition(topic, 1))

    def test_offset_beyond_the_log_is_refused_with_its_partition(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        put(world, partition, "a")
        with pytest.raises(LogError, match=rf"offset of {partition.topic}-0 must be .*, was 99"):
            reader = world.reading().reader({partition: 99})
            poll_until(lambda: False, lambda: reader.poll(1, 0.1))

    def test_topics_are_listed_with_their_partitions(self, world: World) -> None:
        topic = new_topic(world, 3)
        assert world.reading().topics()[topic] == 3

    def test_group_without_an_offset_has_none(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        assert world.reading().committed(world.name(), partition) is None


class WritingContract:
    """What holds of a log that stages write to: offsets with the transaction, fencing, topics made and removed."""

    def test_offsets_are_committed_with_the_transaction_and_dropped_with_it(self, world: World) -> None:
        partition, group = Partition(new_topic(world), 0), world.name()
        writer = world.log.writer(world.name())
        writer.begin()
        writer.offsets(group, {partition: 5})
        writer.commit()
        assert world.log.committed(group, partition) == 5
        writer.begin()
        append(writer, partition, "x")
        writer.offsets(group, {partition: 6})
        writer.abort()
        assert world.log.committed(group, partition) == 5

    def test_later_records_wait_for_an_earlier_open_transaction(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        slow, quick = world.log.writer(world.name()), world.log.writer(world.name())
        slow.begin()
        append(slow, partition, "slow")
        # On Kafka an append has its place once it was delivered, which another's commit does not wait for.
        world.delivered(slow)
        quick.begin()
        append(quick, partition, "quick")
        quick.commit()
        assert values(read_to_end(world.log, partition)) == []
        slow.commit()
        poll_until(lambda: world.log.end_offset(partition) == 4)
        assert values(read_to_end(world.log, partition)) == ["slow", "quick"]

    def test_second_writer_of_a_name_fences_the_first_and_aborts_what_it_had_open(self, world: World) -> None:
        partition, name, group = Partition(new_topic(world), 0), world.name(), world.name()
        first = world.log.writer(name)
        first.begin()
        append(first, partition, "lost")
        first.offsets(group, {partition: 9})
        second = world.log.writer(name)
        with pytest.raises(Fenced, match=name):
            first.commit()
        for call in (first.begin, first.abort, first.commit, lambda: append(first, partition, "more")):
            with pytest.raises(Fenced, match=name):
                call()
        second.begin()
        append(second, partition, "kept")
        second.commit()
        world.settle(partition)
        assert values(read_to_end(world.log, partition)) == ["kept"]
        assert world.log.committed(group, partition) is None

    def test_fenced_idle_writer_cannot_commit(self, world: World) -> None:
        partition, name = Partition(new_topic(world), 0), world.name()
        first = world.log.writer(name)
        world.log.writer(name)
        with pytest.raises(Fenced, match=name):
            first.begin()
            append(first, partition, "late")
            first.commit()
        world.settle(partition)
        assert read_to_end(world.log, partition) == []

    def test_closed_writer_leaves_nothing_behind_and_its_name_free(self, world: World) -> None:
        partition, name = Partition(new_topic(world), 0), world.name()
        first = world.log.writer(name)
        first.begin()
        append(first, partition, "open")
        first.close()
        second = world.log.writer(name)
        second.begin()
        append(second, partition, "next")
        second.commit()
        world.settle(partition)
        assert values(read_to_end(world.log, partition)) == ["next"]

    def test_append_to_a_missing_topic_names_it_and_the_writer_lives_on(self, world: World) -> None:
        partition = Partition(new_topic(world), 0)
        writer = world.log.writer(world.name())
        writer.begin()
        with pytest.raises(LogError, match=r"topic nowhere must exist"):
            append(writer, Partition("nowhere", 0), "x")
        writer.abort()
        writer.begin()
        append(writer, partition, "y")
        writer.commit()
        world.settle(partition)
        assert values(read_to_end(world.log, partition)) == ["y"]

    def test_creating_a_topic_again_is_nothing_and_with_another_partition_count_an_error(self, world: World) -> None:
        topic = new_topic(world, 2)
        world.log.create({topic: 2})
        with pytest.raises(LogError, match=rf"topic {topic} must have 3 partitions, has 2"):
            world.log.create({topic: 3})

    def test_deleted_topic_is_gone(self, world: World) -> None:
        topic = new_topic(world)
        put(world, Partition(topic, 0), "x")
        world.log.delete([topic])
        assert topic not in world.log.topics()
        with pytest.raises(LogError, match=f"topic {topic} must exist"):
            world.log.end_offset(Partition(topic, 0))

    def test_deleting_a_missing_topic_names_it(self, world: World) -> None:
        with pytest.raises(LogError, match="nowhere"):
            world.log.delete(["nowhere"])

    def test_pending_offset_is_never_answered_with_the_old_one(self, world: World) -> None:
        partition, group = Partition(new_topic(world), 0), world.name()
        writer = world.log.writer(world.name())
        writer.begin()
        writer.offsets(group, {partition: 1})
        writer.commit()
        writer.begin()
        append(writer, partition, "x")
        writer.offsets(group, {partition: 2})
        with pytest.raises(LogError, match=group):
            world.impatient().committed(group, partition)
        writer.commit()
        assert world.log.committed(group, partition) == 2


class Worker:
    """A member with a diary of what its callbacks were told."""

    def __init__(self, log: Log, group: str, topic: str) -> None:
        self.diary: list[tuple[str, tuple[int, ...]]] = []
        self.seek_to: int | None = None
        self.found: list[Message] = []
        self.member: Member = log.member(group, topic, on_assigned=self._assigned, on_revoked=self._revoked)

    def _assigned(self, partitions: Iterable[Partition]) -> None:
        taken = tuple(partitions)
        self.diary.append(("assigned", tuple(sorted(p.number for p in taken))))
        if self.seek_to is not None:
            for partition in taken:
                self.member.seek(partition, self.seek_to)

    def _revoked(self, partitions: Iterable[Partition], lost: bool) -> None:
        self.diary.append(("lost" if lost else "revoked", tuple(sorted(p.number for p in partitions))))

    def step(self) -> None:
        self.found += self.member.poll(100, 0.05)

    def held(self) -> set[int]:
        return {partition.number for partition in self.member.assignment()}


class GroupContract:
    """What holds of members of groups."""

    def test_only_member_gets_every_partition_and_reads_it_from_the_start(self, world: World) -> None:
        topic = new_topic(world, 3)
        put(world, Partition(topic, 2), "a")
        worker = Worker(world.log, world.name(), topic)
        assert worker.held() == set()
        poll_until(lambda: bool(worker.found), worker.step)
        assert worker.diary == [("assigned", (0, 1, 2))]
        assert values(worker.found) == ["a"]
        worker.member.close()
        assert worker.diary[1:] == [("revoked", (0, 1, 2))]

    def test_member_goes_on_at_the_offset_of_its_group(self, world: World) -> None:
        topic, group = new_topic(world), world.name()
        partition = Partition(topic, 0)
        put(world, partition, "a", "b", "c")
        writer = world.log.writer(world.name())
        writer.begin()
        writer.offsets(group, {partition: 2})
        writer.commit()
        worker = Worker(world.log, group, topic)
        poll_until(lambda: bool(worker.found), worker.step)
        assert values(worker.found) == ["c"]
        worker.member.close()

    def test_seek_while_being_assigned_and_later_decides_what_is_read(self, world: World) -> None:
        topic = new_topic(world)
        put(world, Partition(topic, 0), "a", "b", "c")
        worker = Worker(world.log, world.name(), topic)
        worker.seek_to = 1
        poll_until(lambda: len(worker.found) >= 2, worker.step)
        worker.member.seek(Partition(topic, 0), 0)
        poll_until(lambda: len(worker.found) >= 5, worker.step)
        assert values(worker.found) == ["b", "c", "a", "b", "c"]
        worker.member.close()

    def test_two_members_share_the_partitions_and_one_that_leaves_gives_its_share_back(self, world: World) -> None:
        topic, group = new_topic(world, 4), world.name()
        first = Worker(world.log, group, topic)
        poll_until(lambda: len(first.held()) == 4, first.step)
        second = Worker(world.log, group, topic)
        poll_until(lambda: len(first.held()) == len(second.held()) == 2, first.step, second.step)
        assert first.held() | second.held() == {0, 1, 2, 3}
        assert first.diary[:2] == [("assigned", (0, 1, 2, 3)), ("revoked", (0, 1, 2, 3))]
        first.member.close()
        assert first.diary[-1][0] == "revoked"
        poll_until(lambda: len(second.held()) == 4, second.step)
        second.member.close()

    def test_member_that_lost_its_partition_cannot_commit_offsets(self, world: World) -> None:
        topic, group = new_topic(world, 2), world.name()
        partition = Partition(topic, 0)
        sent = [str(n) for n in range(9)]
        put(world, partition, *sent)
        first = Worker(world.log, group, topic)
        poll_until(lambda: len(first.held()) == 2, first.step)
        stale = first.member.token()
        writer = world.log.writer(world.name())
        writer.begin()
        writer.offsets(group, {partition: 3}, stale)
        writer.commit()
        second = Worker(world.log, group, topic)
        poll_until(lambda: len(first.held()) == len(second.held()) == 1, first.step, second.step)
        writer.begin()
        append(writer, partition, "late")
        with pytest.raises(Fenced, match=group):
            writer.offsets(group, {partition: 7}, stale)
        writer.abort()
        assert world.log.committed(group, partition) == 3
        world.settle(partition)
        assert values(read_to_end(world.log, partition)) == sent
        # The writer's name is still its own: with a valid token it goes on.
        holder = first if 0 in first.held() else second
        writer.begin()
        writer.offsets(group, {partition: 4}, holder.member.token())
        writer.commit()
        assert world.log.committed(group, partition) == 4
        first.member.close()
        second.member.close()

    def test_member_without_partitions_has_no_token(self, world: World) -> None:
        worker = Worker(world.log, world.name(), new_topic(world))
        with pytest.raises(Fenced):
            worker.member.token()
        worker.member.close()

    def test_paused_member_keeps_its_partitions(self, world: World) -> None:
        topic = new_topic(world, 2)
        worker = Worker(world.log, world.name(), topic)
        poll_until(lambda: len(worker.held()) == 2, worker.step)
        worker.member.pause([Partition(topic, 0)])
        put(world, Partition(topic, 0), "quiet")
        put(world, Partition(topic, 1), "loud")
        poll_until(lambda: bool(worker.found), worker.step)
        assert values(worker.found) == ["loud"]
        worker.member.resume([Partition(topic, 0)])
        poll_until(lambda: len(worker.found) == 2, worker.step)
        assert worker.held() == {0, 1}
        worker.member.close()

    def test_joining_a_group_on_a_missing_topic_names_it(self, world: World) -> None:
        with pytest.raises(LogError, match=r"topic nowhere must exist"):
            Worker(world.log, world.name(), "nowhere")


def next_name() -> str:
    return f"contract-{next(_numbers)}"
