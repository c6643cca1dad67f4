"""
A lane keeps one list of subscriptions alive: a connection, its successor when it breaks, and an overlapping one before MEXC ends it.

MEXC ends every connection after 24 hours. Some time before, the lane opens a second one with the same subscriptions; only when that has
been answered for all of them, and `overlap` seconds later, is the first one closed. In between both are heard, and whoever hears them
drops what comes twice. Where the successor fails, the first one goes on and the next try waits as any other.
"""

import asyncio
from collections.abc import Iterable
from random import Random
from typing import Protocol

import msgspec

from streams.exchange.mexc.backoff import Backoff
from streams.exchange.mexc.connection import Connection, ConnectionFault, Dial
from streams.exchange.mexc.events import Subscription


class LaneTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. A connection is renewed when it is between `life_min` and `life_max` old, so that not all are at once."""

    life_min: float = 22.0 * 3600
    life_max: float = 23.5 * 3600
    overlap: float = 2.0


class LaneHearer(Protocol):
    """Who is told how connections come and go."""

    def opening(self, connection: str) -> None: ...

    def ended(self, connection: str, fault: ConnectionFault | None) -> None:
        """None where the lane ended it, because its successor is there."""


class _Life:
    """One connection that runs."""

    def __init__(self, connection: Connection, now: float, renew_after: float) -> None:
        self.connection = connection
        self.began = now
        self.renew_at = now + renew_after
        self.task = asyncio.create_task(connection.run())
        self.ready = asyncio.create_task(connection.ready.wait())

    async def end(self) -> None:
        self.task.cancel()
        self.ready.cancel()
        outcome, _ = await asyncio.gather(self.task, self.ready, return_exceptions=True)
        if not isinstance(outcome, ConnectionFault | asyncio.CancelledError):
            assert outcome is not None, "a connection ends by its fault"
            raise outcome


class Lane:
    """`subscriptions` at most as many as a connection of the market may have."""

    def __init__(
        self, name: str, subscriptions: Iterable[Subscription], dial: Dial, hearer: LaneHearer, *, times: LaneTimes, first: int = 0,
        random: Random | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.subscriptions = tuple(subscriptions)
        self._dial = dial
        self._hearer = hearer
        self._times = times
        self._random = random or Random()  # noqa: S311 (spreads renewals, no secret)
        self._backoff = Backoff(self._random)
        self._number = first
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Until it is cancelled."""
        current: _Life | None = None
        successor: _Life | None = None
        try:
            while True:
                if current is None:
                    current, successor = successor or self._begin(), None
                await self._turn(current, successor)
                if successor is not None and successor.task.done():
                    await self._note_end(successor)
                    successor, current.renew_at = None, self._loop.time() + self._backoff.next()
                if current.task.done():
                    lived = self._loop.time() - current.began
                    await self._note_end(current)
                    current = None
                    if successor is None:
                        await asyncio.sleep(self._backoff.next(lived=lived))
                elif successor is not None and successor.connection.ready.is_set():
                    await asyncio.sleep(self._times.overlap)
                    if not successor.task.done():
                        await current.end()
                        self._hearer.ended(current.connection.name, None)
                        current, successor = successor, None
                elif successor is None and self._loop.time() >= current.renew_at:
                    successor = self._begin()
        finally:
            for life in (current, successor):
                if life is not None:
                    await life.end()

    async def _turn(self, current: _Life, successor: _Life | None) -> None:
        """Waits until something is to be done."""
        tasks = {current.task} | ({successor.task, successor.ready} if successor is not None else set())
        wait = None if successor is not None else max(current.renew_at - self._loop.time(), 0)
        await asyncio.wait(tasks, timeout=wait, return_when=asyncio.FIRST_COMPLETED)

    def _begin(self) -> _Life:
        name = f"{self.name}#{self._number}"
        self._number += 1
        self._hearer.opening(name)
        life = self._random.uniform(self._times.life_min, self._times.life_max)
        return _Life(self._dial(name, self.subscriptions), self._loop.time(), life)

    async def _note_end(self, life: _Life) -> None:
        life.ready.cancel()
        fault = life.task.exception()
        if not isinstance(fault, ConnectionFault):
            # A bug of ours: the process ends by it.
            assert fault is not None, "a connection ends by its fault"
            raise fault
        self._hearer.ended(life.connection.name, fault)


def spread(subscriptions: Iterable[Subscription], at_most: int) -> list[tuple[Subscription, ...]]:
    """Lists of at most so many, all of a symbol in one list where they fit, so that a symbol is lost as a whole or not at all."""
    by_symbol: dict[str, list[Subscription]] = {}
    for one in sorted(subscriptions, key=lambda one: (one.symbol, one.kind)):
        by_symbol.setdefault(one.symbol, []).append(one)
    lists: list[list[Subscription]] = []
    for group in by_symbol.values():
        if not lists or len(lists[-1]) + len(group) > at_most:
            lists.append([])
        lists[-1] += group
    return [tuple(one) for one in lists]
