"""One record of a finished session on a memory log altered, and put back afterwards."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import schemas
from streams.log.codec import HEADER_LENGTH
from streams.log.interface import Message, Partition
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.replay.verification.verify import Divergence

KINDS = ("flip", "drop", "double", "insert", "swap")


class Alteration(NamedTuple):
    """`offset` of the first record that is altered or gone; `after`: of the one that follows it; `place`: their partition."""

    kind: str
    place: Partition
    offset: int
    after: int

    def is_named_by(self, divergence: Divergence) -> bool:
        """Topic, partition and offset are said; for a record that is gone, its own or that of the one now in its place."""
        offsets = (self.offset, self.after) if self.kind == "drop" else (self.offset,)
        return (divergence.topic, divergence.partition) == self.place and divergence.offset in offsets

    def is_located_by(self, divergence: Divergence) -> bool:
        """As `is_named_by`; a dead letter that is gone is told by the record that it was written for."""
        gone = self.kind == "drop" and self.place.topic.endswith(".dead_letters") and "no dead letter" in divergence.found
        return gone or self.is_named_by(divergence)

    @property
    def is_of_an_order(self) -> bool:
        """Which task's dead letter came first is nobody's decision: only a checkpoint knows it."""
        return self.kind == "swap" and self.place.topic.endswith(".dead_letters")


@contextmanager
def altered(log: MemoryLog, layout: Layout, rng: random.Random) -> Iterator[Alteration]:
    """The log with one data record of a random topic altered in a random way; never a partition's last."""
    while True:
        topic = rng.choice(tuple(schemas.catalogue()))
        place = layout.at(topic, rng.randrange(layout.count(topic)))
        shelf = log.shelf(place)
        data = [number for number, message in enumerate(shelf.messages) if message.value is not None]
        kind = rng.choice(KINDS)
        if len(data) < 2:
            continue
        number = rng.randrange(len(data) - 1)
        here, after = data[number], data[number + 1]
        whole = list(shelf.messages)
        offset = whole[after if kind == "double" else here].offset + (kind == "insert")
        # A record fits in only where a marker leaves room.
        if kind != "insert" or whole[here + 1].offset > offset:
            break
    shelf.messages[:] = _altered(whole, here, after, kind, rng)
    try:
        yield Alteration(kind, place, offset, whole[after].offset)
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
        case "insert":
            return [*whole[: here + 1], one._replace(offset=one.offset + 1), *whole[here + 1 :]]
        case _:
            swapped = list(whole)
            swapped[here] = one._replace(key=other.key, value=other.value)
            swapped[after] = other._replace(key=one.key, value=one.value)
            return swapped


def _flipped(value: bytes, rng: random.Random) -> bytes:
    """One bit of the payload; the header only names the schema."""
    place = rng.randrange(min(HEADER_LENGTH, len(value) - 1), len(value))
    return value[:place] + bytes([value[place] ^ (1 << rng.randrange(8))]) + value[place + 1 :]
