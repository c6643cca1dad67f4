"""The documented limits as a client meets them: how many subscriptions, messages, seconds, requests; and what a breach brings."""

import asyncio
import json
from collections import Counter

import aiohttp
import pytest

from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.limits import RestLimits
from streams.exchange.mexc_simulated.settings import Limits
from streams.exchange.mexc_simulated.truth import ConnectionEvent
from tests.exchange.mexc_simulated.exchanges import DEALS, KLINE, futures_subscribed, messages, subscribed, told
from tests.exchange.sessions import T0

INTERVALS = ("Min1", "Min5", "Min15", "Min30", "Min60", "Hour4", "Hour8", "Day1", "Week1", "Month1")


def reasons(server) -> list[str]:
    return [one.reason for one in server.exchange.truth.of(ConnectionEvent) if one.event == "closed"]


async def closed_after(socket: aiohttp.ClientWebSocketResponse) -> float:
    """Seconds until the other side closes."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while (await socket.receive()).type not in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}:
        pass
    return loop.time() - begin


def test_thirty_first_subscription_of_a_connection_is_refused_and_the_thirty_stay():
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    channels = [f"spot@public.kline.v3.api.pb@{symbol}@{interval}" for symbol in symbols for interval in INTERVALS]

    async def story(server, session):
        socket = await subscribed(session, server, *channels)
        await socket.send_json({"method": "SUBSCRIPTION", "params": [DEALS]})
        answers = [json.loads(one.data) for one in await messages(socket, 3) if one.type is aiohttp.WSMsgType.TEXT]
        return answers, len(next(iter(server.exchange.hubs["spot"].connections)).channels)

    answers, held = told(story, *symbols)
    assert [one["msg"] for one in answers] == [f"Not Subscribed successfully! [{DEALS}].  Reason： Blocked! "]
    assert held == 30


@pytest.mark.parametrize(("count", "disconnected"), [(100, False), (101, True)])
def test_more_than_a_hundred_messages_in_a_second_end_the_connection(count, disconnected):
    async def story(server, session):
        socket = await session.ws_connect(server.spot_url)
        for _ in range(count):
            await socket.send_json({"method": "PING"})
        return (await messages(socket, 5))[-1].type is not aiohttp.WSMsgType.TEXT

    assert told(story) is disconnected


def test_connection_without_a_valid_subscription_is_closed_after_30_seconds():
    async def story(server, session):
        socket = await session.ws_connect(server.spot_url)
        await socket.send_json({"method": "SUBSCRIPTION", "params": ["spot@public.aggre.deals.v3.api.pb@100ms@NOSUCH"]})
        return await closed_after(socket), reasons(server)

    seconds, why = told(story)
    assert seconds == pytest.approx(30, abs=1) and why in (["no valid subscription"], [])


def test_connection_that_gets_no_data_is_closed_after_60_seconds():
    async def story(server, session):
        socket = await subscribed(session, server, DEALS)
        server.exchange.switch_on(Fault.SILENCE)
        return await closed_after(socket)

    assert told(story) == pytest.approx(60, abs=1)


def test_connection_lives_for_24_hours_and_no_longer():
    async def story(server, session):
        return await closed_after(await subscribed(session, server, KLINE))

    assert told(story, "BTCUSDT", limits=Limits(connection_life=600), rate=1) == pytest.approx(600, abs=1)
    assert Limits().connection_life == 86_400


def test_futures_connection_without_a_ping_is_closed_after_60_seconds_and_one_with_pings_is_not():
    async def story(server, session):
        quiet, pinging = [await futures_subscribed(session, server, "deal") for _ in range(2)]

        async def ping():
            while True:
                await pinging.send_json({"method": "ping"})
                await asyncio.sleep(15)

        pings = asyncio.create_task(ping())
        seconds = await closed_after(quiet)
        got = [json.loads(one.data)["channel"] for one in await messages(pinging, 30)]
        pings.cancel()
        return seconds, Counter(got)

    seconds, got = told(story)
    assert seconds == pytest.approx(60, abs=1)
    assert got["pong"] >= 5 and got["push.deal"] > 100


def test_spot_answers_429_with_retry_after_beyond_500_weight_an_endpoint_then_418_to_who_goes_on():
    """Exchange information weighs 10: 50 requests in 10 s. Another endpoint has a window of its own."""

    async def story(server, session):
        async def ask(path):
            async with session.get(f"{server.rest_url}/api/v3/{path}") as answer:
                return answer.status, int(answer.headers.get("Retry-After", 0))

        first = [await ask("exchangeInfo") for _ in range(50)]
        over = await ask("exchangeInfo")
        other = await ask("time")
        await asyncio.sleep(over[1])
        after = await ask("exchangeInfo")
        again = [await ask("exchangeInfo") for _ in range(60)]
        banned = await ask("time")
        await asyncio.sleep(banned[1] + 1)
        return first, over, other, after, again, banned, await ask("time")

    first, over, other, after, again, banned, free = told(story)
    assert {status for status, _ in first} == {200}
    assert over == (429, 10) and other == (200, 0) and after == (200, 0)
    assert Counter(status for status, _ in again) == {200: 49, 429: 5, 418: 6}
    assert banned[0] == 418 and 110 < banned[1] <= 120 and free == (200, 0)


def test_bans_grow_up_to_three_days():
    class StandingClock:
        time = T0

        def now(self):
            return self.time

    clock = StandingClock()
    limits = RestLimits(Limits(), clock)
    bans = []
    while len(bans) < 14:
        breach = limits.spot("a", "ping", 600)
        if breach is not None and breach.status == 418:
            bans.append(breach.retry_after)
            clock.time += breach.retry_after * 1_000_000
    assert bans[:3] == [120, 240, 480] and bans[-1] == 3 * 86_400


def test_futures_say_510_beyond_20_requests_in_2_seconds_and_for_the_second_contract_detail_in_5():
    async def story(server, session):
        async def ask(path):
            async with session.get(f"{server.rest_url}/api/v1/contract/{path}") as answer:
                return (await answer.json())["code"]

        codes = [await ask("depth/BTC_USDT") for _ in range(21)]
        details = [await ask("detail"), await ask("detail")]
        await asyncio.sleep(5)
        return codes, details, await ask("detail"), await ask("depth/BTC_USDT")

    codes, details, later, depth = told(story)
    assert codes == [0] * 20 + [510] and details == [0, 510] and (later, depth) == (0, 0)


def test_client_that_does_not_read_is_closed_and_holds_nobody_else_up():
    async def story(server, session):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1)
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        text = json.dumps({"method": "SUBSCRIPTION", "params": [DEALS.replace("BTC", "ETH")]}).encode()
        writer.write(bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, "big") + bytes(4) + text)
        reading = await subscribed(session, server, DEALS)
        server.exchange.switch_on(Fault.OVERSIZED, symbol="ETHUSDT", detail=8 << 20)
        got = await messages(reading, 60)
        writer.transport.abort()
        return got, reasons(server)

    got, why = told(story, "BTCUSDT", "ETHUSDT", limits=Limits(frames_waiting=50))
    assert "frames are not read" in why
    assert len(got) > 50


