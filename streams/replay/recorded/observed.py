"""A stage that tells of every event before it is stepped, and decides nothing itself: how a replay looks into a task."""

from collections.abc import Callable
from typing import Any

from streams.stages.contract import Event, Input, Output, Stage, Timer

Watch = Callable[[Any, Event], None]


class Observed:
    """`stage` with a watcher; see `Stage`. `before` is told (state, event) and must change neither."""

    def __init__(self, stage: Stage, before: Watch) -> None:
        self.stage = stage
        self._before = before

    @property
    def name(self) -> str:
        return self.stage.name

    @property
    def inputs(self) -> tuple[Input, ...]:
        return self.stage.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.stage.outputs

    @property
    def takes_commands(self) -> bool:
        return self.stage.takes_commands

    @property
    def output_delay(self) -> int:
        return self.stage.output_delay

    def initial(self, task: int) -> Any:
        return self.stage.initial(task)

    def step(self, state: Any, event: Event) -> tuple[Any, list[Output]]:
        self._before(state, event)
        return self.stage.step(state, event)

    def next_timer(self, state: Any) -> Timer | None:
        return self.stage.next_timer(state)

    def answer_due(self, state: Any, topic: str) -> int | None:
        return self.stage.answer_due(state, topic)

    def is_awaited(self, state: Any) -> bool | None:
        return self.stage.is_awaited(state)

    def encode(self, state: Any) -> bytes:
        return self.stage.encode(state)

    def decode(self, raw: bytes) -> Any:
        return self.stage.decode(raw)
