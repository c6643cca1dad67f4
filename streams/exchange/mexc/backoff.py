"""
How long to wait before the next try: exponential, with full jitter (each wait is uniform from 0 to the bound), so that many clients of
an exchange that returns do not come all at once.
"""

from random import Random

FIRST_SECONDS = 0.5
SECONDS_MAX = 30.0
# A connection that lived this long was good: the next wait is short again.
GOOD_SECONDS = 60.0


class Backoff:
    """`lived`: how long the last try held; `random` decides when something happens, never what is said."""

    def __init__(self, random: Random | None = None, *, first: float = FIRST_SECONDS, most: float = SECONDS_MAX) -> None:
        self._random = random or Random()  # noqa: S311 (a wait, not a secret)
        self._first = first
        self._most = most
        self._bound = first

    def next(self, *, lived: float = 0.0) -> float:
        """Seconds to wait before the next try."""
        if lived >= GOOD_SECONDS:
            self._bound = self._first
        wait = self._random.uniform(0, self._bound)
        self._bound = min(self._bound * 2, self._most)
        return wait
