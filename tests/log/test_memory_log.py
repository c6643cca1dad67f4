"""The memory log against the contract, and what only it promises."""

import pytest

from streams.errors import Fenced, LogError
from streams.log.interface import Log, Partition, Writer
from streams.log.memory import MemoryLog, MemoryMember
from tests.log.contract import (
    T0,
    GroupContract,
    ReadingContract,
    Worker,
    WritingContract,
    append,
    next_name,
    read_to_end,
)


class MemoryWorld:
    def __init__(self) -> None:
        self.log = MemoryLog()

    def name(self) -> str:
        return next_name()

    def reading(self) -> Log:
        return self.log

    def impatient(self) -> Log:
        return self.log

    def settle(self, *partitions: Partition) -> None:
        """A commit is seen on a memory log when it returns."""

    def delivered(self, writer: Writer) -> None:
        """An append is on a memory log when it returns."""


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld()


class TestReading(ReadingContract):
    pass


class TestWriting(WritingContract):
    pass


class TestGroups(GroupContract):
    pass


def test_time_is_kept_to_the_microsecond() -> None:
    log, partition = MemoryLog(), Partition("t", 0)
    log.create({"t": 1})
    writer = log.writer("w")
    writer.begin()
    append(writer, partition, "x", time=T0 + 1)
    writer.commit()
    assert [m.time for m in read_to_end(log, partition)] == [T0 + 1]


def test_reader_ahead_of_the_stable_end_waits_and_is_not_moved_by_an_abort() -> None:
    log, partition = MemoryLog(), Partition("t", 0)
    log.create({"t": 1})
    slow, quick = log.writer("slow"), log.writer("quick")
    slow.begin()
    append(slow, partition, "0", "1", "2")
    quick.begin()
    append(quick, partition, "3")
    quick.commit()
    reader = log.reader({partition: 2})
    assert reader.poll(10, 0) == []
    assert reader.position(partition) == 2
    slow.abort()
    assert [(m.offset, m.value) for m in reader.poll(10, 0)] == [(3, b"3")]
    assert reader.position(partition) == log.end_offset(partition) == 6


def test_no_partition_starves_when_polls_are_small() -> None:
    log = MemoryLog()
    log.create({"t": 3})
    writer = log.writer("w")
    writer.begin()
    for number in range(3):
        append(writer, Partition("t", number), *["x"] * 10)
    writer.commit()
    reader = log.reader({Partition("t", number): 0 for number in range(3)})
    assert {reader.poll(1, 0)[0].partition for _ in range(3)} == {0, 1, 2}


def test_lost_member_is_told_so_and_joins_again_without_its_old_right_to_commit() -> None:
    log = MemoryLog()
    log.create({"t": 2})
    workers = [Worker(log, "g", "t") for _ in range(2)]
    for _ in range(2):
        for worker in workers:
            worker.step()
    lost, other = workers
    stale = lost.member.token()
    assert isinstance(lost.member, MemoryMember)
    log.lose(lost.member)
    other.step()
    assert other.held() == {0, 1}
    writer = log.writer("w")
    writer.begin()
    with pytest.raises(Fenced):
        writer.offsets("g", {Partition("t", 0): 1}, stale)
    for _ in range(2):
        lost.step()
        other.step()
    assert ("lost", (0,)) in lost.diary
    assert lost.held() | other.held() == {0, 1}


def test_offset_pending_in_a_transaction_names_the_writer_that_holds_it() -> None:
    log, partition = MemoryLog(), Partition("t", 0)
    log.create({"t": 1})
    writer = log.writer("stage-1")
    writer.begin()
    writer.offsets("g", {partition: 1})
    with pytest.raises(LogError, match="stage-1"):
        log.committed("g", partition)
