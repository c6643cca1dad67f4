"""
The event-time merge: many partitions in, one order of events out, the same on every machine and for every arrival order.

THEORY

Every input is one partition of one topic with one writer, whose record times never fall. A *promise* p of an input says: nothing
will still arrive there with a time ≤ p. Promises come from three places:

* a watermark w in the partition promises w (the writer says so);
* a record of time T promises T − 1 (times never fall; another record of time T may follow);
* the reader's own state may promise more: risk knows that no order result can come before it has an order in flight, nor sooner
  than the latencies after that order (`Stage.answer_due`). This is what lets a loop of stages run without waiting for itself.

The *horizon* is the least promise over all inputs. All events of a time t ≤ horizon are known; they are stepped together, in the
order (time, rank, event_id), with commands (rank −2) and timers (rank −1) of exactly t before them. So the sequence of steps is a
function of the records alone. Watermarks only release: they are never events, and nothing computed may depend on where they lay.

The *frontier* F is the time up to which everything has been stepped. A task promises its own readers F (plus the least delay its
outputs have): this is conservative parallel simulation (Chandy, Misra, Bryant), or Flink's watermarks, on ordinary topics.

No deadlock: take the task whose frontier is least. Each of its inputs is written by a task whose frontier is not less, or by the
feed, so its horizon exceeds its frontier as soon as those promises arrive, except round the loop risk → execution → risk; there
each turn adds `order_latency` and `report_latency`, both at least 1 ms, so the least frontier in the loop rises too.

Bounded memory: an input whose queue is long is paused (`crowded`), never one that holds no unhandled record, because that one may
be the promise everybody waits for. A paused input's head promises everything below itself, so pausing cannot stop the horizon
below that head; the reader resumes it when the queue has drained.

Errors: a record of an internal topic below its partition's promise is a bug of its writer (an assertion; the process ends with
70). On the topics that outsiders can write (the feed's and commands) it is bad input and becomes a dead letter, as are
undecodable bytes. Such an entry keeps its place in the queue, so that its offset counts as handled exactly once.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from streams.domain.ids import order_key
from streams.domain.records import Record
from streams.log.interface import Partition
from streams.stages.contract import NEVER

BEFORE_TIME = -1


class Rejected(NamedTuple):
    """A message that is no valid record: the rule it breaks, why, and the bytes as they came."""

    rule: str
    cause: str
    payload: bytes | None


class Entry(NamedTuple):
    """A read record in its queue: when it acts, where it stands, and what had been promised before it."""

    time: int
    rank: int
    offset: int
    watermark_before: int
    key: str
    partition: Partition
    record: Record | Rejected


class MergeInput:
    """One partition as a merge sees it. `partition` names its topic without the session."""

    __slots__ = ("delay", "next_offset", "partition", "promise", "queue", "rank", "time_last", "watermark")

    def __init__(self, partition: Partition, rank: int, delay: int) -> None:
        self.partition = partition
        self.rank = rank
        self.delay = delay
        self.queue: deque[Entry] = deque()
        self.watermark = BEFORE_TIME
        self.promise = BEFORE_TIME
        self.time_last = BEFORE_TIME
        self.next_offset = 0

    def place(self) -> tuple[int, int]:
        """The offset of the first record not yet stepped, and the watermark (delay counted) read before it."""
        if self.queue:
            head = self.queue[0]
            return head.offset, head.watermark_before
        return self.next_offset, self.watermark

    def start_at(self, offset: int, watermark: int) -> None:
        """Puts an empty input to a place that `place` returned earlier."""
        assert not self.queue, "an input is placed before anything is read"
        self.next_offset = offset
        self.watermark = self.promise = watermark
        self.time_last = BEFORE_TIME

    def watermark_read(self, offset: int, watermark: int) -> None:
        """A watermark record at `offset`. One lower than an earlier one says nothing new."""
        self.next_offset = offset + 1
        watermark += self.delay
        if watermark > self.watermark:
            self.watermark = watermark
            if watermark > self.promise:
                self.promise = watermark

    def is_below_promise(self, time: int) -> bool:
        """Whether a record of this time (delay not counted) breaks what its writer promised."""
        time += self.delay
        return time <= self.watermark or time < self.time_last

    def record_read(self, offset: int, key: str, time: int, record: Record) -> None:
        """A data record at `offset` with its own `time`; it acts at `time` + delay."""
        time += self.delay
        assert time > self.watermark and time >= self.time_last, (
            f"{self.partition.topic}/{self.partition.number} offset {offset}: time {time - self.delay} is below the promise "
            f"{max(self.watermark, self.time_last - 1) - self.delay} of its own writer"
        )
        self.queue.append(Entry(time, self.rank, offset, self.watermark, key, self.partition, record))
        self.next_offset = offset + 1
        self.time_last = time
        if time > self.promise + 1:
            self.promise = time - 1

    def rejected_read(self, offset: int, key: str, rejected: Rejected) -> None:
        """A message that is no record: keeps its place, so that its dead letter is written once."""
        time = max(self.time_last, self.watermark)
        self.queue.append(Entry(time, self.rank, offset, self.watermark, key, self.partition, rejected))
        self.next_offset = offset + 1


class Merge:
    """The inputs of one task, and the next complete moment among them."""

    __slots__ = ("_queues", "by_partition", "inputs")

    def __init__(self, inputs: Iterable[MergeInput]) -> None:
        self.inputs = tuple(inputs)
        self.by_partition = {one.partition: one for one in self.inputs}
        self._queues = tuple(one.queue for one in self.inputs)

    def horizon(self, due: dict[str, int] | None = None) -> int:
        """The least promise of all inputs; `due` holds, by topic, the earliest time its next record can act at."""
        least = NEVER
        for one in self.inputs:
            promise = one.promise
            if due and promise < least:
                earliest = due.get(one.partition.topic)
                if earliest is not None and earliest - 1 > promise:
                    promise = earliest - 1
            if promise < least:
                least = promise
        return least

    def head_time(self) -> int:
        """When the earliest unhandled record acts; NEVER where none is read."""
        least = NEVER
        for queue in self._queues:
            if queue and queue[0].time < least:
                least = queue[0].time
        return least

    def pop(self, time: int) -> list[Entry]:
        """All records that act at `time`, in (rank, event_id) order, rejected ones first. The caller has seen horizon ≥ time."""
        entries = []
        for queue in self._queues:
            while queue and queue[0].time <= time:
                entries.append(queue.popleft())
        if len(entries) > 1:
            entries.sort(key=_canonical)
        return entries

    def places(self) -> list[tuple[str, int, int, int]]:
        """For each input: topic, partition, offset of the first record not yet stepped, watermark read before it."""
        return [(one.partition.topic, one.partition.number, *one.place()) for one in self.inputs]

    def crowded(self, queue_max: int) -> list[Partition]:
        """The inputs that should be read no further for now."""
        return [one.partition for one in self.inputs if len(one.queue) >= queue_max]


def _canonical(entry: Entry) -> tuple[int, tuple[tuple[int, int, str], ...]]:
    if isinstance(entry.record, Rejected):
        return (BEFORE_TIME - 10, ((0, entry.offset, entry.partition.topic), (0, entry.partition.number, "")))
    return (entry.rank, order_key(entry.record.event_id))
