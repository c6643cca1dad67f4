"""
A recorded session played again: what happened, moment by moment, in the order of time over all of its tasks.

Each task is run again one moment at a time; a moment of risk comes with the accounts as they stand right after it, where somebody asks.
A condition on records holds once for each record; one on accounts alone holds where it becomes true, not all the time that it stays so.
"""

import heapq
from collections.abc import Iterator
from decimal import localcontext
from typing import Any, NamedTuple

from streams.domain.money import EXACT
from streams.domain.records import MarketData, PortfolioSnapshot, Record
from streams.domain.risk.accounting import state_portfolio
from streams.domain.risk.state import RiskState
from streams.domain.risk.step import Step
from streams.replay.questions.expression import Condition, Scene, subjects_of
from streams.replay.recorded.observed import Observed
from streams.replay.recorded.recorded import Recorded
from streams.replay.recorded.rerun import Rerun
from streams.stages.contract import Event, Stage


class Shown(NamedTuple):
    """A record that came to be, and the topic it is for."""

    topic: str
    record: Record


class Happening(NamedTuple):
    """One moment of one task: what it read of the market, what it put out, how many events it stepped; `standing`: by account."""

    time: int
    records: list[Shown]
    events: int
    standing: dict[str, PortfolioSnapshot]


class Player:
    """Plays a session from `start` to `end`, both µs and both included."""

    def __init__(self, recorded: Recorded, start: int, end: int, condition: Condition | None = None) -> None:
        self._recorded, self._start, self._end = recorded, start, end
        self._condition = condition
        self._standing: dict[str, PortfolioSnapshot] = {}
        self._held: dict[str, bool] = {}

    def play(self) -> Iterator[tuple[Happening, str]]:
        """Each moment in which something happened, and what of it meets the condition, in words; empty where nothing does."""
        tasks = [self._moments(place, stage, number) for place, (stage, number) in enumerate(self._recorded.tasks())]
        for _, happening in heapq.merge(*tasks, key=lambda one: one[0]):
            self._standing.update(happening.standing)
            yield happening, self._met(happening)

    def _moments(self, place: int, stage: Stage, number: int) -> Iterator[tuple[tuple[int, int], Happening]]:
        seen: list[Event] = []
        rerun = Rerun(
            self._recorded, Observed(stage, lambda _, event: seen.append(event)), number, start=self._start - 1, end=self._end
        )
        asks = self._condition is not None and self._condition.asks_standing and stage.takes_commands
        try:
            rerun.reached(self._start - 1)
            seen.clear()
            for batch in rerun.reach(self._end, events_max=1):
                # When others hear of it: an answer of execution is one report latency under way.
                time = seen[0].time + stage.output_delay
                # Signals read the market first; execution's own reading of it would only show it twice.
                market = seen if stage.name == "signals" else []
                read = [Shown(one.topic, one.record) for one in market if isinstance(one.record, MarketData)]
                made = [Shown(one.topic, self._recorded.codec.decode(one.value)) for one in batch.emissions]
                seen.clear()
                standing = self._stand(rerun.task.state, time) if asks else {}
                yield (time, place), Happening(time, read + made, batch.events, standing)
        finally:
            rerun.close()

    def _stand(self, state: Any, time: int) -> dict[str, PortfolioSnapshot]:
        assert isinstance(state, RiskState)
        step = Step(session=self._recorded.settings.session, time=time, cause_id="")
        with localcontext(EXACT):
            for account in state.accounts.values():
                state_portfolio(step, account, "REPLAY")
        return {made.account: made for made in step.made if isinstance(made, PortfolioSnapshot)}

    def _met(self, happening: Happening) -> str:
        condition = self._condition
        if condition is None:
            return ""
        met = [record.event_id for _, record in happening.records if self._meets(condition, record)]
        return ", ".join([*met, *self._turned(condition, happening)])

    def _meets(self, condition: Condition, record: Record) -> bool:
        subjects = subjects_of(record)
        asked = condition.subjects & subjects.keys()
        return bool(asked) and any(condition.holds(Scene(subjects, standing)) for standing in self._standings(record))

    def _standings(self, record: Record) -> list[PortfolioSnapshot | None]:
        """The standing of the record's account, or of every account where it has none."""
        account = getattr(record, "account", None)
        return [self._standing.get(account)] if account is not None else [*self._standing.values(), None]

    def _turned(self, condition: Condition, happening: Happening) -> list[str]:
        """The accounts of which the condition has just become true."""
        turned = []
        for account, standing in happening.standing.items():
            holds = condition.holds(Scene({}, standing))
            if holds and not self._held.get(account, False):
                turned.append(f"account {account}")
            self._held[account] = holds
        return turned
