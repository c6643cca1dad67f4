"""
The wall clock as feeds see it: an argument, so that tests move it by hand. It decides when things happen, never what
they say.
"""

import threading
import time
from typing import Protocol


class Wall(Protocol):
    """Wall and monotonic time, and a wait that ends early when the process is told to stop."""

    def now(self) -> int:
        """µs since 1970 UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def wait(self, seconds: float) -> bool:
        """Waits at most that long (≤ 0: not at all); True once the process is to stop."""


def wall_time() -> int:
    """The machine's clock, µs since 1970 UTC."""
    return time.time_ns() // 1000


class SystemWall:
    """The machine's own clocks; `stop` is set by whoever ends the process."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def now(self) -> int:
        return wall_time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        return self._stop.wait(seconds) if seconds > 0 else self._stop.is_set()
