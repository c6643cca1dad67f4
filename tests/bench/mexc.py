"""
MEXC's spot deals of 200 symbols, from the frame to the log: read by the protocol, seen to be new, gathered, queued, written.

Everything between the websocket and the log is the deployed code, in one thread, so that a CPU second is one of one core; the socket
itself is not there. On the memory log that is all; on Kafka the client's own threads count too, and the broker stands beside. The books
are not asked for, as REST would have to answer. `decoded` is the protocol alone.

How many deals a frame holds is the exchange's matter (it gathers 10 ms of one symbol): one is the dearest, five is a busy market.
"""

import asyncio
import gc
import time
from collections.abc import Iterator
from random import Random
from typing import Any

from streams.cli.__main__ import GARBAGE_THRESHOLDS
from streams.domain.parameters import FeedParameters, SessionSettings
from streams.domain.records import Trade
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.assembly import Assembly
from streams.exchange.mexc.events import DepthSnapshot, Kind, Subscription
from streams.exchange.mexc.heard import FundingAnswer
from streams.exchange.mexc.inbox import Inbox
from streams.exchange.mexc.instruments import EXCHANGE
from streams.exchange.mexc.lane import LaneTimes, spread
from streams.exchange.mexc.pool import Pool
from streams.exchange.mexc.spot_protocol import SpotProtocol
from streams.exchange.push import Quiet
from streams.exchange.writer import FeedWriter
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.memory import MemoryLog
from streams.operate.topics import create_session
from tests.bench.arena import Arena, Asked, fresh
from tests.bench.machine import Processes, timed
from tests.exchange.mexc.frames import deal, deals

SYMBOLS = tuple(f"S{number}USDT" for number in range(200))
DEALS = 60_000
DEALS_A_FRAME = (1, 5)
ROUNDS = 3
# What a flush holds at 20,000 deals a second, as one is cut every 20 ms.
RECORDS_A_FLUSH = 400
FRAMES_A_TURN = 400
START_MS = 1_780_000_000_000


def mexc(asked: Asked) -> dict[str, Any]:
    """On the memory log; the best of some rounds, since whatever else the machine does only adds."""
    return {f"deals_a_frame_{size}": _best(asked, size) for size in DEALS_A_FRAME}


def mexc_kafka(arena: Arena) -> dict[str, Any]:
    """On the broker, with its own CPU beside."""
    process = arena.stack.parts["kafka"].running()
    assert process is not None, "the broker must run"
    found = {}
    for size in DEALS_A_FRAME:
        runtime, broker = arena.theatre.runtime, Processes({"kafka": process.pid})
        before = broker.cpu_seconds()["kafka"]
        found[f"deals_a_frame_{size}"] = {
            **produced(runtime.log, runtime.codec, fresh("mexc"), list(frames_of(arena.asked.seed, size))),
            "broker_cpu_seconds": round(broker.cpu_seconds()["kafka"] - before, 3),
        }
    return found


def _best(asked: Asked, size: int) -> dict[str, Any]:
    frames = list(frames_of(asked.seed, size))
    rounds = [produced(MemoryLog(), Codec.offline(), "bench-mexc", frames) for _ in range(ROUNDS)]
    return {**max(rounds, key=lambda one: one["deals_per_cpu_second"]), "decoded": _decoded(frames)}


def _decoded(frames: list[bytes]) -> dict[str, Any]:
    protocol = SpotProtocol()
    with timed() as took:
        for frame in frames:
            protocol.receive(frame)
    return {"deals_per_cpu_second": round(DEALS / took.cpu_seconds), "frames_per_cpu_second": round(len(frames) / took.cpu_seconds)}


