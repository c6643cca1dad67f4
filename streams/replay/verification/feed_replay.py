"""
A feed cannot be run again, but its record can be trusted or not: every market record against the feed's journal.

Each entry says how many records its flush put on each partition, with a check of each, and the running digest over all of them in
canonical order. The checks say where something was altered, the digest that nothing was. Sessions of before there were checks have
the digest alone: an alteration is found, and told by the flush it lies in.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from streams.domain.ids import order_key
from streams.domain.records import JournalEntry
from streams.errors import DecodeError, LogError
from streams.exchange.writer import FeedSource, source_of
from streams.log.batch import CHECK_LENGTH, NO_DIGEST, chained, record_check
from streams.log.codec import Codec
from streams.log.head import head_of
from streams.log.interface import Log, Message, Partition
from streams.log.journal import read_range
from streams.log.layout import FEED_TOPICS, Layout
from streams.replay.verification.journal_check import ANY, Divergence, Journal, Link
from streams.replay.verification.letters import Letters
from streams.replay.verification.part import Part

# As the writer puts them where they share a time, which at the first moment (time 0) instruments and a push may.
_RANKS = {"instruments": 0, "funding": 1, "market_data": 2}
assert _RANKS.keys() == set(FEED_TOPICS)


class _Row(NamedTuple):
    """A market record in canonical order."""

    order: tuple[int, int, object]
    topic: str
    message: Message


class FeedReplay:
    """The feed's records against its journal, entry by entry, in memory of one flush."""

    def __init__(self, log: Log, layout: Layout, codec: Codec, part: Part, letters: Letters) -> None:
        self._log, self._layout, self._codec, self._part, self._letters = log, layout, codec, part, letters
        self.compared: dict[str, int] = {}
        self.entries = self.snapshots = self.events = 0
        self._count, self._digest = 0, NO_DIGEST
        self._last: Link | None = None
        self._ahead: dict[tuple[str, int], Message] = {}
        self._streams: dict[tuple[str, int], Iterator[Message]] = {}

    def run(self) -> Divergence | None:
        needed = 0 if self._part.start is None else ANY
        for found in Journal(self._log, self._layout.journal("feed", 0), self._codec, first=needed).read():
            if isinstance(found, Divergence):
                return found
            if self._last is not None and self._part.ends(self._last.entry.watermark):
                return None
            divergence = self._on_entry(found)
            if divergence is not None:
                return divergence
            self._last = found
        if self._last is not None and self._part.ends(self._last.entry.watermark):
            return None
        return self._nothing_more()

    def _on_entry(self, link: Link) -> Divergence | None:
        entry = link.entry
        self.entries += 1
        if not self._streams:
            if (self._last is None and entry.sequence > 0) or not self._part.begins(entry.watermark):
                # Before the part: what came until this entry's end is taken as it says.
                self._count, self._digest = entry.outputs_count, entry.outputs_digest
                return None
            self._open(self._last.entry.watermark if self._last is not None else None)
        try:
            source = source_of(entry)
        except msgspec.DecodeError as error:
            return Divergence.at(link.message, "the feed's own part of the entry", "a place of the feed", error)
        rows = self._rows_of(link, source)
        return rows if isinstance(rows, Divergence) else self._compare(link, rows)

    def _compare(self, link: Link, rows: list[_Row]) -> Divergence | None:
        entry = link.entry
        for _, topic, message in sorted(rows, key=lambda row: row.order):
            assert message.value is not None
            self._digest = chained(self._digest, topic, (message.key or b"").decode("utf-8", "replace"), message.value)
            self._count += 1
            self.compared[topic] = self.compared.get(topic, 0) + 1
        if (entry.outputs_count, entry.outputs_digest) != (self._count, self._digest):
            return Divergence.at(
                link.message, "the feed's digest over its records", f"{entry.outputs_digest} after {entry.outputs_count} records",
                f"{self._digest} after {self._count} records on the topics",
            )  # fmt: skip
        return None

    def _rows_of(self, link: Link, source: FeedSource) -> list[_Row] | Divergence:
        """The records of one flush as they stand on the log now."""
        entry = link.entry
        if source.checks or entry.outputs_count == self._count:
            rows = []
            for place, checks in source.checks.items():
                topic, _, number = place.rpartition("/")
                for at in range(0, len(checks), CHECK_LENGTH):
                    found = self._checked(topic, int(number), checks, at)
                    if isinstance(found, Divergence):
                        return found
                    rows.append(self._row(topic, found))
            return rows
        return self._rows_by_time(entry)

    def _rows_by_time(self, entry: JournalEntry) -> list[_Row]:
        """Without checks, by what the flush promised: nothing up to its watermark comes later."""
        rows = []
        for topic, number in self._streams:
            while (message := self._peek(topic, number)) is not None:
                try:
                    row = self._row(topic, message)
                except DecodeError:
                    self._take(topic, number)  # poison of others: its dead letter says so, the feed never wrote it
                    continue
                if row.order[0] > entry.watermark:
                    break
                rows.append(row)
                self._take(topic, number)
        return rows

    def _row(self, topic: str, message: Message) -> _Row:
        head = head_of(message.value or b"")
        return _Row((head.time, _RANKS[topic], order_key(head.event_id)), topic, message)

    def _checked(self, topic: str, number: int, checks: bytes, at: int) -> Message | Divergence:
        """The next record of a partition, which must have the check that stands at `at`."""
        due = checks[at : at + CHECK_LENGTH]
        while (message := self._peek(topic, number)) is not None:
            self._take(topic, number)
            if _check(message) == due:
                return message
            if not self._letters.answers(self._layout.at(topic, number), message.offset):
                return self._named(topic, number, message, due, checks[at + CHECK_LENGTH : at + 2 * CHECK_LENGTH])
        place = self._layout.at(topic, number)
        return Divergence(place.topic, place.number, None, "the feed's next record", f"one with the check {due.hex()}", "missing")

    def _named(self, topic: str, number: int, message: Message, due: bytes, after: bytes) -> Divergence:
        following = self._peek(topic, number)
        if after and _check(message) == after:
            what = "missing: here is the one after it"
        elif following is not None and _check(following) == due:
            what = "a record that the feed did not write here"
        else:
            what = f"one with the check {_check(message).hex()}"
        return Divergence.at(message, "the feed's record", f"one with the check {due.hex()}", what)

    def _nothing_more(self) -> Divergence | None:
        if not self._streams:
            self._open(self._last.entry.watermark if self._last is not None else None)
        for topic, number in self._streams:
            while (message := self._peek(topic, number)) is not None:
                if not self._letters.answers(self._layout.at(topic, number), message.offset):
                    return Divergence.at(message, "the end of " + topic, "here", "a record that the feed's journal does not know")
                self._take(topic, number)
        return None

    def _open(self, after: int | None) -> None:
        """Every partition of the feed, from its first record later than `after` (µs; None: from its beginning)."""
        for topic in FEED_TOPICS:
            for number in range(self._layout.count(topic)):
                self._streams[topic, number] = self._data(self._layout.at(topic, number), after)

    def _data(self, partition: Partition, after: int | None) -> Iterator[Message]:
        first = start = self._log.start_offset(partition)
        if after is not None:
            # The log keeps milliseconds of a time, so what shares the last one is passed over by the records' own.
            start = self._log.offset_at(partition, after // 1000 * 1000)
        if first and start == first:
            raise LogError(
                f"{partition.topic}/{partition.number} must hold offsets 0 to {first - 1} as well, begins at {first}: what was before is "
                "gone; verify from a later moment (--from)"
            )
        for message in read_range(self._log, partition, start, self._log.end_offset(partition)):
            if message.value is not None and (after is None or not _is_before(message, after)):
                yield message

    def _peek(self, topic: str, number: int) -> Message | None:
        if (topic, number) not in self._ahead:
            message = next(self._streams[topic, number], None)
            if message is None:
                return None
            self._ahead[topic, number] = message
        return self._ahead[topic, number]

    def _take(self, topic: str, number: int) -> None:
        del self._ahead[topic, number]


def _check(message: Message) -> bytes:
    return record_check(message.key or b"", message.value or b"")


def _is_before(message: Message, time: int) -> bool:
    try:
        return head_of(message.value or b"").time <= time
    except DecodeError:
        return False
