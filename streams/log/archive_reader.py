"""
Reading an archive's files: one entry of the manifest against its file, and readers that go through several files in turn.

Nothing waits here: what is not in the files will not come. A reader that starts late in a partition reads over what lies before.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, cast

import fastavro
import msgspec

from streams.errors import LogError
from streams.log.interface import Message, Partition
from streams.log.rota import Rota

_message = tuple.__new__


class PartitionEntry(msgspec.Struct, frozen=True):
    """One file of an archive: offsets from `start` until before `end`, with holes; `count` records; the file's size and digest."""

    start: int
    end: int
    count: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, *, start: int, end: int, count: int) -> "PartitionEntry":
        """The entry of a file as it is now."""
        return cls(start=start, end=end, count=count, bytes=path.stat().st_size, sha256=_sha256(path))

    def fault(self, path: Path) -> str | None:
        """What is wrong with the file, None where it is as it was exported."""
        try:
            size = path.stat().st_size
            if size != self.bytes:
                return f"size must be {self.bytes} bytes, was {size}"
            digest = _sha256(path)
        except OSError as error:
            return f"must be readable, {error.strerror}"
        return None if digest == self.sha256 else f"sha256 must be {self.sha256}, was {digest}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def messages(path: Path, partition: Partition) -> Iterator[Message]:
    """Every record of a container file, in offset order. Raises `LogError` naming the file where it does not decode."""
    topic, number = partition
    try:
        with path.open("rb") as file:
            for record in cast("Iterator[dict[str, Any]]", fastavro.reader(file)):
                headers = record["headers"]
                yield _message(Message, (
                    topic, number, record["offset"], record["key"], record["value"],
                    tuple((header["name"], header["value"]) for header in headers) if headers else (), record["time"],
                ))
    # What fastavro raises for bytes that are no container, or stop being one.
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, struct.error, zlib.error) as error:
        raise LogError(f"archive file {path} is corrupt: {error}") from error


class _Cursor:
    """A reader's place in one file."""

    __slots__ = ("end", "position", "records")

    def __init__(self, records: Iterator[Message], end: int, start: int) -> None:
        self.end = end
        self.position = start
        self.records = (message for message in records if message.offset >= start)

    def take(self, count: int) -> list[Message]:
        found = list(islice(self.records, count))
        self.position = found[-1].offset + 1 if len(found) == count else self.end
        return found


class ArchiveReader(Rota[_Cursor]):
    """Reads partitions in turn; see `Reader`. `places` holds the end and the start offset of each partition."""

    def __init__(
        self, open_partition: Callable[[Partition], Iterator[Message]], places: Mapping[Partition, tuple[int, int]]
    ) -> None:
        super().__init__({p: _Cursor(open_partition(p), end, start) for p, (end, start) in places.items()})

    def poll(self, count_max: int, timeout_s: float) -> list[Message]:
        # Nothing comes to an archive, so `timeout_s` is not waited for.
        found: list[Message] = []
        for cursor in self._turns:
            if cursor.position < cursor.end:
                found += cursor.take(count_max - len(found))
                if len(found) == count_max:
                    break
        self._turns.rotate(-1)
        return found

    def position(self, partition: Partition) -> int:
        self._own((partition,))
        return self._cursors[partition].position
