"""The signals stage as tests run it: one task, its timers fired, what came out kept."""

from decimal import localcontext
from typing import Any

from streams.domain.money import EXACT
from streams.domain.parameters import SessionSettings
from streams.domain.records import MarketData, Record
from streams.stages.contract import Event, Output
from streams.stages.signals import SignalsStage, SignalsState


class Run:
    """A host of one task: fires timers before the records that come after them, under the exact context."""

    def __init__(self, settings: SessionSettings, task: int = 0, *, recode: bool = False, **stage: Any) -> None:
        self.stage = SignalsStage(settings, task, **stage)
        self.state: SignalsState = self.stage.initial(task)
        self.recode = recode
        self.outputs: list[Output] = []

    def take(self, *records: Record) -> "Run":
        for record in records:
            self.until(record.time)
            topic = "market_data" if isinstance(record, MarketData) else "instruments"
            self.step(Event(record.time, topic, record.symbol, record, record.event_id))
        return self

    def until(self, time: int) -> "Run":
        while (timer := self.stage.next_timer(self.state)) is not None and timer.time <= time:
            self.step(Event(timer.time, "timer", timer.key, None, "timer", timer.name))
        return self

    def step(self, event: Event) -> None:
        with localcontext(EXACT):
            self.state, outputs = self.stage.step(self.state, event)
        timer = self.stage.next_timer(self.state)
        assert timer is None or timer.time > event.time or (timer.time == event.time and event.topic == "timer")
        assert all(output.record.time == event.time and output.topic in self.stage.outputs for output in outputs)
        self.outputs += outputs
        if self.recode:
            self.state = self.stage.decode(self.stage.encode(self.state))

    def of(self, topic: str) -> list[Any]:
        return [output.record for output in self.outputs if output.topic == topic]
