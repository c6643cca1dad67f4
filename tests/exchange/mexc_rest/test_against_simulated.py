"""Our REST client against the simulated MEXC in virtual time: what it hears is what the truth log says, whatever fault is on."""

import asyncio
import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streams.errors import FeedError
from streams.exchange.mexc.listings import listed
from streams.exchange.mexc.rest.answers import MexcAnswers, account, contracts, fees, order_is_valid, spot_symbols
from streams.exchange.mexc.rest.client import RestClient, seconds_of
from streams.exchange.mexc.rest.faults import Banned, Blocked, NotAllowed, OutcomeUnknown, Refused, TooFrequent, Unreachable
from streams.exchange.mexc.rest.limits import SharedLimits
from streams.exchange.mexc.rest.routes import Route
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.server import SimulatedMexc
from tests.exchange.mexc_rest.clients import asked, told, wall_now
from tests.exchange.sessions import T0

ORDER = {"symbol": "BTCUSDC", "side": "BUY", "type": "LIMIT", "quantity": "0.001", "price": "60000"}
D = Decimal


def test_book_trades_and_funding_are_the_exchanges_in_base_units(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        listed = {one.symbol: one for one in await contracts(client)}
        answers, truth = MexcAnswers(client, {"BTC_USDT": listed["BTC_USDT"].contractSize}), server.exchange.truth
        for symbol in ("BTCUSDC", "BTC_USDT"):
            book, best = await answers.book(symbol), server.exchange.driver.states[symbol].book.best()
            assert best is not None and (book.bids[0], book.asks[0]) == (best.bid, best.ask)
            heard = [(one.price, one.quantity, one.aggressor, one.time // 1000) for one in await answers.trades(symbol)]
            said = [(one.price, one.quantity, one.aggressor, one.time // 1000) for one in truth.trades(symbol)]
            assert heard and said[-len(heard) :] == heard
        state = server.exchange.driver.states["BTC_USDT"].funding
        found = await answers.funding("BTC_USDT")
        rate, hours = found.rate, found.interval_hours
        assert state is not None
        assert (rate.rate, rate.settlement_time, hours) == (state.rate, state.settlement_time, state.interval_hours)
        [symbol] = [one for one in await spot_symbols(client) if one.symbol == "BTCUSDC"]
        assert symbol.quotePrecision == 2 and symbol.status == "1"

    told(story, tmp_path)


def test_account_fees_and_an_orders_test_are_signed_as_the_exchange_wants_it(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        assert {one.asset: one.free for one in (await account(client)).balances}["USDC"] == 10_000
        listed = server.exchange.listing.symbols["BTCUSDC"]
        assert (await fees(client, "BTCUSDC")).takerCommission == listed.taker_fee_rate
        await order_is_valid(client, ORDER)
        with pytest.raises(Refused, match="minimum") as caught:
            await order_is_valid(client, {**ORDER, "quantity": "0.00001", "price": "1"})
        assert caught.value.code == 30002
        assert {(one.method, one.path) for one in asked(server) if one.method != "GET"} == {("POST", "/api/v3/order/test")}

    told(story, tmp_path)


def test_the_exchange_refuses_a_symbol_that_the_real_key_would_be_refused(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        with pytest.raises(Refused, match="symbol not support api") as caught:
            await fees(client, "ETHUSDC")
        assert caught.value.code == 10007

    told(story, tmp_path, allowed_symbols="ETHUSDC")


def test_a_symbol_that_is_not_allowed_reaches_nobody(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        with pytest.raises(NotAllowed, match="was BTCUSDT"):
            await order_is_valid(client, {**ORDER, "symbol": "BTCUSDT"})
        assert not asked(server)

    told(story, tmp_path)


@pytest.mark.parametrize("seconds", [5, -5, 3600])
def test_a_clock_that_is_off_is_measured_and_allowed_for(tmp_path: Path, seconds: int) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> int:
        await account(client)
        assert client.clock_offset is not None
        return client.clock_offset

    assert told(story, tmp_path, off=seconds * 1_000_000) == pytest.approx(seconds * 1_000_000, abs=1000)


def test_the_clock_is_measured_again_after_a_while_and_where_the_exchange_says_so(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        await account(client)
        await account(client)
        assert len(asked(server, "/time")) == 1
        await asyncio.sleep(300)
        await account(client)
        assert len(asked(server, "/time")) == 2
        server.exchange.switch_on(Fault.CLOCK_OFF, detail=-20)
        await order_is_valid(client, ORDER)
        assert [one.code for one in asked(server, "order/test")] == [700003, 0]

    told(story, tmp_path)


def test_an_order_whose_outcome_is_unknown_is_never_sent_again(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        await client.measure_clock()
        for fault in (Fault.SERVER_ERROR, Fault.REST_SILENCE):
            server.exchange.switch_on(fault, times=1)
            with pytest.raises(OutcomeUnknown) as caught:
                await order_is_valid(client, ORDER)
            assert not caught.value.retriable
        await order_is_valid(client, ORDER)
        # The silent one is never answered, and so not noted.
        assert [one.status for one in asked(server, "order/test")] == [500, 200]

    told(story, tmp_path)


def test_a_storm_of_429_is_waited_out_and_no_faster_than_the_exchange_wants(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> float:
        server.exchange.switch_on(Fault.STORM_429, times=3, detail=2)
        await client.ask(Route.TIME)
        assert [one.status for one in asked(server)] == [429, 429, 429, 200]
        return asyncio.get_running_loop().time()

    assert 6 <= told(story, tmp_path) < 7.5


@pytest.mark.parametrize(("fault", "seconds", "kind"), [(Fault.BANNED_418, 120, Banned), (Fault.FORBIDDEN_403, 60, Blocked)])
def test_nothing_is_sent_while_the_address_is_shut_out_by_any_process(tmp_path: Path, fault: Fault, seconds: int, kind: Any) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        server.exchange.switch_on(fault, times=1, detail=120 if fault is Fault.BANNED_418 else None)
        with pytest.raises(kind):
            await client.ask(Route.TIME)
        with SharedLimits(client._settings.limits_file, client._settings.limit_share) as limits:
            async with aiohttp.ClientSession() as http:
                other = RestClient(http, client._settings, limits, wall_now())
                await asyncio.sleep(seconds - 20)
                with pytest.raises(Banned, match="another 20 s"):
                    await other.ask(Route.DEPTH, {"symbol": "BTCUSDC"})
                # Futures are another service.
                await other.ask(Route.CONTRACT_PING)
                await asyncio.sleep(20)
                await other.ask(Route.TIME)
        assert len(asked(server, "/time")) == 2 and not asked(server, "depth")

    told(story, tmp_path)


def test_the_breaker_leaves_a_market_alone_that_does_not_answer(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        server.exchange.switch_on(Fault.MAINTENANCE)
        for _ in range(4):
            with pytest.raises(Unreachable):
                await client.ask(Route.TIME)
        assert len(asked(server)) == 5
        server.exchange.switch_off()
        await asyncio.sleep(30)
        await client.ask(Route.TIME)

    told(story, tmp_path)


def test_whoever_asks_without_end_is_never_told_to_ask_less(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> float:
        for _ in range(60):
            await client.ask(Route.CONTRACT_DEPTH, symbol="BTC_USDT")
        for _ in range(3):
            await client.ask(Route.CONTRACT_DETAIL)
        for _ in range(50):
            await client.ask(Route.EXCHANGE_INFO)
        rows = asked(server)
        assert len(rows) == 113 and {(one.status, one.code) for one in rows} == {(200, 0)}
        return asyncio.get_running_loop().time()

    # 16 at once, and so again each 2 s: 6 s; details at 0, 5, 10 s; 40 listings fit into 10 s.
    assert told(story, tmp_path) == pytest.approx(26, abs=1.5)


def test_an_untrusted_certificate_and_an_answer_too_large_are_faults_by_name(tmp_path: Path) -> None:
    async def untrusted(client: RestClient, server: SimulatedMexc) -> None:
        with pytest.raises(Unreachable, match="GET /api/v3/time: ClientConnectorCertificateError"):
            await client.ask(Route.TIME)

    async def large(client: RestClient, server: SimulatedMexc) -> None:
        with pytest.raises(Unreachable, match="ClientPayloadError"):
            await client.ask(Route.EXCHANGE_INFO)

    told(untrusted, tmp_path, exchange={"tls": True})
    told(large, tmp_path, "BTCUSDC", "BTCUSDE", "BTCUSDT", answer_bytes_max=1024)


def test_no_fault_and_no_log_line_shows_key_secret_or_signature(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said: list[str] = []

    async def story(client: RestClient, server: SimulatedMexc) -> None:
        await client.measure_clock()
        for fault in (Fault.SERVER_ERROR, Fault.REST_SILENCE, None, Fault.STORM_429, Fault.FORBIDDEN_403):
            if fault is not None:
                server.exchange.switch_on(fault, times=1)
            with pytest.raises(FeedError) as caught:
                await order_is_valid(client, {**ORDER, "quantity": "0"})
            said.append(f"{caught.value!r} {caught.value.__cause__!r} {type(caught.value).__name__}")

    caplog.set_level(logging.DEBUG)
    told(story, tmp_path)
    assert [one.rpartition(" ")[2] for one in said] == ["OutcomeUnknown", "OutcomeUnknown", "Refused", TooFrequent.__name__, "Blocked"]
    text = "\n".join([*said, caplog.text])
    for secret in ("mx0simulated", "simulated-secret", "signature=", "timestamp="):
        assert secret not in text


@pytest.mark.parametrize("symbol", ["../../v3/order", "BTC/USDT", "BTC_USDT?x", "%2e%2e", "", "BTC_USDT#", "BTC_USDT\n"])
def test_no_symbol_makes_another_path(tmp_path: Path, symbol: str) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> None:
        with pytest.raises(AssertionError):
            await client.ask(Route.CONTRACT_DEPTH, symbol=symbol)
        assert not asked(server)

    told(story, tmp_path, history_seconds=1)


def test_retry_after_is_a_number_or_a_date() -> None:
    assert seconds_of("120", T0) == 120
    assert seconds_of("Tue, 14 Nov 2023 22:13:50 GMT", T0) == 30
    assert seconds_of("Tue, 14 Nov 2023 22:13:10 GMT", T0) == 0
    assert seconds_of("9" * 30, T0) == 259_200
    assert [seconds_of(text, T0) for text in ("", "soon", "-5")] == [None] * 3


def test_the_accounts_own_fees_are_asked_where_the_key_may_sign_and_nowhere_else(tmp_path: Path) -> None:
    async def story(client: RestClient, server: SimulatedMexc) -> list[tuple[str, Decimal]]:
        for symbol in ("BTCUSDC", "BTCUSDT"):
            server.exchange.listing.symbols[symbol].taker_fee_rate = D("0.0005")
        found = await listed(client, ("BTCUSDC", "BTCUSDT"))
        assert [one.path for one in asked(server) if one.path.endswith("tradeFee")] == ["/api/v3/tradeFee"]
        assert {one.symbol for one in asked(server, "tradeFee")} == {"BTCUSDC"}
        return sorted((name, spec.taker_fee_rate) for name, spec in found.items())

    assert told(story, tmp_path, "BTCUSDC", "BTCUSDT") == [("BTCUSDC", D("0.0005")), ("BTCUSDT", D("0.0005"))]
