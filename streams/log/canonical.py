"""
What "byte-equal" means: the data records of each topic (key, value, data headers) in canonical order (time, event_id).

Watermarks, offsets, partition numbers, journal, snapshots and dead letters are not part of it; nor is the 5-byte schema header,
whose id is the registry's, and names the same schema everywhere.
"""

import hashlib
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

import schemas
from streams.domain.ids import order_key
from streams.errors import DecodeError
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log
from streams.log.journal import read_range
from streams.log.layout import OUTSIDE_TOPICS, Layout

# Not decided by the events: beside the market data and commands that a session is given, all else is compared.
LEFT_OUT = frozenset({"journal", "snapshots", "dead_letters", "session", "commands"})


class CanonicalRecord(NamedTuple):
    time: int
    event_id: str
    key: bytes
    payload: bytes
    schema: str  # what wrote the payload, as `streams.log.schema_ids.identity` calls it


class Difference(NamedTuple):
    """The first place where two sessions are not the same; None on one side where that record is missing."""

    topic: str
    place: int  # among the records of the topic in canonical order
    left: CanonicalRecord | None
    right: CanonicalRecord | None


def compared_topics() -> tuple[str, ...]:
    """The topics that byte-equality is about, without session."""
    return tuple(name for name in schemas.catalogue() if name not in LEFT_OUT)


def canonical_records(log: Log, layout: Layout, codec: Codec, topic: str) -> list[CanonicalRecord]:
    """A topic's data records in canonical order."""
    found = []
    for number in range(layout.count(topic)):
        partition = layout.at(topic, number)
        for message in read_range(log, partition, log.start_offset(partition), log.end_offset(partition)):
            if message.value is None:
                continue
            try:
                record = codec.decode(message.value)
            except DecodeError:
                if topic in OUTSIDE_TOPICS:
                    continue  # poison of others, no record of the session: a dead letter says so
                raise
            payload = message.value[HEADER_LENGTH:]
            found.append(CanonicalRecord(record.time, record.event_id, message.key or b"", payload, codec.schema_of(message.value) or ""))
    found.sort(key=lambda one: (one.time, order_key(one.event_id)))
    return found


def topic_digest(records: list[CanonicalRecord]) -> str:
    """sha256 over a topic's records in canonical order."""
    digest = hashlib.sha256()
    for one in records:
        digest.update(len(one.key).to_bytes(4, "big") + one.key + len(one.payload).to_bytes(4, "big") + one.payload)
    return digest.hexdigest()


def session_digests(log: Log, layout: Layout, codec: Codec) -> dict[str, tuple[int, str]]:
    """For each compared topic: how many data records, and their digest."""
    digests = {}
    for topic in compared_topics():
        records = canonical_records(log, layout, codec, topic)
        digests[topic] = (len(records), topic_digest(records))
    return digests


def differences(
    left: tuple[Log, Codec], right: tuple[Log, Codec], left_layout: Layout, right_layout: Layout
) -> Iterator[Difference]:
    """
    The first difference of each topic; nothing where two logs hold the same session. The layouts may differ in partitions.

    Records of two versions of a schema are the same where they are so in the version of one of them.
    """
    for topic in compared_topics():
        ours = canonical_records(left[0], left_layout, left[1], topic)
        theirs = canonical_records(right[0], right_layout, right[1], topic)
        for index, (one, other) in enumerate(zip_longest(ours, theirs)):
            if one != other and not _agree(left[1], right[1], one, other):
                yield Difference(topic, index, one, other)
                break


def _agree(left: Codec, right: Codec, one: CanonicalRecord | None, other: CanonicalRecord | None) -> bool:
    """Whether two records of different versions are the same, written in the version of one of them."""
    if one is None or other is None or one.schema == other.schema or one[:3] != other[:3]:
        return False
    return any(
        codec.restated(this.payload, this.schema, that.schema) == that.payload
        for codec in (left, right) for this, that in ((one, other), (other, one))
    )  # fmt: skip
