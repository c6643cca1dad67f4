"""
One task of a recorded session run again: the one way in which every question to a session steps it.

A task starts at its newest snapshot before the first moment that is asked for, or at its beginning, and is given the records that its
journal says it had read, and the journal's commands at the times they were taken. Wherever the journal states a digest of what came
out by then, the replay must have it too: nothing is told of a session that this program would have run differently.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from streams.domain.records import Command, JournalEntry
from streams.errors import LogError, ReplayMismatch
from streams.log.batch import Batch, Taken
from streams.log.interface import Log, Partition
from streams.log.journal import READ_WAIT_S, FoundSnapshot, newest_snapshot, positions_of, read_range
from streams.log.layout import Layout
from streams.log.takeover import taken_commands
from streams.log.task import Task
from streams.log.written import as_written
from streams.replay.recorded.recorded import Recorded
from streams.replay.recorded.search import first_offset
from streams.stages.contract import Stage

READ_MAX = 4000
MICROSECONDS = 1_000_000
MILLISECOND = 1000


class Stepping:
    """
    A task and a reader of its inputs, from where the task stands up to `ends` (by partition without session, exclusive).

    `scheduled` are the commands it takes on the way.
    """

    def __init__(
        self, log: Log, layout: Layout, task: Task, ends: Mapping[Partition, int], scheduled: Iterable[tuple[Taken, Command]] = ()
    ) -> None:
        self.task = task
        self._layout = layout
        task.schedule(scheduled)
        starts = {one.partition: one.place()[0] for one in task.merge.inputs}
        self._ends = {layout.at(*p): ends[p] for p, start in starts.items() if ends[p] > max(start, log.start_offset(layout.at(*p)))}
        self._reader = log.reader({p: max(starts[self._short(p)], log.start_offset(p)) for p in self._ends})
        self._paused: set[Partition] = set()
        self._is_read = not self._ends

    def reach(self, until: int, *, events_max: int = 1 << 60) -> Iterator[Batch]:
        """
        What comes out until every event up to `until` (µs) is stepped, a batch for at most about `events_max` events.

        What was read up to `ends` must be all there is of that time.
        """
        task = self.task
        while True:
            stepped = task.run(until=until, events_max=events_max, complete=self._is_read)
            if stepped:
                yield task.collect()
            if task.frontier >= until:
                break
            if not stepped:
                self._read()

    def end(self) -> Batch:
        """The commands that were taken right after the last moment, and what they brought."""
        self.task.run_scheduled()
        return self.task.collect()

    def close(self) -> None:
        self._reader.close()

    def _read(self) -> None:
        task, ends = self.task, self._ends
        task.offer(m for m in self._reader.poll(READ_MAX, READ_WAIT_S) if m.offset < ends[Partition(m.topic, m.partition)])
        crowded = {self._layout.at(*p) for p in task.merge.crowded(READ_MAX * 5)} & ends.keys()
        drained = {p for p in self._paused if len(task.merge.by_partition[self._short(p)].queue) < READ_MAX}
        done = {p for p, end in ends.items() if self._reader.position(p) >= end}
        self._is_read = len(done) == len(ends)
        if crowded - self._paused:
            self._reader.pause(sorted(crowded - self._paused))
        if drained - crowded - done:
            self._reader.resume(sorted(drained - crowded - done))
        self._paused = (self._paused | crowded) - (drained - crowded)

    def _short(self, partition: Partition) -> Partition:
        return Partition(partition.topic[len(self._layout.session) + 1 :], partition.number)


class Rerun:
    """
    A task of a recorded session from a snapshot at or before `start` (µs; None: from its beginning) to `end`.

    `stage` may be another one than the session's that does the same (see `Observed`). Raises: ReplayMismatch where a snapshot or the
    journal says otherwise; LogError where records are no more there.
    """

    def __init__(self, recorded: Recorded, stage: Stage, number: int, *, start: int | None, end: int) -> None:
        self._recorded = recorded
        layout, log, codec = recorded.layout, recorded.log, recorded.codec
        self.journal = layout.journal(stage.name, number)
        self.task = Task(stage, number, layout, codec, recorded.settings.snapshot_interval_seconds * MICROSECONDS)
        found = None if start is None else _snapshot(recorded, stage, number, start)
        if found is not None:
            self._restore(found)
        self.task.codec = as_written(codec, log, layout, self.task)
        known = _Known(recorded, self.journal, self.task.frontier, end)
        self._digests = known.digests
        ends = {} if known.last is None else positions_of(known.last)
        commands = [one for one in known.commands if one[0].offset >= self.task.commands_offset]
        for one in self.task.merge.inputs:
            self._must_be_there(layout.at(*one.partition), one.place()[0])
        self._stepping = Stepping(
            log, layout, self.task, {p: ends[p][0] if p in ends else 0 for p in self.task.merge.by_partition}, commands
        )
        self.events = 0

    @property
    def number(self) -> int:
        return self.task.number

    def reach(self, until: int, *, events_max: int = 1 << 60) -> Iterator[Batch]:
        """What comes out until every event up to `until` (at most `end`) is stepped. Raises: ReplayMismatch, LogError."""
        try:
            for batch in self._stepping.reach(until, events_max=events_max):
                yield self._checked(batch)
        except AssertionError:
            # Decided differently, a task may meet what it takes for impossible: an answer to an order that it never sent. What came out
            # before shows that; where it does not, it is our bug.
            self._checked(self.task.collect())
            raise

    def reached(self, until: int) -> "Rerun":
        """This, once every event up to `until` is stepped."""
        for _ in self.reach(until):
            pass
        return self

    def close(self) -> None:
        self._stepping.close()

    def _restore(self, found: FoundSnapshot) -> None:
        try:
            self.task.restore(found.cut)
        except msgspec.ValidationError as error:
            place = self._recorded.layout.snapshots(self.task.stage.name, self.number)
            raise ReplayMismatch(
                f"{place.topic}/{place.number}: the snapshot of {found.cut.time} must be a state of this program's "
                f"{self.task.stage.name}, was not: {error}"
            ) from error

    def _must_be_there(self, partition: Partition, offset: int) -> None:
        first = self._recorded.log.start_offset(partition)
        if first > offset:
            raise LogError(
                f"{partition.topic}/{partition.number} must hold offset {offset} and what follows for this moment, begins at {first}: "
                "what lies before is gone"
            )

    def _checked(self, batch: Batch) -> Batch:
        self.events += batch.events
        count = batch.standing.outputs_count - len(batch.emissions)
        for emission in batch.emissions:
            count += 1
            found = self._digests.get(count)
            if found is not None and found.digest != emission.digest:
                raise ReplayMismatch(
                    f"{self.journal.topic}/{self.journal.number} offset {found.offset}: after {count} outputs of "
                    f"{self.task.stage.name} task {self.number} the digest must be {found.digest}, was {emission.digest}: this program "
                    f"decides differently (the session's code: {found.code_version}), or a record was altered; see cdb replay verify"
                )
        return batch


def _snapshot(recorded: Recorded, stage: Stage, number: int, start: int) -> FoundSnapshot | None:
    """The newest snapshot that knows nothing of what comes after `start`."""
    place = recorded.layout.snapshots(stage.name, number)
    # A snapshot holds everything before its own time.
    before = first_offset(recorded.log, place, start + 2)
    return newest_snapshot(recorded.log, place, recorded.codec, before=before)


class _Stated(NamedTuple):
    """What a journal entry says of the outputs so far, and where it stands."""

    digest: str
    offset: int
    code_version: str


class _Known:
    """
    What the journal says from the moment `start` (before the first: from its beginning) to the first entry that has stepped all of `end`.

    `digests` by the number of outputs; `commands` that were taken; `last`: that entry.
    """

    def __init__(self, recorded: Recorded, journal: Partition, start: int, end: int) -> None:
        log, codec = recorded.log, recorded.codec
        self.digests: dict[int, _Stated] = {}
        self.commands: list[tuple[Taken, Command]] = []
        self.last: JournalEntry | None = None
        first = log.start_offset(journal)
        if start >= 0:
            first = first_offset(log, journal, start // MILLISECOND * MILLISECOND)
        for message in read_range(log, journal, first, log.end_offset(journal)):
            if message.value is None:
                continue
            entry = codec.decode(message.value, JournalEntry)
            assert isinstance(entry, JournalEntry)
            self.digests[entry.outputs_count] = _Stated(entry.outputs_digest, message.offset, entry.code_version)
            self.commands += taken_commands(log, recorded.layout, codec, [entry])
            self.last = entry
            if entry.frontier >= end:
                break
