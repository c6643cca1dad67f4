"""The REST client: what it sends, what it repeats, and how it names what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streams.exchange.mexc.events import Market
from streams.exchange.mexc.rest import answers
from streams.exchange.mexc.rest.faults import Banned, Blocked, NotAllowed, OutcomeUnknown, Refused, TooFrequent, Unreachable
from streams.exchange.mexc.rest.routes import Route
from streams.exchange.mexc.rest.signing import query_of, signature
from tests.exchange.mexc_rest.scripted import NOW, SECRET, Answer, Asked, Scripted, json, scripted

TIME = {"serverTime": NOW // 1000}


def told(folder: Path, answer: Answer, then: Callable[[Scripted], Awaitable[Any]], **settings: Any) -> Any:
    async def run() -> Any:
        async with scripted(folder, answer, **settings) as found:
            return await then(found)

    return asyncio.run(run())


# MEXC's documentation, "Signed endpoint security", examples 2 and 3; its example 1 does not hold by its own secret.
ORDER = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "1", "price": "11", "recvWindow": "5000", "timestamp": "1644489390087",
}  # fmt: skip


def test_signature_is_that_of_mexc_s_second_example() -> None:
    assert signature(SECRET, query_of(ORDER)) == "fd3e4e8543c5188531eb7279d68ae7d26a573d0fc5ab0d18eb692451654d837a"


def test_parameters_are_encoded_as_they_are_signed() -> None:
    assert query_of({"a": "x y", "b": "ü/+"}) == "a=x%20y&b=%C3%BC%2F%2B"


def test_only_order_that_can_be_sent_is_the_one_that_is_tested() -> None:
    assert [route for route in Route if route.endpoint.method != "GET"] == [Route.ORDER_TEST]
    assert Route.ORDER_TEST.endpoint.path == "/api/v3/order/test"
    assert not any("order" in route.endpoint.path for route in Route if route is not Route.ORDER_TEST)
    signed = {route for route in Route if route.endpoint.signed}
    assert signed == {Route.TRADE_FEE, Route.ACCOUNT, Route.ORDER_TEST}


def test_signed_call_carries_key_exchange_time_and_signature_of_what_was_sent(tmp_path: Path) -> None:
    def answer(asked: Asked, count: int) -> web.Response:
        return json({"serverTime": NOW // 1000 - 5_000} if asked.path.endswith("time") else {})

    async def then(found: Scripted) -> list[Asked]:
        await answers.order_is_valid(found.client, {"symbol": "BTCUSDC", "side": "BUY", "type": "MARKET", "quoteOrderQty": "5"})
        return found.asked

    _, order = told(tmp_path, answer, then)
    unsigned, _, said = order.query.rpartition("&signature=")
    assert (order.method, order.path) == ("POST", "/api/v3/order/test")
    assert said == signature(SECRET, unsigned)
    # The exchange's clock is 5 s behind ours, and so is the stamp.
    assert f"timestamp={NOW // 1000 - 5_000}" in unsigned
    assert order.headers["X-MEXC-APIKEY"] == "mx0vglsgdd7flAhfqq"


@pytest.mark.parametrize(("symbol", "settings", "said"), [
    ("ETHUSDT", {}, r"must name one of CDB_MEXC_ALLOWED_SYMBOLS \(BTCUSDC, BTCUSDE\), was ETHUSDT"),
    ("BTCUSDC", {"key_file": None, "secret_file": None}, "CDB_MEXC_KEY_FILE and CDB_MEXC_SECRET_FILE must be set"),
])  # fmt: skip
def test_call_that_is_not_allowed_is_neither_signed_nor_sent(tmp_path: Path, symbol: str, settings: dict[str, Any], said: str) -> None:
    async def then(found: Scripted) -> list[Asked]:
        with pytest.raises(NotAllowed, match=said):
            await answers.fees(found.client, symbol)
        return found.asked

    assert told(tmp_path, lambda asked, count: json({}), then, **settings) == []


def test_time_outside_of_the_window_measures_the_clock_anew_once(tmp_path: Path) -> None:
    def answer(asked: Asked, count: int) -> web.Response:
        if asked.path.endswith("time"):
            return json(TIME)
        return json({"code": 700003, "msg": "outside"}, 400) if count < 2 else json({"canTrade": True, "balances": []})

    async def then(found: Scripted) -> list[str]:
        await answers.account(found.client)
        return [one.path.rpartition("/")[2] for one in found.asked]

    assert told(tmp_path, answer, then) == ["time", "account", "time", "account"]


def broken(status: int) -> Answer:
    return lambda asked, count: json({"code": status, "msg": "x"}, status) if count < 2 else json(TIME)


def test_what_is_safe_is_asked_again_after_a_growing_wait(tmp_path: Path) -> None:
    async def then(found: Scripted) -> list[float]:
        await found.client.ask(Route.TIME)
        assert len(found.asked) == 3
        return found.clock.slept

    assert told(tmp_path, broken(502), then) == [0.25, 0.5]


def test_question_that_is_never_answered_is_unreachable_after_its_attempts(tmp_path: Path) -> None:
    async def then(found: Scripted) -> int:
        with pytest.raises(Unreachable, match="GET /api/v3/time: 503"):
            await found.client.ask(Route.TIME)
        return len(found.asked)

    assert told(tmp_path, lambda asked, count: json({}, 503), then, tries_max=3) == 3


@pytest.mark.parametrize("status", [500, 503])
def test_order_whose_outcome_is_unknown_is_never_sent_again(tmp_path: Path, status: int) -> None:
    async def then(found: Scripted) -> int:
        with pytest.raises(OutcomeUnknown, match=f"POST /api/v3/order/test: {status}; it may have been done"):
            await answers.order_is_valid(found.client, {"symbol": "BTCUSDC"})
        return sum(one.method == "POST" for one in found.asked)

    assert told(tmp_path, lambda asked, count: json(TIME) if asked.path.endswith("time") else json({}, status), then) == 1


def test_answer_that_does_not_come_is_a_timeout_without_the_signature_in_its_text(tmp_path: Path) -> None:
    async def never(asked: Asked, count: int) -> web.StreamResponse:
        if asked.path.endswith("time"):
            return json(TIME)
        await asyncio.sleep(60)
        return json({})

    async def then(found: Scripted) -> str:
        with pytest.raises(OutcomeUnknown) as fault:
            await answers.order_is_valid(found.client, {"symbol": "BTCUSDC"})
        return str(fault.value)

    said = told(tmp_path, never, then, answer_seconds=0.2)
    assert said.startswith("POST /api/v3/order/test: ") and "signature" not in said and "mx0" not in said


def test_after_429_nobody_of_this_machine_asks_until_it_is_over(tmp_path: Path) -> None:
    def answer(asked: Asked, count: int) -> web.Response:
        return json({"code": 429}, 429, Retry_After="3") if count == 0 else json(TIME)

    async def then(found: Scripted) -> None:
        began = found.clock.time
        await found.client.ask(Route.TIME)
        assert len(found.asked) == 2
        assert 3_000_000 <= found.clock.time - began <= 4_000_000
        # The other market's limits are its own.
        assert found.limits.held(Market.FUTURES) == 0

    told(tmp_path, answer, then)


def test_ban_is_named_and_kept_without_another_request(tmp_path: Path) -> None:
    async def then(found: Scripted) -> int:
        with pytest.raises(Banned, match="418, nothing may be sent for 120 s"):
            await found.client.ask(Route.TIME)
        with pytest.raises(Banned, match="lets nothing be sent to spot for another 120 s"):
            await found.client.ask(Route.TIME)
        found.clock.time += 121_000_000
        with pytest.raises(Banned, match="418"):
            await found.client.ask(Route.TIME)
        return len(found.asked)

    assert told(tmp_path, lambda asked, count: json({"code": 418}, 418, Retry_After="120"), then) == 2


def test_firewall_is_not_asked_again(tmp_path: Path) -> None:
    async def then(found: Scripted) -> int:
        with pytest.raises(Blocked):
            await found.client.ask(Route.TIME)
        return len(found.asked)

    assert told(tmp_path, lambda asked, count: web.Response(text="<html>denied</html>", status=403), then) == 1


def test_refusal_has_the_exchange_s_code_and_is_not_repeated(tmp_path: Path) -> None:
    async def then(found: Scripted) -> int:
        with pytest.raises(Refused, match="10007 bad symbol") as refused:
            await found.client.ask(Route.DEPTH, {"symbol": "X"})
        assert refused.value.code == 10007
        return len(found.asked)

    assert told(tmp_path, lambda asked, count: json({"code": 10007, "msg": "bad symbol"}, 400), then) == 1


def test_futures_say_too_frequent_in_the_body(tmp_path: Path) -> None:
    async def then(found: Scripted) -> bytes:
        return await found.client.ask(Route.CONTRACT_PING)

    def answer(asked: Asked, count: int) -> web.Response:
        return json({"success": False, "code": 510, "message": "x"}) if count == 0 else json({"success": True, "code": 0, "data": 7})

    assert told(tmp_path, answer, then) == b"7"
    with pytest.raises(TooFrequent):
        told(tmp_path, lambda asked, count: json({"success": False, "code": 510}), then, tries_max=1)


def test_market_that_fails_again_and_again_is_left_alone_and_tried_later(tmp_path: Path) -> None:
    async def then(found: Scripted) -> None:
        for _ in range(3):
            with pytest.raises(Unreachable, match="503"):
                await found.client.ask(Route.TIME)
        with pytest.raises(Unreachable, match="left alone"):
            await found.client.ask(Route.TIME)
        assert len(found.asked) == 3
        found.clock.time += 30_000_001
        await found.client.ask(Route.TIME)

    def answer(asked: Asked, count: int) -> web.Response:
        return json({}, 503) if count < 3 else json(TIME)

    told(tmp_path, answer, then, tries_max=1, breaker_faults=3)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe{", b'{"code": []}'])
def test_answer_that_is_none_is_a_named_fault(tmp_path: Path, body: bytes) -> None:
    async def then(found: Scripted) -> None:
        with pytest.raises(Unreachable):
            await answers.spot_symbols(found.client)

    told(tmp_path, lambda asked, count: web.Response(body=body), then)
