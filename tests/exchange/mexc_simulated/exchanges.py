"""A simulated MEXC for tests, in virtual time, and a client of plain aiohttp that knows nothing of ours."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from streams.domain.parameters import FeedParameters
from streams.exchange.mexc.wire import mexc_spot_pb2 as wire
from streams.exchange.mexc_simulated.server import SimulatedMexc
from streams.exchange.mexc_simulated.settings import Settings
from streams.exchange.simulated import SimulatedFeed
from tests.exchange.mexc_simulated.virtual_loop import run
from tests.exchange.sessions import T0

DEALS = "spot@public.aggre.deals.v3.api.pb@100ms@BTCUSDT"
DEPTH = "spot@public.aggre.depth.v3.api.pb@100ms@BTCUSDT"
TICKER = "spot@public.aggre.bookTicker.v3.api.pb@100ms@BTCUSDT"
KLINE = "spot@public.kline.v3.api.pb@BTCUSDT@Min1"


@asynccontextmanager
async def mexc(
    *symbols: str, history_seconds: int = 0, rate: int = 10, speed: float = 1, duration: int | None = None, **settings: Any
) -> AsyncIterator[SimulatedMexc]:
    """Serves from T0 on."""
    parameters = FeedParameters(
        symbols=symbols or ("BTCUSDT", "BTC_USDT"), start_time=T0 - history_seconds * 1_000_000, rate_per_second=rate,
        duration_seconds=duration,
    )  # fmt: skip
    server = SimulatedMexc(
        SimulatedFeed(parameters), start=T0, settings=Settings(**settings), speed=speed, history_seconds=history_seconds
    )
    async with server:
        yield server


Story = Callable[[SimulatedMexc, aiohttp.ClientSession], Awaitable[Any]]


def told(story: Story, *symbols: str, **how: Any) -> Any:
    """What a story about an exchange and a client comes to."""

    async def tell() -> Any:
        async with mexc(*symbols, **how) as server, aiohttp.ClientSession() as session:
            return await story(server, session)

    return run(tell())


async def subscribed(session: aiohttp.ClientSession, server: SimulatedMexc, *channels: str) -> aiohttp.ClientWebSocketResponse:
    """A spot connection with these channels, acknowledged."""
    socket = await session.ws_connect(server.spot_url, max_msg_size=1 << 20)
    await socket.send_json({"method": "SUBSCRIPTION", "params": list(channels)})
    assert json.loads(await socket.receive_str())["msg"] == ",".join(channels)
    return socket


async def futures_subscribed(
    session: aiohttp.ClientSession, server: SimulatedMexc, *names: str, **more: Any
) -> aiohttp.ClientWebSocketResponse:
    """A futures connection, acknowledged."""
    socket = await session.ws_connect(server.futures_url)
    for name in names:
        await socket.send_json({"method": f"sub.{name}", "param": {"symbol": "BTC_USDT"}, **more})
        assert json.loads(await socket.receive_str())["channel"] == f"rs.sub.{name}"
    return socket


async def pushes(socket: aiohttp.ClientWebSocketResponse, seconds: float) -> list[wire.PushData]:
    """The spot pushes of a span, or until the connection ends."""
    return [wire.PushData.FromString(one.data) for one in await messages(socket, seconds) if one.type is aiohttp.WSMsgType.BINARY]


async def messages(socket: aiohttp.ClientWebSocketResponse, seconds: float) -> list[aiohttp.WSMessage]:
    """All that comes in a span; the last says how the connection ended, where it did."""
    found: list[aiohttp.WSMessage] = []
    end = asyncio.get_running_loop().time() + seconds
    while (left := end - asyncio.get_running_loop().time()) > 0:
        try:
            found.append(await asyncio.wait_for(socket.receive(), left))
        except TimeoutError:
            break
        if found[-1].type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}:
            break
    return found
