"""
The sink that brings topics to Postgres: its configuration applied, watched and restarted over Connect's REST API.

The configuration is `connectors/postgres.sink.json` with the names in braces filled in; the password stays in a file that
Connect itself reads. Which topics it reads comes from the catalogue. Connect answers 409 while its group rebalances, which is
waited out with a bound.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import httpx

import schemas
from streams.errors import StreamsError
from streams.operate import storable, web

CONFIGURATION_FILE = Path(__file__).resolve().parents[2] / "connectors" / "postgres.sink.json"
SINK_NAME = "cdb-postgres"
# The consumer group that Connect gives to a sink of that name.
SINK_GROUP = f"connect-{SINK_NAME}"

ANSWER_SECONDS_MAX = 10.0
SETTLE_SECONDS_MAX = 60.0
_PROBE_EVERY_SECONDS = 0.1

_NOT_FOUND = 404
_REBALANCING = 409
_BAD_CONFIGURATION = 400


class ConnectDown(StreamsError):
    """Connect cannot be reached in time, or answers with a fault of its own."""

    retriable = True


class SinkRefused(StreamsError):
    """Connect says that the sink's configuration is wrong."""


class TaskStatus(NamedTuple):
    number: int
    state: str  # RUNNING, PAUSED, FAILED, UNASSIGNED, RESTARTING
    trace: str  # first line of the exception of a failed task, else empty


class SinkStatus(NamedTuple):
    state: str
    tasks: tuple[TaskStatus, ...]

    @property
    def running(self) -> bool:
        """Whether the connector and every one of its tasks run; a sink without a task does not."""
        return self.state == "RUNNING" and bool(self.tasks) and all(task.state == "RUNNING" for task in self.tasks)

    @property
    def failed(self) -> bool:
        """Whether the connector or a task has given up."""
        return self.state == "FAILED" or any(task.state == "FAILED" for task in self.tasks)


def configuration(*, jdbc_url: str, user: str, secrets_folder: str) -> dict[str, str]:
    """
    The sink's configuration for one database, reading the topics that have a table, of every session.

    `secrets_folder` is where Connect finds the file `postgres_password`.
    """
    topics = "|".join(name for name, spec in schemas.catalogue().items() if spec.table)
    names = {"topics": topics, "tables": storable.tables(), "jdbc_url": jdbc_url, "user": user, "secrets_folder": secrets_folder}
    settings = json.loads(CONFIGURATION_FILE.read_text(encoding="utf-8"))
    return {name: Template(value).substitute(names) for name, value in settings.items()}


class Sink:
    """The sink on one Connect, by the base address of its REST API."""

    def __init__(self, connect_url: str) -> None:
        self._url = connect_url.rstrip("/")

    def apply(self, config: dict[str, str], seconds_max: float = SETTLE_SECONDS_MAX) -> SinkStatus:
        """
        The sink has this configuration and runs, or has failed, when this returns; an existing one is updated.

        Raises: SinkRefused with Connect's reason; ConnectDown where it does not settle in time.
        """
        self._ask("PUT", f"/connectors/{SINK_NAME}/config", config)
        return self.await_status(lambda status: status.running or status.failed, seconds_max)

    def status(self) -> SinkStatus | None:
        """How it is now; None where there is no sink. Raises: ConnectDown."""
        answer = self._ask("GET", f"/connectors/{SINK_NAME}/status")
        if answer is None:
            return None
        tasks = (
            TaskStatus(task["id"], task["state"], _first_line(task.get("trace", ""))) for task in answer["tasks"]
        )
        return SinkStatus(answer["connector"]["state"], tuple(tasks))

    def restart_failed(self) -> bool:
        """Restarts what has failed; whether there was anything. Raises: ConnectDown."""
        status = self.status()
        if status is None or not status.failed:
            return False
        self._ask("POST", f"/connectors/{SINK_NAME}/restart?includeTasks=true&onlyFailed=true")
        return True

    def pause(self) -> None:
        """It reads nothing from now on: for the time in which the registry is away. Raises: ConnectDown."""
        self._ask("PUT", f"/connectors/{SINK_NAME}/pause")

    def resume(self) -> None:
        """It goes on where it was. Raises: ConnectDown."""
        self._ask("PUT", f"/connectors/{SINK_NAME}/resume")

    def await_status(self, settled: Callable[[SinkStatus], bool], seconds_max: float) -> SinkStatus:
        """The first status for which `settled` holds. Raises: ConnectDown with the last one seen."""
        deadline = time.monotonic() + seconds_max
        while True:
            status = self.status()
            if status is not None and settled(status):
                return status
            if time.monotonic() > deadline:
                raise ConnectDown(f"sink {SINK_NAME} on {self._url} must settle within {seconds_max:.0f} s, was {status}")
            time.sleep(_PROBE_EVERY_SECONDS)

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        """Connect's answer; None where it knows no such connector or says nothing."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while True:
            try:
                response = web.client().request(method, self._url + path, json=body, timeout=ANSWER_SECONDS_MAX)
            except httpx.HTTPError as error:
                raise ConnectDown(f"Connect {self._url} cannot be reached: {type(error).__name__} {error}") from error
            if response.status_code != _REBALANCING or time.monotonic() > deadline:
                break
            time.sleep(_PROBE_EVERY_SECONDS)
        if response.status_code == _NOT_FOUND and method == "GET":
            return None
        if response.is_success:
            return response.json() if response.content else None
        said = f"{method} {path}: {response.status_code} {response.text[:500]}"
        if response.status_code == _BAD_CONFIGURATION:
            raise SinkRefused(f"Connect {self._url} refuses the sink: {said}")
        raise ConnectDown(f"Connect {self._url} answers {said}")


def _first_line(trace: str) -> str:
    return trace.strip().partition("\n")[0]
