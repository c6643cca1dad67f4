"""A stretch of market with random faults: what a session must show after it, of minutes in the suite and of a day in the soak."""

import asyncio
import gc
from collections.abc import Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from streams.exchange.mexc.gaps import Completeness
from streams.exchange.mexc_simulated.faults import PLANNED, Fault, random_plan
from streams.log.memory_host import make_workers, run_turns
from streams.operate.runtime import STAGES
from streams.replay.verification.verify import Verdict, verify
from tests.exchange.mexc_feed.live_sessions import SYMBOLS, LiveSession, played
from tests.exchange.sessions import CODEC

# After the last fault, for whatever it left to be healed: a candle is compared up to two minutes later.
HEAL_SECONDS = 240


class Day(NamedTuple):
    """`weights`: things that the feed holds in memory, at each quarter of the time."""

    session: LiveSession
    verdict: Verdict
    weights: list[int]

    @property
    def counts(self) -> Completeness:
        return self.session.assembly.counts


def lived(*, seed: int, seconds: int, faults: int, rate: int, kinds: Sequence[Fault] = PLANNED) -> Day:
    """Both symbols, `rate` pushes a second of each, through `faults` faults; then all stages, and the replay of all of it."""
    weights: list[int] = []

    async def story(session: LiveSession) -> None:
        session.server.exchange.plan(random_plan(seed=seed, count=faults, seconds=seconds, kinds=kinds))
        for _ in range(4):
            await asyncio.sleep(seconds / 4)
            weights.append(weight(session))
        await asyncio.sleep(HEAL_SECONDS)
        await session.until(lambda: session.whole)
        await asyncio.sleep(3)

    session = played(story, rate=rate)
    stages = tuple(STAGES.values())
    workers = make_workers(session.log, stages, session.settings, CODEC, code_version="test")
    run_turns(workers)
    for worker in workers:
        worker.close()
    return Day(session, verify(session.log, session.settings, CODEC, stages), weights)


def assert_held(day: Day) -> None:
    """Complete or marked as missing to the second, nothing twice, memory flat, replay equal."""
    for symbol in SYMBOLS:
        assert not day.session.doubled(symbol), symbol
        assert not day.session.unmarked(symbol), symbol
    assert day.verdict.equal
    assert day.weights[-1] < 2 * day.weights[0] + 20_000, day.weights


def weight(session: LiveSession) -> int:
    """How many objects assembly, pool and inbox hold."""
    seen: set[int] = set()
    waiting: list[Any] = [session.assembly, session.inbox]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType | MethodType):
            continue
        seen.add(id(one))
        waiting += gc.get_referents(one)
    return len(seen)
