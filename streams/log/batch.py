"""
What a task hands to its host, and where it says it stands: values, no behaviour.
"""

import hashlib
import zlib
from typing import NamedTuple

from streams.domain.records import DeadLetter
from streams.log.codec import HEADER_LENGTH

NO_DIGEST = "0" * 64


class Emission(NamedTuple):
    """A record to append to `topic` (without session), partition = the task's number."""

    topic: str
    key: str
    value: bytes
    time: int
    digest: str  # the running digest after this record


class Taken(NamedTuple):
    """A command in the journal: its id, where it stands, the time it was taken at, and the sha256 of its bytes."""

    command_id: str
    partition: int
    offset: int
    time: int
    digest: str


class Cut(NamedTuple):
    """A snapshot: the state after every event before `time` and none after, and where the task stood then."""

    time: int
    state: bytes
    state_digest: str
    standing: "Standing"


class Standing(NamedTuple):
    """Where a task is: its places in its inputs and the running totals of its outputs."""

    frontier: int
    places: list[tuple[str, int, int, int]]
    commands_offset: int
    outputs_count: int
    outputs_digest: str


class Batch(NamedTuple):
    """What one transaction of a task holds besides its watermarks."""

    emissions: list[Emission]
    dead_letters: list[DeadLetter]
    taken: list[Taken]
    cuts: list[Cut]
    standing: Standing
    events: int


def chained(digest: str, topic: str, key: str, value: bytes) -> str:
    """The running digest after one more record; schema ids differ between registries, so the header is left out."""
    return hashlib.sha256(f"{digest}\x00{topic}\x00{key}\x00".encode() + value[HEADER_LENGTH:]).hexdigest()


def record_check(key: bytes, value: bytes) -> bytes:
    """Four bytes that tell a record from its neighbours: they say where a digest broke, the digest says that it did."""
    return zlib.crc32(key + b"\x00" + value[HEADER_LENGTH:]).to_bytes(4, "big")


CHECK_LENGTH = 4
