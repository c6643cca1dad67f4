"""
A session run again from its log, every output compared byte by byte with what stands there.

Each task is replayed on its own, from the market data and internal topics that it read, with the journal's commands at the times
they were taken; so the first divergence is found at the stage that made it. Nothing is written: a verification holds readers only.
Compared are: every data record of every output topic (key, payload), the running digest at each journal entry, the chain of journal
entries, the feed's own digest over its records, and each snapshot's state where the replay passes the same moment.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.domain.records import Command, JournalEntry, SnapshotChunk
from streams.errors import DecodeError, LogError
from streams.log.batch import NO_DIGEST, Batch, Emission, Taken
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log, Message, Partition
from streams.log.journal import positions_of, read_range, taken_of
from streams.log.layout import Layout
from streams.log.task import Task
from streams.replay.feed_replay import FeedReplay
from streams.replay.journal_check import Divergence, Journal
from streams.replay.rerun import MICROSECONDS, Stepping
from streams.stages.contract import Stage, StageFactory

Progress = Callable[[str, int], None]


class Verdict(NamedTuple):
    """What a verification compared, and the first divergence of each task that has one."""

    records: dict[str, int]  # data records compared, by topic
    journal_entries: int
    snapshots: int
    events: int
    divergences: list[Divergence]

    @property
    def equal(self) -> bool:
        return not self.divergences

    @property
    def compared(self) -> int:
        return sum(self.records.values())


def verify(
    log: Log, settings: SessionSettings, codec: Codec, stages: tuple[StageFactory, ...], progress: Progress | None = None
) -> Verdict:
    """
    Replays every task of a session and compares. `progress` is told (task name, events stepped so far).

    Raises: LogError where a topic is missing or the log goes away: no half-true verdict.
    """
    layout = Layout.of(settings)
    records: dict[str, int] = {}
    divergences: list[Divergence] = []
    entries = snapshots = events = 0
    runs: list[FeedReplay | _TaskReplay] = [FeedReplay(log, layout, codec)]
    runs += [
        _TaskReplay(log, layout, codec, stage_of(settings, number), number, settings, progress)
        for stage_of in stages
        for number in range(layout.tasks(stage_of(settings, 0)))
    ]
    broken: AssertionError | None = None
    for run in runs:
        try:
            divergence = run.run()
        except AssertionError as bug:
            # An altered record may break what a stage may take for granted of its inputs. Who wrote it names the place; where
            # nobody does, it is our bug.
            broken, divergence = bug, None
        if divergence is not None:
            divergences.append(divergence)
        for topic, count in run.compared.items():
            records[topic] = records.get(topic, 0) + count
        entries += run.entries
        snapshots += run.snapshots
        events += run.events
    if broken is not None and not divergences:
        raise broken
    return Verdict(records, entries, snapshots, events, divergences)


class _TaskReplay:
    """One task, run again from its first event to its journal's last frontier."""

    def __init__(
        self, log: Log, layout: Layout, codec: Codec, stage: Stage, number: int, settings: SessionSettings,
        progress: Progress | None,
    ) -> None:
        self._log, self._layout, self._codec, self._stage, self._number = log, layout, codec, stage, number
        self._progress = progress
        self._task = Task(stage, number, layout, codec, settings.snapshot_interval_seconds * MICROSECONDS)
        self._count = 0
        self._cuts: dict[int, str] = {}
        self._commands: list[tuple[Taken, Command]] = []
        self._expected = {topic: _data(log, layout.at(topic, number)) for topic in stage.outputs}
        self.compared: dict[str, int] = dict.fromkeys(stage.outputs, 0)
        self.entries = self.snapshots = self.events = 0

    def run(self) -> Divergence | None:
        journal: list[tuple[Message, JournalEntry]] = []
        for found in Journal(self._log, self._layout.journal(self._stage.name, self._number), self._codec).read():
            if isinstance(found, Divergence):
                return found
            journal.append(found)
        self.entries = len(journal)
        if not journal:
            return self._nothing_more()
        broken = self._find_commands([taken for _, entry in journal for taken in taken_of(entry)])
        if broken is not None:
            return broken
        digests = {entry.outputs_count: (message, entry) for message, entry in journal}
        if 0 in digests and digests[0][1].outputs_digest != NO_DIGEST:
            message, entry = digests[0]
            return Divergence(
                self._layout.full("journal"), message.partition, message.offset, "the digest of no outputs",
                NO_DIGEST, entry.outputs_digest,
            )  # fmt: skip
        last = journal[-1][1]
        for emissions in self._batches(last):
            for emission in emissions:
                divergence = self._compare(emission) or self._compare_digest(emission, digests)
                if divergence is not None:
                    return divergence
        if self._task.outputs_count != last.outputs_count:
            message = journal[-1][0]
            return Divergence(
                self._layout.full("journal"), message.partition, message.offset, "the number of outputs",
                str(last.outputs_count), str(self._task.outputs_count),
            )  # fmt: skip
        return self._nothing_more() or self._compare_snapshots()

    def _batches(self, last: JournalEntry) -> Iterator[list[Emission]]:
        ends = {partition: offset for partition, (offset, _) in positions_of(last).items()}
        stepping = Stepping(self._log, self._layout, self._task, ends, self._commands)
        try:
            for batch in stepping.reach(last.frontier):
                yield self._noted(batch)
            yield self._noted(stepping.end())
        finally:
            stepping.close()

    def _noted(self, batch: Batch) -> list[Emission]:
        self.events += batch.events
        self._cuts.update((cut.time, cut.state_digest) for cut in batch.cuts)
        if self._progress is not None:
            self._progress(f"{self._stage.name} {self._number}", self.events)
        return batch.emissions

    def _find_commands(self, taken: list[Taken]) -> Divergence | None:
        if not taken:
            return None
        partition = self._layout.at("commands", self._number)
        wanted = {one.offset: one for one in taken}
        commands: dict[int, Command] = {}
        for message in read_range(self._log, partition, min(wanted), max(wanted) + 1):
            if message.offset in wanted:
                record = self._codec.decode(message.value or b"", Command)
                assert isinstance(record, Command)
                commands[message.offset] = record
                if record.event_id != wanted[message.offset].command_id:
                    return Divergence(
                        partition.topic, partition.number, message.offset, "the command",
                        wanted[message.offset].command_id, record.event_id,
                    )  # fmt: skip
        for offset, one in wanted.items():
            if offset not in commands:
                return Divergence(partition.topic, partition.number, offset, "the command", one.command_id, "missing")
        self._commands = [(one, commands[one.offset]) for one in taken]
        return None

    def _compare(self, emission: Emission) -> Divergence | None:
        partition = self._layout.at(emission.topic, self._number)
        message = next(self._expected[emission.topic], None)
        if message is None:
            return Divergence(partition.topic, partition.number, None, "the next record", self._words(emission.value), "missing")
        self.compared[emission.topic] += 1
        assert message.value is not None
        if (message.key, message.value[HEADER_LENGTH:]) != (emission.key.encode(), emission.value[HEADER_LENGTH:]):
            return Divergence(
                partition.topic, partition.number, message.offset, "the record",
                self._words(emission.value), self._words(message.value),
            )  # fmt: skip
        return None

    def _compare_digest(self, emission: Emission, digests: dict[int, tuple[Message, JournalEntry]]) -> Divergence | None:
        self._count += 1
        found = digests.get(self._count)
        if found is None or found[1].outputs_digest == emission.digest:
            return None
        message, entry = found
        return Divergence(
            self._layout.full("journal"), message.partition, message.offset, f"the digest after {self._count} outputs",
            emission.digest, entry.outputs_digest,
        )  # fmt: skip

    def _nothing_more(self) -> Divergence | None:
        for topic, expected in self._expected.items():
            message = next(expected, None)
            if message is not None:
                assert message.value is not None
                return Divergence(
                    message.topic, message.partition, message.offset, "the end of " + topic, "here", self._words(message.value)
                )
        return None

    def _compare_snapshots(self) -> Divergence | None:
        partition = self._layout.snapshots(self._stage.name, self._number)
        for message in read_range(self._log, partition, self._log.start_offset(partition), self._log.end_offset(partition)):
            chunk = self._codec.decode(message.value or b"", SnapshotChunk)
            assert isinstance(chunk, SnapshotChunk)
            replayed = self._cuts.get(chunk.time)
            if chunk.part == 0 and replayed is not None:
                self.snapshots += 1
                if chunk.state_digest != replayed:
                    return Divergence(
                        partition.topic, partition.number, message.offset, f"the state's digest at {chunk.time}",
                        replayed, chunk.state_digest,
                    )  # fmt: skip
        return None

    def _words(self, value: bytes) -> str:
        try:
            return str(self._codec.decode(value))
        except DecodeError as fault:
            return f"undecodable ({fault})"


def _data(log: Log, partition: Partition) -> Iterator[Message]:
    """A partition's data records."""
    if partition.topic not in log.topics():
        raise LogError(f"topic {partition.topic} must exist, is missing")
    messages = read_range(log, partition, log.start_offset(partition), log.end_offset(partition))
    return (message for message in messages if message.value is not None)
