"""
A session with three workers of each stage: kill -9, leaving and joining, an operator's words, and a market that falls silent meanwhile.

Its settings alone do not decide it, because commands come when they come; a replay must find it equal all the same.
"""

import gzip
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx

from streams.domain.parameters import AccountParameters, SessionSettings
from streams.domain.records import Alert, CommandKind
from streams.log.layout import Layout
from streams.operate.commands import Confirmation, Request, send
from streams.operate.paper import FEED, WATCHDOG, PaperSession
from streams.operate.runtime import STAGES
from streams.replay.summary import records_of
from tests.exchange.sessions import write_lines
from tests.kafka.story import Theatre, busy_settings, until

WORKERS = 3
TASKS = set(range(WORKERS))
ACCOUNTS = ("first", "second", "third")
WORDS = (CommandKind.HALT, CommandKind.RESUME_REQUEST, CommandKind.RESUME_CONFIRM, CommandKind.FLATTEN)
# Of the recording: when the market falls silent, for how long (data goes stale after 10 s), and how much of it there is.
SILENT_FROM, SILENCE, MARKET_SECONDS = 15, 14, 150
SPEED = "2x"
# Between two happenings the market goes on by up to this, µs.
PAUSE_MAX = 1_500_000
# Generous: what is waited for takes seconds, on a machine that does much else it takes longer.
PATIENCE_SECONDS = 180.0
SECOND_NS, SECOND_MS = 1_000_000_000, 1000
_EVENT_TIME = re.compile(rb'"([ET])":(\d+)')


class Happening(NamedTuple):
    """`what`: kill, leave or join a worker (`of`: risk-1), or say (`of`: a kind of command)."""

    what: str
    of: str


def story_of(seed: object) -> list[Happening]:
    """A worker of each stage is killed, a fourth leaves and joins again, operators speak; the seed decides who and in which order."""
    rng = random.Random(f"three workers {seed}")
    killed = [f"{stage}-{rng.randrange(WORKERS)}" for stage in STAGES]
    leaver = rng.choice([f"{stage}-{slot}" for stage in STAGES for slot in range(WORKERS) if f"{stage}-{slot}" not in killed])
    tracks = [[Happening("kill", name)] for name in killed]
    tracks += [[Happening("leave", leaver), Happening("join", leaver)], [Happening("say", word.value) for word in WORDS]]
    found = []
    while tracks:
        track = rng.choice(tracks)
        found.append(track.pop(0))
        tracks = [one for one in tracks if one]
    return found


def three_workers_verify_equal(theatre: Theatre, session: str, files: list[Path], folder: Path, seed: object) -> None:
    """The session, disturbed as the seed says, and its judgement."""
    settings = settings_on(session, [fallen_silent(file, folder) for file in files])
    desk = _Desk(theatre, theatre.session(settings, speed=SPEED, slots=WORKERS))
    pauses = random.Random(f"pauses {seed}")
    story = story_of(seed)
    desk.running.start()
    try:
        desk.until(lambda: all(desk.held(kind) == TASKS for kind in STAGES), "every task held")
        desk.until(lambda: any(desk.records("order_results")), "a fill")
        for one in story:
            desk.goes_on(pauses.randrange(PAUSE_MAX))
            desk.happen(one)
        desk.until(lambda: "DATA_FRESH" in desk.alerts(), "the market back")
        assert "DATA_STALE" in desk.alerts()
        desk.ends()
    finally:
        desk.running.supervisor.stop()
    died = {one.of for one in story if one.what == "kill"}
    assert {note.split()[0] for note in desk.notes} == died, "the supervisor must have started the killed anew, and no other"
    theatre.must_replay_and_reconcile(settings)


def settings_on(session: str, files: list[Path]) -> SessionSettings:
    """A task for each worker; the third of signals and of execution owns no symbol and has only promises to keep."""
    busy = busy_settings(session, files, seconds=MARKET_SECONDS, partitions=WORKERS)
    return busy.model_copy(update={
        "risk_tasks": WORKERS, "accounts": tuple(AccountParameters(name=name) for name in ACCOUNTS),
        "strategies": tuple(one.model_copy(update={"accounts": ACCOUNTS}) for one in busy.strategies),
        "risk": busy.risk.model_copy(update={"data_stale_timeout_sec": 10}),
    })  # fmt: skip


