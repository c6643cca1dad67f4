"""One record of a finished session on a memory log altered, and put back afterwards."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from streams.log.canonical import compared_topics
from streams.log.codec import HEADER_LENGTH
from streams.log.interface import Message, Partition
from streams.log.layout import FEED_TOPICS, Layout
from streams.log.memory import MemoryLog
from streams.replay.verify import Divergence

KINDS = ("flip", "drop", "double", "swap")


class Alteration(NamedTuple):
    """`offset` of the first record that is altered; `place` its partition."""

    kind: str
    place: Partition
    offset: int
    by_feed: bool

    def is_named_by(self, divergence: Divergence) -> bool:
        """
        The topic and partition are said, and for altered bytes the offset.

        A feed cannot be run again: its record is held against the digest in its journal, which says that, not where.
        """
        if self.by_feed:
            return divergence.what == "the feed's digest over its records"
        here = (divergence.topic, divergence.partition) == self.place
        return here and (self.kind in ("drop", "double") or divergence.offset == self.offset)


@contextmanager
def altered(log: MemoryLog, layout: Layout, rng: random.Random) -> Iterator[Alteration]:
    """The log with one data record of a random topic altered in a random way."""
    while True:
        topic = rng.choice(compared_topics())
        place = layout.at(topic, rng.randrange(layout.count(topic)))
        shelf = log.shelf(place)
        data = [number for number, message in enumerate(shelf.messages) if message.value is not None]
        kind = rng.choice(KINDS)
        if len(data) > 1:
            break
    number = rng.randrange(len(data) - 1)
    here, after = data[number], data[number + 1]
    whole = list(shelf.messages)
    shelf.messages[:] = _altered(whole, here, after, kind, rng)
    try:
        yield Alteration(kind, place, whole[here].offset, topic in FEED_TOPICS)
    finally:
        shelf.messages[:] = whole


def _altered(whole: list[Message], here: int, after: int, kind: str, rng: random.Random) -> list[Message]:
    one, other = whole[here], whole[after]
    match kind:
        case "flip":
            return [*whole[:here], one._replace(value=_flipped(one.value or b"", rng)), *whole[here + 1 :]]
        case "drop":
            return [*whole[:here], *whole[here + 1 :]]
        case "double":
            # In the next record's stead: offsets stay where they are.
            return [*whole[:after], other._replace(key=one.key, value=one.value), *whole[after + 1 :]]
        case _:
            swapped = list(whole)
            swapped[here] = one._replace(key=other.key, value=other.value)
            swapped[after] = other._replace(key=one.key, value=one.value)
            return swapped


def _flipped(value: bytes, rng: random.Random) -> bytes:
    """One bit of the payload; the header only names the schema."""
    place = rng.randrange(HEADER_LENGTH, len(value))
    return value[:place] + bytes([value[place] ^ (1 << rng.randrange(8))]) + value[place + 1 :]
