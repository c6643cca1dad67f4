"""
A worker of one stage: receives, steps and commits, in three calls that a host makes in turn (Faust's agent, or a plain loop).

It holds the tasks whose partitions its group membership gives it, takes each over from the log, and writes outputs, watermarks,
dead letters, snapshots, journal entries and the group's offsets of all its tasks in one transaction per turn. It knows nothing of
trading. When a transaction cannot be committed it drops every state and takes over anew: nothing of the turn remains.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from streams.domain.parameters import SessionSettings
from streams.domain.records import Command
from streams.errors import Fenced, LogError, PartitionsLost
from streams.log.batch import Batch, Taken
from streams.log.codec import Codec
from streams.log.held import HeldTask, Turn, WorkerLimits
from streams.log.interface import Log, Partition, Reader, watermark_headers
from streams.log.journal import JournalWriter, entry_digest, settle
from streams.log.layout import Layout
from streams.log.takeover import take_over
from streams.stages.contract import StageFactory

MICROSECONDS = 1_000_000

# By task: commands with the times they were taken at.
JournalledCommands = Mapping[int, Sequence[tuple[Taken, Command]]]

logger = logging.getLogger(__name__)


class Worker:
    """
    Worker `slot` of a stage in one session; `stage_of` makes the stage of a task (the stage's class).

    `commands`, by task: what a session that is run again took and when; then nothing is taken as it arrives. Raises `Fenced` from
    any call once another process has its slot.
    """

    def __init__(
        self, log: Log, stage_of: StageFactory, settings: SessionSettings, codec: Codec, *, slot: str = "0", code_version: str,
        limits: WorkerLimits = WorkerLimits(), monotonic: Callable[[], float] = time.monotonic,
        commands: JournalledCommands | None = None,
    ) -> None:
        self.log = log
        self.stage = stage = stage_of(settings, 0)
        self.layout = Layout.of(settings)
        self.codec = codec
        self.limits = limits
        self.tasks: dict[int, HeldTask] = {}
        self.transactions = 0
        self.events = 0
        self._stage_of = stage_of
        self._commands = commands
        self._settings = settings
        self._snapshot_interval = settings.snapshot_interval_seconds * MICROSECONDS
        self._journal = (code_version, settings.digest())
        self._monotonic = monotonic
        self._group_topic = self.layout.full(self.layout.group_topic(stage))
        self._assigned: list[int] = []
        self._writer_name = f"{self.layout.session}-{stage.name}-{slot}"
        self._writer = log.writer(self._writer_name)
        self._member = log.member(
            self.layout.group(stage.name), self._group_topic, on_assigned=self._on_assigned, on_revoked=self._on_revoked
        )

    # Membership: callbacks only note what changed, `receive` acts on it.

    def _on_assigned(self, partitions: Sequence[Partition]) -> None:
        self._assigned.extend(p.number for p in partitions)

    def _on_revoked(self, partitions: Sequence[Partition], lost: bool) -> None:
        numbers = {p.number for p in partitions}
        self._assigned = [number for number in self._assigned if number not in numbers]
        for number in numbers:
            self._drop(number)

    def _drop(self, number: int) -> None:
        held = self.tasks.pop(number, None)
        if held is not None and held.reader is not None:
            held.reader.close()

    def _take_over(self, number: int) -> None:
        settle(self.log, self._writer, self.layout.journal(self.stage.name, number))
        stage = self._stage_of(self._settings, number)
        found = take_over(self.log, self.layout, self.codec, stage, number, snapshot_interval=self._snapshot_interval)
        task = found.task
        logger.info("took over %s task %d at frontier %d, %d events run again", self.stage.name, number, task.frontier, found.replayed)
        held = HeldTask(task, found.sequence, found.previous_digest, found.watermark)
        own, offset = held.place_in_group()
        positions = {p: one.place()[0] for one in task.merge.inputs if (p := self.layout.at(*one.partition)) != own}
        held.reader = self.log.reader(positions) if positions else None
        # Before the restart this task may have promised more than its journal says; it has again once it has read and stepped as far.
        held.catch_up = {p: self.log.end_offset(p) for p in (self.layout.at(*one.partition) for one in task.merge.inputs)}
        self._member.seek(own, offset)
        if self._commands is not None and self.stage.takes_commands:
            task.schedule(one for one in self._commands.get(number, ()) if one[0].offset >= task.commands_offset)
        self.tasks[number] = held

    # One turn

    def receive(self) -> Turn:
        """What has arrived for each task; waits a few milliseconds at most. Tasks that were just assigned are taken over."""
        waits_on_member = not self.stage.takes_commands
        turn = Turn({}, {})
        came = self._member.poll(self.limits.messages_max, self.limits.wait_s if waits_on_member or not self.tasks else 0)
        fresh = self._settle_assignment()
        for message in came:
            if message.partition not in fresh and message.partition in self.tasks:
                target = turn.commands if self.stage.takes_commands else turn.messages
                target.setdefault(message.partition, []).append(message)
        wait = 0.0 if waits_on_member or turn.commands else self.limits.wait_s
        for number, held in self.tasks.items():
            if held.reader is not None:
                messages = held.reader.poll(self.limits.messages_max, wait)
                if messages:
                    turn.messages.setdefault(number, []).extend(messages)
                wait = 0.0
        return turn

    def _settle_assignment(self) -> set[int]:
        """Takes over what was assigned; returns those tasks, whose messages of this poll came from before the seek."""
        fresh = set(self._assigned)
        self._assigned = []
        for number in sorted(fresh):
            self._drop(number)
            self._take_over(number)
        return fresh

    def step(self, turn: Turn) -> int:
        """Steps every task; the results wait for `commit`. Returns the number of events stepped."""
        events = 0
        for number, held in self.tasks.items():
            task = held.task
            task.offer(turn.messages.get(number, ()))
            stepped = task.run(events_max=self.limits.events_max)
            if held.catch_up and stepped < self.limits.events_max:
                self._end_catch_up(held)
            if self._commands is None:
                held.commands_waiting.extend(turn.commands.get(number, ()))
            else:
                task.run_scheduled()
            if held.commands_waiting and not held.catch_up and task.merge.head_time() > task.frontier > 0:
                for message in held.commands_waiting:
                    task.take(message)
                held.commands_waiting.clear()
            held.batch = task.collect()
            events += held.batch.events
        self.events += events
        return events

    def _end_catch_up(self, held: HeldTask) -> None:
        """For a task that has stepped whatever it could: it is as far as before the restart once it has read as far."""
        if all(self.position(held, partition) >= end for partition, end in held.catch_up.items()):
            held.catch_up.clear()

    def position(self, held: HeldTask, partition: Partition) -> int:
        """The offset of the next record that will be read from one of a task's partitions, past markers."""
        return self._source(held, partition).position(partition)

    def _source(self, held: HeldTask, partition: Partition) -> Reader:
        if partition.topic == self._group_topic:
            return self._member
        assert held.reader is not None
        return held.reader

    def commit(self) -> bool:
        """
        Writes the turn in one transaction; False where there was nothing to write, or where it failed and was dropped.

        Raises: Fenced where another process has this worker's slot.
        """
        due = [held for held in self.tasks.values() if self._has_news(held)]
        self._throttle()
        if not due:
            return False
        try:
            self._writer.begin()
            offsets: dict[Partition, int] = {}
            for held in due:
                self._write(held, offsets)
            if offsets:
                self._writer.offsets(self.layout.group(self.stage.name), offsets, self._member.token())
            self._writer.commit()
        except LogError as fault:
            if isinstance(fault, Fenced) and not isinstance(fault, PartitionsLost):
                raise
            logger.warning("transaction of %s dropped, taking over anew: %s", self.stage.name, fault)
            self._start_anew()
            return False
        self.transactions += 1
        return True

    def _has_news(self, held: HeldTask) -> bool:
        batch = held.batch
        if batch is None:
            return False
        promises = held.task.watermark > held.watermark
        held.unjournalled = held.unjournalled or batch.events > 0 or promises
        return (
            _must_journal(batch)
            or (promises and self._is_due(held))
            or (held.unjournalled and self._monotonic() - held.journalled_at >= self.limits.journal_idle_s)
        )

    def _is_due(self, held: HeldTask) -> bool:
        """Whether a promise without records is worth a transaction by now."""
        awaited, limits = self.stage.is_awaited(held.task.state), self.limits
        since = self._monotonic() - held.promised_at
        if awaited or since < limits.promise_s:
            return bool(awaited)
        # Of a fast market much comes in a moment: who held it back until an order came would keep the order waiting.
        much = held.task.watermark - held.watermark >= limits.promise_idle_s * MICROSECONDS
        return awaited is None or much or since >= limits.promise_idle_s

    def _write(self, held: HeldTask, offsets: dict[Partition, int]) -> None:
        task, batch = held.task, held.batch
        assert batch is not None
        append, layout, number = self._writer.append, self.layout, task.number
        for topic, key, value, record_time, _ in batch.emissions:
            append(layout.at(topic, number), key=key.encode(), value=value, time=record_time)
        for letter in batch.dead_letters:
            append(
                layout.at("dead_letters", 0), key=letter.source_topic.encode(), value=self.codec.wire(letter), time=letter.time
            )
        watermark = task.watermark
        if watermark > held.watermark:
            for topic in task.merged_outputs:
                append(
                    layout.at(topic, number), key=None, value=None, headers=watermark_headers(watermark), time=max(watermark, 0)
                )
            held.watermark = watermark
            held.promised_at = self._monotonic()
        if _must_journal(batch) or self._monotonic() - held.journalled_at >= self.limits.journal_idle_s:
            self._write_journal(held, batch, offsets)
        held.batch = None

    def _write_journal(self, held: HeldTask, batch: Batch, offsets: dict[Partition, int]) -> None:
        number = held.task.number
        append, layout = self._writer.append, self.layout
        writer = JournalWriter(layout, self.codec, self.stage.name, number, *self._journal)
        key = writer.key.encode()
        for cut in batch.cuts:
            for chunk in writer.snapshot(cut, held.sequence):
                append(layout.snapshots(self.stage.name, number), key=key, value=self.codec.wire(chunk), time=chunk.time)
        entry = writer.entry(batch, sequence=held.sequence, watermark=held.watermark, previous_digest=held.previous_digest)
        append(layout.journal(self.stage.name, number), key=key, value=self.codec.wire(entry), time=entry.time)
        held.previous_digest = entry_digest(self.codec.payload(entry))
        held.sequence += 1
        held.journalled_at = self._monotonic()
        held.unjournalled = False
        own, offset = held.place_in_group()
        offsets[own] = offset

    def _throttle(self) -> None:
        """Pauses inputs whose queues are long and resumes them once they are half empty."""
        for held in self.tasks.values():
            for one in held.task.merge.inputs:
                partition = self.layout.at(*one.partition)
                source = self._source(held, partition)
                if len(one.queue) >= self.limits.queue_max and partition not in held.paused:
                    source.pause([partition])
                    held.paused.add(partition)
                elif len(one.queue) < self.limits.queue_max // 2 and partition in held.paused:
                    source.resume([partition])
                    held.paused.discard(partition)

    def _start_anew(self) -> None:
        # A new writer of the name, whatever became of the old one and its transaction.
        self._writer.close()
        self._writer = self.log.writer(self._writer_name)
        numbers = sorted(self.tasks)
        for number in numbers:
            self._drop(number)
        self._member.resume(self._member.assignment())
        held = {p.number for p in self._member.assignment()}
        self._assigned.extend(number for number in numbers if number in held)

    def close(self) -> None:
        """Leaves the group, so that others take the tasks over at once."""
        for number in list(self.tasks):
            self._drop(number)
        self._member.close()
        self._writer.close()


def _must_journal(batch: Batch) -> bool:
    return bool(batch.emissions or batch.dead_letters or batch.taken or batch.cuts)
