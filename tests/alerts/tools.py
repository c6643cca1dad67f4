"""Prometheus's and Alertmanager's programs as tests use them: where they are, and started on loopback with their ends bounded."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import schemas

PROJECT = schemas.FOLDER.parent
TOOLS = PROJECT / ".stack" / "tools" / "bin"
START_S_MAX = 30.0


def tool(name: str) -> Path:
    """The program; the test skips where `make setup` could not fetch it."""
    found = TOOLS / name
    if not found.exists():
        pytest.skip(f"{name} is not here: `make setup` fetches it where apt-get download can (deploy/fetch-tools)")
    return found


@contextmanager
def running(command: list[str | Path], ready_url: str, log_file: Path) -> Iterator[None]:
    """A program that answers at `ready_url`; ended afterwards."""
    with log_file.open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT)
    try:
        await_true(
            lambda: _answers(ready_url) or process.poll() is not None, START_S_MAX, lambda: log_file.read_text(errors="replace")[-2000:]
        )
        assert process.poll() is None, log_file.read_text(errors="replace")[-2000:]
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


def await_true(condition: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    """Polls until it holds. Raises: AssertionError with `why` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False
