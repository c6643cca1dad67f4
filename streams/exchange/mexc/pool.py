"""
All connections of one feed, and what becomes of what they hear: stamped, recorded where asked, assembled to pushes, put into the inbox.

Subscriptions are spread over lanes (`streams.exchange.mexc.lane`); REST is asked for what the assembly wants, one request of a kind and
symbol at a time, again after a growing wait until it answers. Everything runs in one event loop; the inbox alone is shared with the log's
thread. Every fault of a connection is logged once, with its name.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from random import Random
from typing import Protocol

import msgspec

from streams.domain.records import Trade
from streams.errors import FeedError
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.assembly import Assembly
from streams.exchange.mexc.backoff import Backoff
from streams.exchange.mexc.connection import ConnectionFault, Dial
from streams.exchange.mexc.events import DepthSnapshot, Kind, Market, Said, Subscription
from streams.exchange.mexc.futures_protocol import FuturesProtocol
from streams.exchange.mexc.gaps import Want
from streams.exchange.mexc.heard import FundingAnswer, Heard, HeardKind, Recording, TradesAnswer, encoded, encoded_instruments
from streams.exchange.mexc.inbox import Inbox
from streams.exchange.mexc.lane import Lane, LaneTimes, spread
from streams.exchange.mexc.rest.answers import market_of
from streams.exchange.mexc.spot_protocol import SpotProtocol
from streams.exchange.push import Position

logger = logging.getLogger(__name__)

SUBSCRIPTIONS_MAX = {Market.SPOT: SpotProtocol.subscriptions_max, Market.FUTURES: FuturesProtocol.subscriptions_max}
SPOT_KINDS = (Kind.DEALS, Kind.BOOK_TICKER, Kind.DEPTH, Kind.KLINE)
FUTURES_KINDS = (Kind.DEALS, Kind.DEPTH, Kind.KLINE, Kind.FAIR_PRICE, Kind.INDEX_PRICE, Kind.FUNDING_RATE)
RECORDING_FLUSH_SECONDS = 1.0
LISTINGS_SECONDS = 3600.0
ROOM_SECONDS = 0.01
SHUT_OUT_SECONDS = 60.0
# The same question is asked at most this often.
ASK_SECONDS_MIN = 0.5
REST = "rest"


class Answers(Protocol):
    """What REST is asked for. Each raises a FeedError where it does not answer."""

    async def book(self, symbol: str) -> DepthSnapshot: ...

    async def trades(self, symbol: str) -> list[Trade]:
        """The newest, oldest first."""

    async def funding(self, symbol: str) -> FundingAnswer: ...


Listings = Callable[[], Awaitable[list[InstrumentSpec]]]


class PoolStatus(msgspec.Struct, kw_only=True):
    """How the connections stand, for people and metrics."""

    connections: int = 0
    acknowledged: int = 0
    subscriptions: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    last_fault: str | None = None
    reconnect_seconds: float | None = None  # how long the last lost lane was without data


def subscriptions_of(symbols: Iterable[str]) -> dict[Market, list[Subscription]]:
    """All that is subscribed to, by market."""
    found: dict[Market, list[Subscription]] = {}
    for symbol in sorted(symbols):
        market = market_of(symbol)
        kinds = SPOT_KINDS if market is Market.SPOT else FUTURES_KINDS
        found.setdefault(market, []).extend(Subscription(kind, symbol) for kind in kinds)
    return found


class Pool:
    """`place`: where its pushes stand in their source, beside their receive time. `random` spreads renewals and waits."""

    def __init__(
        self, assembly: Assembly, inbox: Inbox, answers: Answers, *, place: str, times: LaneTimes, recording: Recording | None = None,
        random: Random | None = None,
    ) -> None:  # fmt: skip
        self.status = PoolStatus()
        self._assembly = assembly
        self._inbox = inbox
        self._answers = answers
        self._place = place
        self._times = times
        self._recording = recording
        self._random = random or Random()  # noqa: S311 (decides when, never what)
        self._acknowledged: dict[str, set[Subscription]] = {}
        # What REST is asked for now, what it is asked for next, and when it was asked last.
        self._asked: set[tuple[str, Kind]] = set()
        self._next: dict[tuple[str, Kind], Want] = {}
        self._asked_at: dict[tuple[str, Kind], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost_at: float | None = None
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(
        self, dials: dict[Market, Callable[["Pool"], Dial]], instruments: list[InstrumentSpec], listings: Listings, *,
        away_since: int | None = None,
    ) -> None:  # fmt: skip
        """
        Until it is cancelled. `dials`: how a connection of each market is made, whose hearer is this pool. `away_since`: a feed of
        this session has heard everything up to there (µs), and nothing after. `listings`: asks for the instruments anew.
        """
        self._hear(REST, HeardKind.BEGUN, text="" if away_since is None else str(away_since))
        self._hear(REST, HeardKind.INSTRUMENTS, text=encoded_instruments(instruments))
        self._start(self._list_again(listings))
        for market, subscriptions in subscriptions_of(self._assembly.symbols).items():
            self.status.subscriptions += len(subscriptions)
            dial = dials[market](self)
            for number, some in enumerate(spread(subscriptions, SUBSCRIPTIONS_MAX[market])):
                self._start(Lane(f"{market}-{number}", some, dial, self, times=self._times, random=self._random).run())
        if self._recording is not None:
            self._start(self._flush_recording(self._recording))
        try:
            await self._failed
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._recording is not None:
                self._recording.close()

    # What connections say (`Hearer`)

    def frame(self, connection: str, frame: str | bytes, said: list[Said]) -> None:
        text, data = (frame, b"") if isinstance(frame, str) else ("", frame)
        self._hear(connection, HeardKind.FRAME, text=text, data=data, said=said)

    def garbled(self, connection: str, frame: str | bytes, why: str) -> None:
        logger.warning("%s: a frame of %d bytes cannot be read: %s", connection, len(frame), why)
        text, data = (frame, b"") if isinstance(frame, str) else ("", frame)
        self._hear(connection, HeardKind.GARBLED, text=text, data=data)

    def acknowledged(self, connection: str, subscriptions: list[Subscription]) -> None:
        self._acknowledged.setdefault(connection, set()).update(subscriptions)
        self.status.acknowledged = len(set().union(*self._acknowledged.values()))
        if self._lost_at is not None and self.status.acknowledged == self.status.subscriptions:
            self.status.reconnect_seconds = round(asyncio.get_running_loop().time() - self._lost_at, 3)
            self._lost_at = None
        self._hear(connection, HeardKind.ACKNOWLEDGED, text=encoded(subscriptions))

    def refused(self, connection: str, subscription: Subscription, reason: str) -> None:
        self._assembly.counts.refused += 1
        logger.warning("%s: subscription to %s of %s refused: %s", connection, subscription.kind, subscription.symbol, reason)
        self.status.last_fault = f"{subscription.kind} of {subscription.symbol} refused: {reason}"

    async def room(self) -> None:
        while self._inbox.is_full:
            await asyncio.sleep(ROOM_SECONDS)

    # How connections come and go (`LaneHearer`)

    def opening(self, connection: str) -> None:
        self.status.connections += 1
        logger.info("%s: connecting", connection)

    def ended(self, connection: str, fault: ConnectionFault | None) -> None:
        self.status.connections -= 1
        self._acknowledged.pop(connection, None)
        self.status.acknowledged = len(set().union(*self._acknowledged.values()))
        if fault is None:
            logger.info("%s: ended, its successor is there", connection)
            self._hear(connection, HeardKind.ENDED)
            return
        logger.warning("%s: %s", fault.fault, fault)
        self.status.faults[fault.fault.value] += 1
        self.status.last_fault = str(fault)
        if self._lost_at is None:
            self._lost_at = asyncio.get_running_loop().time()
        self._hear(connection, HeardKind.LOST, text=fault.fault.value)

    def _hear(self, source: str, kind: HeardKind, *, text: str = "", data: bytes = b"", said: Iterable[Said] = ()) -> None:
        with self._inbox.hearing() as time:
            heard = Heard(time, source, kind, text, data)
            if self._recording is not None:
                self._recording.write(heard)
            pushes = self._assembly.on_heard(heard, said, Position(self._place, time))
            if pushes:
                self._inbox.put(pushes)
        wants, self._assembly.wants = self._assembly.wants, []
        for want in wants:
            self._ask(want)

    def _ask(self, want: Want) -> None:
        question = (want.symbol, want.what)
        if question in self._asked:
            self._next[question] = want
        else:
            self._asked.add(question)
            self._start(self._answer(question, want))

    async def _answer(self, question: tuple[str, Kind], want: Want) -> None:
        backoff, loop = Backoff(self._random), asyncio.get_running_loop()
        await asyncio.sleep(max(self._asked_at.get(question, 0) + ASK_SECONDS_MIN - loop.time(), 0))
        self._asked_at[question] = loop.time()
        while True:
            try:
                kind, answer = await self._asked_once(want)
                break
            except FeedError as error:
                self.status.last_fault = str(error)
                logger.warning("%s of %s by REST: %s", want.what, want.symbol, error)
                # Who is shut out makes it worse by asking.
                await asyncio.sleep(backoff.next() if error.retriable else SHUT_OUT_SECONDS)
        self._asked.discard(question)
        self._hear(REST, kind, text=encoded(answer))
        later = self._next.pop(question, None)
        if later is not None:
            self._ask(later)

    async def _asked_once(self, want: Want) -> tuple[HeardKind, object]:
        if want.what is Kind.DEPTH:
            return HeardKind.BOOK, await self._answers.book(want.symbol)
        if want.what is Kind.FUNDING_RATE:
            return HeardKind.FUNDING, await self._answers.funding(want.symbol)
        return HeardKind.TRADES, TradesAnswer(want.symbol, want.asked, want.since, await self._answers.trades(want.symbol))

    async def _list_again(self, listings: Listings) -> None:
        while True:
            await asyncio.sleep(LISTINGS_SECONDS)
            try:
                self._hear(REST, HeardKind.INSTRUMENTS, text=encoded_instruments(await listings()))
            except FeedError as error:
                self.status.last_fault = str(error)
                logger.warning("listings by REST: %s; asked again in an hour", error)

    async def _flush_recording(self, recording: Recording) -> None:
        while True:
            await asyncio.sleep(RECORDING_FLUSH_SECONDS)
            recording.flush()

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)
