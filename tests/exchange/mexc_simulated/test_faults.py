"""Each fault as a client sees it, and that the truth log knows of it."""

import asyncio
import json
import ssl
from collections import Counter
from itertools import pairwise

import aiohttp
import pytest

from streams.errors import ConfigError
from streams.exchange.mexc.events import Market
from streams.exchange.mexc_simulated.faults import Fault, FaultPlan, fault_named, random_plan
from streams.exchange.mexc_simulated.truth import FaultStruck, KlineSaid
from tests.exchange.mexc_simulated.exchanges import (
    DEALS,
    DEPTH,
    KLINE,
    TICKER,
    futures_subscribed,
    messages,
    mexc,
    pushes,
    subscribed,
    told,
)
from tests.exchange.mexc_simulated.virtual_loop import run

Type = aiohttp.WSMsgType
ENDED = {Type.CLOSE, Type.CLOSED, Type.ERROR}


def struck(server) -> Counter[str]:
    return Counter(one.fault for one in server.exchange.truth.of(FaultStruck))


def deal_ids(got) -> list[str]:
    return [one.trade_id for push in got for one in push.aggre_deals.deals]


def truth_ids(server) -> list[str]:
    return [one.trade_id for one in server.exchange.truth.trades("BTCUSDT")]


def test_drop_mid_frame_ends_the_connection_without_a_close_frame():
    async def story(server, session):
        socket = await subscribed(session, server, DEALS)
        server.exchange.switch_on(Fault.DROP_MID_FRAME, after=5)
        got = await messages(socket, 60)
        return got, struck(server)

    got, faults = told(story)
    assert got[-1].type is Type.CLOSED and all(one.type is Type.BINARY for one in got[:-1])
    assert faults == {"drop_mid_frame": 1}


def test_half_open_connection_says_nothing_more_not_even_a_pong_and_stays_open():
    async def story(server, session):
        socket = await subscribed(session, server, DEALS)
        server.exchange.switch_on(Fault.HALF_OPEN, after=5)
        before = await messages(socket, 10)
        await socket.send_json({"method": "PING"})
        await socket.ping()
        return before, await messages(socket, 90), socket.closed

    before, after, closed = told(story)
    assert before and after == [] and not closed


def test_silence_stops_data_and_answers_pings():
    async def story(server, session):
        socket = await subscribed(session, server, DEALS)
        server.exchange.switch_on(Fault.SILENCE, seconds=20)
        await socket.send_json({"method": "PING"})
        silent = await messages(socket, 20)
        return silent, deal_ids(await pushes(socket, 20)), truth_ids(server)

    silent, after, truth = told(story)
    assert [json.loads(one.data)["msg"] for one in silent] == ["PONG"]
    assert after == truth[truth.index(after[0]) :][: len(after)] and truth.index(after[0]) > 5


@pytest.mark.parametrize("fault", [Fault.REORDER, Fault.DUPLICATE, Fault.LOST_DEALS])
def test_deals_out_of_order_twice_or_never(fault):
    async def story(server, session):
        socket = await subscribed(session, server, DEALS)
        server.exchange.switch_on(fault, after=5)
        return deal_ids(await pushes(socket, 20)), truth_ids(server)

    got, truth = told(story)
    counts = Counter(got)
    if fault is Fault.REORDER:
        assert got != truth[: len(got)] and sorted(got, key=int) == truth[: len(got)]
    elif fault is Fault.DUPLICATE:
        assert max(counts.values()) == 2 and list(counts) == truth[: len(counts)]
    else:
        missing = [one for one in truth[: truth.index(got[-1])] if one not in counts]
        assert missing and len(missing) <= 3


def test_version_gap_leaves_one_frame_out_of_the_chain():
    async def story(server, session):
        socket = await subscribed(session, server, DEPTH)
        server.exchange.switch_on(Fault.VERSION_GAP, after=5)
        return [push.aggre_depths for push in await pushes(socket, 20)]

    breaks = [int(one.from_version) - int(before.to_version) - 1 for before, one in pairwise(told(story))]
    assert len([one for one in breaks if one]) == 1 and min(breaks) == 0


