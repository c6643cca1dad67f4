"""REST that is signed: what the key may do, what it may not, and that no order can be placed. And what the instruments look like."""

import asyncio
import hashlib
import hmac
import json
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from streams.exchange.mexc_simulated.settings import ApiKey
from streams.exchange.mexc_simulated.signed import signature
from streams.exchange.mexc_simulated.truth import RestAsked
from tests.exchange.mexc_simulated.exchanges import told

KEY = ApiKey()
D = Decimal


def signed(server, *, key: str = KEY.key, secret: str = KEY.secret, late_ms: int = 0, **values: str) -> tuple[str, dict[str, str]]:
    """Query and headers, signed here by hand."""
    query = urlencode({**values, "timestamp": str(server.exchange.clock.said_ms() - late_ms)})
    mark = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"{query}&signature={mark}", {"X-MEXC-APIKEY": key}


def asked(path: str, *, method: str = "GET", **values):
    """Status and answer to one signed request."""

    async def story(server, session):
        query, headers = signed(server, **values)
        async with session.request(method, f"{server.rest_url}/api/v3/{path}?{query}", headers=headers) as answer:
            return answer.status, await answer.json()

    return told(story, "BTCUSDT", "BTCUSDC", "BTCUSDE")


def test_signature_is_that_of_mexcs_documented_example():
    """Example 2 of MEXC's documents, which holds; their example 1 is wrong."""
    key = ApiKey(secret="45d0b3c26f2644f19bfb98b07741b2f5")
    text = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=11&recvWindow=5000&timestamp=1644489390087"
    assert signature(key, text) == "fd3e4e8543c5188531eb7279d68ae7d26a573d0fc5ab0d18eb692451654d837a"


def test_account_and_fee_are_told_to_the_keys_owner():
    status, account = asked("account")
    assert status == 200 and account["canTrade"] and {one["asset"] for one in account["balances"]} >= {"USDC", "USDE"}
    assert asked("tradeFee", symbol="BTCUSDC")[1]["data"] == {"makerCommission": 0.0002, "takerCommission": 0.0006}


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"key": "mx0another"}, 10072), ({"secret": "another"}, 700002), ({"late_ms": 5001}, 700003), ({"late_ms": -1000}, 700003),
        ({"recvWindow": "60001"}, 700005), ({"late_ms": 20_000, "recvWindow": "60000"}, 0), ({"late_ms": 5000}, 0), ({"late_ms": -999}, 0),
    ],
)  # fmt: skip
def test_key_signature_and_time_window_are_checked(how, code):
    status, answer = asked("account", **how)
    assert (answer.get("code", 0), status) == (code, 400 if code else 200)


def test_symbol_that_the_key_may_not_sign_for_is_refused():
    assert asked("tradeFee", symbol="BTCUSDT") == (400, {"code": 10007, "msg": "symbol not support api"})


LIMIT = {"symbol": "BTCUSDC", "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "50000"}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, 0), ({"type": "MARKET", "quoteOrderQty": "100"}, 0), ({"side": "SELL", "type": "MARKET"}, 0), ({"quantity": "0.00005"}, 30002),
        ({"quantity": "0.000001"}, 30002), ({"quantity": "1000"}, 30003), ({"side": "LONG"}, 33333), ({"price": "x"}, 33333),
        ({"price": ""}, 44444), ({"type": ""}, 44444),
    ],
)  # fmt: skip
def test_order_is_tested_by_the_exchanges_rules_and_executed_never(changed, code):
    async def story(server, session):
        query, headers = signed(server, **{**LIMIT, **changed})
        await session.get(server.rest_url)


        await asyncio.sleep(1)
        async with session.post(f"{server.rest_url}/api/v3/order/test?{query}", headers=headers) as answer:
            return await answer.json()

    answer = told(story, "BTCUSDC")
    assert answer.get("code", 0) == code and (code or answer == {})


@pytest.mark.parametrize(("method", "path"), [("POST", "order"), ("POST", "batchOrders"), ("DELETE", "order"), ("DELETE", "openOrders")])
def test_no_other_order_exists_and_who_asks_for_one_is_on_the_record(method, path):
    async def story(server, session):
        query, headers = signed(server, **LIMIT)
        async with session.request(method, f"{server.rest_url}/api/v3/{path}?{query}", headers=headers) as answer:
            return answer.status, (await answer.json())["code"], [one.path for one in server.exchange.truth.of(RestAsked)]

    assert told(story, "BTCUSDC") == (403, 700007, [f"/api/v3/{path}"])


def test_exchange_info_names_minima_as_mexc_does_and_a_paused_symbol():
    async def story(server, session):
        server.exchange.listing.symbols["BTCUSDT"].status = "2"
        async with session.get(f"{server.rest_url}/api/v3/exchangeInfo", params={"symbol": "BTCUSDT"}) as answer:
            return (await answer.json())["symbols"][0]

    entry = told(story)
    assert (entry["status"], entry["isSpotTradingAllowed"], entry["quotePrecision"], entry["baseAssetPrecision"]) == ("2", False, 2, 5)
    assert (entry["baseSizePrecision"], entry["quoteAmountPrecision"]) == ("0.00001", "5")


def test_contract_detail_has_tiers_of_either_mode():
    async def story(server, session):
        async def detail():
            async with session.get(f"{server.rest_url}/api/v1/contract/detail", params={"symbol": "BTC_USDT"}) as answer:
                return json.loads(await answer.text(), parse_float=D)["data"]



        increasing = await detail()
        server.exchange.listing.symbols["BTC_USDT"].custom_tiers = [
            {"level": 1, "maxVol": 1000, "mmr": D("0.004"), "imr": D("0.008"), "maxLeverage": 125},
            {"level": 2, "maxVol": 5000, "mmr": D("0.01"), "imr": D("0.02"), "maxLeverage": 50},
        ]
        await asyncio.sleep(5)
        return increasing, await detail()

    increasing, custom = told(story)
    assert increasing["riskLimitMode"] == "INCREASE" and increasing["contractSize"] == D("0.0001")
    assert [increasing[name] for name in ("riskBaseVol", "riskIncrVol", "riskIncrMmr", "riskIncrImr", "riskLevelLimit")] == [
        500_000, 500_000, D("0.005"), D("0.01"), 5,
    ]  # fmt: skip
    assert custom["riskLimitMode"] == "CUSTOM" and [one["maxVol"] for one in custom["riskLimitCustom"]] == [1000, 5000]
