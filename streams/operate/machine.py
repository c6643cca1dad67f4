"""
What the exporter tells of the machine and of Connect: free disk, the clock, ends of certificates, failed tasks of the sink.

Each is looked at in every round of the exporter, the clock only once a minute. What cannot be found out is left out, not said to be well:
a disk that is not there, a Connect that does not answer (its group falls behind, which is told of elsewhere), a silent time server.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cryptography import x509

from streams.errors import ConfigError
from streams.exchange.wall import Wall
from streams.metrics import catalogue as m
from streams.metrics.catalogue import Metric
from streams.operate.doctor.clock import TimeServer, TimeServerSilent
from streams.operate.sink import SINK_NAME, ConnectDown, Sink, SinkStatus

Values = Mapping[tuple[str, ...], float]
CLOCK_EVERY_SECONDS = 60.0
FAILED = "FAILED"

logger = logging.getLogger(__name__)


class Machine:
    """
    `disks`: any folder on each; `certificates`: PEM files, told of by their names.

    Raises: ConfigError where a certificate cannot be read.
    """

    def __init__(
        self, wall: Wall, *, disks: Sequence[Path], certificates: Sequence[Path] = (), sink: Sink | None = None,
        time_server: TimeServer | None = None,
    ) -> None:
        self._wall = wall
        self._disks = disks
        self._ends: dict[tuple[str, ...], float] = {(path.name,): _end_of(path) for path in certificates}
        self._sink = sink
        self._time_server = time_server
        self._clock_due = wall.monotonic()
        self._free: dict[tuple[str, ...], float] = {}
        self._failed: dict[tuple[str, ...], float] = {}
        self._offset: dict[tuple[str, ...], float] = {}

    def turn(self) -> None:
        """One look."""
        self._free = dict(_free(self._disks))
        self._failed = {} if self._sink is None else _failed_tasks(self._sink)
        if self._time_server is not None and self._wall.monotonic() >= self._clock_due:
            self._clock_due = self._wall.monotonic() + CLOCK_EVERY_SECONDS
            self._offset = _offset(self._time_server)

    def values(self) -> Iterable[tuple[Metric, Values]]:
        """What the last look found, by metric and labels."""
        return (m.DISK_FREE, self._free), (m.CERTIFICATE, self._ends), (m.CONNECT_FAILED, self._failed), (m.CLOCK_OFFSET, self._offset)


def _free(disks: Sequence[Path]) -> Iterator[tuple[tuple[str, ...], float]]:
    for path in disks:
        try:
            usage = shutil.disk_usage(path)
        except FileNotFoundError:
            logger.warning("disk of %s: there is no such folder", path)
            continue
        yield (str(path),), usage.free / usage.total


def _end_of(path: Path) -> float:
    """Seconds since 1970 UTC; of a chain its own, which stands first."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificate must be a PEM file that can be read, was {path}: {error}") from error


def _failed_tasks(sink: Sink) -> dict[tuple[str, ...], float]:
    try:
        status = sink.status()
    except ConnectDown as fault:
        logger.info("Connect is away: %s", fault)
        return {}
    return {} if status is None else {(SINK_NAME,): float(_failed_in(status))}


def _failed_in(status: SinkStatus) -> int:
    """A connector that has failed runs none of its tasks: it counts as one where none is said to have failed."""
    failed = sum(task.state == FAILED for task in status.tasks)
    return max(failed, int(status.state == FAILED))


def _offset(server: TimeServer) -> dict[tuple[str, ...], float]:
    try:
        return {(): server.offset().seconds}
    except TimeServerSilent as fault:
        logger.warning("%s", fault)
        return {}
