"""
The journal's chain, checked as it is read, and the name for what is not as it should be.

An entry that does not fit the one before it blames one of the two: a flipped bit in an entry's own `previous_digest` leaves the
digest close to what it must be; anything else that was altered in the entry before gives another digest altogether.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from streams.domain.records import JournalEntry
from streams.errors import DecodeError, LogError
from streams.log.batch import NO_DIGEST
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log, Message, Partition
from streams.log.journal import entry_digest, read_range

# Two digests of different bytes agree in about 4 of 64 digits; one with a flipped bit in all but one.
_DIGITS_FLIPPED_MAX = 8
# A journal may begin anywhere where the part of a session is asked for that it still has.
ANY = 1 << 62


class Divergence(NamedTuple):
    """The first place where replay and log differ."""

    topic: str
    partition: int
    offset: int | None  # None where the log lacks the record
    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        place = f"{self.topic}/{self.partition} offset {self.offset if self.offset is not None else 'at the end'}"
        return f"{place}: {self.what} must be {self.expected}, was {self.found}"

    @classmethod
    def at(cls, message: Message, what: str, expected: object, found: object) -> "Divergence":
        """One record that is not as it must be."""
        return cls(message.topic, message.partition, message.offset, what, str(expected), str(found))


class Link(NamedTuple):
    """An entry of the journal and where it stands."""

    message: Message
    entry: JournalEntry


class Journal:
    """
    A journal partition read from its start, its chain checked on the way.

    `first`: the least entry that is needed; entries before it may be gone.
    """

    def __init__(self, log: Log, partition: Partition, codec: Codec, *, first: int = 0) -> None:
        self.partition = partition
        self._codec = codec
        self._first = first
        self._messages = read_range(log, partition, log.start_offset(partition), log.end_offset(partition))
        self._last: Link | None = None

    def read(self) -> Iterator[Link | Divergence]:
        """
        Each entry with its message; a divergence, and nothing after it, where the chain breaks.

        Raises: LogError where entries that are needed are gone, or the journal is of a newer version.
        """
        data = (message for message in self._messages if message.value is not None)
        for message in data:
            try:
                link = Link(message, self._decoded(message))
            except DecodeError as fault:
                self._refuse_newer(fault, message, next(data, None))
                yield Divergence.at(message, "the journal entry", "whole", fault)
                return
            broken = self._broken(link)
            if broken is not None:
                yield broken
                return
            self._last = link
            yield link

    def _decoded(self, message: Message) -> JournalEntry:
        entry = self._codec.decode(message.value or b"", JournalEntry)
        assert isinstance(entry, JournalEntry)
        return entry

    def _refuse_newer(self, fault: DecodeError, message: Message, following: Message | None) -> None:
        """Where the next entry has the same unknown schema nobody altered it: a newer program wrote it."""
        headers = [one.value[:HEADER_LENGTH] for one in (message, following) if one is not None and one.value is not None]
        if fault.rule == "schema_id" and len(headers) == 2 and headers[0] == headers[1]:
            raise LogError(
                f"{message.topic}/{message.partition} offset {message.offset}: the journal must be of a version that this program "
                f"reads, was written by a newer one ({fault}); nothing was compared"
            ) from fault

    def _broken(self, link: Link) -> Divergence | None:
        message, entry = link
        own = own_fields(entry)
        if own is not None:
            return Divergence.at(message, *own)
        last = self._last
        if last is None:
            if entry.sequence > self._first:
                raise LogError(
                    f"{message.topic}/{message.partition} must hold entry {self._first} and all after it, begins with entry "
                    f"{entry.sequence} at offset {message.offset}: what was before is gone, by retention or by compaction; "
                    f"verify from {entry.time} on (--from)"
                )
            if entry.sequence == 0 and entry.previous_digest != NO_DIGEST:
                return Divergence.at(message, "the digest before the first entry", NO_DIGEST, entry.previous_digest)
            return None
        due = last.entry.sequence + 1
        if entry.sequence > due:
            gone = f"entry {due}" if entry.sequence == due + 1 else f"entries {due} to {entry.sequence - 1}"
            return Divergence.at(message, "the journal's chain", gone, f"entry {entry.sequence}: what must stand before it is missing")
        if entry.sequence < due:
            return Divergence.at(message, "the journal's chain", f"entry {due}", f"entry {entry.sequence}, once more")
        digest = entry_digest((last.message.value or b"")[HEADER_LENGTH:])
        if entry.previous_digest == digest:
            return None
        flipped = sum(one != other for one, other in zip(digest, entry.previous_digest, strict=False))
        if flipped <= _DIGITS_FLIPPED_MAX:
            return Divergence.at(message, "the journal's chain", f"entry {due} after {digest}", f"after {entry.previous_digest}")
        return Divergence.at(
            last.message, "the journal's chain", f"entry {due - 1} with the digest {entry.previous_digest}, as the next one says", digest
        )


def own_fields(entry: JournalEntry) -> tuple[str, str, str] | None:
    """What an entry says twice and not the same: what, expected, found."""
    name = f"{entry.session}/journal/{entry.stage}/{entry.task}/{entry.sequence}"
    for field in ("event_id", "causation_id", "correlation_id"):
        if getattr(entry, field) != name:
            return f"the entry's {field}", name, getattr(entry, field)
    if entry.time != max(entry.frontier, 0):
        return "the entry's time", str(max(entry.frontier, 0)), str(entry.time)
    for field, rows in (("positions", list[tuple[str, int, int, int]]), ("commands", list[tuple[str, int, int, int, str]])):
        try:
            msgspec.json.decode(getattr(entry, field), type=rows)
        except msgspec.DecodeError as error:
            return f"the entry's {field}", "a JSON list of them", f"{getattr(entry, field)} ({error})"
    return None


