"""
An archive laid onto a log again: every record at the offset it had, so that the journal's positions hold there too.

Between the records of an archive lie holes, where transactions ended: one offset for each end. Each partition's records are written up
to its next hole and committed, all partitions of a round in one transaction, whose own end then fills the hole. A wider hole (a
transaction that was aborted stood there) is filled with records that say nothing: watermarks of 0, under a header by which checkpoints
pass them over. Schema ids become those of the log's own registry; nothing else of a record changes.
"""

from collections.abc import Callable, Iterator, Mapping

import schemas
from streams.errors import ConfigError
from streams.log.archive import ArchiveLog
from streams.log.codec import HEADER_LENGTH
from streams.log.interface import Log, Message, Partition, Writer, watermark_headers
from streams.log.journal import read_range
from streams.log.schema_ids import SchemaIds, identity

EARLIEST_TIME = 1000
FILLER_HEADER = "cdb-filler"

Told = Callable[[int], None]


def new_headers(written: SchemaIds, here: SchemaIds) -> dict[bytes, bytes]:
    """
    For each header of the archive the one that stands for the same record here.

    Raises: ConfigError where a schema of the archive is none that this registry has.
    """
    here_by_identity = {identity(name, text): number for number, (name, text) in here.writers.items() if name in here.ids}
    headers = {}
    for number, (name, text) in written.writers.items():
        if name not in here.ids:
            raise ConfigError(f"records of the archive must be {', '.join(sorted(here.ids))}, was {name}")
        found = here_by_identity.get(identity(name, text))
        if found is None:
            raise ConfigError(
                f"{name} of the archive must be of a version that this program knows ({len(schemas.released(name))} of them), "
                f"was {identity(name, text)}: a newer program wrote it"
            )
        headers[_header(number)] = _header(found)
    return headers


def lay(archive: ArchiveLog, log: Log, session: str, headers: Mapping[bytes, bytes], *, told: Told = lambda _: None) -> int:
    """
    The number of records laid onto the session's topics, which exist and are empty. `told` hears the number so far.

    Raises: ConfigError where a topic holds records already, or the archive does not begin at its topic's beginning; LogError as the log:
    what was laid until then must be removed before it is begun again.
    """
    places = [Partition(topic, number) for topic, count in archive.topics().items() for number in range(count)]
    for place in places:
        if log.end_offset(place):
            raise ConfigError(f"{place.topic}/{place.number} must be empty to be laid onto, has offsets up to {log.end_offset(place)}")
        if archive.start_offset(place):
            raise ConfigError(
                f"{place.topic}/{place.number} must be archived from offset 0 to be laid onto a log, begins at "
                f"{archive.start_offset(place)}; read the archive where it lies (--archive)"
            )
    writer = log.writer(f"{session}-import")
    try:
        return _laid(writer, [_Layer(archive, place, headers) for place in places], told)
    finally:
        writer.close()


def _laid(writer: Writer, layers: list["_Layer"], told: Told) -> int:
    total = 0
    while waiting := [layer for layer in layers if not layer.done]:
        writer.begin()
        for layer in waiting:
            total += layer.lay_run(writer)
        writer.commit()
        told(total)
    return total


class _Layer:
    """One partition on its way: `at` is the next offset to be filled."""

    def __init__(self, archive: ArchiveLog, place: Partition, headers: Mapping[bytes, bytes]) -> None:
        self._place, self._headers = place, headers
        self._end = archive.end_offset(place)
        self._messages: Iterator[Message] = read_range(archive, place, 0, self._end)
        self._next = next(self._messages, None)
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at >= self._end

    def lay_run(self, writer: Writer) -> int:
        """Everything up to the next hole; the last offset of the hole is left to the transaction's end."""
        count = 0
        if self._next is None or self._next.offset > self._at:
            # Only at the partition's beginning: there no transaction of this import ends.
            self._fill(writer, self._next.offset if self._next is not None else max(self._end - 1, self._at + 1))
        while self._next is not None and self._next.offset == self._at:
            self._append(writer, self._next)
            self._next = next(self._messages, None)
            self._at += 1
            count += 1
        self._fill(writer, (self._next.offset if self._next is not None else self._end) - 1)
        self._at += 1
        return count

    def _fill(self, writer: Writer, until: int) -> None:
        while self._at < until:
            writer.append(self._place, key=None, value=None, headers=(*watermark_headers(0), (FILLER_HEADER, b"")), time=EARLIEST_TIME)
            self._at += 1

    def _append(self, writer: Writer, message: Message) -> None:
        value = message.value
        if value is not None:
            value = self._headers.get(value[:HEADER_LENGTH], value[:HEADER_LENGTH]) + value[HEADER_LENGTH:]
        time = max(message.time, 0)
        writer.append(self._place, key=message.key, value=value, headers=message.headers, time=time)


def _header(number: int) -> bytes:
    return b"\x00" + number.to_bytes(HEADER_LENGTH - 1, "big")
