"""
Processes of one session: started, watched, started anew when they crash, and ended together.

A crash is the normal way out of an unknown error: the process that comes back replays the log and goes on. Not started again: exit 0
(done), 2 (a setting is wrong), 70 (a bug, which would only come again), 75 (another process took over).
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streams.errors import StreamsError

FINAL_CODES = frozenset({0, 2, 70, 75})
# More crashes than this within the window are no accident.
RESTARTS_MAX = 6
RESTART_WINDOW_SECONDS = 120.0
STOP_SECONDS_MAX = 30.0
LOG_LINES_SHOWN = 8


class ProcessFailed(StreamsError):
    """A process of the session ended for good; the message holds its exit code and last words."""


class Watched:
    """One process under supervision; its output goes to a file."""

    def __init__(self, name: str, command: Sequence[str], log_path: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self._restarted_at: list[float] = []
        self.log_path = log_path
        self._command = list(command)
        self._environment = dict(environment)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C at the terminal reaches the supervisor only, which ends everything in order. The pipe is never
        # written to: it closes with the supervisor, whatever ends it, which `streams.operate.leash` waits for.
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=self._environment,
                start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; a signal's number negative."""
        return self._process.poll()

    @property
    def restarts(self) -> int:
        """How often it was started anew within the last two minutes."""
        since = time.monotonic() - RESTART_WINDOW_SECONDS
        return sum(at >= since for at in self._restarted_at)

    def restart(self) -> None:
        self._restarted_at.append(time.monotonic())
        self._process = self._start()

    def terminate(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, deadline: float) -> None:
        try:
            self._process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])


class Supervisor:
    """The processes of one session. `log_folder` gets a file for each."""

    def __init__(self, log_folder: Path, environment: Mapping[str, str] | None = None) -> None:
        log_folder.mkdir(parents=True, exist_ok=True)
        self._folder = log_folder
        self._environment = dict(os.environ if environment is None else environment)
        self.processes: dict[str, Watched] = {}

    def start(self, name: str, command: Sequence[str]) -> Watched:
        """A new process under `name`."""
        watched = Watched(name, command, self._folder / f"{name}.log", self._environment)
        self.processes[name] = watched
        return watched

    def check(self, note: Callable[[str], None] = lambda _: None) -> None:
        """
        Starts crashed processes anew.

        Raises: ProcessFailed where one ended with a code that is final and not 0, or has crashed too often.
        """
        for watched in self.processes.values():
            code = watched.exit_code()
            if code is None or code == 0:
                continue
            if code in FINAL_CODES or watched.restarts >= RESTARTS_MAX:
                raise ProcessFailed(
                    f"{watched.name} ended with {code} after {watched.restarts} restarts; its log {watched.log_path} ends:\n"
                    f"{watched.last_words()}"
                )
            note(f"{watched.name} ended with {code}, started anew")
            watched.restart()

    def stop_one(self, name: str) -> None:
        """Ends one process, politely first, and starts it no more."""
        watched = self.processes.pop(name, None)
        if watched is not None:
            watched.terminate()
            watched.wait(time.monotonic() + STOP_SECONDS_MAX)

    def stop(self) -> None:
        """Ends all, politely first; returns within about 30 s."""
        for watched in self.processes.values():
            watched.terminate()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for watched in self.processes.values():
            watched.wait(deadline)
