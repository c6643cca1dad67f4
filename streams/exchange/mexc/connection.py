"""
One websocket of MEXC from its opening to its end: subscribes, checks each acknowledgement, pings, and watches for silence.

It never reconnects; `streams.exchange.mexc.lane` does. What a frame means is the protocol's matter, what becomes of it the hearer's. A
connection ends by an exception that names its fault, or by being cancelled.

Silence is watched twice. Nothing at all, not even a pong, for `silence` seconds: the other side is gone, whatever the socket says
(half-open). Pongs but no market data for `data_silence` seconds: the exchange has forgotten the subscriptions. A subscription that is
refused, or not answered in time, is asked for again on the same connection, so that the others' data goes on.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Protocol

import aiohttp
import msgspec

from streams.errors import FeedError, FrameError
from streams.exchange.mexc.backoff import Backoff
from streams.exchange.mexc.events import Acknowledged, Event, Refused, Said, Subscription
from streams.exchange.mexc.protocol import FRAME_BYTES_MAX, MexcProtocol

# Messages a second that we send at most; MEXC disconnects beyond 100.
SEND_SECONDS = 1 / 50
GARBLED_MAX = 20
CLOSE_SECONDS_MAX = 1.0


class Fault(StrEnum):
    """What can end a connection."""

    UNREACHABLE = "unreachable"  # no address, or nobody answers
    TLS = "tls"
    HANDSHAKE = "handshake"  # refused, or too slow
    LOST = "lost"
    SILENT = "silent"  # not even a pong
    NO_DATA = "no_data"
    GARBLED = "garbled"  # too many frames that cannot be read
    OVERSIZED = "oversized"


class ConnectionFault(FeedError):
    """A connection ended, and why."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class ConnectionTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds. `look`: how often the rest is looked at."""

    handshake: float = 8.0
    acknowledgement: float = 10.0
    ping: float = 10.0
    silence: float = 25.0
    data_silence: float = 30.0
    look: float = 1.0


class Hearer(Protocol):
    """Who takes what a connection hears; times are its own."""

    def frame(self, connection: str, frame: str | bytes, said: list[Said]) -> None: ...

    def garbled(self, connection: str, frame: str | bytes, why: str) -> None: ...

    def acknowledged(self, connection: str, subscriptions: list[Subscription]) -> None: ...

    def refused(self, connection: str, subscription: Subscription, reason: str) -> None: ...

    async def room(self) -> None:
        """Returns once more can be taken."""


