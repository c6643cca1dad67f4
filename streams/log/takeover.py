"""
Taking a task over: the newest snapshot plus the log after it, checked against the journal's digest before anything is written.

Before this the worker settles the journal (`streams.log.journal.settle`), so that its newest entry is the last there will be of whoever
had the task. The group's committed offset is not asked: seen after a broker's death, it can be pending for ever or older than the
journal for a moment. The log is then run again without emitting until the journal's frontier, and count and digest of the outputs
must be the journal's.
"""

from collections.abc import Iterable
from typing import NamedTuple

from streams.domain.records import Command, JournalEntry
from streams.errors import LogError, ReplayMismatch
from streams.log.batch import NO_DIGEST, Taken
from streams.log.codec import Codec
from streams.log.interface import Log, Partition
from streams.log.journal import (
    entries_from,
    newest,
    newest_snapshot,
    positions_of,
    read_range,
    taken_of,
)
from streams.log.layout import Layout
from streams.log.task import Task
from streams.log.written import as_written
from streams.stages.contract import Stage

OFFER_MAX = 5000


class TakenOver(NamedTuple):
    """A task that stands where its journal says, and how the journal goes on."""

    task: Task
    sequence: int  # of the next entry
    previous_digest: str
    watermark: int  # last one known to be sent
    replayed: int  # events run again


def take_over(
    log: Log, layout: Layout, codec: Codec, stage: Stage, number: int, *, snapshot_interval: int
) -> TakenOver:
    """
    The task at the place where the last committed transaction left it. Who is going to write has settled the journal before.

    Raises: ReplayMismatch where the log, run again, does not give the journal's digest.
    """
    found_entry = newest(log, layout.journal(stage.name, number), codec)
    if found_entry is None:
        return TakenOver(Task(stage, number, layout, codec, snapshot_interval), 0, NO_DIGEST, -1, 0)
    entry = found_entry.entry
    task, first_sequence = _from_snapshot(log, layout, codec, stage, number, snapshot_interval, entry)
    entries = entries_from(log, layout.journal(stage.name, number), codec, first_sequence)
    commands = taken_commands(log, layout, codec, entries)
    task.schedule((taken, command) for taken, command in commands if taken.offset >= task.commands_offset)
    task.codec = as_written(codec, log, layout, task)
    replayed = _run_again(log, layout, task, entry)
    task.codec = codec
    found = task.standing()
    if (found.outputs_count, found.outputs_digest) != (entry.outputs_count, entry.outputs_digest):
        place = layout.journal(stage.name, number)
        raise ReplayMismatch(
            f"{place.topic}/{place.number} entry {entry.sequence} of {stage.name} task {number}: after {entry.outputs_count} "
            f"outputs the digest must be {entry.outputs_digest}, was {found.outputs_digest} after {found.outputs_count}"
        )
    return TakenOver(task, entry.sequence + 1, found_entry.digest, entry.watermark, replayed)


def _from_snapshot(
    log: Log, layout: Layout, codec: Codec, stage: Stage, number: int, snapshot_interval: int, entry: JournalEntry
) -> tuple[Task, int]:
    """A task restored from the newest snapshot up to the entry, or new; and the first journal entry that may hold its commands."""
    task = Task(stage, number, layout, codec, snapshot_interval)
    found = newest_snapshot(log, layout.snapshots(stage.name, number), codec)
    if found is None:
        return task, 0
    assert found.cut.standing.frontier <= entry.frontier, "a snapshot is committed with its journal entry"
    task.restore(found.cut)
    return task, found.journal_sequence


def taken_commands(log: Log, layout: Layout, codec: Codec, entries: Iterable[JournalEntry]) -> list[tuple[Taken, Command]]:
    """The commands that these journal entries took, in order. Raises: LogError where one is no more on its topic."""
    return [(taken, _command(log, layout, codec, taken)) for entry in entries for taken in taken_of(entry)]


def _command(log: Log, layout: Layout, codec: Codec, taken: Taken) -> Command:
    partition = layout.at("commands", taken.partition)
    for message in read_range(log, partition, taken.offset, taken.offset + 1):
        record = codec.decode(message.value or b"", Command)
        assert isinstance(record, Command)
        return record
    raise LogError(f"{partition.topic}/{partition.number} offset {taken.offset}: command {taken.command_id} is gone")


def _run_again(log: Log, layout: Layout, task: Task, entry: JournalEntry) -> int:
    """Steps everything between the task's places and the entry's, then puts the task to exactly those places."""
    ends = positions_of(entry)
    starts = {one.partition: one.place()[0] for one in task.merge.inputs}
    wanted = {p: ends[p][0] for p in starts if ends[p][0] > starts[p]}
    replayed = 0
    if wanted:
        reader = log.reader({layout.at(*p): starts[p] for p in wanted})
        try:
            while any(reader.position(layout.at(*p)) < end for p, end in wanted.items()):
                messages = reader.poll(OFFER_MAX, 0.5)
                length = len(layout.session) + 1
                task.offer(m for m in messages if m.offset < wanted[Partition(m.topic[length:], m.partition)])
                replayed += task.run(until=entry.frontier)
                task.collect()
        finally:
            reader.close()
    replayed += task.run(until=entry.frontier, complete=True)
    task.run_scheduled()
    task.collect()
    for one in task.merge.inputs:
        one.start_at(*ends[one.partition])
    task.commands_offset = ends[Partition("commands", task.number)][0]
    return replayed
