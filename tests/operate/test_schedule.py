"""What is done daily: when it is due, tried again where it fails, and the same in systemd's timers."""

import os
import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streams.exchange.wall import SystemWall
from streams.operate.schedule import JOBS, TRIES_MAX, Commands, Daily, Job, scheduler
from streams.operate.stack.settings import PROJECT_FOLDER, free_ports

BACKUP = next(job for job in JOBS if job.name == "backup")


class QuickWall(SystemWall):
    """Waits for nothing, and remembers how long it was asked to."""

    def __init__(self, *, stops: bool = False) -> None:
        super().__init__(threading.Event())
        self.waited: list[float] = []
        self._stops = stops

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return self._stops


def daily(faults: list[str], wall: QuickWall) -> tuple[Daily, list[Sequence[str]], list[tuple[str, str]]]:
    ran: list[Sequence[str]] = []
    told: list[tuple[str, str]] = []

    def run(words: Sequence[str]) -> str:
        ran.append(words)
        return faults.pop(0)

    return Daily(run, wall, lambda name, fault: told.append((name, fault))), ran, told


def test_the_backup_is_due_at_one_and_all_jobs_at_times_of_their_own() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    due = {job.id: job.trigger.get_next_fire_time(None, noon) for job in scheduler(daily([], QuickWall())[0]).get_jobs()}
    assert due["backup"] == datetime(2026, 2, 1, 1, tzinfo=UTC)
    assert len(set(due.values())) == len(JOBS) and all(noon < time <= noon.replace(month=2, day=1) for time in due.values())


def test_what_fails_is_tried_again_and_told_each_time() -> None:
    wall = QuickWall()
    work, ran, told = daily(["the disk is full", ""], wall)
    assert work.do(BACKUP)
    assert ran == [("backup",)] * 2 and wall.waited == [600.0]
    assert told == [("backup", "the disk is full"), ("backup", "")]


@pytest.mark.parametrize(("stops", "tries"), [(False, TRIES_MAX), (True, 1)])
def test_it_gives_up_after_so_many_tries_or_when_told_to_stop(stops: bool, tries: int) -> None:
    work, ran, _ = daily(["no"] * TRIES_MAX, QuickWall(stops=stops))
    assert not work.do(BACKUP)
    assert len(ran) == tries


def test_a_job_is_a_command_whose_last_words_are_its_fault() -> None:
    run = Commands(os.environ)
    assert run(["env", "template", "--out", "-"]) == ""
    fault = run(["backup", "verify", "--folder", "/nowhere"])
    assert fault.startswith("ended with 2: ") and "must hold a backup" in fault


def test_ending_ends_what_runs() -> None:
    commands = Commands(os.environ)
    said: list[str] = []
    # Nobody sends it an end: it would run for ever.
    running = threading.Thread(target=lambda: said.append(commands(["alerts", "listen", "--port", str(free_ports(1)[0])])))
    running.start()
    while running.is_alive():
        commands.end()
        running.join(0.2)
    assert len(said) == 1


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_systemd_runs_the_same_command_at_the_same_time(job: Job) -> None:
    folder: Path = PROJECT_FOLDER / "deploy" / "systemd"
    timer, service = ((folder / f"cdb-{job.name}.{kind}").read_text() for kind in ("timer", "service"))
    assert f"OnCalendar=*-*-* {job.hour:02}:{job.minute:02}:00 UTC" in timer and "Persistent=true" in timer
    assert re.search(rf"^ExecStart=\S+/cdb --json-logs {' '.join(job.words)}$", service, re.MULTILINE)
