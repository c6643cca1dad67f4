"""
MEXC as a session's feed: connections in a thread of their own, pushes for the log's thread by way of the inbox.

The source's position is the feed's epoch (how many feeds of this session there were before, and when the first began) and the receive
time it has come to. A feed that starts anew says that something is missing since then, and goes on at the present.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from streams.domain.parameters import FeedParameters
from streams.errors import FeedError
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.assembly import Assembly
from streams.exchange.mexc.backoff import Backoff
from streams.exchange.mexc.dialling import dials
from streams.exchange.mexc.events import Market
from streams.exchange.mexc.heard import Recording
from streams.exchange.mexc.inbox import Inbox
from streams.exchange.mexc.lane import LaneTimes
from streams.exchange.mexc.listings import contract_sizes, listed, reach, rest_client
from streams.exchange.mexc.pool import Pool
from streams.exchange.mexc.rest.answers import MexcAnswers
from streams.exchange.mexc.rest.client import RestClient
from streams.exchange.mexc.settings import MexcSettings
from streams.exchange.push import Position, Quiet, Told, in_history

logger = logging.getLogger(__name__)

PLACE = "mexc epoch "
TAKE_SECONDS = 0.02
SECOND = 1_000_000


class MexcFeed:
    """`now`: the wall clock's µs. `recording`: a new file that gets everything that is heard."""

    kind = "mexc"
    candles = 0

    def __init__(
        self, parameters: FeedParameters, settings: MexcSettings, now: Callable[[], int], *, recording: Path | None = None
    ) -> None:
        self._symbols = parameters.symbols
        self._duration_seconds = parameters.duration_seconds
        self._settings = settings
        self._now = now
        self._recording = recording
        self._specs: list[InstrumentSpec] = []
        self.inbox = Inbox(now)
        self.assembly = Assembly(self._symbols)
        self.pool: Pool | None = None

    def instruments(self) -> list[InstrumentSpec]:
        """Asked once. Raises: FeedError where MEXC cannot be reached within 10 s; ConfigError for a symbol that it does not list."""
        if not self._specs:
            self._specs = reach(self._settings, self._symbols, self._now)
        return self._specs

    def status(self) -> dict[str, object]:
        """How connections, completeness and the queue to the log stand; may be called from another thread."""
        pool = {} if self.pool is None else msgspec.to_builtins(self.pool.status)
        queue = {"waiting": self.inbox.waiting, "coalesced": self.inbox.coalesced, "held_back": self.inbox.held_back}
        return {"connections": pool, "completeness": msgspec.to_builtins(self.assembly.counts), "queue": queue}

    def pushes(self, after: Position | None = None, *, outage_until: int | None = None) -> Iterator[Told | Quiet]:
        """See `Feed`; time always goes on where it was. Raises: whatever ends the connections' thread."""
        del outage_until
        away = after if after is not None and not in_history(after) else None
        epoch, began = (0, self._now()) if away is None else _next_epoch(away)
        until = None if self._duration_seconds is None else began + self._duration_seconds * SECOND
        place = f"{PLACE}{epoch} began {began}"
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._thread, args=(loop, place, away), name="mexc", daemon=True)
        thread.start()
        try:
            while until is None or self._now() < until:
                taken = self.inbox.take(TAKE_SECONDS)
                if isinstance(taken, Quiet):
                    yield taken
                else:
                    yield from taken
        finally:
            loop.call_soon_threadsafe(_cancel_all, loop)
            thread.join()
            loop.close()

    def _thread(self, loop: asyncio.AbstractEventLoop, place: str, away: Position | None) -> None:
        asyncio.set_event_loop(loop)
        try:
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(self._run(place, away))
        except BaseException as error:  # noqa: BLE001 (carried to the log's thread, which ends by it)
            self.inbox.fail(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())

    async def _run(self, place: str, away: Position | None) -> None:
        settings = self._settings
        addresses = {Market.SPOT: settings.spot_websocket, Market.FUTURES: settings.futures_websocket}
        async with rest_client(settings, self._now) as (http, client):
            specs = self._specs or await self._listed(client)
            sizes = contract_sizes(specs)
            recording = None if self._recording is None else Recording(self._recording, self._symbols)
            pool = Pool(
                self.assembly, self.inbox, MexcAnswers(client, sizes), place=place, times=LaneTimes(), recording=recording
            )
            self.pool = pool
            await pool.run(
                dials(http, addresses, sizes), specs, lambda: _again(client, self._symbols),
                away_since=None if away is None else away.number,
            )  # fmt: skip

    async def _listed(self, client: RestClient) -> list[InstrumentSpec]:
        """A session that has begun waits for MEXC as long as it takes; its time goes on."""
        backoff = Backoff()
        while True:
            try:
                return await _again(client, self._symbols)
            except FeedError as error:
                logger.warning("listings by REST: %s", error)
                await asyncio.sleep(backoff.next())


def _next_epoch(away: Position) -> tuple[int, int]:
    """The number of the feed after the one that stood there, and when (µs) the session's first one began."""
    epoch, _, began = away.place.removeprefix(PLACE).partition(" began ")
    return int(epoch) + 1, int(began)


async def _again(client: RestClient, symbols: tuple[str, ...]) -> list[InstrumentSpec]:
    return list((await listed(client, symbols)).values())


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
