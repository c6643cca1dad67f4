"""
What the machine gave to a measurement: CPU seconds and resident memory of processes, and how loaded it was.

Wall time on a machine that others use says little; CPU time and ratios within one run hold. MiB of proportional set size, so that
shared pages count once.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psutil

MIB = 1 << 20


def load() -> float:
    """The load average of the last minute."""
    return round(os.getloadavg()[0], 1)


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` (0..1) of them lie; at least one value."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Processes:
    """Processes by name, each with its children as `find` last found them."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._parents = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._families: dict[str, list[psutil.Process]] = {}
        self.find()

    def find(self) -> None:
        """Looks for the children anew. It reads the table of all processes for each: several times a second it would be felt."""
        for name, parent in self._parents.items():
            with suppress(psutil.NoSuchProcess):
                self._families[name] = [parent, *parent.children(recursive=True)]

    def cpu_seconds(self) -> dict[str, float]:
        """User and system time of each family so far; one that ended is left out."""
        return self._sums(lambda one: sum(one.cpu_times()[:2]))

    def memory_mib(self) -> dict[str, float]:
        """Resident memory of each family."""
        return {name: round(value, 1) for name, value in self._sums(lambda one: one.memory_full_info().pss / MIB).items()}

    def _sums(self, measure: Callable[[psutil.Process], float]) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, family in self._families.items():
            for one in family:
                # A child (a connection of Postgres, say) may end between its finding and its measuring.
                with suppress(psutil.NoSuchProcess):
                    found[name] = found.get(name, 0.0) + measure(one)
        return found


class Timed:
    """Wall and own CPU seconds of a block, and the load it ran under."""

    wall_seconds = cpu_seconds = 0.0
    load_average = 0.0

    def document(self) -> dict[str, Any]:
        return {
            "wall_seconds": round(self.wall_seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "load_average": self.load_average,
        }


@contextmanager
def timed() -> Iterator[Timed]:
    """Measures its block in this process."""
    found = Timed()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield found
    finally:
        found.wall_seconds, found.cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        found.load_average = load()
