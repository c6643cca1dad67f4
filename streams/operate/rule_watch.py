"""
The rules at the edge of what no stage merges: candles, ledger, positions, alerts, journal and whatever else tables and people read.

A stage holds each record that it takes against `streams.domain.rules`; who else writes to a topic meets nobody there. This reads
those topics behind the stages' backs, costs them nothing, and writes a dead letter with the rule's name for each record that breaks
one. Bytes that cannot be decoded are Connect's to put aside. Letters and positions commit together, so each is written once.
"""

from contextlib import closing

import schemas
from streams.domain.parameters import SessionSettings
from streams.domain.records import DeadLetter
from streams.domain.rules import broken_rule
from streams.errors import DecodeError, Fenced, LogError
from streams.log.codec import Codec
from streams.log.interface import Log, Message, Partition, Reader, Writer
from streams.log.layout import Layout

EARLIEST_TIME = 1000
READ_MAX = 500
READ_SECONDS = 0.01
# Read again at most after a restart: positions are kept with letters, else after so many records.
KEPT_EVERY = 20_000
# Commands are taken by risk, which holds them against the rules; of snapshots each is held against its digest by whoever begins with it.
HELD_ELSEWHERE = frozenset({"commands", "snapshots"})


def watched_topics() -> tuple[str, ...]:
    """Every topic of a session whose records no stage takes."""
    return tuple(name for name, spec in schemas.catalogue().items() if not spec.merged and name not in HELD_ELSEWHERE)


class RuleWatch:
    """Reads on with each `turn`. Several of one session share a writer's name: the newest goes on, the others follow its positions."""

    def __init__(self, log: Log, codec: Codec, settings: SessionSettings) -> None:
        self._log, self._codec, self._layout = log, codec, Layout.of(settings)
        self._group = f"{settings.session}-rules"
        self._places = [self._layout.at(topic, n) for topic in watched_topics() for n in range(self._layout.count(topic))]
        self._reader: Reader | None = None
        self._began: dict[Partition, int | None] = {}
        self._letters: list[DeadLetter] = []
        self._read = 0

    def turn(self) -> int:
        """Reads what is there, at most `READ_MAX` records; returns how many letters it wrote. Raises: LogError as the log."""
        if self._reader is None:
            self._reader = self._log.reader(self._positions())
        messages = self._reader.poll(READ_MAX, READ_SECONDS)
        self._read += len(messages)
        self._letters += [letter for letter in map(self._letter, messages) if letter is not None]
        return self._keep(self._reader) if self._letters or self._read >= KEPT_EVERY else 0

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _positions(self) -> dict[Partition, int]:
        self._began = {place: self._log.committed(self._group, place) for place in self._places}
        return {place: self._log.start_offset(place) if at is None else at for place, at in self._began.items()}

    def _keep(self, reader: Reader) -> int:
        """Commits letters and positions, unless another has come further since."""
        letters, self._letters, self._read = self._letters, [], 0
        try:
            with closing(self._log.writer(self._group)) as writer:
                # Whoever opened the writer before has committed by now, or never will.
                if any(self._log.committed(self._group, place) != at for place, at in self._began.items()):
                    self.close()
                    return 0
                self._write(writer, letters, {place: reader.position(place) for place in self._places})
        except LogError as fault:
            # What was read is read again: the letters are not written.
            self.close()
            if not isinstance(fault, Fenced):
                raise
            return 0
        return len(letters)

    def _write(self, writer: Writer, letters: list[DeadLetter], positions: dict[Partition, int]) -> None:
        writer.begin()
        for letter in letters:
            writer.append(
                self._layout.at("dead_letters", 0), key=letter.source_topic.encode(), value=self._codec.wire(letter), time=letter.time
            )
        writer.offsets(self._group, positions)
        writer.commit()
        self._began = dict(positions)

    def _letter(self, message: Message) -> DeadLetter | None:
        topic = message.topic[len(self._layout.session) + 1 :]
        if message.value is None:
            return None
        kind = self._layout.record_of(topic)
        try:
            record = self._codec.decode(message.value, kind)
        except DecodeError:
            return None
        rule = broken_rule(record)
        if rule is None:
            return None
        name = f"{self._layout.session}/rules/{topic}/{message.partition}/{message.offset}"
        return DeadLetter(
            event_id=name, causation_id=name, correlation_id=name, session=self._layout.session,
            time=max(message.time, EARLIEST_TIME), source_topic=topic, source_partition=message.partition,
            source_offset=message.offset, rule=rule, payload=message.value,
            # Postgres stores no NUL in a text.
            cause=f"{kind.__name__} {record.event_id} breaks the rule {rule}".replace("\x00", "\\0"),
        )  # fmt: skip
