"""A recorded session as every question to it begins: its log, which nobody can write to from here, its settings and its stages."""

from collections.abc import Iterator
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import newest_entry
from streams.log.layout import Layout
from streams.log.read_only import StillLog
from streams.stages.contract import Stage, StageFactory


class Recorded(NamedTuple):
    """
    `log` reads only, and stands still. `stages` by name; they may be others than the session was made with, which the journal shows.
    """

    log: Log
    codec: Codec
    settings: SessionSettings
    stages: dict[str, StageFactory]

    @classmethod
    def of(cls, log: Log, codec: Codec, settings: SessionSettings, stages: dict[str, StageFactory]) -> "Recorded":
        return cls(StillLog(log), codec, settings, stages)

    @property
    def layout(self) -> Layout:
        return Layout.of(self.settings)

    def tasks(self) -> Iterator[tuple[Stage, int]]:
        """Every task of the session: its own stage and its number, in the order of the stages."""
        for make in self.stages.values():
            for number in range(self.layout.tasks(make(self.settings, 0))):
                yield make(self.settings, number), number

    def stage(self, name: str, number: int) -> Stage:
        return self.stages[name](self.settings, number)

    def end(self) -> int:
        """
        The last moment (µs) that every task has stepped.

        Raises: ConfigError where a task has not begun.
        """
        reached = []
        for stage, number in self.tasks():
            entry = newest_entry(self.log, self.layout.journal(stage.name, number), self.codec)
            if entry is None or entry.frontier < 0:
                raise ConfigError(f"session {self.settings.session} must have begun, {stage.name} task {number} has stepped nothing yet")
            reached.append(entry.frontier)
        return min(reached)
