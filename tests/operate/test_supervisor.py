"""Processes that end in every way there is: who is started anew, who is not, and what is said of it."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.operate.supervisor import RESTARTS_MAX, ProcessFailed, Supervisor

WAIT_SECONDS_MAX = 30.0


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path / "logs")
    yield made
    made.stop()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, "must hold in time, did not"
        time.sleep(0.02)


def ended(supervisor: Supervisor, name: str) -> bool:
    return supervisor.processes[name].exit_code() is not None


def test_crashed_process_is_started_anew_and_said_so(supervisor: Supervisor) -> None:
    notes: list[str] = []
    watched = supervisor.start("feed", python("import time; time.sleep(600)"))
    first = watched.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: ended(supervisor, "feed"))
    supervisor.check(notes.append)
    assert notes == ["feed ended with -9, started anew"]
    assert watched.pid != first and watched.exit_code() is None and watched.restarts == 1


def test_process_that_is_done_stays_so(supervisor: Supervisor) -> None:
    notes: list[str] = []
    supervisor.start("feed", python("pass"))
    until(lambda: ended(supervisor, "feed"))
    supervisor.check(notes.append)
    assert notes == [] and supervisor.processes["feed"].exit_code() == 0


@pytest.mark.parametrize("code", [2, 70, 75])
def test_final_code_ends_the_session_with_the_last_words_of_the_log(supervisor: Supervisor, code: int) -> None:
    words = "\\n".join(f"line {number}" for number in range(20))
    supervisor.start("risk-0", python(f"print('{words}'); raise SystemExit({code})"))
    until(lambda: ended(supervisor, "risk-0"))
    with pytest.raises(ProcessFailed) as failed:
        supervisor.check()
    said = str(failed.value)
    assert said.startswith(f"risk-0 ended with {code} after 0 restarts; its log ")
    assert said.splitlines()[1:] == [f"line {number}" for number in range(12, 20)]


def test_process_that_crashes_again_and_again_is_given_up(supervisor: Supervisor) -> None:
    notes: list[str] = []
    supervisor.start("feed", python("raise SystemExit('no way')"))
    for _ in range(RESTARTS_MAX):
        until(lambda: ended(supervisor, "feed"))
        supervisor.check(notes.append)
    until(lambda: ended(supervisor, "feed"))
    with pytest.raises(ProcessFailed, match=rf"feed ended with 1 after {RESTARTS_MAX} restarts[\s\S]*no way"):
        supervisor.check(notes.append)
    assert len(notes) == RESTARTS_MAX


def test_stop_ends_everything_in_order_and_one_can_be_ended_alone(supervisor: Supervisor) -> None:
    polite = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('ready', flush=True); time.sleep(600)"
    for name in ("a", "b"):
        supervisor.start(name, python(polite))
    until(lambda: all(one.last_words() == "ready" for one in supervisor.processes.values()))
    first, second = supervisor.processes["a"], supervisor.processes["b"]
    supervisor.stop_one("a")
    assert first.exit_code() == 0 and second.exit_code() is None and list(supervisor.processes) == ["b"]
    supervisor.stop()
    assert second.exit_code() == 0