def test_wrong_candle_differs_from_its_trades_on_the_websocket_alone():
    async def story(server, session):
        socket = await subscribed(session, server, KLINE)
        server.exchange.switch_on(Fault.WRONG_CANDLE)
        got = await pushes(socket, 130)
        rest = await (await session.get(f"{server.rest_url}/api/v3/klines", params={"symbol": "BTCUSDT", "interval": "1m"})).json()
        return got, rest, server.exchange.truth.of(KlineSaid, "BTCUSDT")

    got, rest, said = told(story)
    last = {push.kline.window_start: push.kline for push in got}
    for number, candle in enumerate(said):
        on_wire = last[candle.start // 1_000_000]
        row = next(row for row in rest if row[0] * 1000 == candle.start)
        assert row[4:6] == [str(candle.close), str(candle.volume)]
        assert ((on_wire.closing_price, on_wire.volume) == (str(candle.close), str(candle.volume))) is (number > 0)


@pytest.mark.parametrize("fault", [Fault.GARBAGE, Fault.UNKNOWN_MESSAGE])
def test_garbage_and_unknown_messages_come_between_whole_frames(fault):
    async def story(server, session):
        socket = await subscribed(session, server, DEALS)
        futures = await futures_subscribed(session, server, "deal")
        server.exchange.switch_on(fault, after=1, market=Market.SPOT)
        server.exchange.switch_on(fault, after=1, market=Market.FUTURES)
        return await messages(socket, 10), await messages(futures, 10)

    spot, futures = told(story)
    strange = [one for one in spot if one.type is Type.BINARY and b"aggre.deals" not in one.data]
    assert len(strange) == 1 and len(spot) > 20
    odd = [one for one in futures if one.type is Type.BINARY or json.loads(one.data)["channel"] != "push.deal"]
    assert len(odd) == 1 and (odd[0].type is Type.BINARY) is (fault is Fault.GARBAGE)


def test_oversized_frame_is_what_a_client_with_a_limit_refuses():
    async def story(server, session):
        socket = await subscribed(session, server, DEALS)
        server.exchange.switch_on(Fault.OVERSIZED, detail=2 << 20)
        return await messages(socket, 10)

    got = told(story)
    assert got[-1].type is Type.ERROR and isinstance(got[-1].data, aiohttp.WebSocketError)


def test_old_schema_has_neither_trade_ids_nor_ticker_versions():
    async def story(server, session):
        socket = await subscribed(session, server, DEALS, TICKER)
        server.exchange.switch_on(Fault.OLD_SCHEMA)
        await messages(socket, 1)
        return await pushes(socket, 10)

    got = told(story)
    assert set(deal_ids(got)) == {""}
    assert {push.aggre_book_ticker.version for push in got if push.HasField("aggre_book_ticker")} == {""}


def test_futures_deals_are_objects_as_before_august_2025():
    async def story(server, session):
        socket = await futures_subscribed(session, server, "deal")
        server.exchange.switch_on(Fault.DEAL_OBJECTS)
        await messages(socket, 1)
        return [json.loads(one.data)["data"] for one in await messages(socket, 5)]

    got = told(story)
    assert got and all(set(one) == {"p", "v", "T", "O", "M", "t"} for one in got)


@pytest.mark.parametrize(("fault", "code", "words"), [(Fault.BLOCKED, 0, "Blocked!"), (Fault.ACKNOWLEDGEMENT_ERROR, 1, "system error")])
def test_subscription_is_refused_with_the_exchanges_words_and_taken_when_asked_again(fault, code, words):
    async def story(server, session):
        server.exchange.switch_on(fault, market=Market.SPOT)
        server.exchange.switch_on(fault, market=Market.FUTURES)
        socket, futures = await session.ws_connect(server.spot_url), await session.ws_connect(server.futures_url)
        answers = []
        for _ in range(2):
            await socket.send_json({"method": "SUBSCRIPTION", "params": [DEALS]})
            await futures.send_json({"method": "sub.deal", "param": {"symbol": "BTC_USDT"}})
            answers.append((await socket.receive_json(), await futures.receive_json()))
        return answers

    refused, taken = told(story)
    assert refused[0]["code"] == code and words in refused[0]["msg"] and DEALS in refused[0]["msg"]
    assert (refused[1]["channel"], refused[1]["data"]) == ("rs.error", words)
    assert (taken[0]["msg"], taken[1]["channel"]) == (DEALS, "rs.sub.deal")


def test_slow_handshake_takes_its_time():
    async def story(server, session):
        server.exchange.switch_on(Fault.SLOW_HANDSHAKE, detail=12)
        loop = asyncio.get_running_loop()
        times = [loop.time()]
        for _ in range(2):
            await subscribed(session, server, DEALS)
            times.append(loop.time())
        return [after - before for before, after in pairwise(times)]

    slow, quick = told(story)
    assert slow == pytest.approx(12, abs=0.1) and quick < 0.1


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [(Fault.STORM_429, 429, "1"), (Fault.BANNED_418, 418, "120"), (Fault.FORBIDDEN_403, 403, None), (Fault.SERVER_ERROR, 500, None)],
)
def test_rest_answers_with_the_fault_for_as_long_as_it_is_switched_on(fault, status, retry_after):
    async def story(server, session):
        async def ask():
            async with session.get(f"{server.rest_url}/api/v3/time") as answer:
                return answer.status, answer.headers.get("Retry-After")

        server.exchange.switch_on(fault, seconds=3)
        got = [await ask(), await ask()]
        await asyncio.sleep(3)
        return got, await ask()

    assert told(story) == ([(status, retry_after)] * 2, (200, None))


