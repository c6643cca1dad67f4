"""
MEXC's futures websocket: JSON in text, or gzipped in binary frames.

An acknowledgement (`rs.sub.deal`, "success") does not say of which symbol, so it is that of the longest waiting one of its kind: MEXC
answers in order. A refusal (`rs.error`) is a sentence that may name the contract. Quantities are contracts on the wire and base units
from here on. `push.deal` holds a list since 2025-08-21 and one object before; funding rates are called `rate` or `fundingRate`.
"""

import json
import zlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from streams.domain.records import Level, Side, Trade
from streams.errors import FrameError
from streams.exchange.mexc.events import (
    Deals,
    DepthChange,
    Event,
    FairPrice,
    FundingRate,
    Ignored,
    IndexPrice,
    Kind,
    Kline,
    Market,
    Pong,
    Said,
    Subscription,
)
from streams.exchange.mexc.protocol import FRAME_BYTES_MAX, Subscriptions, within_size
from streams.exchange.mexc.values import averaged, contracts, moment, name, price, rate, summed, whole

# MEXC names no limit; this spreads 200 symbols with five kinds each over a handful of connections.
SUBSCRIPTIONS_MAX = 200
MS_IN_SECOND = 1000

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_SIDES = {1: Side.BUY, 2: Side.SELL}
_CHANNELS = {
    Kind.DEALS: "deal", Kind.DEPTH: "depth", Kind.KLINE: "kline", Kind.FAIR_PRICE: "fair.price", Kind.INDEX_PRICE: "index.price",
    Kind.FUNDING_RATE: "funding.rate",
}  # fmt: skip
_KINDS = {name: kind for kind, name in _CHANNELS.items()}


class _Deal(msgspec.Struct, gc=False):
    p: Decimal
    v: Decimal
    T: int
    t: int
    i: str | int = ""


class _Depth(msgspec.Struct, gc=False):
    version: int
    asks: list[tuple[Decimal, ...]] = []  # price, contracts, orders
    bids: list[tuple[Decimal, ...]] = []


