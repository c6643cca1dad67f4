"""
A feed cannot be run again, but its record can be trusted or not: every market record against the digest in the feed's journal.
"""

import heapq
from collections.abc import Iterator

from streams.domain.ids import order_key
from streams.domain.records import JournalEntry
from streams.errors import DecodeError
from streams.log.batch import NO_DIGEST, chained
from streams.log.codec import Codec
from streams.log.interface import Log, Message
from streams.log.journal import read_range
from streams.log.layout import FEED_TOPICS, Layout
from streams.replay.journal_check import Divergence, Journal


class FeedReplay:
    """The feed's records against the digest in its journal: a feed cannot be run again, but its record can be trusted or not."""

    def __init__(self, log: Log, layout: Layout, codec: Codec) -> None:
        self._log, self._layout, self._codec = log, layout, codec
        self.compared: dict[str, int] = {}
        self.entries = self.snapshots = self.events = 0

    def run(self) -> Divergence | None:
        last: tuple[Message, JournalEntry] | None = None
        for found in Journal(self._log, self._layout.journal("feed", 0), self._codec).read():
            if isinstance(found, Divergence):
                return found
            last = found
            self.entries += 1
        count, digest = self._digest()
        if last is None:
            return None
        message, entry = last
        if (entry.outputs_count, entry.outputs_digest) != (count, digest):
            return Divergence(
                self._layout.full("journal"), message.partition, message.offset, "the feed's digest over its records",
                f"{entry.outputs_digest} after {entry.outputs_count} records", f"{digest} after {count} records on the topics",
            )  # fmt: skip
        return None

    def _digest(self) -> tuple[int, str]:
        """Every record the feed wrote, in the order written: by logical time, which no two pushes share."""
        digest, count = NO_DIGEST, 0
        for topic, message in _by_time(self._log, self._layout, self._codec):
            assert message.value is not None
            digest = chained(digest, topic, (message.key or b"").decode(), message.value)
            count += 1
            self.compared[topic] = self.compared.get(topic, 0) + 1
        return count, digest


# As the writer puts them where they share a time, which at the first moment (time 0) instruments and a push may.
_RANKS = {"instruments": 0, "funding": 1, "market_data": 2}
assert _RANKS.keys() == set(FEED_TOPICS)


def _by_time(log: Log, layout: Layout, codec: Codec) -> Iterator[tuple[str, Message]]:
    def stream(topic: str, number: int) -> Iterator[tuple[tuple[int, int, object], str, Message]]:
        partition = layout.at(topic, number)
        for message in read_range(log, partition, log.start_offset(partition), log.end_offset(partition)):
            if message.value is None:
                continue
            try:
                record = codec.decode(message.value, layout.record_of(topic))
            except DecodeError:
                continue  # poison of others: its dead letter says so, the feed never wrote it
            yield (record.time, _RANKS[topic], order_key(record.event_id)), topic, message

    streams = [stream(topic, number) for topic in FEED_TOPICS for number in range(layout.count(topic))]
    for _, topic, message in heapq.merge(*streams, key=lambda item: item[0]):
        yield topic, message
