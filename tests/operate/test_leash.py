"""Processes whose starter is killed: they notice, and end in order, or by force."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

WAIT_SECONDS_MAX = 30.0

STARTER = """
import sys, time
from pathlib import Path
from streams.operate.supervisor import Supervisor
supervisor = Supervisor(Path(sys.argv[1]))
for name in ("a", "b"):
    supervisor.start(name, [sys.executable, "-c", sys.argv[2], sys.argv[1], name])
time.sleep(600)
"""
# Says who it is once it is ready, and "ended in order" when it is told to stop.
POLITE = """
import os, signal, sys, time
from pathlib import Path
from streams.operate.leash import end_with_input
folder, name = Path(sys.argv[1]), sys.argv[2]
def stop(*_):
    (folder / f"{name}.end").write_text("ended in order")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
end_with_input()
(folder / f"{name}.part").write_text(str(os.getpid()))
(folder / f"{name}.part").rename(folder / f"{name}.pid")
time.sleep(600)
"""
STUBBORN = POLITE.replace("signal.signal(signal.SIGTERM, stop)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)").replace(
    "end_with_input()", "end_with_input(seconds_max=0.2)"
)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"{what} must hold in time, did not"
        time.sleep(0.02)


def gone(process: psutil.Process) -> bool:
    # Where nobody waits for orphans they stay zombies: ended all the same.
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def started(folder: Path, code: str) -> tuple["subprocess.Popen[bytes]", list[psutil.Process]]:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(folder), code])
    until(lambda: all((folder / f"{name}.pid").exists() for name in ("a", "b")), "both being ready")
    return starter, [psutil.Process(int((folder / f"{name}.pid").read_text())) for name in ("a", "b")]


@pytest.mark.parametrize(("code", "in_order"), [(POLITE, True), (STUBBORN, False)])
def test_processes_of_a_killed_starter_end(tmp_path: Path, code: str, in_order: bool) -> None:
    starter, processes = started(tmp_path, code)
    assert not any(map(gone, processes))
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    until(lambda: all(map(gone, processes)), "both being gone")
    assert all((tmp_path / f"{name}.end").exists() == in_order for name in ("a", "b"))


def test_process_whose_neighbour_ends_goes_on(tmp_path: Path) -> None:
    """No process holds the pipe of another."""
    starter, [first, second] = started(tmp_path, POLITE)
    first.kill()
    until(lambda: gone(first), "the first being gone")
    assert not gone(second) and starter.poll() is None
    starter.kill()
    starter.wait()
    until(lambda: gone(second), "the second being gone")
