"""
The journal and the snapshots of a task: what is written beside its outputs, and how it is found again.

One entry for each transaction that holds outputs, commands, dead letters or a snapshot, else at most one a second. Entries chain
by `previous_digest`, the sha256 of the entry before. A snapshot is part 0 (a JSON manifest) and parts of at most 512 KiB of state.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams.domain.records import JournalEntry, SnapshotChunk
from streams.errors import LogError, ReplayMismatch
from streams.log.batch import NO_DIGEST, Batch, Cut, Standing, Taken
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log, Message, Partition, Writer, watermark_headers, watermark_of
from streams.log.layout import Layout
from streams.stages.state import state_digest

CHUNK_BYTES_MAX = 512 * 1024
READ_MAX = 2000
# Behind the last record stand transaction markers, which no poll returns for: who reads up to them asks in short waits.
READ_WAIT_S = 0.01
SETTLE_S_MAX = 30.0
MARK_TIME = 1000
TAIL_FIRST = 64


class JournalWriter(NamedTuple):
    """Who writes: fixed for a process."""

    layout: Layout
    codec: Codec
    stage: str
    task: int
    code_version: str
    settings_digest: str

    @property
    def key(self) -> str:
        return f"{self.stage}-{self.task}"

    def entry(self, batch: Batch, *, sequence: int, watermark: int, previous_digest: str) -> JournalEntry:
        """The entry number `sequence` for what `batch` writes."""
        name = f"{self.layout.session}/journal/{self.stage}/{self.task}/{sequence}"
        standing = batch.standing
        return JournalEntry(
            event_id=name, causation_id=name, correlation_id=name, session=self.layout.session,
            time=max(standing.frontier, 0), stage=self.stage, task=self.task, sequence=sequence,
            positions=_text(_positions(standing, self.task)), frontier=standing.frontier, watermark=watermark,
            commands=_text([list(taken) for taken in batch.taken]), outputs_count=standing.outputs_count,
            outputs_digest=standing.outputs_digest, previous_digest=previous_digest, code_version=self.code_version,
            settings_digest=self.settings_digest, source="",
        )  # fmt: skip

    def snapshot(self, cut: Cut, sequence: int) -> list[SnapshotChunk]:
        """The chunks of a cut, to be written in one transaction with the journal entry `sequence`."""
        pieces = [cut.state[at : at + CHUNK_BYTES_MAX] for at in range(0, len(cut.state), CHUNK_BYTES_MAX)] or [b""]
        manifest = {
            "time": cut.time, "frontier": cut.standing.frontier, "places": cut.standing.places,
            "commands_offset": cut.standing.commands_offset, "outputs_count": cut.standing.outputs_count,
            "outputs_digest": cut.standing.outputs_digest, "journal_sequence": sequence, "bytes": len(cut.state),
        }  # fmt: skip
        payloads = [_text(manifest).encode(), *pieces]
        chunks = []
        for part, payload in enumerate(payloads):
            name = f"{self.layout.session}/snapshots/{self.stage}/{self.task}/{cut.time}/{part}"
            chunks.append(
                SnapshotChunk(
                    event_id=name, causation_id=name, correlation_id=name, session=self.layout.session, time=cut.time,
                    stage=self.stage, task=self.task, part=part, parts=len(payloads),
                    state_digest=cut.state_digest, payload=payload,
                )
            )  # fmt: skip
        return chunks


class FoundSnapshot(NamedTuple):
    """A whole snapshot read back, and the journal entry it was committed with."""

    cut: Cut
    journal_sequence: int


def entry_digest(payload: bytes) -> str:
    """What the next entry carries as `previous_digest`: sha256 of an entry's Avro payload."""
    return hashlib.sha256(payload).hexdigest()


def taken_of(entry: JournalEntry) -> list[Taken]:
    """The commands an entry says were taken."""
    return [Taken(*row) for row in json.loads(entry.commands)]


def positions_of(entry: JournalEntry) -> dict[Partition, tuple[int, int]]:
    """By partition (topic without session): offset of the first record not yet stepped, and the watermark read before it."""
    return {Partition(topic, number): (offset, wm) for topic, number, offset, wm in json.loads(entry.positions)}


