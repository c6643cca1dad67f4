"""
The stack as a whole: which parts there are, in which order they start and end.

Broker and Postgres start side by side, the registry after the broker, Connect after the registry. Everything here is
bounded in time; whatever goes wrong is a StackError that names the part and what to do.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from pydantic import SecretStr

from streams.errors import ConfigError, StackError
from streams.operate.stack import datafolder
from streams.operate.stack.connect import Connect
from streams.operate.stack.kafka import Kafka
from streams.operate.stack.part import Part, PartStatus
from streams.operate.stack.postgres import Postgres, default_folder
from streams.operate.stack.registry import Registry
from streams.operate.stack.settings import PART_NAMES, WATCH_NAMES, Endpoints, StackSettings
from streams.operate.stack.watching import Alertmanager, Alerts, Prometheus

Report = Callable[[str], None]


def _silent(_: str) -> None:
    return


class Stack:
    """One stack in one data folder."""

    def __init__(self, settings: StackSettings | None = None) -> None:
        self.settings = settings or StackSettings()
        every: list[Part] = [each(self.settings) for each in (Kafka, Postgres, Registry, Connect, Alerts, Alertmanager, Prometheus)]
        self.parts = {part.name: part for part in every}
        for part in every:
            part.needed = [self.parts[name] for name in part.needs]

    def up(self, parts: Iterable[str] = PART_NAMES, report: Report = _silent) -> None:
        """
        The parts, and those they need, are healthy when this returns; whatever already is stays as it is.

        `report` gets one line for each step. Raises: StackError with one message for each part that failed; the others
        stay up, so that they can be looked at.
        """
        wanted = self.with_needs(parts)
        # Before the lock, which makes the folder: somebody else's stays as it is.
        manifest = datafolder.read_manifest(self.settings)
        if any(part.running() is None for part in wanted):
            database = manifest.postgres_folder if manifest else default_folder(self.settings)
            for folder in (self.settings.data_folder, database):
                datafolder.check_room(folder, self.settings.free_bytes_min)
        with datafolder.locked(self.settings):
            try:
                datafolder.open_manifest(self.settings, default_folder(self.settings))
            except OSError as error:
                raise StackError(f"data folder {self.settings.data_folder}: {error}") from error
            self._start_all(wanted, report)

    def down(self, parts: Iterable[str] = (*PART_NAMES, *WATCH_NAMES), *, delete_data: bool = False, report: Report = _silent) -> None:
        """
        The parts are gone when this returns, by force where they do not end in time.

        With `delete_data` all parts end, at once, and the data folder is removed.
        """
        names = set(self.parts if delete_data else self._checked(parts))
        if not datafolder.is_stack(self.settings):
            report("nothing to end: there is no stack here")
            return
        with datafolder.locked(self.settings):
            # Who watches before who is watched, so that none is told of; clients before the broker, so that none logs that it is gone.
            for group in (WATCH_NAMES, ("connect", "registry", "postgres"), ("kafka",)):
                chosen = [self.parts[name] for name in group if name in names and self._is_told_of(name)]
                with ThreadPoolExecutor(max_workers=len(PART_NAMES)) as pool:
                    for part, ended in zip(
                        chosen, pool.map(lambda each: each.stop(kill=delete_data), chosen), strict=True
                    ):
                        report(f"{part.name}: {'ended' if ended else 'was not running'}")
            if delete_data:
                datafolder.delete(self.settings)
                report(f"data folder {self.settings.data_folder}: removed")

    def status(self) -> list[PartStatus]:
        """How each part is, those that watch only where they were started; takes no longer than one of them may take to answer."""
        with ThreadPoolExecutor(max_workers=len(self.parts)) as pool:
            return list(pool.map(Part.status, [part for name, part in self.parts.items() if self._is_told_of(name)]))

    def _is_told_of(self, name: str) -> bool:
        return name in PART_NAMES or self.parts[name].was_started()

    def died(self) -> set[str]:
        """The parts that were started and whose processes are gone; what runs is not asked how it is."""
        return {name for name, part in self.parts.items() if part.has_died()}

    def endpoints(self) -> Endpoints:
        """Where the parts are reached. Raises: StackError before the first `up`."""
        settings = self.settings
        return Endpoints(
            bootstrap=f"127.0.0.1:{settings.kafka_port}",
            registry_url=f"http://127.0.0.1:{settings.registry_port}",
            registry_health_url=f"http://127.0.0.1:{settings.registry_management_port}/health/ready",
            connect_url=f"http://127.0.0.1:{settings.connect_port}",
            postgres_host="127.0.0.1",
            postgres_port=settings.postgres_port,
            postgres_database=settings.database,
            postgres_user=settings.owner,
            postgres_password=SecretStr(datafolder.password(settings)),
            secrets_folder=settings.secrets_folder,
        )

    def _checked(self, parts: Iterable[str]) -> list[str]:
        names = list(parts)
        unknown = [name for name in names if name not in self.parts]
        if unknown or not names:
            raise ConfigError(f"parts must be of {', '.join(self.parts)}, was {', '.join(unknown) or 'nothing'}")
        return names

    def with_needs(self, parts: Iterable[str]) -> list[Part]:
        """The parts and those they need, in the order of their start. Raises: ConfigError for a name that is none."""
        names = set(self._checked(parts))
        names |= {need for name in names for need in self.parts[name].needs}
        return [part for part in self.parts.values() if part.name in names]

    def _start_all(self, wanted: list[Part], report: Report) -> None:
        cancelled = threading.Event()
        started: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
            try:
                # `parts` lists needs before those that need them, so each finds the futures it waits for.
                for part in wanted:
                    needs = [started[name] for name in part.needs]
                    started[part.name] = pool.submit(self._start_one, part, needs, cancelled, report)
                wait(started.values())
            except BaseException:
                # Ctrl-C: the threads stop waiting for their parts and end what they have half started.
                cancelled.set()
                raise
        faults = [error for future in started.values() if (error := future.exception()) is not None]
        for fault in faults:
            if not isinstance(fault, StackError):
                raise fault
        if faults:
            raise StackError("\n".join(str(fault) for fault in faults))

    def _start_one(self, part: Part, needs: list[Future[None]], cancelled: threading.Event, report: Report) -> None:
        wait(needs)
        if any(need.exception() for need in needs):
            raise StackError(f"{part.name}: not started, because what it needs did not come up")
        if cancelled.is_set():
            raise StackError(f"{part.name}: not started, because the start was interrupted")
        try:
            began = part.start(cancelled)
        except (OSError, subprocess.SubprocessError) as error:
            # A full disk, a folder without rights, a program that does not end: the error names the file or command.
            raise StackError(f"{part.name}: {error}") from error
        report(f"{part.name}: {'up' if began else 'was up'} on port {part.port}")
