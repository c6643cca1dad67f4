"""
One task of a stage: merges its inputs, steps the stage, names and digests what comes out. No I/O; every host runs this same class.

A host feeds it messages (`offer`, `take`), lets it `run`, and writes what `collect` hands back in one transaction. After a failed
transaction the host throws the task away and takes over anew from the log: a task is never rolled back.
"""

import hashlib
from collections import deque
from collections.abc import Iterable
from decimal import localcontext
from typing import Any

import msgspec

from streams.domain.ids import cause_of, output_id, timer_cause
from streams.domain.money import EXACT
from streams.domain.records import Command, DeadLetter, Record
from streams.errors import DecodeError
from streams.log.batch import NO_DIGEST, Batch, Cut, Emission, Standing, Taken, chained
from streams.log.codec import Codec
from streams.log.interface import Message, Partition, watermark_of
from streams.log.layout import OUTSIDE_TOPICS, Layout
from streams.log.merge import BEFORE_TIME, Merge, MergeInput, Rejected
from streams.stages.contract import NEVER, Event, Output, Stage
from streams.stages.state import state_digest


class Task:
    """
    A stage's task number `number` in one session. `snapshot_interval` in µs of event time.

    `frontier`: every event up to it is stepped, none after. `watermark`: what readers of its outputs may be promised.
    """

    def __init__(self, stage: Stage, number: int, layout: Layout, codec: Codec, snapshot_interval: int) -> None:
        self.stage = stage
        self.number = number
        self.layout = layout
        self.codec = codec
        self.snapshot_interval = snapshot_interval
        self.state: Any = stage.initial(number)
        self.merge = Merge(
            MergeInput(Partition(source.topic, partition), source.rank, source.delay)
            for source in stage.inputs
            for partition in layout.partitions_read(stage, source.topic, number)
        )
        # By where a message stands: its input, and what may stand there.
        self._inputs = {tuple(layout.at(*one.partition)): (one, layout.record_of(one.partition.topic)) for one in self.merge.inputs}
        self.frontier = BEFORE_TIME
        self.commands_offset = 0
        self.outputs_count = 0
        self.outputs_digest = NO_DIGEST
        self._merged_outputs = tuple(topic for topic in stage.outputs if layout.is_merged(topic))
        self._time_last: dict[str, int] = {}
        self._snapshot_due: int | None = None
        self._scheduled: deque[tuple[Taken, Command]] = deque()
        self._timer = stage.next_timer(self.state)
        self._waiting_topics = tuple(
            (source.topic, source.delay)
            for source in stage.inputs
            if stage.answer_due(self.state, source.topic) is not None
        )
        self._waiting = frozenset(topic for topic, _ in self._waiting_topics)
        self._clear()

    def _clear(self) -> None:
        self._emissions: list[Emission] = []
        self._dead_letters: list[DeadLetter] = []
        self._taken: list[Taken] = []
        self._cuts: list[Cut] = []
        self._events = 0

    # Input

    def offer(self, messages: Iterable[Message]) -> None:
        """Messages of merged inputs, each partition in offset order."""
        inputs = self._inputs
        for message in messages:
            one, kind = inputs[message.topic, message.partition]
            if message.value is None:
                promised = watermark_of(message)
                if promised is not None:
                    one.watermark_read(message.offset, promised)
                    continue
            key = message.key.decode("utf-8", "replace") if message.key is not None else ""
            record = self._record(message, one, kind)
            if isinstance(record, Rejected):
                one.rejected_read(message.offset, key, record)
            else:
                one.record_read(message.offset, key, record.time, record)

    def _record(self, message: Message, one: MergeInput, kind: type[Record]) -> Record | Rejected:
        topic = one.partition.topic
        try:
            if message.value is None:
                raise DecodeError("a record without a value that is no watermark", "value_present")
            record = self.codec.valid(message.value, kind)
            if topic in OUTSIDE_TOPICS and one.is_below_promise(record.time):
                rule = "time_above_watermark"
                raise DecodeError(f"{kind.__name__} {record.event_id} breaks the rule {rule}", rule)
        except DecodeError as fault:
            return Rejected(fault.rule, str(fault), message.value)
        return record

    def take(self, message: Message) -> None:
        """
        A command message, taken now: an event of the moment after the frontier, before all else of that moment.

        The host calls it between runs, and only once the frontier has passed what the task promised before a restart.
        """
        time = self.frontier + 1
        self.commands_offset = message.offset + 1
        try:
            if message.value is None:
                raise DecodeError("a command without a value", "value_present")
            record = self.codec.valid(message.value, Command)
        except DecodeError as fault:
            rejected = Rejected(fault.rule, str(fault), message.value)
            self._letter(Partition("commands", message.partition), message.offset, rejected)
            return
        assert isinstance(record, Command)
        digest = hashlib.sha256(message.value).hexdigest()
        taken = Taken(record.event_id, message.partition, message.offset, time, digest)
        self._taken.append(taken)
        self._step_command(taken, record)

    def schedule(self, commands: Iterable[tuple[Taken, Command]]) -> None:
        """Commands of the journal, in its order: replay takes each at its recorded time."""
        self._scheduled.extend(commands)

    # Stepping

    def run(self, *, events_max: int = 1 << 60, until: int = NEVER, complete: bool = False) -> int:
        """
        Steps what the promises release, at most about `events_max` events and no time after `until`; returns how many.

        `complete` (replay only) says that everything up to `until` has been offered, whatever the watermarks say.
        """
        before = self._events
        stop_at = before + events_max
        horizon = until if complete else min(self._horizon(), until)
        head_time = self.merge.head_time
        with localcontext(EXACT):
            while True:
                time = head_time()
                if self._timer is not None and self._timer.time < time:
                    time = self._timer.time
                if self._scheduled and self._scheduled[0][0].time < time:
                    time = self._scheduled[0][0].time
                if time > horizon:
                    break
                if self._events >= stop_at:
                    horizon = time - 1
                    break
                self._moment(time)
                if self._waiting_topics and not complete:
                    # What the state promised may end with what it just put out; this moment is stepped all the same.
                    horizon = max(time, min(self._horizon(), until))
        assert horizon < NEVER, f"{self.stage.name} task {self.number} has no input that bounds its time"
        self._cut_snapshots(horizon + 1)
        self.frontier = max(self.frontier, horizon)
        return self._events - before

    def run_scheduled(self) -> None:
        """Takes the journal's commands that stand right after the frontier, as they were taken then."""
        while self._scheduled and self._scheduled[0][0].time <= self.frontier + 1:
            self._step_scheduled()

    def _horizon(self) -> int:
        if not self._waiting_topics:
            return self.merge.horizon()
        due = {}
        for topic, delay in self._waiting_topics:
            earliest = self.stage.answer_due(self.state, topic)
            if earliest is not None:
                due[topic] = min(earliest + delay, NEVER)
        return self.merge.horizon(due)

    def _moment(self, time: int) -> None:
        """Everything of one time: commands, timers, records."""
        if self._snapshot_due is None or time >= self._snapshot_due:
            self._cut_snapshots(time)
        while self._scheduled and self._scheduled[0][0].time == time:
            self._step_scheduled()
        fired = None
        timer = self._timer
        while timer is not None and timer.time <= time:
            assert timer.time == time and (fired is None or timer > fired), f"timer {timer} after {fired} at {time}"
            fired = timer
            cause = f"{self.layout.session}/{timer_cause(timer.name, timer.key, timer.time)}"
            self._step(Event(time, "timer", timer.key, None, cause, timer.name), cause)
            timer = self._timer
        for entry in self.merge.pop(time):
            record = entry.record
            if isinstance(record, Rejected):
                self._letter(entry.partition, entry.offset, record)
            else:
                # Where the state promised for a topic (`answer_due`), only records that do not concern it may come late.
                assert entry.time > self.frontier or entry.partition.topic in self._waiting, (
                    f"{entry.partition} offset {entry.offset}: {entry.time} is not after the frontier {self.frontier}"
                )
                event = Event(time, entry.partition.topic, entry.key, record, record.event_id)
                self._step(event, record.correlation_id)
        timer = self._timer
        assert timer is None or timer.time > time, f"{self.stage.name} set the timer {timer} at {time}, in its own past"

    def _step_scheduled(self) -> None:
        taken, command = self._scheduled.popleft()
        self.commands_offset = taken.offset + 1
        self._taken.append(taken)
        self._step_command(taken, command)

    def _step_command(self, taken: Taken, command: Command) -> None:
        cause = f"{self.layout.session}/command/{command.event_id}"
        with localcontext(EXACT):
            self._step(Event(taken.time, "command", command.account, command, cause), cause)

    def _step(self, event: Event, correlation_id: str) -> None:
        self._events += 1
        self.state, outputs = self.stage.step(self.state, event)
        self._timer = self.stage.next_timer(self.state)
        if outputs:
            self._emit(event, correlation_id, outputs)

    def _emit(self, event: Event, correlation_id: str, outputs: list[Output]) -> None:
        cause = cause_of(event.cause_id)
        indexes: dict[str, int] = {}
        session, stage = self.layout.session, self.stage.name
        for topic, key, record in outputs:
            index = indexes.get(key, 0)
            indexes[key] = index + 1
            earliest = event.time + (self.stage.output_delay if topic in self._merged_outputs else 0)
            assert record.time >= earliest and record.time >= self._time_last.get(topic, BEFORE_TIME), (
                f"{stage} put out {topic} of time {record.time} at {event.time}, earlier than it may"
            )
            self._time_last[topic] = record.time
            named = msgspec.structs.replace(
                record,
                event_id=output_id(session, stage, cause, key, index),
                causation_id=event.cause_id,
                correlation_id=record.correlation_id or correlation_id,
                session=session,
            )
            self._append(topic, key, named)

    def _append(self, topic: str, key: str, record: Record) -> None:
        value = self.codec.wire(record)
        self.outputs_count += 1
        self.outputs_digest = chained(self.outputs_digest, topic, key, value)
        self._emissions.append(Emission(topic, key, value, record.time, self.outputs_digest))

    def _letter(self, origin: Partition, offset: int, rejected: Rejected) -> None:
        letter = f"{self.layout.session}/{self.stage.name}/{self.number}/{origin.topic}/{origin.number}/{offset}"
        self._dead_letters.append(
            DeadLetter(
                event_id=letter, causation_id=letter, correlation_id=letter, session=self.layout.session,
                time=max(self.frontier, 0), source_topic=origin.topic, source_partition=origin.number,
                source_offset=offset, rule=rejected.rule, cause=rejected.cause, payload=rejected.payload,
            )
        )  # fmt: skip

    # What the host writes

    def collect(self) -> Batch:
        """What has come out since the last call, and where the task stands now."""
        batch = Batch(self._emissions, self._dead_letters, self._taken, self._cuts, self.standing(), self._events)
        self._clear()
        return batch

    def standing(self) -> Standing:
        """Where the task is now."""
        return Standing(
            self.frontier, self.merge.places(), self.commands_offset, self.outputs_count, self.outputs_digest
        )

    @property
    def watermark(self) -> int:
        """What readers of the merged outputs may be promised now."""
        return self.frontier + self.stage.output_delay

    @property
    def merged_outputs(self) -> tuple[str, ...]:
        return self._merged_outputs

    def restore(self, cut: Cut) -> None:
        """Puts a new task where a snapshot was cut."""
        assert self.frontier == BEFORE_TIME and not self._events, "only a new task is restored"
        self.state = self.stage.decode(cut.state)
        self._timer = self.stage.next_timer(self.state)
        standing = cut.standing
        self.frontier = standing.frontier
        self.commands_offset = standing.commands_offset
        self.outputs_count = standing.outputs_count
        self.outputs_digest = standing.outputs_digest
        self._snapshot_due = cut.time + self.snapshot_interval
        for topic, number, offset, watermark in standing.places:
            self.merge.by_partition[Partition(topic, number)].start_at(offset, watermark)

    def _cut_snapshots(self, next_time: int) -> None:
        """Cuts the snapshot that is due before `next_time` is stepped; of several that fall into one silence, the last."""
        if self._snapshot_due is None:
            if self.frontier > BEFORE_TIME or self._events:
                self._snapshot_due = (max(self.frontier, 0) // self.snapshot_interval + 1) * self.snapshot_interval
            else:
                self._snapshot_due = (next_time // self.snapshot_interval + 1) * self.snapshot_interval
            return
        if next_time < self._snapshot_due or next_time >= NEVER:
            return
        time = next_time // self.snapshot_interval * self.snapshot_interval
        state = self.stage.encode(self.state)
        standing = self.standing()._replace(frontier=time - 1)
        self._cuts.append(Cut(time, state, state_digest(state), standing))
        self._snapshot_due = time + self.snapshot_interval
