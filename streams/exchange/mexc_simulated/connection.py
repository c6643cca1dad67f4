"""
One websocket connection of the simulated exchange: reads control, sends frames, breaks as it is told, and ends as MEXC ends one.

Frames wait in a queue of their own, so that one client that does not read holds nobody else up; one whose queue is full is closed. What a
fault does to a frame on its way is decided when the frame is offered; times are the market clock's.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

from aiohttp import WSCloseCode, WSMsgType, web

from streams.exchange.mexc.events import Kind, Market
from streams.exchange.mexc_simulated.clock import MICROSECONDS, SECOND
from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.faults import Fault, Strike
from streams.exchange.mexc_simulated.hub import Channel, Frame
from streams.exchange.mexc_simulated.truth import ConnectionEvent

GARBAGE_BYTES = 64
CLOSE_SECONDS = 1.0
# First bytes of whole frames, and the length byte of those that have two bytes of length (RFC 6455); ours are below 64 KiB.
_TEXT, _BINARY, _LENGTH_16 = 0x81, 0x82, 126
# The code of an end that no close frame tells.
BROKEN = 0
# How long a changed deadline may go unseen.
WATCH = 5 * SECOND


class Ended(NamedTuple):
    """Why the exchange ends a connection, and the code that its close frame has; 0: the connection breaks off."""

    reason: str
    code: int


class Struck(NamedTuple):
    """A fault in its place among the frames; `payload` is what it breaks."""

    strike: Strike
    payload: str | bytes


class Connection(ABC):
    """`run` until the client or the exchange ends it."""

    market: Market

    def __init__(self, exchange: Exchange, request: web.Request, number: int) -> None:
        self.exchange = exchange
        self.clock = exchange.clock
        self.number = number
        self.channels: dict[Channel, None] = {}
        self.opened = self.clock.now()
        self.last_data = self.opened
        self.last_ping = self.opened
        self.subscribed_at: int | None = None
        self.idle_since: int | None = self.opened
        self._request = request
        self._socket = web.WebSocketResponse(autoping=False, autoclose=False, compress=False, max_msg_size=1 << 20, timeout=CLOSE_SECONDS)
        self._waiting: deque[str | bytes | Struck] = deque()
        self._wake = asyncio.Event()
        self._held: dict[str, Frame] = {}
        self._frozen = False
        self._received: deque[int] = deque()
        self._end: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._random = Random(f"{exchange.seed}/{self.market}/{number}")

    @abstractmethod
    def on_text(self, text: str) -> None:
        """A control message of the client."""

    @abstractmethod
    def unknown_message(self) -> str | bytes:
        """A well-formed message of a kind that nobody knows."""

    @abstractmethod
    def deadline(self) -> tuple[int, str]:
        """When the exchange ends the connection as things stand, and why."""

    async def run(self) -> web.StreamResponse:
        """Answers the handshake, then serves."""
        slow = self.exchange.strikes(Fault.SLOW_HANDSHAKE, market=self.market, connection=self.number)
        if slow is not None:
            await self.clock.sleep(slow.detail)
        await self._socket.prepare(self._request)
        hub = self.exchange.hubs[self.market]
        hub.connections.add(self)
        self._told("opened")
        reason = "closed by the client"
        tasks = [asyncio.create_task(work()) for work in (self._read, self._write, self._watch)]
        ends: list[asyncio.Future[Any]] = [*tasks, self._end]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._end.done():
                reason = self._end.result().reason
                await self._leave(self._end.result())
        finally:
            for channel in self.channels:
                hub.unsubscribe(self, channel)
            hub.connections.discard(self)
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                # A client that is gone shows as a reset while writing; anything else is a bug of ours.
                if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
                    raise outcome
            self._told("closed", reason)
        return self._socket

    def end(self, reason: str, code: int = WSCloseCode.OK) -> None:
        """Ends the connection from outside or inside, once."""
        if not self._end.done():
            self._end.set_result(Ended(reason, code))

    def offer(self, frame: Frame) -> None:
        """Market data; what the switched on faults leave of it goes out."""
        if self._frozen or self._lost(frame):
            return
        self.last_data = self.clock.now()
        strikes = self._strikes
        for fault in (Fault.GARBAGE, Fault.OVERSIZED, Fault.UNKNOWN_MESSAGE, Fault.DROP_MID_FRAME, Fault.HALF_OPEN):
            if (strike := strikes(fault, frame)) is not None:
                self._put(Struck(strike, frame.payload))
        held = self._held.pop(frame.channel.name, None)
        if held is None and strikes(Fault.REORDER, frame) is not None:
            self._held[frame.channel.name] = frame
            return
        self._put(frame.payload)
        if strikes(Fault.DUPLICATE, frame) is not None:
            self._put(frame.payload)
        if held is not None:
            self._put(held.payload)

    def answer(self, text: str) -> None:
        """Control: no fault of data concerns it."""
        if not self._frozen:
            self._put(text)

    def subscribe(self, channel: Channel) -> None:
        self.channels[channel] = None
        self.exchange.hubs[self.market].subscribe(self, channel)
        self.idle_since = None
        if self.subscribed_at is None:
            self.subscribed_at = self.last_data = self.clock.now()

    def unsubscribe(self, channel: Channel) -> None:
        if channel in self.channels:
            del self.channels[channel]
            self.exchange.hubs[self.market].unsubscribe(self, channel)
        if not self.channels:
            self.idle_since, self.subscribed_at = self.clock.now(), None

    def _lost(self, frame: Frame) -> bool:
        if self.exchange.faults.lasting(Fault.SILENCE, market=self.market, symbol=frame.channel.symbol) is not None:
            return True
        match frame.channel.kind:
            case Kind.DEPTH:
                return self._strikes(Fault.VERSION_GAP, frame) is not None
            case Kind.DEALS:
                return self._strikes(Fault.LOST_DEALS, frame) is not None
        return False

    def _strikes(self, fault: Fault, frame: Frame) -> Strike | None:
        return self.exchange.strikes(
            fault, market=self.market, symbol=frame.channel.symbol, connection=self.number, what=frame.channel.name
        )

    def _put(self, payload: str | bytes | Struck) -> None:
        self._waiting.append(payload)
        self._wake.set()
        if len(self._waiting) > self.exchange.settings.limits.frames_waiting:
            self.end("frames are not read", BROKEN)

    async def _write(self) -> None:
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            await self._send(self._waiting.popleft())

    async def _send(self, payload: str | bytes | Struck) -> None:
        if isinstance(payload, str):
            await self._socket.send_str(payload)
        elif isinstance(payload, bytes):
            await self._socket.send_bytes(payload)
        else:
            await self._strike(*payload)

    async def _strike(self, strike: Strike, payload: str | bytes) -> None:
        match strike.fault:
            case Fault.GARBAGE:
                await self._socket.send_bytes(self._random.randbytes(GARBAGE_BYTES))
            case Fault.OVERSIZED:
                await self._socket.send_bytes(bytes(int(strike.detail)))
            case Fault.UNKNOWN_MESSAGE:
                await self._send(self.unknown_message())
            case Fault.HALF_OPEN:
                self._freeze()
            case Fault.DROP_MID_FRAME:
                self._break_off(payload)
                self._freeze()
                self.end("dropped in the middle of a frame", BROKEN)

    def _freeze(self) -> None:
        self._frozen = True
        self._waiting.clear()

    def _break_off(self, payload: str | bytes) -> None:
        """A frame's head that promises more than comes, straight on the wire."""
        body = payload.encode() if isinstance(payload, str) else payload
        head = bytes([_TEXT if isinstance(payload, str) else _BINARY])
        if len(body) < _LENGTH_16:
            head += bytes([len(body)])
        else:
            head += bytes([_LENGTH_16]) + len(body).to_bytes(2, "big")
        transport = self._request.transport
        if transport is not None:
            transport.write(head + body[: len(body) // 2])

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if self._frozen:
                # Nothing is read any more, not even that the client leaves: its own close ends the transport.
                await self._gone()
                return
            if message.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR}:
                await self._socket.close()
                return
            self._count()
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                self.on_text(message.data)

    async def _gone(self) -> None:
        while self._request.transport is not None and not self._request.transport.is_closing():
            await self.clock.sleep(1)

    def _count(self) -> None:
        """Disconnects a client that says too much."""
        now = self.clock.now()
        self._received.append(now)
        while self._received[0] <= now - SECOND:
            self._received.popleft()
        if len(self._received) > self.exchange.settings.limits.messages_per_second:
            self.end("too many messages in a second", WSCloseCode.POLICY_VIOLATION)

    async def _watch(self) -> None:
        """A half-open connection is nobody's but for its age."""
        life = self.opened + int(self.exchange.settings.limits.connection_life * MICROSECONDS), "its life is over"
        while True:
            due, reason = life if self._frozen else min(self.deadline(), life)
            if due <= self.clock.now():
                self.end(reason, BROKEN if self._frozen else WSCloseCode.OK)
                return
            await self.clock.sleep_until(min(due, self.clock.now() + WATCH))

    async def _leave(self, ended: Ended) -> None:
        """Closes in order, or breaks off."""
        transport = self._request.transport
        if ended.code != BROKEN and not self._frozen:
            # A peer that does not read takes no close frame either.
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(2 * CLOSE_SECONDS):
                    await self._socket.close(code=ended.code, message=ended.reason.encode())
        if transport is not None:
            transport.close()
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, transport.abort)

    def _told(self, event: str, reason: str = "") -> None:
        self.exchange.truth.add(ConnectionEvent(
            symbol=self.market, time=self.clock.said(), connection=self.number, event=event, reason=reason,
        ))  # fmt: skip
