"""MEXC's spot websocket, frame by frame."""

import json
from contextlib import suppress
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.records import Level, Side, Trade
from streams.errors import FrameError
from streams.exchange.mexc import events as e
from streams.exchange.mexc.protocol import FRAME_BYTES_MAX, State
from streams.exchange.mexc.spot_protocol import SpotProtocol
from streams.exchange.mexc.wire import mexc_spot_pb2 as wire
from tests.exchange.mexc.frames import SENT_MS, deal, deals, levels, spot

BTC_DEALS, ETH_DEPTH = e.Subscription(e.Kind.DEALS, "BTCUSDT"), e.Subscription(e.Kind.DEPTH, "ETHUSDT")
DEALS, DEPTH = "spot@public.aggre.deals.v3.api.pb@10ms@BTCUSDT", "spot@public.aggre.depth.v3.api.pb@10ms@ETHUSDT"
SENT = SENT_MS * 1000


@pytest.fixture
def protocol() -> SpotProtocol:
    found = SpotProtocol()
    found.subscribe([BTC_DEALS, ETH_DEPTH])
    return found


def only(said: list[e.Said]) -> e.Said:
    (one,) = said
    return one


def test_channels_are_asked_for_by_name_a_few_at_a_time() -> None:
    protocol = SpotProtocol("100ms")
    frames = protocol.subscribe([e.Subscription(e.Kind.KLINE, f"A{n}USDT") for n in range(23)])
    asked = [json.loads(frame) for frame in frames]
    assert [one["method"] for one in asked] == ["SUBSCRIPTION"] * 3
    assert [len(one["params"]) for one in asked] == [10, 10, 3]
    assert asked[0]["params"][0] == "spot@public.kline.v3.api.pb@A0USDT@Min1"
    assert json.loads(protocol.unsubscribe([e.Subscription(e.Kind.KLINE, "A0USDT")])[0])["method"] == "UNSUBSCRIPTION"
    assert len(protocol.subscriptions.standings) == 22


def test_acknowledgement_of_several_channels_is_one_of_each(protocol: SpotProtocol) -> None:
    said = protocol.receive(json.dumps({"id": 0, "code": 0, "msg": f"{DEALS},{DEPTH}"}))
    assert said == [e.Acknowledged(BTC_DEALS), e.Acknowledged(ETH_DEPTH)]
    assert {one.state for one in protocol.subscriptions.standings.values()} == {State.ACKNOWLEDGED}
    assert protocol.subscriptions.waiting() == []


def test_refusal_is_told_with_the_exchange_s_words_and_touches_no_other(protocol: SpotProtocol) -> None:
    message = f"Not Subscribed successfully! [{DEALS}].  Reason: Blocked! "
    assert protocol.receive(json.dumps({"id": 0, "code": 0, "msg": message})) == [e.Refused(BTC_DEALS, message)]
    assert protocol.subscriptions.standings[BTC_DEALS].reason == message
    assert protocol.subscriptions.waiting() == [ETH_DEPTH]
    protocol.subscribe([BTC_DEALS])
    assert protocol.subscriptions.waiting() == [ETH_DEPTH, BTC_DEALS]


def test_channel_that_begins_like_another_is_not_taken_for_it() -> None:
    protocol = SpotProtocol()
    protocol.subscribe([e.Subscription(e.Kind.DEALS, "BTCUSD"), BTC_DEALS])
    assert protocol.receive(json.dumps({"id": 0, "code": 0, "msg": DEALS})) == [e.Acknowledged(BTC_DEALS)]


@pytest.mark.parametrize("word", ["PONG", "pong"])
def test_pong_is_one_in_any_letters(protocol: SpotProtocol, word: str) -> None:
    assert protocol.receive(f'{{"id":0,"code":0,"msg":"{word}"}}') == [e.Pong()]
    assert json.loads(protocol.ping()) == {"method": "PING"}


def test_deals_are_trades_in_the_exchange_s_order(protocol: SpotProtocol) -> None:
    said = protocol.receive(deals(deal("60000.10", "0.5", 1, 7, "a"), deal("60000.1", "1", 2, 8, "b")))
    assert only(said) == e.Deals(symbol="BTCUSDT", event_time=SENT, trades=[
        Trade("a", D("60000.1"), D("0.5"), Side.BUY, 7_000), Trade("b", D("60000.1"), D(1), Side.SELL, 8_000),
    ])  # fmt: skip


def test_deals_of_before_june_2026_have_no_id(protocol: SpotProtocol) -> None:
    said = only(protocol.receive(deals(deal("1", "1"))))
    assert isinstance(said, e.Deals) and said.trades[0].trade_id == ""


def test_depth_joins_the_version_before_its_first(protocol: SpotProtocol) -> None:
    body = wire.AggreDepths(bids=levels(("1.5", "2")), asks=levels(("1.6", "0")), from_version="11", to_version="13")
    assert only(protocol.receive(spot(DEPTH, "ETHUSDT", aggre_depths=body))) == e.DepthChange(
        symbol="ETHUSDT", event_time=SENT, previous=10, version=13, bids=[Level(D("1.5"), D(2))], asks=[Level(D("1.6"), D(0))],
    )  # fmt: skip


