"""
The journal's chain, checked as it is read, and the name for what is not as it should be.
"""

from collections.abc import Iterator
from typing import NamedTuple

from streams.domain.records import JournalEntry
from streams.log.batch import NO_DIGEST
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log, Message, Partition
from streams.log.journal import entry_digest, read_range


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


class Journal:
    """A journal partition read from its start, its chain checked on the way."""

    def __init__(self, log: Log, partition: Partition, codec: Codec) -> None:
        self.partition = partition
        self._codec = codec
        self._messages = read_range(log, partition, log.start_offset(partition), log.end_offset(partition))
        self._sequence = 0
        self._previous = NO_DIGEST

    def read(self) -> Iterator[tuple[Message, JournalEntry] | Divergence]:
        """Each entry with its message; a divergence, and nothing after it, where the chain breaks."""
        for message in self._messages:
            if message.value is None:
                continue
            entry = self._codec.decode(message.value or b"", JournalEntry)
            assert isinstance(entry, JournalEntry)
            if (entry.sequence, entry.previous_digest) != (self._sequence, self._previous):
                yield self._broken(message, entry)
                return
            self._sequence += 1
            self._previous = entry_digest((message.value or b"")[HEADER_LENGTH:])
            yield message, entry

    def _broken(self, message: Message, entry: JournalEntry) -> Divergence:
        return Divergence(
            self.partition.topic, self.partition.number, message.offset, "the journal's chain",
            f"entry {self._sequence} after {self._previous}", f"entry {entry.sequence} after {entry.previous_digest}",
        )  # fmt: skip
