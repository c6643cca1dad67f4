"""
What is done daily, at fixed times in UTC: reports, backups, archives. Each is a command of its own in a process of its own.

A run that was missed because the machine was off is made up for once, at the start, where the last good one is older than a day. What
fails is tried again; the commands themselves write into the history what they came to.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import NamedTuple

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

from streams.exchange.wall import Wall

logger = logging.getLogger(__name__)

TRIES_MAX = 3
RETRY_SECONDS = 600.0
LOG_LINES_SHOWN = 8


class Job(NamedTuple):
    """A command of `cdb` and when it runs, in UTC."""

    name: str
    hour: int
    minute: int
    words: tuple[str, ...]


JOBS = (
    Job("report", 0, 5, ("daily-report",)),
    Job("backup", 1, 0, ("backup",)),
    Job("archive", 2, 0, ("archive",)),
)

Run = Callable[[Sequence[str]], str]


class Commands:
    """Runs commands of `cdb` as processes that end with this one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._running: set[subprocess.Popen[str]] = set()

    def __call__(self, words: Sequence[str]) -> str:
        """What went wrong; empty where nothing did."""
        command = [sys.executable, "-m", "streams.cli", "--end-with-input", *words]
        # The pipe closes with this process, whatever ends it.
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self._environment, text=True
        ) as process:
            self._running.add(process)
            assert process.stdout is not None
            lines = process.stdout.read().splitlines()
            code = process.wait()
            self._running.discard(process)
        return "" if code == 0 else f"ended with {code}: {' / '.join(lines[-LOG_LINES_SHOWN:])}"


    def end(self) -> None:
        """Asks what runs to end; it leaves nothing half done that counts as done."""
        for process in list(self._running):
            process.terminate()


class Daily:
    """The jobs of a day, each tried up to `TRIES_MAX` times. `told` hears of each job that ends: its name and what went wrong."""

    def __init__(self, run: Run, wall: Wall, told: Callable[[str, str], None] = lambda _, __: None) -> None:
        self._run, self._wall, self._told = run, wall, told

    def do(self, job: Job) -> bool:
        """Whether it has succeeded in the end."""
        for attempt in range(1, TRIES_MAX + 1):
            logger.info("%s begins, try %d of %d", job.name, attempt, TRIES_MAX)
            fault = self._run(job.words)
            self._told(job.name, fault)
            if not fault:
                logger.info("%s is done", job.name)
                return True
            logger.error("%s %s", job.name, fault)
            if attempt < TRIES_MAX and self._wall.wait(RETRY_SECONDS):
                break
        return False


def scheduler(daily: Daily, jobs: Sequence[Job] = JOBS) -> BackgroundScheduler:
    """Not started yet. A run that is late is done late, and several missed ones are done once."""
    found = BackgroundScheduler(timezone=UTC)
    for job in jobs:
        trigger = CronTrigger(hour=job.hour, minute=job.minute, timezone=UTC)
        found.add_job(daily.do, trigger, args=[job], id=job.name, coalesce=True, max_instances=1, misfire_grace_time=None)
    return found
