"""
Dead letters, compared like outputs: what a stage refused must be refused again, and nothing else may be said to have been.

A letter's time is the frontier of the turn it was written in, which is nobody's decision: it alone is not compared. Letters of others
(what the sink could not decode) are left to them.
"""

from collections.abc import Iterable

import msgspec

from streams.domain.records import DeadLetter
from streams.errors import DecodeError
from streams.log.codec import Codec
from streams.log.interface import Log, Message, Partition
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.replay.verification.journal_check import Divergence


class Letters:
    """The dead letters of a session as they stand on the log: few, so all of them are kept."""

    def __init__(self, log: Log, layout: Layout, codec: Codec) -> None:
        self._log, self._layout = log, layout
        self._found: dict[str, tuple[Message, DeadLetter]] = {}
        self._places: set[tuple[str, int, int]] = set()
        self.fault: Divergence | None = None
        place = layout.at("dead_letters", 0)
        for message in read_range(log, place, log.start_offset(place), log.end_offset(place)):
            if message.value is None or self.fault is not None:
                continue
            try:
                letter = codec.decode(message.value, DeadLetter)
            except DecodeError as fault:
                self.fault = Divergence.at(message, "the dead letter", "whole", fault)
                continue
            assert isinstance(letter, DeadLetter)
            where = f"/{letter.source_topic}/{letter.source_partition}/{letter.source_offset}"
            if not letter.event_id.endswith(where) or {letter.causation_id, letter.correlation_id} != {letter.event_id}:
                self.fault = Divergence.at(message, "the dead letter's ids", f"one that ends with {where}, three times", letter)
            if letter.event_id in self._found:
                self.fault = Divergence.at(message, "the dead letter", "there once", f"{letter.event_id} once more")
            self._found[letter.event_id] = (message, letter)
            self._places.add((letter.source_topic, letter.source_partition, letter.source_offset))

    def answers(self, partition: Partition, offset: int) -> bool:
        """Whether a letter says of this place that no record of ours stands there."""
        return (partition.topic[len(self._layout.session) + 1 :], partition.number, offset) in self._places

    def compare(self, replayed: Iterable[DeadLetter], stages: Iterable[str], *, whole: bool) -> Divergence | None:
        """The first letter of these stages that is not what the replay wrote; where `whole`, also one that it did not write."""
        due = {letter.event_id: letter for letter in replayed}
        own = tuple(f"{self._layout.session}/{stage}/" for stage in stages)
        for name, (message, letter) in self._found.items():
            if not name.startswith(own):
                continue
            expected = due.pop(name, None)
            if expected is None:
                divergence = self._command_refused(message, letter) if letter.source_topic == "commands" else None
                if letter.source_topic != "commands" and whole:
                    divergence = Divergence.at(message, "the dead letters", "those that the replay writes", letter)
            elif (again := msgspec.structs.replace(letter, time=expected.time)) != expected:
                divergence = Divergence.at(message, "the dead letter", expected, again)
            else:
                divergence = None
            if divergence is not None:
                return divergence
        for letter in due.values():
            place = self._layout.at(letter.source_topic, letter.source_partition)
            found = f"{letter.cause}; no dead letter says so"
            return Divergence(place.topic, place.number, letter.source_offset, "the record", "one of this session's", found)
        return None

    def _command_refused(self, message: Message, letter: DeadLetter) -> Divergence | None:
        """A refused command is taken by nobody, so there is no replay of it: the letter must hold its bytes."""
        place = self._layout.at("commands", letter.source_partition)
        start, end = letter.source_offset, letter.source_offset + 1
        inside = 0 <= letter.source_partition < self._layout.risk_tasks and end <= self._log.end_offset(place)
        found = next(iter(read_range(self._log, place, start, end)), None) if inside else None
        if found is None or found.value != letter.payload:
            return Divergence.at(message, "the dead letter's bytes", "those of the command at its place", "others")
        return None