def fallen_silent(recording: Path, folder: Path) -> Path:
    """A copy in which everything from `SILENT_FROM` on comes `SILENCE` seconds later, at the exchange as well."""
    with gzip.open(recording) as lines:
        delayed = (line.decode() for line in _delayed(lines))
        return Path(write_lines(folder / f"silent-{recording.name}", delayed))


def _delayed(lines: Iterable[bytes]) -> Iterator[bytes]:
    first: int | None = None
    for line in lines:
        receive, _, frame = line.rstrip(b"\n").partition(b" ")
        first = int(receive) if first is None else first
        if int(receive) - first >= SILENT_FROM * SECOND_NS:
            frame = _EVENT_TIME.sub(lambda found: b'"%s":%d' % (found[1], int(found[2]) + SILENCE * SECOND_MS), frame)
            receive = b"%d" % (int(receive) + SILENCE * SECOND_NS)
        yield receive + b" " + frame


class _Desk:
    """The running session; whatever is waited for, its supervisor brings back what died, and `notes` say whom."""

    def __init__(self, theatre: Theatre, running: PaperSession) -> None:
        self.theatre, self.running, self.notes = theatre, running, list[str]()

    def until(self, condition: Callable[[], bool], what: str) -> None:
        until(lambda: (self.running.check(self.notes.append), condition())[1], what, seconds=PATIENCE_SECONDS)

    def goes_on(self, microseconds: int) -> None:
        """Returns once the market has."""
        target = self.running.progress().feed_watermark + microseconds
        self.until(lambda: self.running.progress().feed_watermark >= target, "the market going on")

    def happen(self, one: Happening) -> None:
        """Does it, and waits for what must come of it."""
        match one.what:
            case "kill":
                self.theatre.strike(self.running, one.of)
            case "leave":
                leaving = self.running.supervisor.processes[one.of]
                leaving.terminate()
                self.until(lambda: leaving.exit_code() == 0, f"{one.of} gone")
                self.until(lambda: self.held(one.of.partition("-")[0]) == TASKS, f"the others holding what {one.of} held")
            case "join":
                self.running.supervisor.processes[one.of].restart()
                self.until(lambda: bool(self.assignment(one.of)), f"a task for {one.of}")
            case _:
                self._say(CommandKind(one.of))

    def _say(self, kind: CommandKind) -> None:
        """Until every risk task's committed journal names the command."""
        log, codec, *_ = self.running.runtime
        sent = send(log, codec, self.running.settings, Request(kind, "ada", "a drill"), now=time.time_ns() // 1000)
        with closing(Confirmation(log, codec, sent)) as confirmation:
            self.until(confirmation.look, f"{kind.value} confirmed")

    def ends(self) -> None:
        """The feed, and the watchdog who would write in its stead, are gone; what is on the log then is the session."""
        self.running.supervisor.stop_one(FEED)
        self.running.supervisor.stop_one(WATCHDOG)
        self.until(lambda: self.running.progress().caught_up, "every task at the end")

    def held(self, kind: str) -> set[int]:
        """The tasks that the workers of a kind of stage say they hold, together."""
        return {task for slot in range(WORKERS) for task in self.assignment(f"{kind}-{slot}")}

    def assignment(self, worker: str) -> list[int]:
        """By its status page; nothing where nobody answers."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.running.ports[worker]}/status", timeout=5)
        except httpx.TransportError:
            return []
        found: list[int] = answer.json()["assignment"]
        return found

    def records(self, topic: str) -> Iterator[object]:
        log, codec, *_ = self.running.runtime
        return records_of(log, Layout.of(self.running.settings), codec, topic)

    def alerts(self) -> set[str]:
        """Their codes."""
        return {str(one.code) for one in self.records("alerts") if isinstance(one, Alert)}
