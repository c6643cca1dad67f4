"""
A task's snapshots: each whole, each the state that its own digest says, and where the replay passes the same moment, the same state.
"""

import json
from collections.abc import Iterator

from streams.domain.records import SnapshotChunk
from streams.errors import DecodeError
from streams.log.batch import Cut
from streams.log.codec import Codec
from streams.log.interface import Log, Message, Partition
from streams.log.journal import CHUNK_BYTES_MAX, read_range
from streams.replay.verification.journal_check import Divergence
from streams.stages.state import state_digest

Chunk = tuple[Message, SnapshotChunk]


class Snapshots:
    """One partition of snapshots, read along with the replay's own cuts; memory holds one state."""

    def __init__(self, log: Log, partition: Partition, codec: Codec, *, start: int, end: int | None) -> None:
        """From the snapshot of `start` (µs) on, to that of `end`."""
        messages = read_range(log, partition, log.start_offset(partition), log.end_offset(partition))
        self._parts = self._decoded(messages, codec)
        self._start, self._end = start, end
        self._waiting: Chunk | Divergence | None = next(self._parts, None)
        self._time = -1
        self.count = 0

    def on_cut(self, cut: Cut | None) -> Divergence | None:
        """What stands on the log up to the replay's cut, which comes in order of time; None: all the rest."""
        while self._waiting is not None:
            if isinstance(self._waiting, Divergence):
                return self._waiting
            time = self._waiting[1].time
            if (cut is not None and time > cut.time) or (self._end is not None and time > self._end):
                return None
            divergence = self._whole(cut if cut is not None and time == cut.time else None)
            if divergence is not None:
                return divergence
        return None

    def _decoded(self, messages: Iterator[Message], codec: Codec) -> Iterator[Chunk | Divergence]:
        for message in messages:
            if message.value is None:
                continue
            try:
                chunk = codec.decode(message.value, SnapshotChunk)
            except DecodeError as fault:
                yield Divergence.at(message, "the snapshot's chunk", "whole", fault)
                return
            assert isinstance(chunk, SnapshotChunk)
            if chunk.time >= self._start:
                yield message, chunk

    def _whole(self, cut: Cut | None) -> Divergence | None:
        """All parts of the snapshot that comes next."""
        state = b""
        assert self._waiting is not None and not isinstance(self._waiting, Divergence)
        message, first = self._waiting
        if first.time <= self._time:
            return Divergence.at(message, "the snapshot's time", f"after {self._time}", first.time)
        self._time = first.time
        for number in range(max(first.parts, 1)):
            if isinstance(self._waiting, Divergence):
                return self._waiting
            if self._waiting is None:
                return Divergence.at(message, "the snapshot's chunks", first.parts, number)
            message, chunk = self._waiting
            divergence = _own(message, chunk, first, number)
            if divergence is None and cut is not None:
                divergence = _as_replayed(message, chunk, cut)
            if divergence is not None:
                return divergence
            state += chunk.payload if number else b""
            self._waiting = next(self._parts, None)
        self.count += cut is not None
        if state_digest(state) != first.state_digest:
            return Divergence.at(message, "the digest of the snapshot's state", first.state_digest, state_digest(state))
        return None


def _own(message: Message, chunk: SnapshotChunk, first: SnapshotChunk, number: int) -> Divergence | None:
    """What a chunk says of itself and its neighbours."""
    name = f"{chunk.session}/snapshots/{chunk.stage}/{chunk.task}/{chunk.time}/{chunk.part}"
    for what, expected, found in (
        ("the chunk's number", number, chunk.part), ("the snapshot's time", first.time, chunk.time),
        ("the number of chunks", first.parts, chunk.parts), ("the digest in the chunk", first.state_digest, chunk.state_digest),
        ("the chunk's event_id", name, chunk.event_id), ("the chunk's causation_id", name, chunk.causation_id),
        ("the chunk's correlation_id", name, chunk.correlation_id),
    ):  # fmt: skip
        if expected != found:
            return Divergence.at(message, what, expected, found)
    if number:
        return None
    try:
        manifest = json.loads(chunk.payload)
        sane = manifest["time"] == chunk.time and manifest["frontier"] == chunk.time - 1
    except (ValueError, KeyError, TypeError):
        sane = False
    return None if sane else Divergence.at(message, "the snapshot's manifest", f"one of the time {chunk.time}", chunk.payload)


def _as_replayed(message: Message, chunk: SnapshotChunk, cut: Cut) -> Divergence | None:
    if chunk.state_digest != cut.state_digest:
        return Divergence.at(message, f"the state's digest at {chunk.time}", cut.state_digest, chunk.state_digest)
    if chunk.part:
        start = (chunk.part - 1) * CHUNK_BYTES_MAX
        if chunk.payload != cut.state[start : start + CHUNK_BYTES_MAX]:
            return Divergence.at(message, f"the state at {chunk.time}", "as replayed", "other bytes")
        return None
    manifest = json.loads(chunk.payload)
    standing = cut.standing
    for what, expected in (
        ("outputs_count", standing.outputs_count), ("outputs_digest", standing.outputs_digest), ("bytes", len(cut.state)),
    ):  # fmt: skip
        if manifest.get(what) != expected:
            return Divergence.at(message, f"the snapshot's {what} at {chunk.time}", expected, manifest.get(what))
    return None