def settle(log: Log, writer: Writer, partition: Partition) -> None:
    """
    Returns once everything that was or will be committed before now in a journal partition can be read.

    Writes a record without value (as a watermark is one) in a transaction of its own and waits until it is readable: an open
    transaction of a dead worker stands before it, and so does whatever a broker that was killed shows only a moment after its start.

    Raises: LogError where that takes longer than 30 s; Fenced as the writer.
    """
    start = log.end_offset(partition)
    mark = secrets.randbits(60)
    writer.begin()
    writer.append(partition, key=None, value=None, headers=watermark_headers(mark), time=MARK_TIME)
    writer.commit()
    reader = log.reader({partition: start})
    deadline = time.monotonic() + SETTLE_S_MAX
    try:
        while not any(message.value is None and watermark_of(message) == mark for message in reader.poll(READ_MAX, 0.05)):
            if time.monotonic() > deadline:
                raise LogError(f"{partition.topic}/{partition.number} must be readable to its end within {SETTLE_S_MAX:.0f} s, was not")
    finally:
        reader.close()


class Newest(NamedTuple):
    """The last entry of a journal and its digest, by the bytes it stands in: another program may have written them."""

    entry: JournalEntry
    digest: str


def newest(log: Log, partition: Partition, codec: Codec) -> Newest | None:
    """The last committed entry of a journal partition, or None where it is empty."""
    for message in backwards(log, partition):
        if message.value is not None:
            entry = codec.decode(message.value, JournalEntry)
            assert isinstance(entry, JournalEntry)
            return Newest(entry, entry_digest(message.value[HEADER_LENGTH:]))
    return None


def newest_entry(log: Log, partition: Partition, codec: Codec) -> JournalEntry | None:
    """As `newest`, without the digest."""
    found = newest(log, partition, codec)
    return None if found is None else found.entry


def entries_from(log: Log, partition: Partition, codec: Codec, sequence: int) -> list[JournalEntry]:
    """The committed entries numbered `sequence` and later, in order."""
    found: list[JournalEntry] = []
    for message in backwards(log, partition):
        if message.value is None:
            continue
        entry = codec.decode(message.value, JournalEntry)
        assert isinstance(entry, JournalEntry)
        if entry.sequence < sequence:
            break
        found.append(entry)
    return found[::-1]


def newest_snapshot(
    log: Log, partition: Partition, codec: Codec, *, accept: Callable[[int], bool] = lambda _: True, before: int | None = None
) -> FoundSnapshot | None:
    """
    The newest whole snapshot whose time `accept` takes, among those that stand before the offset `before` (None: all).

    Raises: ReplayMismatch where the state's bytes are not those the manifest was written for.
    """
    parts: dict[int, SnapshotChunk] = {}
    offset = 0
    for message in backwards(log, partition, before):
        chunk = codec.decode(message.value or b"", SnapshotChunk)
        assert isinstance(chunk, SnapshotChunk)
        if not accept(chunk.time):
            continue
        parts[chunk.part] = chunk
        offset = message.offset
        if chunk.part == 0:
            break
    else:
        return None
    manifest = json.loads(parts[0].payload)
    state = b"".join(parts[part].payload for part in range(1, parts[0].parts))
    found = state_digest(state)
    if found != parts[0].state_digest:
        raise ReplayMismatch(
            f"{partition.topic}/{partition.number} offset {offset}: the state must have the digest "
            f"{parts[0].state_digest}, was {found}"
        )
    standing = Standing(
        manifest["frontier"], [(t, n, o, w) for t, n, o, w in manifest["places"]],
        manifest["commands_offset"], manifest["outputs_count"], manifest["outputs_digest"],
    )  # fmt: skip
    return FoundSnapshot(Cut(manifest["time"], state, found, standing), manifest["journal_sequence"])


def read_range(log: Log, partition: Partition, start: int, end: int) -> Iterator[Message]:
    """The committed messages with start ≤ offset < end. The end must be at most the partition's end offset."""
    if start >= end:
        return
    reader = log.reader({partition: start})
    try:
        while reader.position(partition) < end:
            for message in reader.poll(READ_MAX, READ_WAIT_S):
                if message.offset >= end:
                    return
                yield message
    finally:
        reader.close()


def backwards(log: Log, partition: Partition, before: int | None = None) -> Iterator[Message]:
    """Committed messages from the last (before the offset `before`) to the first, reading ever larger tails."""
    start, end = log.start_offset(partition), log.end_offset(partition) if before is None else before
    step = TAIL_FIRST
    while end > start:
        tail_start = max(start, end - step)
        yield from reversed(list(read_range(log, partition, tail_start, end)))
        end, step = tail_start, step * 4


def _positions(standing: Standing, task: int) -> list[tuple[str, int, int, int]]:
    return [*standing.places, ("commands", task, standing.commands_offset, -1)]


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


__all__ = [
    "CHUNK_BYTES_MAX", "NO_DIGEST", "READ_WAIT_S", "FoundSnapshot", "JournalWriter", "backwards", "entries_from", "entry_digest",
    "newest", "newest_entry", "newest_snapshot", "positions_of", "read_range", "settle", "taken_of",
]  # fmt: skip
