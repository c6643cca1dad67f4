"""What every measurement needs: what was asked for, the recordings, and sessions on a stack that is ready for them."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.operate.paper import PaperSession
from streams.operate.plan import STRATEGIES_FOLDER, Ask, settings_of
from streams.operate.stack import Stack
from streams.operate.stack.settings import PROJECT_FOLDER
from tests.bench.machine import Processes
from tests.kafka.story import Theatre, theatre_on
from tests.reaper import reaped_stack

SHORT_RECORDING = STRATEGIES_FOLDER / "short-recording.toml"
RECORDINGS = ("spot_btcusdt_20240808.jsonl.gz", "spot_ethusdt_20240808.jsonl.gz")
WAIT_SECONDS_MAX = 900.0


class Asked(NamedTuple):
    """The command line: `count` is of events in the recovery session and of rows for the sink."""

    seed: int
    count: int


class Missing(Exception):
    """A measurement cannot be made here; the message names what is missing."""


def recordings() -> tuple[Path, ...]:
    """Both spot recordings. Raises: Missing."""
    folder = PROJECT_FOLDER / os.environ.get("CDB_MARKET_DATA", "../shared/market-data") / "binance-ws-raw-20240808"
    files = tuple(folder / name for name in RECORDINGS)
    for path in files:
        if not path.is_file():
            raise Missing(f"CDB_MARKET_DATA must hold {path.name}, does not")
    return files


def fresh(name: str) -> str:
    """A session's name that no other run has."""
    return f"bench-{name}-{time.time_ns() // 1_000_000:x}"


def recorded_settings(name: str, *, seconds: int | None = None) -> SessionSettings:
    """Both spot recordings, or their first `seconds`, with the strategy that trades on them."""
    return settings_of(Ask(session=name, feed="recorded", files=recordings(), strategies=SHORT_RECORDING, duration_seconds=seconds))


def until(condition: Callable[[], bool], what: str, *, every: float, seconds: float = WAIT_SECONDS_MAX) -> float:
    """The monotonic time at which the condition was first seen to hold."""
    deadline = time.perf_counter() + seconds
    while not condition():
        assert time.perf_counter() < deadline, f"{what} must hold within {seconds:.0f} s, did not"
        time.sleep(every)
    return time.perf_counter()


class Arena(NamedTuple):
    """A stack of the run's own, with everything applied."""

    asked: Asked
    theatre: Theatre

    @property
    def stack(self) -> Stack:
        return self.theatre.stack

    @contextmanager
    def playing(self, settings: SessionSettings, *, speed: str) -> Iterator[PaperSession]:
        """A session's processes from start to stop."""
        running = self.theatre.session(settings, speed=speed)
        running.start()
        try:
            yield running
        finally:
            running.supervisor.stop()
            running.end(time.time_ns() // 1000)

    def processes(self, running: PaperSession) -> Processes:
        """The stack's parts and the session's processes."""
        parts = {name: part.running() for name, part in self.stack.parts.items()}
        pids = {name: process.pid for name, process in parts.items() if process is not None}
        return Processes({**pids, **{name: one.pid for name, one in running.supervisor.processes.items()}})


@contextmanager
def arena(asked: Asked, folder: Path) -> Iterator[Arena]:
    """The stack is up, its tables, schemas and sink are ready; all of it is gone afterwards."""
    with reaped_stack() as stack:
        stack.up()
        with theatre_on(stack, folder) as theatre:
            yield Arena(asked, theatre)
