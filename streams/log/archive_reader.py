"""
Reading an archive's files: one entry of the manifest against its file, and readers that go through several files in turn.

Nothing waits here: what is not in the files will not come. A reader that starts late in a partition begins at the block that holds its
first record: blocks say how long they are, and the first field of the first record in each is its offset.
"""

import hashlib
import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import fastavro
import msgspec

from streams.errors import LogError
from streams.log.interface import Message, Partition
from streams.log.rota import Rota

_message = tuple.__new__

SYNC_BYTES = 16
LONG_BYTES_MAX = 10
# Enough of a compressed block to begin with: its own tables and the first number.
LOOK_BYTES = 1024


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


def messages(path: Path, partition: Partition, start: int = 0) -> Iterator[Message]:
    """
    The records of a container file in offset order, from the block on that holds the offset `start`.

    Raises: LogError naming the file where it does not decode.
    """
    topic, number = partition
    try:
        with path.open("rb") as file:
            records = cast("Iterator[dict[str, Any]]", fastavro.reader(file))
            if start:
                file.seek(_block_of(file, start))
            for record in records:
                headers = record["headers"]
                yield _message(Message, (
                    topic, number, record["offset"], record["key"], record["value"],
                    tuple((header["name"], header["value"]) for header in headers) if headers else (), record["time"],
                ))
    # What fastavro raises for bytes that are no container, or stop being one.
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, struct.error, zlib.error) as error:
        raise LogError(f"archive file {path} is corrupt: {error}") from error


class _Block(NamedTuple):
    """Where a block begins, and where its compressed records do."""

    start: int
    data: int


def _block_of(file: BinaryIO, offset: int) -> int:
    """Where the last block begins whose first record has `offset` or an earlier one. The file stands after its header."""
    blocks = list(_blocks(file))
    if not blocks:
        return file.tell()
    place = bisect_right(blocks, offset, key=lambda block: _first_offset(file, block))
    return blocks[max(place - 1, 0)].start


def _blocks(file: BinaryIO) -> Iterator[_Block]:
    """The container's blocks: the number of records, the length in bytes, as many bytes, and the sync marker."""
    at, end = file.tell(), file.seek(0, os.SEEK_END)
    while at < end:
        file.seek(at)
        _long(file)
        length = _long(file)
        data = file.tell()
        yield _Block(at, data)
        at = data + length + SYNC_BYTES


def _first_offset(file: BinaryIO, block: _Block) -> int:
    file.seek(block.data)
    return _long(BytesIO(zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(file.read(LOOK_BYTES), LONG_BYTES_MAX)))


def _long(file: BinaryIO) -> int:
    """A number as Avro writes it: seven bits to a byte, the lowest first, signs folded in. Raises: EOFError."""
    value = shift = 0
    for _ in range(LONG_BYTES_MAX):
        byte = file.read(1)
        if not byte:
            raise EOFError("a number is cut short")
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return (value >> 1) ^ -(value & 1)
    raise ValueError("a number is longer than 64 bits")


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
        self, open_partition: Callable[[Partition, int], Iterator[Message]], places: Mapping[Partition, tuple[int, int]]
    ) -> None:
        super().__init__({p: _Cursor(open_partition(p, start), end, start) for p, (end, start) in places.items()})

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
