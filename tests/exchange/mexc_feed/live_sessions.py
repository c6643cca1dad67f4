"""A live feed against the simulated exchange, in virtual time and on a memory log, with what the exchange really said beside it."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import aiohttp

from streams.domain.parameters import SessionSettings
from streams.domain.records import MarketData, Trade
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.assembly import Assembly
from streams.exchange.mexc.connection import ConnectionTimes
from streams.exchange.mexc.dialling import dials
from streams.exchange.mexc.events import Market
from streams.exchange.mexc.heard import Recording
from streams.exchange.mexc.inbox import Inbox
from streams.exchange.mexc.lane import LaneTimes
from streams.exchange.mexc.listings import contract_sizes, listed
from streams.exchange.mexc.pool import Pool
from streams.exchange.mexc.rest.answers import MexcAnswers
from streams.exchange.mexc.rest.client import RestClient
from streams.exchange.mexc.rest.limits import SharedLimits
from streams.exchange.mexc.settings import MexcSettings
from streams.exchange.mexc.trades_seen import key_of
from streams.exchange.mexc_simulated.server import SimulatedMexc
from streams.exchange.push import Quiet
from streams.exchange.writer import FeedWriter
from streams.log.memory import MemoryLog
from tests.exchange.mexc_simulated.exchanges import mexc
from tests.exchange.mexc_simulated.virtual_loop import run
from tests.exchange.sessions import market_records, new_log, new_writer, settings_for

SECOND = 1_000_000
FLUSH_SECONDS = 0.1

SYMBOLS = ("BTCUSDT", "BTC_USDT")
Story = Callable[["LiveSession"], Awaitable[None]]


class LiveSession:
    """The feed of some symbols, from `begin` to `end`. `whole_at`, `ended_at`: µs of the wall clock."""

    whole_at = 0
    ended_at = 0

    def __init__(
        self, server: SimulatedMexc, http: aiohttp.ClientSession, settings: SessionSettings, log: MemoryLog, *, times: ConnectionTimes,
        lane_times: LaneTimes, limits: SharedLimits, recording: Recording | None,
    ) -> None:  # fmt: skip
        self.server = server
        self.settings = settings
        self.log = log
        self._client = RestClient(http, reach(server), limits, server.exchange.clock.now, random=Random(1))
        self._sizes: dict[str, Decimal] = {}
        self.assembly = Assembly(settings.feed.symbols)
        self.inbox = Inbox(server.exchange.clock.now)
        self.pool = Pool(
            self.assembly, self.inbox, MexcAnswers(self._client, self._sizes), place="mexc epoch 0 began 0", times=lane_times,
            recording=recording, random=Random(1),
        )  # fmt: skip
        self._dials = dials(http, {Market.SPOT: server.spot_url, Market.FUTURES: server.futures_url}, self._sizes, times)
        self._records: dict[str, list[MarketData]] = {}

    async def begin(self) -> None:
        specs = await self._listings()
        self._sizes |= contract_sizes(specs)
        self.writer: FeedWriter = new_writer(self.log, self.settings, live=True)
        self.writer.introduce(specs)
        self._running = asyncio.create_task(self.pool.run(self._dials, specs, self._listings))
        self._writing = asyncio.create_task(self._write())

    async def _listings(self) -> list[InstrumentSpec]:
        return list((await listed(self._client, self.settings.feed.symbols)).values())

    async def end(self) -> None:
        self.ended_at = self.server.exchange.clock.now()
        for task in (self._running, self._writing):
            task.cancel()
        outcomes = await asyncio.gather(self._running, self._writing, return_exceptions=True)
        for outcome in outcomes:
            if not isinstance(outcome, asyncio.CancelledError):
                raise outcome if isinstance(outcome, BaseException) else AssertionError("the feed ended by itself")
        self._take()
        self.writer.finish()
        self.writer.close()

    async def until(self, holds: Callable[[], bool], *, within: float = 120) -> float:
        """Seconds until something holds; fails where it does not come to hold within `within`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not holds():
            for task in (self._running, self._writing):
                if task.done():
                    task.result()
            assert loop.time() - began < within, f"must hold within {within} s: {self.pool.status}, {self.assembly.counts}"
            await asyncio.sleep(0.01)
        return loop.time() - began

    @property
    def whole(self) -> bool:
        """Every subscription acknowledged, every book there, no gap open."""
        status, symbols = self.pool.status, self.assembly.symbols.values()
        return status.acknowledged == status.subscriptions and all(one.gap is None and one.has_book for one in symbols)

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._take()

    def _take(self) -> None:
        taken = self.inbox.take(0)
        if isinstance(taken, Quiet):
            self.writer.quiet(taken.receive_time)
            return
        for push in taken:
            self.writer.put(push)
        self.writer.flush()

    # What came of it

    def records(self, symbol: str) -> list[MarketData]:
        """Once the session has ended."""
        if not self._records:
            for record in market_records(self.log, self.settings):
                self._records.setdefault(record.symbol, []).append(record)
        return self._records.get(symbol, [])

    def trades(self, symbol: str) -> list[Trade]:
        """As they stand on the log."""
        return [trade for record in self.records(symbol) for trade in record.trades]

    def gap_seconds(self, symbol: str) -> float:
        return self.assembly.counts.gap_microseconds[symbol] / SECOND

    def marked(self, symbol: str) -> list[tuple[int, int]]:
        """What the log says is missing: from the last record before each mark to the next whole book, by receive time."""
        spans, before, begin = [], None, None
        for record in self.records(symbol):
            if record.gap and begin is None:
                begin = before if before is not None else record.receive_time
            if record.snapshot and begin is not None:
                spans.append((begin, record.receive_time))
                begin = None
            before = record.receive_time
        return spans if begin is None else [*spans, (begin, self.ended_at)]

    def missing(self, symbol: str) -> list[int]:
        """Times of trades that the exchange said while the session was whole, until a second before the end, and the log does not hold."""
        end = self.ended_at - SECOND
        said = Counter(key_of(one) for one in self.server.exchange.truth.trades(symbol) if self.whole_at <= one.time < end)
        return sorted(key[0] for key in (said - Counter(key_of(one) for one in self.trades(symbol))).elements())

    def unmarked(self, symbol: str) -> list[int]:
        """Those of `missing` that lie in no marked span."""
        spans = self.marked(symbol)
        return [time for time in self.missing(symbol) if not any(a - SECOND <= time <= b + SECOND for a, b in spans)]

    def doubled(self, symbol: str) -> list[int]:
        """Times of trades that the log holds and the exchange never said, or not as often."""
        said = Counter(key_of(one) for one in self.server.exchange.truth.trades(symbol))
        return sorted(key[0] for key in (Counter(key_of(one) for one in self.trades(symbol)) - said).elements())


