"""
Sessions told as stories: played by real processes on the real stack, disturbed at chosen moments, judged at their end.

A disturbance is data (whom, and when as a share of the feed's way), so that one in `make test` and ten in `make soak` are the
same code. What a session must have come to is what the same settings give in memory, undisturbed.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from streams.domain.parameters import RiskParameters, SessionSettings, StrategyParameters
from streams.errors import LogError
from streams.exchange.wall import SystemWall
from streams.log.canonical import canonical_records, compared_topics, differences, session_digests
from streams.log.layout import Layout
from streams.operate.connection import Connection
from streams.operate.paper import FEED, PaperSession, Place
from streams.operate.plan import Ask, settings_of
from streams.operate.prepare import prepare
from streams.operate.progress import Progress
from streams.operate.reconcile import reconcile
from streams.operate.runtime import STAGES, Runtime, open_runtime
from streams.operate.stack import PartState, Stack
from streams.operate.stack.settings import ENVIRONMENT_PREFIX
from streams.replay.backtest import Backtest, backtest
from streams.replay.verification.verify import Verdict, verify

SETTLE_SECONDS_MAX = 240.0
LOOK_SECONDS = 0.1
# A kill falls within these shares of the time the feed takes at the least: the session has begun and is not over.
SHARE_MIN, SHARE_MAX = 0.1, 0.8

PROCESSES = ("signals-0", "risk-0", "execution-0", FEED)
PARTS = ("postgres", "connect", "kafka")

Digests = dict[str, tuple[int, str]]


class Kill(NamedTuple):
    """SIGKILL for a process of the session (`risk-0`) or a part of the stack (`kafka`), at that share of the feed's way."""

    victim: str
    share: float


class Struck(NamedTuple):
    """A kill that was done, and how far the session was."""

    kill: Kill
    progress: Progress


class Played(NamedTuple):
    """A session that has come to its end on the log."""

    settings: SessionSettings
    kills: list[Struck]
    notes: list[str]


def kills_of(seed: object, victims: Iterable[str]) -> list[Kill]:
    """One kill of each victim, at moments that the seed decides, in the order of the moments."""
    moments = random.Random(f"kills {seed}")
    return sorted((Kill(victim, moments.uniform(SHARE_MIN, SHARE_MAX)) for victim in victims), key=lambda kill: kill.share)


def busy_settings(session: str, files: Sequence[Path], *, seconds: int, partitions: int = 1) -> SessionSettings:
    """A recorded session that trades within seconds: 6 s of lookback, a hundredth of a per cent, stops as near."""
    strategy = StrategyParameters(
        name="momentum", kind="momentum",
        parameters={"SIGNAL_LOOKBACK_MIN": "0.1", "SIGNAL_THRESHOLD_PCT": "0.005", "SIGNAL_MIN_VOLUME": "0", "SIGNAL_REPEAT_SEC": "1"},
    )  # fmt: skip
    asked = settings_of(Ask(session=session, feed="recorded", files=tuple(files), duration_seconds=seconds, partitions=partitions))
    near = RiskParameters.model_validate({
        "stop_loss_pct": "0.0001", "take_profit_pct": "0.0001", "allocation_warmup": "0.3", "max_trades_an_hour": 10_000,
        "stop_out_cooldown_sec": 0, "max_consecutive_losses": 1000,
    })  # fmt: skip
    return asked.model_copy(update={"strategies": (strategy,), "risk": near, "snapshot_interval_seconds": 10})


def undisturbed(settings: SessionSettings) -> Backtest:
    """The same session in memory."""
    return backtest(settings, tuple(STAGES.values()), SystemWall(threading.Event()), code_version="test")


