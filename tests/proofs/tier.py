"""
One tier of proofs as a pytest run: its items are the cases, and this plugin counts them.

A run that is interrupted goes on where it was: `build/proofs/<tier>.state.json` holds each finished case, and counts for the
same seed, count, choice and commit only. The outcome is `build/proofs/<tier>.json`.
"""

import json
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
PROOFS_FOLDER = PROJECT_FOLDER / "build" / "proofs"


class Tier:
    """
    A pytest plugin. `asked` cases were collected, `run` came to an end with a verdict; a skipped one did not.

    `count` bounds the tier, in its own unit; `only`: the cases whose names hold it; `jobs`: how many cases may run at once;
    `failures`: case to the end of its report.
    """

    def __init__(self, name: str, *, seed: int, count: int, only: str = "", jobs: int = 1, folder: Path = PROOFS_FOLDER) -> None:
        self.name, self.seed, self.count, self.only, self.jobs = name, seed, count, only, jobs
        self.asked = 0
        self.failures: dict[str, str] = {}
        self.details: dict[str, int] = {}
        self._finished: list[str] = []
        self._skipped: dict[str, str] = {}
        self._seconds = 0.0
        self._state_file = folder / f"{name}.state.json"
        self._report_file = folder / f"{name}.json"
        self._commit = _commit()
        self._began = time.monotonic()
        self._resume()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    # What pytest calls.

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Everything that is left after the others' choice is asked for; what is finished does not run again."""
        self.asked = len(items)
        done = [item for item in items if item.nodeid in self._finished]
        items[:] = [item for item in items if item.nodeid not in self._finished]
        if done:
            config.hook.pytest_deselected(items=done)
        self._progress.update(self._task, total=self.asked, completed=len(done))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._progress.update(self._task, description=f"{self.name}: {nodeid.rpartition('::')[2][:60]}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failures[report.nodeid] = report.longreprtext[-4000:]
        elif report.skipped:
            self._skipped[report.nodeid] = str(report.longrepr)[-500:]
        if report.when == "teardown":
            if report.nodeid not in self._skipped:
                self._finished.append(report.nodeid)
            self._progress.advance(self._task)
            self._keep()

    # Its state and its outcome.

    @property
    def run(self) -> int:
        return len(self._finished)

    def document(self) -> dict[str, Any]:
        """What was asked, what came of it."""
        return {
            "tier": self.name, "asked": self.asked, "run": self.run, "failed": len(self.failures), "seed": self.seed,
            "count": self.count, "only": self.only, "commit": self._commit, "duration": round(self._duration(), 1), **self.details,
            "failures": self.failures, "skipped": self._skipped,
        }  # fmt: skip

    def finish(self) -> int:
        """Writes the outcome; the exit code. A whole run leaves no state behind."""
        self._write(self._report_file, self.document())
        if self.run == self.asked:
            self._state_file.unlink(missing_ok=True)
        return int(bool(self.failures) or self.run < self.asked or self.asked == 0)

    def _duration(self) -> float:
        return self._seconds + time.monotonic() - self._began

    def _key(self) -> dict[str, Any]:
        return {"seed": self.seed, "count": self.count, "only": self.only, "commit": self._commit}

    def _resume(self) -> None:
        if not self._state_file.is_file():
            return
        state = json.loads(self._state_file.read_text())
        if state["key"] == self._key():
            self._finished, self.failures, self.details = state["finished"], state["failures"], state["details"]
            self._seconds = state["seconds"]

    def _keep(self) -> None:
        self._write(self._state_file, {
            "key": self._key(), "finished": self._finished, "failures": self.failures, "details": self.details,
            "seconds": self._duration(),
        })  # fmt: skip

    @staticmethod
    def _write(path: Path, content: dict[str, Any]) -> None:
        """There whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(content, indent=2))
        draft.replace(path)


def _commit() -> str:
    """With a plus where files differ from it; "unknown" outside a repository."""
    found = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty=+"], cwd=PROJECT_FOLDER, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or "unknown"
