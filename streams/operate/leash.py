"""
A process that does not outlive the one that started it, however that one ends: SIGKILL leaves no time to end others.

The starter holds the only writing end of a pipe that is the process's standard input. The system closes it with the starter, and the
process then ends in order, as if told to stop; by force where that takes too long.
"""

import os
import signal
import threading
import time

STANDARD_INPUT = 0
ORDER_SECONDS_MAX = 30.0
EXIT_LEFT_BEHIND = 1


def end_with_input(descriptor: int = STANDARD_INPUT, *, seconds_max: float = ORDER_SECONDS_MAX) -> None:
    """From now on this process gets SIGTERM when `descriptor` closes, and ends anyhow `seconds_max` later."""
    threading.Thread(target=_wait, args=(descriptor, seconds_max), name="leash", daemon=True).start()


def _wait(descriptor: int, seconds_max: float) -> None:
    while os.read(descriptor, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(seconds_max)
    os._exit(EXIT_LEFT_BEHIND)
