"""
A log that is read on where it was when its broker comes back: nothing is read twice, nothing is left out, and nothing is written.

A reader that fails is opened anew at the places it had come to. Who fails again although the log answers has another trouble, which is
raised at once; so is the first one after `seconds` of silence.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from streams.errors import LogError
from streams.exchange.wall import Wall
from streams.log.interface import Log, Message, Partition, Reader
from streams.log.read_only import ReadOnlyLog

SECONDS = 120.0
PAUSE_SECONDS = 0.5

Answer = TypeVar("Answer")


class PatientLog(ReadOnlyLog):
    """The reading half of a log; `say` is told when it goes and when it is back."""

    def __init__(self, log: Log, wall: Wall, say: Callable[[str], None], *, seconds: float = SECONDS) -> None:
        super().__init__(log)
        self._wall, self._say, self._seconds = wall, say, seconds

    def topics(self) -> dict[str, int]:
        return self.asked(super().topics)

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        return PatientReader(self, super().reader, positions)

    def start_offset(self, partition: Partition) -> int:
        return self.asked(lambda: super(PatientLog, self).start_offset(partition))

    def end_offset(self, partition: Partition) -> int:
        return self.asked(lambda: super(PatientLog, self).end_offset(partition))

    def offset_at(self, partition: Partition, time: int) -> int:
        return self.asked(lambda: super(PatientLog, self).offset_at(partition, time))

    def asked(self, question: Callable[[], Answer]) -> Answer:
        """What the log answers, once it does. Raises: LogError where it does not come back, or has another trouble."""
        try:
            return question()
        except LogError as fault:
            self.await_answer(fault)
            return question()

    def await_answer(self, fault: LogError) -> None:
        """Returns once the log answers. Raises: `fault` where it does not for `seconds`."""
        self._say(f"{fault}; waiting up to {self._seconds:g} s for the log")
        deadline = self._wall.monotonic() + self._seconds
        while True:
            try:
                super().topics()
            except LogError:
                if self._wall.monotonic() >= deadline:
                    raise fault from None
                self._wall.wait(PAUSE_SECONDS)
            else:
                self._say("the log answers, going on")
                return


class PatientReader:
    """A reader that survives the one it reads with; see `Reader`."""

    def __init__(
        self, log: PatientLog, open_reader: Callable[[Mapping[Partition, int]], Reader], positions: Mapping[Partition, int]
    ) -> None:
        self._log, self._open = log, open_reader
        self._places = dict(positions)
        self._paused: set[Partition] = set()
        self._reader = self._opened()

    def poll(self, count_max: int, timeout_s: float) -> list[Message]:
        try:
            found = self._reader.poll(count_max, timeout_s)
        except LogError as fault:
            self._reader.close()
            self._log.await_answer(fault)
            self._reader = self._opened()
            if self._paused:
                self._reader.pause(sorted(self._paused))
            found = self._reader.poll(count_max, timeout_s)
        for message in found:
            self._places[Partition(message.topic, message.partition)] = message.offset + 1
        return found

    def _opened(self) -> Reader:
        return self._log.asked(lambda: self._open(self._places))

    def pause(self, partitions: Sequence[Partition]) -> None:
        self._paused.update(partitions)
        self._reader.pause(partitions)

    def resume(self, partitions: Sequence[Partition]) -> None:
        self._paused.difference_update(partitions)
        self._reader.resume(partitions)

    def position(self, partition: Partition) -> int:
        return self._reader.position(partition)

    def close(self) -> None:
        self._reader.close()
