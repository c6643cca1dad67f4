"""
One task run again, from its beginning or a snapshot, and everything that it writes compared with what stands on the log.

It goes through journal, outputs and snapshots side by side with the replay, so memory does not grow with the session.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec

from streams.domain.parameters import SessionSettings
from streams.domain.records import DeadLetter, JournalEntry
from streams.errors import DecodeError, LogError, ReplayMismatch
from streams.log.batch import Batch, Cut, Emission, Taken
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log, Message, Partition
from streams.log.journal import newest_snapshot, positions_of, read_range, taken_of
from streams.log.layout import Layout
from streams.log.task import Task
from streams.log.written import as_written, outputs, time_of
from streams.replay.recorded.rerun import MICROSECONDS, Stepping
from streams.replay.verification.commands_check import commands_taken
from streams.replay.verification.journal_check import Divergence, Journal, Link
from streams.replay.verification.letters import Letters
from streams.replay.verification.part import Part
from streams.replay.verification.snapshots_check import Snapshots
from streams.stages.contract import Stage

# The task's name, events stepped so far, and the share (0..1) of the task's own market time that is done.
TaskProgress = Callable[[str, int, float], None]


class JournalRead(NamedTuple):
    """What a task's journal says, its chain whole: the last entry of the part, what was taken until then, who wrote it."""

    last: Link
    taken: list[Taken]
    codes: frozenset[str]
    settings_digests: frozenset[str]


