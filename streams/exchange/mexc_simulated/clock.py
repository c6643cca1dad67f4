"""
The exchange's clock: market time that runs `speed` times as fast as the event loop's.

Only the loop's own clock moves it, so a loop whose time jumps where nothing is left to do runs a day in moments. Times in µs since 1970
UTC; `offset` is what the exchange's own clock is wrong by, where that fault is switched on, and shows in what it says alone.
"""

import asyncio

MICROSECONDS = 1_000_000
SECOND = MICROSECONDS
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class ExchangeClock:
    """Stands at `start` until `begin`, then runs with the running loop."""

    def __init__(self, *, start: int, speed: float = 1) -> None:
        self.start = start
        self.speed = speed
        self.offset = 0
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None

    def begin(self) -> None:
        self._began = self._loop.time()

    def now(self) -> int:
        """True market time."""
        if self._began is None:
            return self.start
        return self.start + int((self._loop.time() - self._began) * self.speed * MICROSECONDS)

    def said(self) -> int:
        """What the exchange believes the time is."""
        return self.now() + self.offset

    def said_ms(self) -> int:
        return self.said() // 1000

    async def sleep_until(self, time: int) -> None:
        """Returns at once where the time is past, but lets others run."""
        await asyncio.sleep(max(time - self.now(), 0) / self.speed / MICROSECONDS)

    async def sleep(self, seconds: float) -> None:
        """`seconds` of market time."""
        await asyncio.sleep(seconds / self.speed)
