"""
The log as the rest of the house sees it: partitions of records, read committed, written in transactions.

Three implementations (`kafka`, `memory`, `archive`) pass one contract suite, `tests/log/contract.py`. The archive is read-only
for stages and written by exports. Topics are full names here (`<session>.market_data`). Everything is synchronous; hosts that
live in an event loop call it from a thread.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol


class Partition(NamedTuple):
    topic: str
    number: int


Headers = tuple[tuple[str, bytes], ...]


class Message(NamedTuple):
    """One committed record as it stands on the log. `time` is the record's logical time in µs (Kafka keeps milliseconds of it)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    time: int


class Reader(Protocol):
    """Reads committed records of the partitions it was given, each in offset order. Offsets may have holes (transaction markers)."""

    def poll(self, count_max: int, timeout_s: float) -> list[Message]:
        """Up to `count_max` messages that are there; waits at most `timeout_s` for the first and for nothing after it."""

    def pause(self, partitions: Sequence[Partition]) -> None: ...

    def resume(self, partitions: Sequence[Partition]) -> None: ...

    def position(self, partition: Partition) -> int:
        """The offset of the next record to be read: past everything returned, and past markers known to follow it."""

    def close(self) -> None: ...


class Member(Reader, Protocol):
    """A reader whose partitions of one topic come and go by group membership."""

    def assignment(self) -> tuple[Partition, ...]: ...

    def seek(self, partition: Partition, offset: int) -> None: ...

    def token(self) -> Any:
        """What `Writer.offsets` needs so that a member that lost its partitions cannot commit."""


class Writer(Protocol):
    """
    A transactional writer under one stable name. Opening a second one of that name fences the first.

    Every method raises `Fenced` once another writer has the name.
    """

    def begin(self) -> None: ...

    def append(
        self, partition: Partition, *, key: bytes | None, value: bytes | None, headers: Headers = (), time: int
    ) -> None: ...

    def offsets(self, group: str, positions: Mapping[Partition, int], token: Any = None) -> None:
        """Adds the group's offsets to the open transaction. `token` of the member that read them, where there is one."""

    def commit(self) -> None: ...

    def abort(self) -> None: ...

    def close(self) -> None: ...


class Log(Protocol):
    """A set of topics. Raises `LogError` for a missing topic or partition, or where the log cannot be reached in time."""

    def topics(self) -> dict[str, int]:
        """Every topic with its number of partitions."""

    def create(self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None) -> None:
        """Creates what is missing; raises `LogError` where a topic exists with another number of partitions."""

    def delete(self, topics: Sequence[str]) -> None: ...

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        """A reader that starts each partition at the given offset."""

    def member(
        self, group: str, topic: str, *, on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition], bool], None],
    ) -> Member:
        """Joins `group` on one topic. Callbacks run inside `poll`; the bool of `on_revoked` says that the partitions are already lost."""

    def writer(self, name: str) -> Writer: ...

    def start_offset(self, partition: Partition) -> int: ...

    def end_offset(self, partition: Partition) -> int:
        """The offset after the last committed record (the last stable offset)."""

    def settled_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int] | None:
        """Where all of them end, asked for at once; None while a transaction is open on one of them."""

    def offset_at(self, partition: Partition, time: int) -> int:
        """The first offset whose record has `time` (µs) or later; the end offset where there is none."""

    def committed(self, group: str, partition: Partition) -> int | None:
        """The group's offset, once no transaction is pending on it."""


LogFactory = Callable[[], AbstractContextManager[Log]]

WATERMARK_HEADER = "cdb-watermark"
# On a session's own records, which no digest of a journal covers: `streams.log.batch.record_check` of the record.
CHECK_HEADER = "cdb-check"


def watermark_headers(time: int) -> Headers:
    """The headers of a watermark record (null key and value): nothing later in its partition has a time ≤ `time`."""
    return ((WATERMARK_HEADER, str(time).encode()),)


def watermark_of(message: Message) -> int | None:
    """The promise a message carries, or None for a data record."""
    if message.value is None:
        for name, value in message.headers:
            if name == WATERMARK_HEADER:
                return int(value)
    return None
