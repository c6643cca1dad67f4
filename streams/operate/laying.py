"""
An archive laid onto a log again: every record at the offset it had, so that the journal's positions hold there too.

Between the records of an archive lie holes, where transactions ended: one offset for each end. Each partition's records are written up
to its next hole and committed, all partitions of a round in one transaction, whose own end then fills the hole. A wider hole (a
transaction that was aborted stood there) is filled with records that say nothing: watermarks of 0, under a header by which checkpoints
pass them over. Schema ids become those of the log's own registry; nothing else of a record changes.
"""

from collections.abc import Callable, Iterator, Mapping

import schemas
from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.log.archive import ArchiveLog
from streams.log.codec import HEADER_LENGTH
from streams.log.interface import Log, Message, Partition, Writer, watermark_headers
from streams.log.journal import backwards, read_range
from streams.log.schema_ids import SchemaIds, identity
from streams.operate import topics

EARLIEST_TIME = 1000
FILLER_HEADER = "cdb-filler"

Told = Callable[[int], None]
Say = Callable[[str], None]


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


def bring(archive: ArchiveLog, log: Log, here: SchemaIds, *, say: Say, told: Told = lambda _: None) -> int:
    """
    The number of records of an archive that stand on the log now, whose topics are made for them. `say` is told where an earlier try was
    cut short: what it laid is removed, and it is begun anew.

    Raises: ConfigError where the session is on the log already, or the archive cannot be laid; LogError as the log.
    """
    about = archive.about
    assert about is not None, "who brings an archive has asked whose it is"
    if about.session in topics.sessions(log):
        _remove_remains(log, about.session, say)
    settings = SessionSettings.model_validate_json(about.settings)
    headers = new_headers(about.written(), here)
    topics.create_session(log, about.session, feeds=settings.partitions, risk=settings.risk_tasks)
    return lay(archive, log, about.session, headers, told=told)


def _remove_remains(log: Log, session: str, say: Say) -> None:
    """The manifest comes last: without one, nobody could work on these topics, and an import of them was cut short."""
    place = Partition(topics.topic_name(session, "session"), 0)
    if place.topic in log.topics() and any(message.value is not None for message in backwards(log, place)):
        raise ConfigError(f"session {session} must not be on the log yet, is: cdb sessions rm {session} removes it")
    say(f"an import of session {session} was cut short: what it laid is removed, and it is begun anew")
    # Whoever still lays it is ended first.
    log.writer(_writer_name(session)).close()
    topics.delete_session(log, session)


def lay(archive: ArchiveLog, log: Log, session: str, headers: Mapping[bytes, bytes], *, told: Told = lambda _: None) -> int:
    """
    The number of records laid onto the session's topics, which exist and are empty. `told` hears the number so far.

    The session's own topic, with its manifest, comes last. Raises: ConfigError where a topic holds records already, or the archive does not
    begin at its topic's beginning; LogError as the log: what was laid until then must be removed before it is begun again.
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
    writer = log.writer(_writer_name(session))
    own = topics.topic_name(session, "session")
    layers = [[_Layer(archive, place, headers) for place in places if (place.topic == own) is last] for last in (False, True)]
    try:
        laid = _laid(writer, layers[0], told)
        return laid + _laid(writer, layers[1], lambda count: told(laid + count))
    finally:
        writer.close()


def _writer_name(session: str) -> str:
    return f"{session}-import"


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
