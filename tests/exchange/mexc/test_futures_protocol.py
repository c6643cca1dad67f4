"""MEXC's futures websocket, frame by frame."""

import gzip
import json
from contextlib import suppress
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.records import Level, Side, Trade
from streams.errors import FrameError
from streams.exchange.mexc import events as e
from streams.exchange.mexc.futures_protocol import FuturesProtocol
from streams.exchange.mexc.protocol import FRAME_BYTES_MAX, State

SIZES = {"BTC_USDT": D("0.0001"), "ETH_USDT": D("0.01")}
BTC, ETH = e.Subscription(e.Kind.DEALS, "BTC_USDT"), e.Subscription(e.Kind.DEALS, "ETH_USDT")
TS = 1_700_000_000_123


@pytest.fixture
def protocol() -> FuturesProtocol:
    found = FuturesProtocol(SIZES)
    found.subscribe([BTC, ETH])
    return found


def push(channel: str, data: Any, symbol: str = "BTC_USDT") -> str:
    return json.dumps({"channel": f"push.{channel}", "data": data, "symbol": symbol, "ts": TS})


def only(said: list[e.Said]) -> e.Said:
    (one,) = said
    return one


def test_each_symbol_is_asked_for_alone() -> None:
    protocol = FuturesProtocol(SIZES)
    frames = protocol.subscribe([BTC, e.Subscription(e.Kind.KLINE, "BTC_USDT"), e.Subscription(e.Kind.FAIR_PRICE, "ETH_USDT")])
    assert [json.loads(frame) for frame in frames] == [
        {"method": "sub.deal", "param": {"symbol": "BTC_USDT"}},
        {"method": "sub.kline", "param": {"symbol": "BTC_USDT", "interval": "Min1"}},
        {"method": "sub.fair.price", "param": {"symbol": "ETH_USDT"}},
    ]


def test_acknowledgements_name_no_symbol_and_answer_in_order(protocol: FuturesProtocol) -> None:
    frame = '{"channel":"rs.sub.deal","data":"success","ts":1}'
    assert [only(protocol.receive(frame)) for _ in range(3)] == [e.Acknowledged(BTC), e.Acknowledged(ETH), e.Ignored("rs.sub.deal")]


def test_refusal_that_names_a_contract_is_that_contract_s(protocol: FuturesProtocol) -> None:
    said = protocol.receive('{"channel":"rs.error","data":"Contract [ETH_USDT] not exists!","ts":1}')
    assert said == [e.Refused(ETH, "Contract [ETH_USDT] not exists!")]
    assert protocol.subscriptions.standings[BTC].state is State.ASKED
    assert isinstance(only(protocol.receive('{"channel":"rs.error","data":"Blocked!","ts":1}')), e.Ignored)


def test_pong_tells_the_exchange_s_time(protocol: FuturesProtocol) -> None:
    assert protocol.receive(f'{{"channel":"pong","data":{TS}}}') == [e.Pong(TS * 1000)]


DEAL = {"p": 60000.1, "v": 25, "T": 2, "O": 3, "M": 1, "t": TS - 3}


@pytest.mark.parametrize("data", [DEAL, [DEAL]], ids=["object", "list"])
def test_deals_come_as_a_list_or_as_one_object(protocol: FuturesProtocol, data: Any) -> None:
    """25 contracts of 0.0001 BTC each are 0.0025 BTC."""
    assert only(protocol.receive(push("deal", data))) == e.Deals(
        symbol="BTC_USDT", event_time=TS * 1000, trades=[Trade("", D("60000.1"), D("0.0025"), Side.SELL, (TS - 3) * 1000)]
    )


def test_number_is_taken_as_it_is_written(protocol: FuturesProtocol) -> None:
    text = push("fair.price", {"symbol": "BTC_USDT", "price": "@"}).replace('"@"', "60000.100000000001")
    assert only(protocol.receive(text)) == e.FairPrice(symbol="BTC_USDT", event_time=TS * 1000, price=D("60000.100000000001"))