class Theatre:
    """A stack that is ready for sessions, and everything needed to play and judge them."""

    def __init__(self, stack: Stack, runtime: Runtime, folder: Path) -> None:
        self.stack = stack
        self.runtime = runtime
        self._folder = folder

    def session(self, settings: SessionSettings, *, speed: str, slots: int = 1) -> PaperSession:
        """Made on the log, with nothing started."""
        endpoints = self.stack.endpoints()
        place = Place(endpoints.bootstrap, endpoints.ccompat_url, self._folder / settings.session)
        made = PaperSession(self.runtime, settings, place, speed=speed, slots=slots, environment=environment_of(self.stack))
        made.create(time.time_ns() // 1000)
        return made

    def play(self, settings: SessionSettings, *, speed: str, kills: Sequence[Kill] = (), slots: int = 1) -> Played:
        """From start to settled. Where there are kills the feed is paced, so that it cannot be through before their moments."""
        running = self.session(settings, speed=speed, slots=slots)
        waiting, struck, notes = list(kills), list[Struck](), list[str]()
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        began: float | None = None
        running.start()
        try:
            while True:
                running.check(notes.append)
                progress = self._progress(running, deadline)
                if progress.feed_records and began is None:
                    began = time.monotonic()
                while waiting and began is not None and time.monotonic() - began >= waiting[0].share * feed_seconds(settings, speed):
                    struck.append(Struck(waiting[0], progress))
                    self.strike(running, waiting.pop(0).victim)
                if progress.settled and not waiting and self._stands():
                    break
                assert time.monotonic() < deadline, f"must settle, stands at {progress} after {notes}; logs in {self._folder}"
                time.sleep(LOOK_SECONDS)
        finally:
            running.supervisor.stop()
        running.end(time.time_ns() // 1000)
        return Played(settings, struck, notes)

    def strike(self, running: PaperSession, victim: str) -> None:
        """Kills it and does nothing else: processes come back by the supervisor, parts of the stack by the watchdog."""
        if victim in self.stack.parts:
            part = self.stack.parts[victim]
            # It may have died of another's death and be on its way back.
            until(lambda: part.running() is not None, f"{victim} running, to be killed")
            process = part.running()
            assert process is not None, victim
            os.kill(process.pid, signal.SIGKILL)
        else:
            os.kill(running.supervisor.processes[victim].pid, signal.SIGKILL)

    def _stands(self) -> bool:
        """Whether every part of the stack is healthy."""
        return all(part.state is PartState.HEALTHY for part in self.stack.status())

    def _progress(self, running: PaperSession, deadline: float) -> Progress:
        """Asked again where a broker has just come back."""
        while True:
            try:
                return running.progress()
            except LogError:
                assert time.monotonic() < deadline, "the log must come back, did not"
                time.sleep(LOOK_SECONDS)

    def digests(self, settings: SessionSettings) -> Digests:
        """Of every compared topic as it stands on the log."""
        return session_digests(self.runtime.log, Layout.of(settings), self.runtime.codec)

    def must_equal(self, settings: SessionSettings, memory: Backtest) -> None:
        """Byte for byte; the first difference of each topic is named."""
        layout = Layout.of(settings)
        found = list(differences((self.runtime.log, self.runtime.codec), (memory.log, memory.codec), layout, layout))
        assert not found, "\n".join(f"{one.topic} record {one.place}: log {one.left}, memory {one.right}" for one in found)

    def must_replay_and_reconcile(self, settings: SessionSettings) -> Verdict:
        """Replay equal, Postgres equal, every record's id once."""
        log, codec = self.runtime.log, self.runtime.codec
        layout = Layout.of(settings)
        ids = [one.event_id for topic in compared_topics() for one in canonical_records(log, layout, codec, topic)]
        assert len(ids) == len(set(ids)), "record ids must be unique"
        verdict = verify(log, settings, codec, tuple(STAGES.values()))
        assert verdict.equal, "\n".join(map(str, verdict.divergences))
        report = reconcile(log, codec, self.stack.endpoints().postgres_dsn, settings.session)
        assert report.equal, "\n".join(str(table) for table in report.tables if not table.equal)
        assert any(table.rows for table in report.tables)
        return verdict


def survives(theatre: Theatre, settings: SessionSettings, kills: Sequence[Kill], *, speed: str, slots: int = 1) -> Played:
    """The session under these kills is what it is without them."""
    memory = undisturbed(settings)
    played = theatre.play(settings, speed=speed, kills=kills, slots=slots)
    assert [one.kill for one in played.kills] == list(kills)
    for one in played.kills:
        assert not one.progress.settled, f"{one.kill} must fall within the session, came after it"
    theatre.must_equal(settings, memory)
    theatre.must_replay_and_reconcile(settings)
    return played


def feed_seconds(settings: SessionSettings, speed: str) -> float:
    """Wall seconds that the feed takes at the least, whatever happens to it."""
    assert settings.feed.duration_seconds is not None and speed != "max"
    return settings.feed.duration_seconds / float(speed.removesuffix("x"))


@contextmanager
def theatre_on(stack: Stack, folder: Path) -> Iterator[Theatre]:
    """Tables, schemas and sink ready; the log closed at the end."""
    endpoints = stack.endpoints()
    prepare(endpoints, lambda _: None)
    connection = Connection(bootstrap=endpoints.bootstrap, registry=endpoints.ccompat_url)
    try:
        with open_runtime(connection, client_id="test") as runtime:
            yield Theatre(stack, runtime, folder)
    finally:
        # What a failed test left dead must not fail those after it.
        stack.up()


def environment_of(stack: Stack) -> dict[str, str]:
    """This process's own, with the names by which others find the stack."""
    chosen = stack.settings.model_dump(exclude_none=True)
    return {**os.environ, **{f"{ENVIRONMENT_PREFIX}{name.upper()}": str(value) for name, value in chosen.items()}}


def until(condition: Callable[[], bool], what: str, *, seconds: float = 60.0) -> None:
    """Returns as soon as it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} must hold within {seconds:g} s, did not"
        time.sleep(LOOK_SECONDS)
