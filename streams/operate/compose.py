"""
The cluster of `docker-compose.kafka.yml` from this machine: brought up, waited for until every service is healthy, and told of.

Compose 2 waits by itself (`up --wait`), docker-compose 1.29 does not, so the waiting is here and the same for both: a service is up
when its health check says so; one without is up when it runs, or when it did its work and ended with 0.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from streams.errors import StackError
from streams.operate.stack.settings import PROJECT_FOLDER

FILE = "docker-compose.kafka.yml"
UP_SECONDS_MAX = 600.0
POLL_SECONDS = 1.0
COMMAND_SECONDS_MAX = 1800
_SERVICE = "com.docker.compose.service"
_LAST_LINES = 20


class Container(NamedTuple):
    """`health`: healthy, unhealthy, starting, or empty where the service has no check."""

    service: str
    name: str
    state: str
    health: str
    exit_code: int

    @property
    def is_up(self) -> bool:
        if self.health:
            return self.health == "healthy"
        return self.state == "running" or self.is_done

    @property
    def is_done(self) -> bool:
        return self.state == "exited" and self.exit_code == 0

    @property
    def has_failed(self) -> bool:
        return self.state == "dead" or (self.state == "exited" and self.exit_code != 0)


class Compose:
    """`environment_file`: variables of the compose file, as `deploy/images/local/build` prints them; `files` of it, later ones over."""

    def __init__(self, *, environment_file: Path | None = None, files: Sequence[str] = (FILE,), folder: Path = PROJECT_FOLDER) -> None:
        """Raises: StackError where there is no Docker to ask."""
        self._folder = folder
        self._command = [*_program(), *(["--env-file", str(environment_file)] if environment_file is not None else [])]
        for file in files:
            self._command += ["-f", file]

    def up(self, services: Sequence[str] = (), *, report: Callable[[str], object], build: bool = True) -> None:
        """
        Everything, or these services with what they need, is healthy when this returns.

        Raises: StackError naming the service that is not, with its last lines.
        """
        _checked([sys.executable, str(self._folder / "deploy" / "make-secrets")], self._folder)
        self._run("up", "-d", *([] if build else ["--no-build"]), *services)
        deadline = time.monotonic() + UP_SECONDS_MAX
        told: set[str] = set()
        while True:
            found = self.containers()
            for one in found:
                if one.is_up and one.service not in told:
                    told.add(one.service)
                    report(f"{one.service} {'has done its work' if one.is_done else one.health or 'runs'}")
                if one.has_failed:
                    raise StackError(f"{one.service} must come up, ended with {one.exit_code}:\n{self._last_lines(one)}")
            if found and all(one.is_up for one in found):
                return
            if time.monotonic() > deadline:
                [late, *_] = [one for one in found if not one.is_up] or [Container("the cluster", "", "absent", "", 0)]
                raise StackError(f"{late.service} must be healthy within {UP_SECONDS_MAX:.0f} s, was {late.health or late.state}:\n"
                                 f"{self._last_lines(late)}")  # fmt: skip
            time.sleep(POLL_SECONDS)

    def down(self, *, delete_data: bool) -> None:
        """Ends all services in order; their data stay unless said otherwise."""
        self._run("down", *(["--volumes"] if delete_data else []))

    def containers(self) -> list[Container]:
        """Every container of the cluster, by service."""
        # Compose 2 leaves out what has ended unless it is asked for all; what did its work has.
        names = self._run("ps", "-a", "-q").split()
        if not names:
            return []
        found: list[dict[str, Any]] = json.loads(_checked(["docker", "inspect", *names], self._folder))
        return sorted(_container(one) for one in found)

    def _last_lines(self, container: Container) -> str:
        if not container.name:
            return ""
        done = subprocess.run(["docker", "logs", "--tail", str(_LAST_LINES), container.name], capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    def _run(self, *words: str) -> str:
        return _checked([*self._command, *words], self._folder)


def _program() -> list[str]:
    """Compose as it is installed here. Raises: StackError."""
    if shutil.which("docker") is None:
        raise StackError("docker must be installed for the cluster, is not")
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]) and subprocess.run([*words, "version"], capture_output=True, check=False).returncode == 0:
            return words
    raise StackError("Docker Compose must be installed (docker compose, or docker-compose 1.29), is not")


def _checked(words: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired as error:
        raise StackError(f"{' '.join(words[:4])} … must end within {COMMAND_SECONDS_MAX} s, did not") from error
    if done.returncode != 0:
        raise StackError(f"{' '.join(words)} failed ({done.returncode}): {done.stderr.strip()[-2000:]}")
    return done.stdout


def _container(found: dict[str, Any]) -> Container:
    state = found["State"]
    health = state.get("Health") or {}
    return Container(
        found["Config"]["Labels"][_SERVICE], found["Name"].removeprefix("/"), state["Status"], health.get("Status", ""), state["ExitCode"]
    )
