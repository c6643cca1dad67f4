"""
How long a stage takes to come back: killed in a long session while it works, and by replay alone.

`kill_to_commit_seconds` is what an operator sees: kill -9, started anew at once, until the task's journal goes on; it holds the
start of the process, the wait for the dead one's transaction (5 s) and group session (6 s), and the replay. `replay` is the
take-over by itself, in this process: newest snapshot, the log after it, digests compared. Its baseline is the plain reading of
as many market records, nothing decoded.
"""

import os
import signal
import time
from typing import Any

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.log.interface import Partition
from streams.log.journal import newest_entry, read_range
from streams.log.layout import Layout
from streams.log.takeover import take_over
from streams.operate.paper import PaperSession
from streams.operate.plan import SIMULATED_STRATEGIES
from streams.operate.runtime import STAGES
from streams.operate.strategies import strategies_from
from tests.bench.arena import Arena, fresh, until
from tests.bench.machine import load, timed

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
RATE_PER_SECOND = 60
KILL_AT_SHARE = 0.8
MICROSECONDS = 1_000_000


def recovery(arena: Arena) -> dict[str, Any]:
    """A simulated session of `count` ticks at full speed; each stage is killed once in its last fifth."""
    settings = _settings(arena.asked.seed, arena.asked.count)
    killed: dict[str, Any] = {}
    with arena.playing(settings, speed="max") as running:
        victims = [f"{stage}-0" for stage in STAGES]
        for number, victim in enumerate(victims):
            share = KILL_AT_SHARE + (0.95 - KILL_AT_SHARE) * number / len(victims)
            until(lambda share=share: _fed(running) >= share * arena.asked.count, "the session to be long", every=0.25)  # type: ignore[misc]
            killed[victim] = _killed(arena, running, victim)
        until(lambda: running.progress().settled, "all stages to settle", every=0.5)
        events = running.progress().feed_records
    return {
        "ticks": events, "load_average": load(), "kill_to_commit_seconds": killed,
        "replay": {stage: _replayed(arena, settings, stage) for stage in STAGES},
    }  # fmt: skip


def _settings(seed: int, count: int) -> SessionSettings:
    chosen = strategies_from(SIMULATED_STRATEGIES)
    return SessionSettings(
        session=fresh("recovery"), strategies=chosen.strategies, risk=chosen.risk, market=chosen.market,
        feed=FeedParameters(
            symbols=SYMBOLS, seed=seed, rate_per_second=RATE_PER_SECOND,
            duration_seconds=max(1, count // (RATE_PER_SECOND * len(SYMBOLS))), start_time=1_704_067_200_000_000,
        ),
    )  # fmt: skip


def _fed(running: PaperSession) -> int:
    running.check()
    return running.progress().feed_records


def _killed(arena: Arena, running: PaperSession, victim: str) -> float:
    process = running.supervisor.processes[victim]
    os.kill(process.pid, signal.SIGKILL)
    began = time.perf_counter()
    until(lambda: process.exit_code() is not None, f"{victim} to be gone", every=0.01, seconds=10)
    dead = _entries(arena, running.settings, victim)
    running.check()
    return round(until(lambda: _entries(arena, running.settings, victim) > dead, f"{victim} to go on", every=0.1) - began, 2)


def _entries(arena: Arena, settings: SessionSettings, victim: str) -> int:
    """How many entries the task's journal has."""
    runtime, stage = arena.theatre.runtime, victim.partition("-")[0]
    entry = newest_entry(runtime.log, Layout.of(settings).journal(stage, 0), runtime.codec)
    return 0 if entry is None else entry.sequence + 1


def _replayed(arena: Arena, settings: SessionSettings, name: str) -> dict[str, Any]:
    runtime, layout = arena.theatre.runtime, Layout.of(settings)
    with timed() as took:
        found = take_over(
            runtime.log, layout, runtime.codec, STAGES[name](settings, 0), 0,
            snapshot_interval=settings.snapshot_interval_seconds * MICROSECONDS,
        )  # fmt: skip
    return {"events_run_again": found.replayed, **took.document(), "baseline": _plain_read(arena, layout, found.replayed)}


def _plain_read(arena: Arena, layout: Layout, count: int) -> dict[str, Any]:
    log, place = arena.theatre.runtime.log, Partition(layout.full("market_data"), 0)
    end = log.end_offset(place)
    with timed() as took:
        records = sum(1 for _ in read_range(log, place, max(0, end - count), end))
    return {"what": "reading as many market records", "records": records, **took.document()}
