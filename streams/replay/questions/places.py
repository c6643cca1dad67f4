"""
Where a record stands, by its id alone, and what it brought about.

An id holds its causes, down to the market record, timer or command that began it; those tell when it happened, and the partitions are
in the order of time. So a record is found by a search in time on the few partitions it can stand on, and never by reading a topic: a
market record by the sequence number in its id, a timer's outputs by its deadline, everything after them by its cause's time and the
stage's own delays.
"""

import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from streams.domain.records import JournalEntry, MarketData, Order, OrderResult, Record
from streams.errors import ConfigError, DecodeError
from streams.log.interface import Message, Partition
from streams.log.journal import read_range
from streams.log.layout import FEED_TOPICS
from streams.replay.recorded.recorded import Recorded
from streams.replay.recorded.search import first_offset
from streams.stages.contract import Stage

MILLISECOND = 1000


class Placed(NamedTuple):
    """A record, and where on the log it stands; `topic` without the session."""

    topic: str
    partition: int
    offset: int
    record: Record

    @property
    def place(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"


class TimerCause(NamedTuple):
    """A timer of a stage's state, which stands on no topic."""

    name: str
    key: str
    deadline: int


class TakenCommand(NamedTuple):
    """An operator's command, and the moment at which the tasks took it."""

    placed: Placed
    time: int


Cause = Placed | TimerCause | TakenCommand


class Places:
    """Finds records of one session; what was found once is not asked for again."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._layout = recorded.layout
        self._stages = {name: recorded.stage(name, 0) for name in recorded.stages}
        self._found: dict[str, Cause] = {}

    def record(self, event_id: str) -> Placed:
        """The record of an id. Raises: ConfigError where the session has none of that id."""
        cause = self.cause(event_id)
        if not isinstance(cause, Placed):
            raise ConfigError(f"ID must be that of a record, was {event_id}, a {type(cause).__name__}")
        return cause

    def cause(self, event_id: str) -> Cause:
        """What stands behind an id: a record, a timer, or a command that was taken. Raises: ConfigError where there is no such thing."""
        if event_id not in self._found:
            self._found[event_id] = self._look_up(event_id)
        return self._found[event_id]

    def _look_up(self, event_id: str) -> Cause:
        session, _, rest = event_id.partition("/")
        kind, *fields = rest.split("/")
        found: Cause | None = None
        if session != self._layout.session:
            raise ConfigError(f"ID must begin with the session's name ({self._layout.session}/…), was {event_id}")
        if kind == "timer" and len(fields) == 3 and fields[2].isdecimal():
            return TimerCause(fields[0], fields[1], int(fields[2]))
        if kind == "feed" and len(fields) == 3:
            found = self._feed_record(event_id, fields[1], fields[2])
        elif kind == "command":
            found = self._command("/".join(fields)) or self._command(event_id)
        elif kind in self._stages and len(fields) > 2:
            found = self._output(self._stages[kind], event_id, "/".join(fields[:-2]), fields[-2])
        if found is None:
            raise ConfigError(f"ID must be that of a record of session {session}, was {event_id}, which its topics do not hold")
        return found

    def _feed_record(self, event_id: str, symbol: str, number: str) -> Placed | None:
        if "@" in symbol or not number.isdecimal():
            small = (self._layout.at(topic, n) for topic in FEED_TOPICS[1:] for n in range(self._layout.count(topic)))
            return next((one for place in small for one in self._all(place) if one.record.event_id == event_id), None)
        place = self._layout.at("market_data", self._recorded.settings.symbol_task(symbol))

        def sequence(message: Message) -> int | None:
            if message.value is None or message.key != symbol.encode():
                return None
            record = self._decoded(message)
            return record.sequence if isinstance(record, MarketData) else None

        start = first_offset(self._recorded.log, place, int(number), sequence)
        found = next(iter(self._from(place, start)), None)
        return found if found is not None and found.record.event_id == event_id else None

    def _command(self, event_id: str) -> TakenCommand | None:
        """By its own id; its moment is the first in a risk task's journal."""
        for name, stage in self._stages.items():
            if not stage.takes_commands:
                continue
            for number in range(self._layout.tasks(stage)):
                found = next((one for one in self._all(self._layout.at("commands", number)) if one.record.event_id == event_id), None)
                taken = None if found is None else self._taken_at(name, found)
                if found is not None and taken is not None:
                    return TakenCommand(found, taken)
        return None

    def _taken_at(self, stage: str, command: Placed) -> int | None:
        journal = self._layout.journal(stage, command.partition)
        log = self._recorded.log
        for message in read_range(log, journal, log.start_offset(journal), log.end_offset(journal)):
            entry = None if message.value is None else self._recorded.codec.decode(message.value, JournalEntry)
            if isinstance(entry, JournalEntry) and entry.commands != "[]":
                for row in json.loads(entry.commands):
                    if row[0] == command.record.event_id:
                        return int(row[3])
        return None

    def _output(self, stage: Stage, event_id: str, cause: str, key: str) -> Placed | None:
        known = self.cause(f"{self._layout.session}/{cause}")
        for topic in stage.outputs:
            for place in self._partitions(stage, topic, key, cause):
                found = next(self._around(place, self.time_after(known, stage, topic), lambda r: r.event_id == event_id), None)
                if found is not None:
                    return found
        return None

    def time_after(self, cause: Cause, stage: Stage, topic: str) -> int:
        """The earliest time of what `cause` brings about on `topic` of `stage`."""
        match cause:
            case Placed():
                time = cause.record.time + next((one.delay for one in stage.inputs if one.topic == cause.topic), 0)
            case TimerCause():
                time = cause.deadline
            case TakenCommand():
                time = cause.time
        return time + (stage.output_delay if self._layout.is_merged(topic) else 0)

    def _partitions(self, stage: Stage, topic: str, key: str, cause: str) -> list[Partition]:
        """The partitions that the task can write which owns an account, or the symbol that stands in the cause."""
        settings = self._recorded.settings
        if stage.takes_commands and key in (account.name for account in settings.accounts):
            return [self._layout.at(topic, settings.account_task(key))]
        named = [part for part in cause.split("/") if part in settings.feed.symbols]
        numbers = [settings.symbol_task(named[0])] if stage.name == "signals" and named else range(self._layout.count(topic))
        return [self._layout.at(topic, number) for number in numbers]

    def effects(self, cause: Placed | TakenCommand | TimerCause, cause_id: str, stage_name: str) -> list[Placed]:
        """Everything that a stage made of one event, in its own order."""
        stage = self._stages[stage_name]
        return sorted(
            (
                found
                for topic in stage.outputs
                for number in range(self._layout.count(topic))
                for found in self._around(
                    self._layout.at(topic, number), self.time_after(cause, stage, topic), lambda record: record.causation_id == cause_id
                )
            ),
            key=lambda one: (one.record.event_id.rpartition("/")[0], int(one.record.event_id.rpartition("/")[2])),
        )  # fmt: skip

    def results(self, order: Placed) -> list[Placed]:
        """The answers to an approved order, to its end or as far as the session goes."""
        assert isinstance(order.record, Order)
        stage = self._stages["execution"]
        place = self._layout.at("order_results", self._recorded.settings.symbol_task(order.record.symbol))
        found = []
        for one in self._since(place, self.time_after(order, stage, "order_results")):
            if isinstance(one.record, OrderResult) and one.record.order_id == order.record.event_id:
                found.append(one)
                if one.record.terminal:
                    break
        return found

    def newest(self, topic: str, symbol: str, time: int) -> Placed | None:
        """The symbol's newest record on a topic that its own task writes, at or before `time`."""
        place = self._layout.at(topic, self._recorded.settings.symbol_task(symbol))
        log = self._recorded.log
        end, reach = first_offset(log, place, time + 1), 64
        first = log.start_offset(place)
        while end > first:
            start = max(first, end - reach)
            rows = [one for one in self._range(place, start, end) if getattr(one.record, "symbol", None) == symbol]
            if rows:
                return rows[-1]
            end, reach = start, reach * 4
        return None

    def _around(self, place: Partition, time: int, wanted: Callable[[Record], bool]) -> Iterator[Placed]:
        """The records of exactly this time that are `wanted`."""
        for one in self._since(place, time):
            if one.record.time > time:
                return
            if one.record.time == time and wanted(one.record):
                yield one

    def _since(self, place: Partition, time: int) -> Iterator[Placed]:
        # Kafka keeps whole milliseconds.
        return self._from(place, first_offset(self._recorded.log, place, time // MILLISECOND * MILLISECOND))

    def _all(self, place: Partition) -> Iterator[Placed]:
        return self._from(place, self._recorded.log.start_offset(place))

    def _from(self, place: Partition, offset: int) -> Iterator[Placed]:
        return self._range(place, offset, self._recorded.log.end_offset(place))

    def _range(self, place: Partition, start: int, end: int) -> Iterator[Placed]:
        for message in read_range(self._recorded.log, place, start, end):
            record = self._decoded(message)
            if record is not None:
                yield Placed(place.topic[len(self._layout.session) + 1 :], place.number, message.offset, record)

    def _decoded(self, message: Message) -> Record | None:
        """None for watermarks and for what others put there that is no record."""
        if message.value is None:
            return None
        try:
            return self._recorded.codec.decode(message.value)
        except DecodeError:
            return None