def test_depth_versions_rise_by_one_and_contracts_become_base_units(protocol: FuturesProtocol) -> None:
    said = only(protocol.receive(push("depth", {"asks": [[60001, 10, 1]], "bids": [[60000, 0, 0]], "version": 78})))
    assert said == e.DepthChange(
        symbol="BTC_USDT", event_time=TS * 1000, previous=77, version=78, bids=[Level(D(60000), D(0))], asks=[Level(D(60001), D("0.001"))]
    )


@pytest.mark.parametrize("name", ["rate", "fundingRate"])
def test_funding_rate_is_read_under_both_its_names(protocol: FuturesProtocol, name: str) -> None:
    said = only(protocol.receive(push("funding.rate", {"symbol": "BTC_USDT", name: -0.0001, "nextSettleTime": TS})))
    assert said == e.FundingRate(symbol="BTC_USDT", event_time=TS * 1000, rate=D("-0.0001"), settlement_time=TS * 1000)


def test_index_and_kline(protocol: FuturesProtocol) -> None:
    assert only(protocol.receive(push("index.price", {"symbol": "BTC_USDT", "price": 1.5}))) == e.IndexPrice(
        symbol="BTC_USDT", event_time=TS * 1000, price=D("1.5")
    )
    kline = {"symbol": "BTC_USDT", "interval": "Min1", "t": 60, "o": 1, "h": 3, "l": 0.5, "c": 2, "q": 100, "a": 0.02}
    assert only(protocol.receive(push("kline", kline))) == e.Kline(
        symbol="BTC_USDT", event_time=TS * 1000, start=60_000_000, open=D(1), high=D(3), low=D("0.5"), close=D(2), volume=D("0.01"),
        amount=D("0.02"),
    )  # fmt: skip


def test_gzipped_frame_is_what_it_holds(protocol: FuturesProtocol) -> None:
    text = push("deal", [DEAL])
    assert protocol.receive(gzip.compress(text.encode())) == protocol.receive(text) == protocol.receive(text.encode())


def test_unknown_channel_and_other_contracts_are_ignored_by_name(protocol: FuturesProtocol) -> None:
    assert protocol.receive(push("ticker", {})) == [e.Ignored("push.ticker")]
    assert protocol.receive(push("deal", [DEAL], symbol="SOL_USDT")) == [e.Ignored("push.deal of another contract")]


BAD = {
    "text": "garbage",
    "no object": "[]",
    "no channel": "{}",
    "cut gzip": gzip.compress(push("deal", [DEAL]).encode())[:-9],
    "bomb": gzip.compress(b" " * (FRAME_BYTES_MAX + 1)),
    "no text": b"\xff\xfe",
    "side": push("deal", {**DEAL, "T": 3}),
    "price": push("deal", {**DEAL, "p": "x"}),
    "negative": push("deal", {**DEAL, "v": -1}),
    "version": push("depth", {"asks": [], "bids": [], "version": "x"}),
    "negative version": push("depth", {"asks": [], "bids": [], "version": -1}),
    "nothing traded": push("deal", {**DEAL, "v": 0}),
    "places": push("deal", {**DEAL, "v": 0.000000001}),
    "time": push("deal", {**DEAL, "t": -1}),
    "no number": push("fair.price", {"price": "NaN"}),
    "infinite": push("index.price", {"price": "Infinity"}),
    "below 0": push("fair.price", {"price": -1}),
    "rate of all": push("funding.rate", {"rate": 1, "nextSettleTime": TS}),
    "kline": push("kline", {"interval": "Min1", "t": 60, "o": "NaN", "h": 1, "l": 1, "c": 1, "q": 1, "a": 1}),
    "deep": '{"channel":"pong","data":' + "[" * 100_000 + "]" * 100_000 + "}",
    "half a character": '"\ud800"',
    "levels": push("depth", {"asks": [[1]], "bids": [], "version": 1}),
    "rate": push("funding.rate", {"nextSettleTime": 1}),
}


@pytest.mark.parametrize("frame", BAD.values(), ids=BAD.keys())
def test_frame_that_is_none_is_a_named_fault(protocol: FuturesProtocol, frame: str | bytes) -> None:
    with pytest.raises(FrameError):
        protocol.receive(frame)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_that_is_received_is_a_bug_of_ours(frame: str | bytes) -> None:
    protocol = FuturesProtocol(SIZES)
    protocol.subscribe([BTC])
    with suppress(FrameError):
        protocol.receive(frame)