def test_rest_silence_is_a_request_that_nobody_answers():
    async def story(server, session):
        server.exchange.switch_on(Fault.REST_SILENCE)
        with pytest.raises(TimeoutError):
            await session.get(f"{server.rest_url}/api/v3/time", timeout=aiohttp.ClientTimeout(total=30))
        return (await session.get(f"{server.rest_url}/api/v3/time")).status

    assert told(story) == 200


def test_clock_that_is_5_s_off_shows_in_all_that_the_exchange_says():
    async def story(server, session):
        async def offset():
            async with session.get(f"{server.rest_url}/api/v3/time") as answer:
                return (await answer.json())["serverTime"] - server.exchange.clock.now() // 1000

        server.exchange.switch_on(Fault.CLOCK_OFF, seconds=10)
        socket = await subscribed(session, server, DEALS)
        push = (await pushes(socket, 5))[-1]
        during = await offset(), push.send_time - server.exchange.clock.now() // 1000
        await asyncio.sleep(10)
        return during, await offset()

    (rest, push), after = told(story)
    assert rest == pytest.approx(5000, abs=5) and push == pytest.approx(5000, abs=1000) and after == pytest.approx(0, abs=5)


def test_maintenance_closes_all_sockets_and_answers_503_to_everything_until_it_is_over():
    async def story(server, session):
        sockets = [await subscribed(session, server, DEALS), await futures_subscribed(session, server, "deal")]
        server.exchange.switch_on(Fault.MAINTENANCE, seconds=60)
        ends = [(await messages(socket, 5))[-1].type for socket in sockets]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(server.spot_url)
        rest = (await session.get(f"{server.rest_url}/api/v3/time")).status
        await asyncio.sleep(60)
        await subscribed(session, server, DEALS)
        return ends, refused.value.status, rest

    ends, handshake, rest = told(story)
    assert set(ends) <= ENDED and (handshake, rest) == (503, 503)


def test_certificate_that_nobody_trusts_fails_before_anything_is_said():
    async def story():
        async with mexc(tls=True) as server, aiohttp.ClientSession() as session:
            assert server.spot_url.startswith("wss://") and server.rest_url.startswith("https://")
            for ask in (session.ws_connect(server.spot_url), session.get(server.rest_url)):
                with pytest.raises(aiohttp.ClientConnectorCertificateError) as failed:
                    await ask
                assert isinstance(failed.value.certificate_error, ssl.SSLCertVerificationError)

    run(story())


def test_faults_are_switched_and_symbols_paused_over_http_as_well():
    async def story(server, session):
        control = f"{server.rest_url}/control"
        on = await (await session.post(f"{control}/faults", json={"fault": "silence", "seconds": 90, "symbol": "BTCUSDT"})).json()
        wrong = await session.post(f"{control}/faults", json={"fault": "sleep"})
        active = await (await session.get(f"{control}/faults")).json()
        off = await (await session.delete(f"{control}/faults")).json()
        paused = await (await session.post(f"{control}/symbols/BTCUSDT", json={"status": "2"})).json()
        await asyncio.sleep(1)
        entries = await (await session.get(f"{control}/truth")).json()
        return on, (wrong.status, await wrong.json()), active, off, paused["status"], len(entries), server.exchange.truth.count

    on, wrong, active, off, status, entries, count = told(story)
    assert (on["fault"], on["symbol"]) == ("silence", "BTCUSDT") and active == [on] and off == []
    assert wrong[0] == 400 and "sleep" in wrong[1]["error"]
    assert status == "2" and 0 < entries <= count


def test_plan_of_a_seed_is_always_the_same_and_another_for_another_seed():
    plan = random_plan(seed=1, count=100, seconds=86_400)
    assert plan == random_plan(seed=1, count=100, seconds=86_400) != random_plan(seed=2, count=100, seconds=86_400)
    assert len(plan) == 100 and all(0 <= one.after <= 86_400 for one in plan) and len({one.fault for one in plan}) > 12


def test_fault_is_named_with_its_span_and_beginning():
    assert fault_named("silence:90@10") == FaultPlan(Fault.SILENCE, 10, 90)
    assert fault_named("garbage") == FaultPlan(Fault.GARBAGE, 0)
    for text, words in (("sleep", "FAULT must be one of drop_mid_frame"), ("silence:x", r"NAME\[:SECONDS\]\[@AFTER\]")):
        with pytest.raises(ConfigError, match=words):
            fault_named(text)