class _Kline(msgspec.Struct, gc=False):
    interval: str
    t: int
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 (MEXC's name)
    c: Decimal
    q: Decimal
    a: Decimal


class _Price(msgspec.Struct, gc=False):
    price: Decimal


class _Funding(msgspec.Struct, gc=False):
    nextSettleTime: int
    rate: Decimal | None = None
    fundingRate: Decimal | None = None


class _Frame(msgspec.Struct, gc=False):
    channel: str
    data: msgspec.Raw = msgspec.Raw(b"null")
    symbol: str = ""
    ts: int | None = None


_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_deals = msgspec.json.Decoder(_Deal | list[_Deal]).decode
_decode_depth = msgspec.json.Decoder(_Depth).decode
_decode_kline = msgspec.json.Decoder(_Kline).decode
_decode_price = msgspec.json.Decoder(_Price).decode
_decode_funding = msgspec.json.Decoder(_Funding).decode


class FuturesProtocol:
    """`contract_sizes`: base units of one contract, by symbol; only what stands there can be subscribed to."""

    market = Market.FUTURES
    kinds = frozenset(_CHANNELS)
    subscriptions_max = SUBSCRIPTIONS_MAX

    def __init__(self, contract_sizes: Mapping[str, Decimal]) -> None:
        self.subscriptions = Subscriptions()
        self._sizes = contract_sizes

    def subscribe(self, subscriptions: Iterable[Subscription]) -> list[str]:
        asked = list(subscriptions)
        unknown = [one.symbol for one in asked if one.symbol not in self._sizes]
        assert not unknown, f"no contract size is known of {unknown}"
        self.subscriptions.asked(asked)
        return [_request("sub", one) for one in asked]

    def unsubscribe(self, subscriptions: Iterable[Subscription]) -> list[str]:
        ended = list(subscriptions)
        self.subscriptions.dropped(ended)
        return [_request("unsub", one) for one in ended]

    def ping(self) -> str:
        return '{"method":"ping"}'

    def receive(self, frame: str | bytes) -> list[Said]:
        within_size(frame)
        try:
            raw = frame.encode() if isinstance(frame, str) else _unpacked(frame)
            found = _decode_frame(raw)
            if found.channel.startswith("push."):
                return [self._pushed(found)]
            return self._control(found.channel, found.data)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            # A ValueError is also text that is none.
            raise FrameError(f"a frame must be JSON of MEXC's futures, was {frame[:80]!r}: {error}") from None

    def _control(self, channel: str, data: msgspec.Raw) -> list[Said]:
        said = msgspec.json.decode(data)
        if channel == "pong":
            return [Pong(moment(said, "data") if isinstance(said, int) else None)]
        if channel == "rs.error":
            named = [one for one in self.subscriptions.waiting() if one.symbol in _words(str(said))]
            return [self.subscriptions.refused(one, str(said)) for one in named] or [Ignored("rs.error without a contract of ours")]
        kind = _KINDS.get(channel.removeprefix("rs.sub.")) if channel.startswith("rs.sub.") else None
        waiting = self.subscriptions.waiting(kind)[:1] if kind is not None else []
        if not waiting:
            return [Ignored(channel[:40])]
        answered = self.subscriptions.acknowledged if said == "success" else lambda one: self.subscriptions.refused(one, str(said))
        return [answered(one) for one in waiting]

    def _pushed(self, frame: _Frame) -> Event | Ignored:
        kind, size = _KINDS.get(frame.channel.removeprefix("push.")), self._sizes.get(frame.symbol)
        if kind is None or size is None:
            return Ignored(frame.channel[:40] if kind is None else f"{frame.channel} of another contract")
        head: dict[str, Any] = {"symbol": frame.symbol, "event_time": moment(frame.ts, "ts") if frame.ts is not None else None}
        match kind:
            case Kind.DEALS:
                deals = _decode_deals(frame.data)
                return Deals(**head, trades=[_trade(one, size) for one in (deals if isinstance(deals, list) else [deals])])
            case Kind.DEPTH:
                depth = _decode_depth(frame.data)
                version = whole(depth.version, "version")
                bids, asks = _levels(depth.bids, size), _levels(depth.asks, size)
                return DepthChange(**head, previous=version - 1, version=version, bids=bids, asks=asks)
            case Kind.KLINE:
                return _kline(_decode_kline(frame.data), size, head)
            case Kind.FAIR_PRICE:
                return FairPrice(**head, price=averaged(_decode_price(frame.data).price, "price"))
            case Kind.INDEX_PRICE:
                return IndexPrice(**head, price=averaged(_decode_price(frame.data).price, "price"))
            case _:
                return _funding(_decode_funding(frame.data), head)


def _request(what: str, one: Subscription) -> str:
    parameters = {"symbol": one.symbol, **({"interval": "Min1"} if one.kind is Kind.KLINE else {})}
    return json.dumps({"method": f"{what}.{_CHANNELS[one.kind]}", "param": parameters})


def _unpacked(frame: bytes) -> bytes:
    if not frame.startswith(_GZIP):
        return frame
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        # A small frame may stand for a very large text.
        text = unpacker.decompress(frame, FRAME_BYTES_MAX + 1)
    except zlib.error as error:
        raise FrameError(f"a binary frame must be gzip, was {frame[:24].hex(' ')}: {error}") from None
    if len(text) > FRAME_BYTES_MAX or not unpacker.eof:
        raise FrameError(f"a gzipped frame must be whole and at most {FRAME_BYTES_MAX} bytes, was {len(text)} so far")
    return text


def _words(sentence: str) -> set[str]:
    return {word.strip("[]().,:;!\"'") for word in sentence.split()}


def _trade(deal: _Deal, size: Decimal) -> Trade:
    side = _SIDES.get(deal.T)
    if side is None:
        raise FrameError(f"T must be 1 or 2, was {deal.T}")
    quantity = contracts(deal.v, size, "v")
    if not quantity:
        raise FrameError(f"v must be above 0, was {deal.v}")
    return Trade(
        trade_id=name(str(deal.i), "i"), price=price(deal.p, "p"), quantity=quantity, aggressor=side, time=moment(deal.t, "t")
    )


def _levels(levels: Iterable[tuple[Decimal, ...]], size: Decimal) -> list[Level]:
    # One of fewer values is a ValueError, and so no frame of MEXC's.
    return [Level(price(at), contracts(number, size, "contracts")) for at, number, *_ in levels]


def _kline(kline: _Kline, size: Decimal, head: dict[str, Any]) -> Kline | Ignored:
    if kline.interval != "Min1":
        return Ignored(f"kline of {kline.interval[:20]}")
    return Kline(
        **head, start=moment(kline.t * MS_IN_SECOND, "t"), open=summed(kline.o, "o"), high=summed(kline.h, "h"), low=summed(kline.l, "l"),
        close=summed(kline.c, "c"), volume=contracts(kline.q, size, "q"), amount=summed(kline.a, "a"),
    )  # fmt: skip


def _funding(funding: _Funding, head: dict[str, Any]) -> FundingRate:
    said = funding.rate if funding.rate is not None else funding.fundingRate
    if said is None:
        raise FrameError("push.funding.rate must have rate or fundingRate, had neither")
    return FundingRate(**head, rate=rate(said, "rate"), settlement_time=moment(funding.nextSettleTime, "nextSettleTime"))
