"""What passes between a stage's service and its agent: a turn to step, and what came out of it."""

import asyncio
from collections.abc import AsyncIterable
from typing import NamedTuple

from streams.domain.records import DeadLetter
from streams.log.batch import Emission
from streams.log.held import Turn
from streams.log.worker import Worker
from streams.metrics.catalogue import Metric


class Stepped(NamedTuple):
    """What a step returned; it may be counted once its transaction is committed."""

    events: int
    emissions: list[Emission]
    dead_letters: list[DeadLetter]


class Aged(NamedTuple):
    """How old something was when it was committed: the histogram, and the time of the market that began it."""

    metric: Metric
    time: int


class Work(NamedTuple):
    """One turn on its way through the channel. The service waits for `done` before it commits anything."""

    worker: Worker
    turn: Turn
    done: asyncio.Future[Stepped]

    def step(self) -> None:
        """Steps the turn and hands the result back. What a step raises is the caller's to pass on: it ends the process."""
        events = self.worker.step(self.turn)
        batches = [held.batch for held in self.worker.tasks.values() if held.batch is not None]
        self.done.set_result(
            Stepped(
                events,
                [emission for batch in batches for emission in batch.emissions],
                [letter for batch in batches for letter in batch.dead_letters],
            )
        )


Turns = AsyncIterable[Work]