class Connection:
    """`name` is this connection's alone. `ready` is set once every subscription has been answered, whichever way."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, *, name: str, protocol: MexcProtocol, subscriptions: Iterable[Subscription],
        hearer: Hearer, times: ConnectionTimes,
    ) -> None:  # fmt: skip
        self.name = name
        self.ready = asyncio.Event()
        self._http = http
        self._url = url
        self._protocol = protocol
        self._hearer = hearer
        self._times = times
        self._loop = asyncio.get_running_loop()
        # When each subscription that nobody asked for yet, or that was refused, is asked for.
        self._again: dict[Subscription, float] = dict.fromkeys(subscriptions, 0.0)
        # When each subscription that nothing was answered to is overdue.
        self._awaited: dict[Subscription, float] = {}
        self._backoffs: dict[Subscription, Backoff] = {}
        self._heard_at = self._data_at = self._pinged_at = 0.0
        self._garbled = 0
        self._asking = True  # not all is asked for yet

    async def run(self) -> None:
        """
        Talks until it is cancelled.

        Raises: ConnectionFault, always, where it is not.
        """
        socket = await self._open()
        self._heard_at = self._data_at = self._pinged_at = self._loop.time()
        tasks = [asyncio.create_task(self._listen(socket)), asyncio.create_task(self._watch(socket))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            raise ConnectionFault(Fault.LOST, f"{self.name}: the exchange closed the connection ({socket.close_code})")
        except (aiohttp.ClientError, ConnectionError) as error:
            raise ConnectionFault(Fault.LOST, f"{self.name}: the connection broke: {error}") from error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await socket.close()

    async def _open(self) -> aiohttp.ClientWebSocketResponse:
        try:
            async with asyncio.timeout(self._times.handshake):
                return await self._http.ws_connect(
                    self._url, max_msg_size=FRAME_BYTES_MAX, timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS_MAX),
                )  # fmt: skip
        except TimeoutError as error:
            fault, why = Fault.HANDSHAKE, f"the handshake must end within {self._times.handshake:g} s"
            raise ConnectionFault(fault, f"{self.name}: {why}") from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise ConnectionFault(Fault.TLS, f"{self.name}: no safe connection to {self._url}: {error}") from error
        except (aiohttp.ClientConnectorError, aiohttp.ClientOSError, OSError) as error:
            raise ConnectionFault(Fault.UNREACHABLE, f"{self.name}: {self._url} cannot be reached: {error}") from error
        except aiohttp.ClientError as error:
            raise ConnectionFault(Fault.HANDSHAKE, f"{self.name}: the handshake failed: {error}") from error

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is aiohttp.WSMsgType.ERROR:
                break
            self._heard_at = self._loop.time()
            if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
                self._take(message.data)
                await self._hearer.room()
                # What our own log takes too long for is not the exchange's silence.
                waited = self._loop.time() - self._heard_at
                self._heard_at += waited
                self._data_at += waited
        if socket.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG:
            raise ConnectionFault(Fault.OVERSIZED, f"{self.name}: a frame must have at most {FRAME_BYTES_MAX} bytes, had more")

    def _take(self, frame: str | bytes) -> None:
        try:
            said = self._protocol.receive(frame)
        except FrameError as error:
            self._garbled += 1
            self._hearer.garbled(self.name, frame, str(error))
            if self._garbled > GARBLED_MAX:
                fault = f"{self.name}: at most {GARBLED_MAX} frames of a connection may be unreadable, were more: {error}"
                raise ConnectionFault(Fault.GARBLED, fault) from error
            return
        self._hearer.frame(self.name, frame, said)
        for one in said:
            if isinstance(one, Event):
                self._data_at = self._heard_at
            elif isinstance(one, Acknowledged | Refused):
                self._answered(one)

    def _answered(self, answer: Acknowledged | Refused) -> None:
        subscription = answer.subscription
        if self._awaited.pop(subscription, None) is None:
            return
        if isinstance(answer, Acknowledged):
            self._backoffs.pop(subscription, None)
            self._hearer.acknowledged(self.name, [subscription])
        else:
            self._ask_later(subscription, answer.reason)
        self._note_ready()

    def _note_ready(self) -> None:
        if not self._awaited and not self._asking:
            self.ready.set()

    def _ask_later(self, subscription: Subscription, reason: str) -> None:
        self._protocol.subscriptions.dropped([subscription])
        backoff = self._backoffs.setdefault(subscription, Backoff())
        self._again[subscription] = self._loop.time() + backoff.next()
        self._hearer.refused(self.name, subscription, reason)

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            now = self._loop.time()
            self._check(now)
            await self._subscribe(socket, now)
            if now - self._pinged_at >= self._times.ping:
                self._pinged_at = now
                await socket.send_str(self._protocol.ping())
            await asyncio.sleep(self._times.look)

    def _check(self, now: float) -> None:
        if now - self._heard_at > self._times.silence:
            raise ConnectionFault(Fault.SILENT, f"{self.name}: nothing heard for {now - self._heard_at:.0f} s, not even a pong")
        if now - self._data_at > self._times.data_silence:
            raise ConnectionFault(Fault.NO_DATA, f"{self.name}: no market data for {now - self._data_at:.0f} s")
        for subscription in [one for one, due in self._awaited.items() if due < now]:
            del self._awaited[subscription]
            self._ask_later(subscription, f"not answered within {self._times.acknowledgement:g} s")
            self._note_ready()

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse, now: float) -> None:
        due = sorted(subscription for subscription, at in self._again.items() if at <= now)
        if not due:
            return
        for subscription in due:
            del self._again[subscription]
            self._awaited[subscription] = now + self._times.acknowledgement
        self._asking = True
        for frame in self._protocol.subscribe(due):
            await socket.send_str(frame)
            await asyncio.sleep(SEND_SECONDS)
        self._asking = False
        self._note_ready()


Dial = Callable[[str, Iterable[Subscription]], Connection]