def test_limited_depth_is_a_whole_book(protocol: SpotProtocol) -> None:
    body = wire.LimitDepths(bids=levels(("1", "2")), asks=levels(("3", "4")), version="9")
    assert only(protocol.receive(spot("spot@public.limit.depth.v3.api.pb@BTCUSDT@20", limit_depths=body))) == e.DepthSnapshot(
        symbol="BTCUSDT", event_time=SENT, version=9, bids=[Level(D(1), D(2))], asks=[Level(D(3), D(4))]
    )


@pytest.mark.parametrize(("version", "told"), [("", None), ("77", 77)])
def test_book_ticker_has_a_version_since_june_2026(protocol: SpotProtocol, version: str, told: int | None) -> None:
    body = wire.AggreBookTicker(bid_price="1", bid_quantity="2", ask_price="3", ask_quantity="4", version=version)
    frame = spot("spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT", sent=None, aggre_book_ticker=body)
    assert only(protocol.receive(frame)) == e.BookTicker(
        symbol="BTCUSDT", bid=D(1), bid_quantity=D(2), ask=D(3), ask_quantity=D(4), version=told
    )


@pytest.mark.parametrize(("bid", "ask"), [("", "1"), ("1", ""), ("0", "1")])
def test_book_ticker_of_a_book_with_an_empty_side_is_ignored_by_name(protocol: SpotProtocol, bid: str, ask: str) -> None:
    body = wire.AggreBookTicker(bid_price=bid, bid_quantity="0", ask_price=ask, ask_quantity="0")
    frame = spot("spot@public.aggre.bookTicker.v3.api.pb@10ms@BTCUSDT", aggre_book_ticker=body)
    assert protocol.receive(frame) == [e.Ignored("book ticker of one side")]


def test_kline_s_window_is_told_in_microseconds(protocol: SpotProtocol) -> None:
    body = wire.Kline(interval="Min1", window_start=60, opening_price="1", closing_price="2", highest_price="3", lowest_price="0.5",
                      volume="10", amount="15", window_end=120)  # fmt: skip
    assert only(protocol.receive(spot("spot@public.kline.v3.api.pb@BTCUSDT@Min1", kline=body))) == e.Kline(
        symbol="BTCUSDT", event_time=SENT, start=60_000_000, open=D(1), high=D(3), low=D("0.5"), close=D(2), volume=D(10), amount=D(15)
    )


def test_push_of_a_type_unknown_here_is_ignored_by_name(protocol: SpotProtocol) -> None:
    # Field 309, publicMiniTicker, as an empty message: 309 << 3 | 2 = 2474 = aa 13.
    raw = spot("spot@public.miniTicker.v3.api.pb@BTCUSDT@UTC+8") + b"\xaa\x13\x00"
    assert protocol.receive(raw) == [e.Ignored("push of public.miniTicker.v3.api.pb")]


BAD = {
    "cut": deals(deal("60000.1", "0.5"))[:-3],
    "empty": b"",
    "noise": b"\xff\xff\xff\xff",
    "no symbol": wire.PushData(channel=DEALS, aggre_deals=wire.AggreDeals(deals=[deal("1", "1")])).SerializeToString(),
    "price": deals(deal("NaN", "1")),
    "infinite": deals(deal("Infinity", "1")),
    "negative": deals(deal("1", "-1")),
    "side": deals(deal("1", "1", trade_type=3)),
    "version": spot(DEPTH, aggre_depths=wire.AggreDepths(from_version="x", to_version="1")),
    "versions": spot(DEPTH, aggre_depths=wire.AggreDepths(from_version="2", to_version="1")),
    "exponent": deals(deal("1e999999999", "1")),
    "places": deals(deal("0.0000000000001", "1")),
    "too dear": deals(deal("1000000001", "1")),
    "no price": deals(deal("0", "1")),
    "nothing traded": deals(deal("1", "0")),
    "before 1970": deals(deal("1", "1", time=-1)),
    "after 9999": deals(deal("1", "1", time=1 << 62)),
    "sent before 1970": spot(DEALS, sent=-1, aggre_deals=wire.AggreDeals()),
    "long id": deals(deal("1", "1", trade_id="7" * 65)),
    "id of no letters": deals(deal("1", "1", trade_id="7\x00")),
    "deep": "[" * 100_000,
    "large": b"\x0a" * (FRAME_BYTES_MAX + 1),
    "text": "pong",
    "list": "[]",
}


@pytest.mark.parametrize("frame", BAD.values(), ids=BAD.keys())
def test_frame_that_is_none_is_a_named_fault(protocol: SpotProtocol, frame: str | bytes) -> None:
    with pytest.raises(FrameError):
        protocol.receive(frame)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_nothing_that_is_received_is_a_bug_of_ours(frame: str | bytes) -> None:
    protocol = SpotProtocol()
    protocol.subscribe([BTC_DEALS])
    with suppress(FrameError):
        protocol.receive(frame)
