"""Since when the oldest data record waits: markers and watermarks are no work, and nothing is scanned twice."""

from collections.abc import Mapping
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from streams.log.interface import Partition, Reader, watermark_headers
from streams.log.memory import MemoryLog
from streams.operate.lag.waiting import OldestWaiting

PLACE = Partition("s.marks", 0)
START = 1_700_000_000_000_000


class CountingLog(MemoryLog):
    """Notes from where it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_from: list[int] = []

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        self.read_from += positions.values()
        return super().reader(positions)


def append(log: MemoryLog, *rows: int | None) -> None:
    """Data records `row` ms after the start; watermarks for None. One transaction."""
    with closing(log.writer("w")) as writer:
        writer.begin()
        for row in rows:
            if row is None:
                writer.append(PLACE, key=None, value=None, headers=watermark_headers(START), time=START)
            else:
                writer.append(PLACE, key=b"k", value=b"v", time=START + row * 1000)
        writer.commit()


def new_log() -> CountingLog:
    log = CountingLog()
    log.create({PLACE.topic: 1})
    return log


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=1, max_size=6), st.data())
def test_time_is_that_of_the_first_data_record_at_or_after_the_offset(transactions: list[list[bool]], data: st.DataObject) -> None:
    log, count = new_log(), 0
    waiting = OldestWaiting(log)
    offset = 0
    for transaction in transactions:
        rows = [(count := count + 1) if is_data else None for is_data in transaction]
        append(log, *rows)
        offset = data.draw(st.integers(offset, log.end_offset(PLACE)))
        with closing(log.reader({PLACE: offset})) as reader:
            expected = next((one.time for one in reader.poll(1000, 0) if one.value is not None), None)
        assert waiting.times({"consumer": (PLACE, offset)}) == {"consumer": expected}


def test_stretch_without_data_is_scanned_once_however_often_one_looks() -> None:
    log = new_log()
    waiting = OldestWaiting(log)
    append(log, 1, *[None] * 50)
    assert waiting.times({"a": (PLACE, 1)}) == {"a": None}
    scanned_to = log.end_offset(PLACE)
    log.read_from.clear()
    append(log, 2)
    assert waiting.times({"a": (PLACE, 1)}) == {"a": START + 2000}
    assert log.read_from == [scanned_to]
    # What was found holds until the consumer has passed it.
    assert waiting.times({"a": (PLACE, 30)}) == {"a": START + 2000}
    assert log.read_from == [scanned_to]
    assert waiting.times({"a": (PLACE, log.end_offset(PLACE))}) == {"a": None}


def test_consumer_that_goes_back_and_two_of_one_partition_are_seen_for_themselves() -> None:
    log = new_log()
    waiting = OldestWaiting(log)
    append(log, 1, 2, 3)
    assert waiting.times({"a": (PLACE, 2), "b": (PLACE, 0)}) == {"a": START + 3000, "b": START + 1000}
    assert waiting.times({"a": (PLACE, 1), "b": (PLACE, 3)}) == {"a": START + 2000, "b": None}


def test_newest_is_the_last_data_record() -> None:
    log = new_log()
    waiting = OldestWaiting(log)
    assert waiting.newest(PLACE) is None
    append(log, 1, 7, None, None)
    assert waiting.newest(PLACE) == START + 7000
    append(log, 9)
    assert waiting.newest(PLACE) == START + 9000