def reach(server: SimulatedMexc) -> MexcSettings:
    """Addresses of the simulated exchange; the breaker does not open for longer than a few seconds."""
    return MexcSettings(
        spot_rest=server.rest_url, futures_rest=server.rest_url, spot_websocket=server.spot_url, futures_websocket=server.futures_url,
        breaker_seconds=5,
    )  # fmt: skip


def played(
    story: Story, *symbols: str, times: ConnectionTimes = ConnectionTimes(), lane_times: LaneTimes = LaneTimes(),
    recording: Path | None = None, rate: int = 4, **how: object,
) -> LiveSession:  # fmt: skip
    """The session after a story about it has been told in virtual time."""
    symbols = symbols or SYMBOLS
    settings = settings_for(*symbols)
    log = new_log(settings)

    async def tell() -> LiveSession:
        async with mexc(*symbols, rate=rate, **how) as server, aiohttp.ClientSession() as http:
            opened = None if recording is None else Recording(recording, symbols)
            session = LiveSession(
                server, http, settings, log, times=times, lane_times=lane_times, limits=shared, recording=opened
            )
            await session.begin()
            await session.until(lambda: session.whole)
            session.whole_at = server.exchange.clock.now()
            await story(session)
            await session.end()
            return session

    with tempfile.TemporaryDirectory() as folder, SharedLimits(Path(folder) / "limits.sqlite") as shared:
        return run(tell())