class TaskReplay:
    """One task, run again over a part. `read_journal` comes first, `run` second."""

    def __init__(
        self, log: Log, layout: Layout, codec: Codec, stage: Stage, number: int, settings: SessionSettings, part: Part, letters: Letters,
        progress: TaskProgress | None = None,
    ) -> None:
        self._log, self._layout, self._codec, self._stage, self._number = log, layout, codec, stage, number
        self._part, self._letters, self._progress = part, letters, progress
        self.name = f"{stage.name} {number}"
        self._task = Task(stage, number, layout, codec, settings.snapshot_interval_seconds * MICROSECONDS)
        self._journal = layout.journal(stage.name, number)
        self._first = 0
        self._restore()
        self._task.codec = as_written(codec, log, layout, self._task)
        self._began = self._task.frontier
        self._from = 1 << 62
        self._expected = {topic: self._data(topic) for topic in stage.outputs}
        self.read: JournalRead | None = None
        self.compared: dict[str, int] = dict.fromkeys(stage.outputs, 0)
        self.entries = self.snapshots = self.events = 0
        self.dead_letters: list[DeadLetter] = []

    def _restore(self) -> None:
        """Puts the task to the newest snapshot that knows nothing of the part."""
        if self._part.start is None:
            return
        start = self._part.start
        place = self._layout.snapshots(self._stage.name, self._number)
        try:
            found = newest_snapshot(self._log, place, self._codec, accept=lambda time: time <= start)
        except DecodeError as fault:
            raise ReplayMismatch(f"{place.topic}/{place.number}: the snapshots up to {start} must be whole, were not: {fault}") from fault
        if found is None:
            return
        try:
            self._task.restore(found.cut)
        except msgspec.DecodeError as error:
            raise ReplayMismatch(
                f"{place.topic}/{place.number}: the snapshot of {found.cut.time} must be a state of this program's {self._stage.name}, was "
                f"not: {error}"
            ) from error
        self._first = found.journal_sequence

    def read_journal(self) -> Divergence | None:
        """The journal from its start to the end of the part: chain, positions, who wrote it."""
        last: Link | None = None
        taken: list[Taken] = []
        codes, digests, count = set(), set(), 0
        for found in Journal(self._log, self._journal, self._codec, first=self._first).read():
            if isinstance(found, Divergence):
                return found
            count += 1
            last = found
            codes.add(found.entry.code_version)
            digests.add(found.entry.settings_digest)
            if found.entry.sequence >= self._first:
                taken += taken_of(found.entry)
            if self._part.ends(found.entry.frontier):
                break
        if last is None:
            return None
        self.read = JournalRead(last, taken, frozenset(codes), frozenset(digests))
        self.entries = count
        return self._impossible(last)

    def _impossible(self, link: Link) -> Divergence | None:
        """Positions beyond what the log holds, or of inputs that the task does not have."""
        ends = positions_of(link.entry)
        for one in self._task.merge.inputs:
            if one.partition not in ends:
                return Divergence.at(link.message, "the positions", f"with {one.partition.topic}/{one.partition.number}", sorted(ends))
            place, (offset, _) = self._layout.at(*one.partition), ends[one.partition]
            end = self._log.end_offset(place)
            if offset > end:
                return Divergence.at(link.message, f"the position in {place.topic}/{place.number}", f"at most {end}, where it ends", offset)
        return None

    def run(self) -> Divergence | None:
        """The first place where outputs, digests, commands or snapshots are not those of the replay. Raises: LogError."""
        if self.read is None:
            return self._nothing_more()
        ends = {partition: offset for partition, (offset, _) in positions_of(self.read.last.entry).items()}
        commands = []
        if self._stage.takes_commands:
            start, end = self._task.commands_offset, ends.get(Partition("commands", self._number), 0)
            found = commands_taken(
                self._log, self._layout, self._codec, self._number, self.read.taken, self._letters, start=start, end=end
            )
            if isinstance(found, Divergence):
                return found
            commands = found
        self._must_be_there()
        stepping = Stepping(self._log, self._layout, self._task, ends, commands)
        try:
            return self._compared(stepping)
        finally:
            stepping.close()

    def _must_be_there(self) -> None:
        for one in self._task.merge.inputs:
            place, offset = self._layout.at(*one.partition), one.place()[0]
            first = self._log.start_offset(place)
            if first > offset:
                raise LogError(
                    f"{place.topic}/{place.number} must hold offset {offset} and all after it, begins at {first}: what was before is gone; "
                    "verify from a later moment (--from), which a snapshot stands before"
                )

    def _compared(self, stepping: Stepping) -> Divergence | None:
        assert self.read is not None
        last = self.read.last.entry
        until = last.frontier if self._part.end is None else min(last.frontier, self._part.end)
        entries = _Entries(self._log, self._journal, self._codec, self.read.last.message.offset)
        snapshots = Snapshots(
            self._log, self._layout.snapshots(self._stage.name, self._number), self._codec,
            start=max(self._began + 2, 0), end=None if until == last.frontier and self._part.end is None else until,
        )  # fmt: skip
        divergence = entries.on_count(self._task.outputs_count, self._task.outputs_digest)
        if divergence is not None:
            return divergence
        count = self._task.outputs_count
        for batch in self._batches(stepping, until, ended=until == last.frontier):
            for emission in batch.emissions:
                count += 1
                divergence = self._compare(emission) or entries.on_count(count, emission.digest)
                if divergence is not None:
                    return divergence
            divergence = self._on_cuts(snapshots, batch.cuts)
            if divergence is not None:
                return divergence
            self.dead_letters += batch.dead_letters
        if until == last.frontier and count != last.outputs_count:
            return Divergence.at(self.read.last.message, "the number of outputs", last.outputs_count, count)
        divergence = self._nothing_more(until if self._part.end is not None else None) or snapshots.on_cut(None)
        self.snapshots = snapshots.count
        return divergence

    def _on_cuts(self, snapshots: Snapshots, cuts: list[Cut]) -> Divergence | None:
        for cut in cuts:
            divergence = snapshots.on_cut(cut)
            if divergence is not None:
                return divergence
        return None

    def _batches(self, stepping: Stepping, until: int, *, ended: bool) -> Iterator[Batch]:
        for batch in stepping.reach(until):
            yield self._noted(batch, until)
        if ended:
            yield self._noted(stepping.end(), until)

    def _noted(self, batch: Batch, until: int) -> Batch:
        self.events += batch.events
        if self._progress is not None:
            self._from = min(self._from, self._task.frontier)
            self._progress(self.name, self.events, (self._task.frontier - self._from) / max(until - self._from, 1))
        return batch

    def _compare(self, emission: Emission) -> Divergence | None:
        partition = self._layout.at(emission.topic, self._number)
        message = next(self._expected[emission.topic], None)
        if message is None:
            return Divergence(partition.topic, partition.number, None, "the next record", self._words(emission.value), "missing")
        self.compared[emission.topic] += 1
        assert message.value is not None
        if self._same(message, emission):
            return None
        following = next(self._expected[emission.topic], None)
        if following is not None and self._same(following, emission):
            return Divergence.at(message, "the record", "none: the one due comes after it", f"one too many, {self._words(message.value)}")
        return Divergence.at(message, "the record", self._words(emission.value), self._words(message.value))

    def _same(self, message: Message, emission: Emission) -> bool:
        """Key and payload equal, under an id of the same schema."""
        value, due = message.value or b"", emission.value
        if message.key != emission.key.encode() or value[HEADER_LENGTH:] != due[HEADER_LENGTH:]:
            return False
        return value[:HEADER_LENGTH] == due[:HEADER_LENGTH] or self._codec.schema_of(value) == self._codec.schema_of(due)

    def _nothing_more(self, until: int | None = None) -> Divergence | None:
        """Outputs that the replay did not make; of a part only those of its own time (µs)."""
        for topic, expected in self._expected.items():
            for message in expected:
                assert message.value is not None
                if until is not None and time_of(message) > until + self._delay(topic):
                    break
                return Divergence.at(message, "the end of " + topic, "here", self._words(message.value))
        return None

    def _delay(self, topic: str) -> int:
        """How much later than its event a record of the topic is."""
        return self._stage.output_delay if self._layout.is_merged(topic) else 0

    def _data(self, topic: str) -> Iterator[Message]:
        """A partition's data records from where the task stands."""
        partition = self._layout.at(topic, self._number)
        if partition.topic not in self._log.topics():
            raise LogError(f"topic {partition.topic} must exist, is missing")
        start = self._log.start_offset(partition)
        if start and self._task.frontier < 0:
            raise LogError(
                f"{partition.topic}/{partition.number} must hold offsets 0 to {start - 1} as well, begins at {start}: what was before is "
                "gone; verify from a later moment (--from), which a snapshot stands before"
            )
        return outputs(self._log, self._layout, self._task, topic)

    def _words(self, value: bytes) -> str:
        try:
            return str(self._codec.decode(value))
        except DecodeError as fault:
            return f"undecodable ({fault})"


class _Entries:
    """The journal once more, entry by entry along with the outputs, up to the offset `last`."""

    def __init__(self, log: Log, partition: Partition, codec: Codec, last: int) -> None:
        self._codec = codec
        messages = read_range(log, partition, log.start_offset(partition), last + 1)
        self._links = (Link(message, self._decoded(message)) for message in messages if message.value is not None)
        self._next = next(self._links, None)

    def _decoded(self, message: Message) -> JournalEntry:
        entry = self._codec.decode(message.value or b"", JournalEntry)
        assert isinstance(entry, JournalEntry)
        return entry

    def on_count(self, count: int, digest: str) -> Divergence | None:
        """The entries up to that number of outputs; those of exactly that number must have this digest."""
        while self._next is not None and self._next.entry.outputs_count <= count:
            message, entry = self._next
            if entry.outputs_count == count and entry.outputs_digest != digest:
                what = f"the digest after {count} outputs" if count else "the digest of no outputs"
                return Divergence.at(message, what, digest, entry.outputs_digest)
            self._next = next(self._links, None)
        return None
