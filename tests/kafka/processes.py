"""
Real processes of `cdb` for tests: started, watched through their pages, and gone at the end whatever happened.

Nobody sleeps here: each wait polls a condition until a deadline and says what it saw last.
"""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from streams.operate.stack.settings import PROJECT_FOLDER, free_ports

START_S_MAX = 60.0

Found = TypeVar("Found")


class CdbProcess:
    """One `cdb …` process with its pages on `port` (for all stages: `port` and the two after it)."""

    def __init__(self, arguments: list[str], *, bootstrap: str, log_file: Path, port: int) -> None:
        self.port = port
        self.log_file = log_file
        own = {name: value for name, value in os.environ.items() if not name.startswith("CDB_")}
        with log_file.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.cli", *arguments, "--port", str(self.port)],
                cwd=PROJECT_FOLDER, stdout=out, stderr=subprocess.STDOUT,
                env={**own, "CDB_BOOTSTRAP": bootstrap, "CDB_REGISTRY": "none"},
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.log_file.read_text(errors="replace")

    def page(self, path: str, *, port: int | None = None) -> tuple[int, str]:
        """Status code and text of a page; 0 where nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}/{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError:
            return 0, ""

    def status(self) -> dict[str, Any]:
        """The status page, empty while there is none."""
        code, text = self.page("status")
        return json.loads(text) if code else {}

    def assignment(self) -> list[int]:
        found: list[int] = self.status().get("assignment", [])
        return found

    def until(self, condition: Callable[[], Found], what: str, *, seconds: float = START_S_MAX) -> Found:
        """The condition's first true answer; fails where the process ends before, or time does."""
        deadline = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            code = self._process.poll()
            assert code is None, f"process ended with {code} before {what}:\n{self.said[-3000:]}"
            assert time.monotonic() < deadline, f"{what} must hold within {seconds} s, saw {found!r}:\n{self.said[-3000:]}"
            time.sleep(0.05)

    def holds(self, tasks: list[int]) -> None:
        """Returns once the process holds exactly these tasks."""
        self.until(lambda: self.assignment() == tasks, f"holding tasks {tasks}")

    def terminate(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self.exit_code(30)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def exit_code(self, seconds: float = START_S_MAX) -> int:
        return self._process.wait(seconds)


class Launcher:
    """Starts processes on one broker; `end` leaves none."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._bootstrap = bootstrap
        self._folder = folder
        self._started: list[CdbProcess] = []

    def start(self, *arguments: str, port: int | None = None) -> CdbProcess:
        log_file = self._folder / f"{len(self._started)}-{arguments[0]}.log"
        process = CdbProcess(list(arguments), bootstrap=self._bootstrap, log_file=log_file, port=port or free_ports(1)[0])
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            process.kill()


@contextmanager
def launcher(bootstrap: str, folder: Path) -> Iterator[Launcher]:
    """A launcher whose processes are gone at the end."""
    started = Launcher(bootstrap, folder)
    try:
        yield started
    finally:
        started.end()
