"""
One part of the stack: how it starts, whether it answers, how it ends, and what it said last.

A part is healthy when its process runs and answers a real question of its own protocol. A process that runs and does
not answer is left alone until it has had its time to start; after that it is reported, never silently replaced.
"""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from streams.errors import StackError
from streams.operate.stack import process
from streams.operate.stack.process import Owner, ProcessId
from streams.operate.stack.settings import ENVIRONMENT_PREFIX, StackSettings, port_is_free

LOG_LINES_SHOWN = 15
PROBE_EVERY_SECONDS = 0.1
ANSWERS_MISSED_MAX = 3


class PartState(StrEnum):
    """How a part is."""

    HEALTHY = "healthy"
    NOT_ANSWERING = "not answering"
    DIED = "died"
    STOPPED = "stopped"


class PartStatus(BaseModel):
    """One line of `cdb status`."""

    model_config = ConfigDict(frozen=True)

    name: str
    state: PartState
    port: int
    pid: int | None = None
    uptime_seconds: float | None = None
    memory_bytes: int | None = None
    detail: str = ""


class Part(ABC):
    """What the four parts have in common; each says only what is its own."""

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    owner: Owner | None = None
    # Beside what every part gets.
    environment: ClassVar[Mapping[str, str]] = {}

    def __init__(self, settings: StackSettings) -> None:
        self.settings = settings
        # The parts that `needs` names, given by the stack.
        self.needed: list[Part] = []
        self.log_file = settings.data_folder / "logs" / f"{self.name}.log"
        self.pid_file = settings.data_folder / "run" / f"{self.name}.pid"
        # There while its process has been healthy once: from then on silence is a fault and no longer the start.
        self.ready_file = self.pid_file.with_suffix(".ready")

    # What each part says for itself.

    @property
    @abstractmethod
    def ports(self) -> dict[str, int]:
        """The ports it listens on by the names of their settings; the one that clients use first."""

    @abstractmethod
    def check(self) -> None:
        """Raises: StackError when something it needs is not installed, or its data are not of this stack."""

    @abstractmethod
    def prepare(self) -> None:
        """Makes its data and its configuration; what is already there stays."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def fault(self, seconds: float) -> str | None:
        """Why it does not serve, found within about `seconds`; None when it does."""

    def settle(self) -> None:
        """What must hold once it answers; done at each `up`, so it changes only what is not so yet."""

    @property
    def folder(self) -> Path:
        """Where its process runs."""
        return self.settings.data_folder

    # What is the same for all.

    @property
    def port(self) -> int:
        """The port that clients use."""
        return next(iter(self.ports.values()))

    def running(self) -> ProcessId | None:
        """Its process, if that very process still runs."""
        found = process.read_pid_file(self.pid_file)
        return found if found and found.alive() else None

    def start(self, cancelled: threading.Event) -> bool:
        """
        Healthy when this returns; whether a process had to be started for it.

        Raises: StackError within the time to start, and nothing half-started stays behind.
        """
        running = self.running()
        stands = running is not None and self._stands(running, cancelled)
        if not stands:
            self._spawn(cancelled)
        self.settle()
        self.ready_file.touch()
        return not stands

    def stop(self, *, kill: bool = False) -> bool:
        """Ends it, by force after its time; whether there was something to end."""
        running = self.running()
        if running:
            how = signal.SIGKILL if kill else self.stop_signal
            process.end(running, how=how, seconds=self.settings.stop_seconds_max)
        self.ready_file.unlink(missing_ok=True)
        self.pid_file.unlink(missing_ok=True)
        return running is not None

    def status(self) -> PartStatus:
        """How it is now; takes no longer than the time to answer."""
        running = self.running()
        if running is None:
            return self._status_without_process()
        fault = self.fault(self.settings.answer_seconds_max)
        if not running.alive():
            return self._status_without_process()
        return PartStatus(
            name=self.name,
            state=PartState.NOT_ANSWERING if fault else PartState.HEALTHY,
            port=running.ports[0] if running.ports else self.port,
            pid=running.pid,
            uptime_seconds=process.uptime_seconds(running.pid),
            memory_bytes=process.memory_bytes(running.pid),
            detail=fault or "",
        )

    def has_died(self) -> bool:
        """Whether it was started and its process is gone. Asks the part nothing, so it may be asked often."""
        return self.running() is None and self.was_started()

    def was_started(self) -> bool:
        """Whether it was started and not ended since; it may have died."""
        return self.pid_file.exists()

    def logs(self, lines: int = LOG_LINES_SHOWN) -> list[str]:
        """What it wrote last, since its last start."""
        return process.tail(self.log_file, lines)

    def _status_without_process(self) -> PartStatus:
        died = self.pid_file.exists()
        detail = f"see {self.log_file}" if died else ""
        if not port_is_free(self.port):
            detail = f"port {self.port} is held by {process.holder_of(self.port)}"
        state = PartState.DIED if died else PartState.STOPPED
        return PartStatus(name=self.name, state=state, port=self.port, detail=detail)

    def _stands(self, running: ProcessId, cancelled: threading.Event) -> bool:
        """
        Whether it serves; False where it has ended, as one that was killed a moment ago does.

        One that is still young has the rest of its time to start (another `up` may have begun it). Raises: StackError where it
        runs and does not serve.
        """
        if running.ports != tuple(self.ports.values()):
            raise StackError(
                f"{self.name}: pid {running.pid} runs on ports {running.ports}, the settings say"
                f" {tuple(self.ports.values())}: run `cdb down` first, or set the ports back"
            )
        patience = self.settings.answer_seconds_max * ANSWERS_MISSED_MAX
        if not self.ready_file.exists():
            age = process.uptime_seconds(running.pid) or 0.0
            patience = max(self.settings.start_seconds_max - age, patience)
        fault = self._await_health(running, patience, cancelled)
        if fault and running.alive():
            raise StackError(
                f"{self.name}: pid {running.pid} runs but does not answer on port {self.port} ({fault}):"
                f" `cdb down --parts {self.name}` ends it, `cdb up` starts it anew{self._last_words()}"
            )
        return fault is None

    def _spawn(self, cancelled: threading.Event) -> None:
        self.check()
        self._check_ports()
        self.prepare()
        self.ready_file.unlink(missing_ok=True)
        child = process.spawn(
            self.command(),
            folder=self.folder,
            log_file=self.log_file,
            environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "MALLOC_ARENA_MAX": "2", **self.environment},
            owner=self.owner,
        )
        started = ProcessId.of(child.pid, tuple(self.ports.values()))
        if started is None:
            raise StackError(f"{self.name}: {self._ending(child)}{self._last_words()}")
        process.write_pid_file(self.pid_file, started)
        fault = self._await_health(started, self.settings.start_seconds_max, cancelled)
        if fault is None:
            return
        ended = not started.alive()
        self.stop(kill=True)
        cause = self._ending(child) if ended else fault
        raise StackError(f"{self.name}: did not come up: {cause}{self._last_words()}")

    def _await_health(self, running: ProcessId, seconds: float, cancelled: threading.Event) -> str | None:
        """None as soon as it is healthy, else what it lacks when the process ended or `seconds` were over."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            fault = self.fault(min(self.settings.answer_seconds_max, max(left, 0.5)))
            # The answer may have come from somebody else on the port, so the process itself must be there too.
            if not running.alive():
                return "its process ended"
            if fault is None:
                return None
            gone = [need.name for need in self.needed if need.running() is None]
            if gone:
                # It cannot become healthy any more, and whoever mends the stack waits for this to end.
                return f"{fault}, and {', '.join(gone)}, which it needs, ended meanwhile"
            if time.monotonic() > deadline:
                return f"{fault}, after {seconds:.0f} s"
            if cancelled.wait(PROBE_EVERY_SECONDS):
                return "the start was interrupted"

    def _check_ports(self) -> None:
        for name, port in self.ports.items():
            # A process that was just killed may hold its port for a moment longer.
            if not process.wait_until(lambda port=port: port_is_free(port), 1.0):  # type: ignore[misc]
                raise StackError(
                    f"{self.name}: port {port} is held by {process.holder_of(port)}: end that process,"
                    f" or choose another port with {ENVIRONMENT_PREFIX}{name.upper()}"
                )

    def _last_words(self) -> str:
        lines = self.logs()
        return f"\n  last lines of {self.log_file}:\n" + "\n".join(f"    {line}" for line in lines) if lines else ""

    @staticmethod
    def _ending(child: subprocess.Popen[bytes]) -> str:
        code = child.poll()
        return f"its process ended at once with exit code {code}" if code is not None else "its process ended"