def produced(log: Log, codec: Codec, session: str, frames: list[bytes], *, count: int = DEALS) -> dict[str, Any]:
    """What it took until the last deal was committed, with the thresholds of garbage collection that `cdb` sets."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    settings = SessionSettings(session=session, feed=FeedParameters(symbols=SYMBOLS))
    create_session(log, session, feeds=settings.partitions, risk=settings.risk_tasks)
    writer = FeedWriter(log, codec, settings, code_version="bench", live=True, records_max=RECORDS_A_FLUSH)
    writer.introduce(_instrument(symbol) for symbol in SYMBOLS)
    try:
        with timed() as took:
            told = asyncio.run(_fed(writer, frames))
    finally:
        writer.close()
    assert told == count, f"every deal must be written, {count - told} of {count} were not"
    return {
        "symbols": len(SYMBOLS), "frames": len(frames), "deals": told,
        "deals_per_second": round(told / took.wall_seconds), "deals_per_cpu_second": round(told / took.cpu_seconds),
        "frames_per_cpu_second": round(len(frames) / took.cpu_seconds),
        "cpu_share": round(took.cpu_seconds / took.wall_seconds, 3), **took.document(),
    }  # fmt: skip


async def _fed(writer: FeedWriter, frames: list[bytes]) -> int:
    """How many deals have come to the writer."""
    inbox = Inbox(lambda: time.time_ns() // 1000)
    pool = Pool(Assembly(SYMBOLS), inbox, _NoRest(), place="bench", times=LaneTimes())
    lanes = spread([Subscription(Kind.DEALS, symbol) for symbol in SYMBOLS], SpotProtocol.subscriptions_max)
    connections = {one.symbol: f"spot-{number}#0" for number, some in enumerate(lanes) for one in some}
    protocols = {name: SpotProtocol() for name in connections.values()}
    for number, some in enumerate(lanes):
        pool.acknowledged(f"spot-{number}#0", list(some))
    told = 0
    for begin in range(0, len(frames), FRAMES_A_TURN):
        for place, frame in enumerate(frames[begin : begin + FRAMES_A_TURN], begin):
            name = connections[SYMBOLS[place % len(SYMBOLS)]]
            pool.frame(name, frame, protocols[name].receive(frame))
        taken = inbox.take(0)
        for push in () if isinstance(taken, Quiet) else taken:
            writer.put(push)
            told += len(getattr(push, "trades", ()))
    writer.flush()
    return told


def frames_of(seed: int, size: int, count: int = DEALS) -> Iterator[bytes]:
    """Frames of so many deals, a symbol after the other; 20,000 deals a second of the exchange's time."""
    random = Random(seed)
    for number in range(count // size):
        ms = START_MS + number * size // 20
        yield deals(*(
            deal(f"{random.randint(1_000_000, 9_000_000) / 100:.2f}", f"{random.randint(1, 10**6) / 10**6:.6f}",
                 random.choice((1, 2)), ms, str(10**9 + number * size + place))
            for place in range(size)
        ), symbol=SYMBOLS[number % len(SYMBOLS)])  # fmt: skip


def _instrument(symbol: str) -> InstrumentSpec:
    return InstrumentSpec.model_validate({
        "exchange": EXCHANGE, "symbol": symbol, "venue_symbol": symbol, "kind": "SPOT", "base_asset": symbol.removesuffix("USDT"),
        "quote_asset": "USDT", "tick_size": "0.01", "lot_size": "0.000001", "quantity_min": "0.000001", "notional_min": "1",
        "contract_size": "1", "maker_fee_rate": "0", "taker_fee_rate": "0.0005", "leverage_max": "1", "valid_from": 0,
    })  # fmt: skip


class _NoRest:
    """Nothing is asked where no depth is subscribed to and no connection is lost."""

    async def book(self, symbol: str) -> DepthSnapshot:
        raise AssertionError(f"no book of {symbol} is asked for")

    async def trades(self, symbol: str) -> list[Trade]:
        raise AssertionError(f"no trades of {symbol} are asked for")

    async def funding(self, symbol: str) -> FundingAnswer:
        raise AssertionError(f"no funding of {symbol} is asked for")
