"""`cdb paper` killed outright: nothing of its session runs on, and the session can."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from streams.operate.stack import Stack
from streams.operate.stack.settings import PROJECT_FOLDER
from tests.kafka.story import environment_of, until

pytestmark = pytest.mark.timeout(600)


def processes_of(session: str) -> list[psutil.Process]:
    """Workers, feed and watchdog of the session."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if session in words and "--end-with-input" in words and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_killed_paper_session_leaves_no_process_behind(stack: Stack, tmp_path: Path, fresh_session: Callable[[], str]) -> None:
    session = fresh_session()
    with (tmp_path / "said").open("wb") as said:
        paper = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", "paper", "--session", session, "--duration", "0"], cwd=PROJECT_FOLDER,
            env=environment_of(stack), stdout=said, stderr=said,
        )  # fmt: skip
    try:
        until(lambda: len(processes_of(session)) == 5, "three stages, watchdog and feed running", seconds=120)
        os.kill(paper.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        until(lambda: not processes_of(session), "all of them being gone", seconds=60)
        print(f"gone {time.monotonic() - killed_at:.1f} s after the kill")
    finally:
        paper.kill()
        paper.wait()
