"""
MEXC as a session's feed: connections in a thread of their own, pushes for the log's thread by way of the inbox.

The source's position is the feed's epoch (how many feeds of this session there were before) and the receive time it has come to. A feed
that starts anew says that something is missing since then, and goes on at the present.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from streams.exchange.mexc.assembly import Assembly
from streams.exchange.mexc.inbox import Inbox
from streams.exchange.mexc.pool import Pool
from streams.exchange.push import FundingNotice, Position, Push, Quiet, in_history

TAKE_SECONDS = 0.02
PLACE = "mexc epoch "


class PoolRun(Protocol):
    """Makes a pool for these and runs it until it is cancelled, in the loop it is called in."""

    async def __call__(
        self, assembly: Assembly, inbox: Inbox, *, epoch: int, away_since: int | None, made: Callable[[Pool], None]
    ) -> None: ...


class LivePushes:
    """
    One run of the live feed; iterating starts it, closing the iterator ends it. `now`: the wall clock's µs; `until`: when the session
    ends by it, None for never.
    """

    def __init__(self, exchanges: Mapping[str, str], run: PoolRun, now: Callable[[], int], *, until: int | None = None) -> None:
        self.inbox = Inbox(now)
        self.assembly = Assembly(exchanges)
        self.pool: Pool | None = None
        self._run = run
        self._now = now
        self._until = until

    def pushes(self, after: Position | None) -> Iterator[Push | FundingNotice | Quiet]:
        """Raises: whatever ends the connections' thread."""
        away = after if after is not None and not in_history(after) else None
        epoch = 0 if away is None else int(away.place.removeprefix(PLACE)) + 1
        loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=self._thread, args=(loop, epoch, None if away is None else away.number), name="mexc", daemon=True
        )
        thread.start()
        try:
            while self._until is None or self._now() < self._until:
                taken = self.inbox.take(TAKE_SECONDS)
                if isinstance(taken, Quiet):
                    yield taken
                else:
                    yield from taken
        finally:
            loop.call_soon_threadsafe(_cancel_all, loop)
            thread.join()
            loop.close()

    def _thread(self, loop: asyncio.AbstractEventLoop, epoch: int, away_since: int | None) -> None:
        asyncio.set_event_loop(loop)
        work = self._run(self.assembly, self.inbox, epoch=epoch, away_since=away_since, made=self._made)
        try:
            loop.run_until_complete(work)
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # noqa: BLE001 (carried to the log's thread, which ends by it)
            self.inbox.fail(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.set_event_loop(None)

    def _made(self, pool: Pool) -> None:
        self.pool = pool


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
