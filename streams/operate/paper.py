"""
A paper-trading session as processes: three stages and a feed on the log, from creation to the last settled event.

Used by `cdb paper` and by the tests that kill its processes; it decides nothing that the session's bytes could show.
"""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.errors import StreamsError
from streams.operate import sessions
from streams.operate.progress import Progress, progress_of
from streams.operate.runtime import STAGES, Runtime
from streams.operate.stack.settings import free_ports
from streams.operate.supervisor import Supervisor

FEED = "feed"
WATCHDOG = "watchdog"
EXPORTER = "lag"
# Its processes end with it, also where it is killed.
CDB = (sys.executable, "-m", "streams.cli", "--end-with-input")
# Wall seconds that the stages may take to settle after the feed's end before it counts as stuck.
SETTLE_SECONDS_MAX = 120.0
BREAK_OFF_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.1


class SessionStuck(StreamsError):
    """A session's feed has ended, but a stage does not come to its end."""


class Place(NamedTuple):
    """
    Where the processes find broker and registry, and keep their logs.

    `local`: both are the local stack's, which the session's watchdog keeps going; others keep their own.
    """

    bootstrap: str
    registry: str
    log_folder: Path
    local: bool = True


class PaperSession:
    """
    The processes of one session, started by `start`.

    `speed` as `cdb feed` takes it; `slots`: workers of each stage; `environment`: where the watchdog finds its stack, this
    process's own by default; `watched`: with a lag exporter beside it.
    """

    def __init__(
        self, runtime: Runtime, settings: SessionSettings, place: Place, *, speed: str, slots: int = 1,
        environment: Mapping[str, str] | None = None, watched: bool = False,
    ) -> None:
        self.runtime = runtime
        self.settings = settings
        self._place = place
        self._speed = speed
        self._slots = slots
        names = [FEED, *self._worker_names(), *([EXPORTER] if watched else [])]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.supervisor = Supervisor(place.log_folder, environment)
        # Apart: whoever watches may fail without the session, and that it does not answer is an alert.
        self._watching = Supervisor(place.log_folder, environment)

    def _worker_names(self) -> list[str]:
        return [f"{stage}-{slot}" for stage in STAGES for slot in range(self._slots)]

    def create(self, now: int) -> None:
        """Topics and manifest. Raises: ConfigError where the session exists with other settings."""
        runtime = self.runtime
        sessions.create(
            runtime.log, runtime.codec, self.settings, schema_ids=runtime.schema_ids, code_version=runtime.code_version,
            time=now,
        )  # fmt: skip

    def start(self) -> None:
        """Starts the stages and the watchdog, then the feed."""
        for name in self._worker_names():
            stage, _, slot = name.partition("-")
            self.supervisor.start(name, self._command("worker", stage, "--slot", slot, port=self.ports[name]))
        if self._place.local:
            self.supervisor.start(WATCHDOG, [*CDB, "watchdog", "--session", self.settings.session])
        self.start_feed()
        if EXPORTER in self.ports:
            self._watching.start(EXPORTER, self._command("lag", "--serve", port=self.ports[EXPORTER]))

    def start_feed(self) -> None:
        """The feed alone; it goes on where the log says it was."""
        self.supervisor.start(FEED, self._command("feed", "--speed", self._speed, port=self.ports[FEED]))

    def _command(self, *words: str, port: int) -> list[str]:
        return [
            *CDB, *words, "--session", self.settings.session, "--port", str(port),
            "--bootstrap", self._place.bootstrap, "--registry", self._place.registry,
        ]  # fmt: skip

    def progress(self) -> Progress:
        """How far it has come."""
        return progress_of(self.runtime.log, self.runtime.codec, self.settings)

    def check(self, note: Callable[[str], None] = lambda _: None) -> None:
        """Crashed processes are started anew. Raises: ProcessFailed where that is of no use."""
        self.supervisor.check(note)

    def break_off(self) -> bool:
        """
        Stops the feed, and waits until the stages have stepped all it wrote; whether they did within `BREAK_OFF_SECONDS_MAX`.

        What is on the log then is whole, and the session can go on from there.
        """
        self.supervisor.stop_one(FEED)
        # The timekeeper would write on in the feed's place.
        self.supervisor.stop_one(WATCHDOG)
        deadline = time.monotonic() + BREAK_OFF_SECONDS_MAX
        while not self.progress().caught_up:
            if time.monotonic() > deadline:
                return False
            self.check()
            time.sleep(LOOK_SECONDS)
        return True

    def end(self, now: int) -> bool:
        """
        Stops the processes, and says on the log that the session has ended where it has settled; whether it has. One that was
        broken off stays open.
        """
        self._watching.stop()
        self.supervisor.stop()
        ended = self.progress().settled
        if ended:
            sessions.end(self.runtime.log, self.runtime.codec, self.settings.session, time=now)
        return ended
