"""
MEXC's spot websocket: control in JSON text, market data in protobuf (`wire/mexc_spot.proto`).

An acknowledgement names its channels, a refusal too ("Not Subscribed successfully! [channel]. Reason: Blocked!"), both with code 0.
Replies to a ping come in any case of letters. Deals of before June 2026 have no trade id, book tickers no version.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from google.protobuf.message import DecodeError as ProtobufError

from streams.domain.records import Level, Side, Trade
from streams.errors import FrameError
from streams.exchange.mexc.events import (
    BookTicker,
    Deals,
    DepthChange,
    DepthSnapshot,
    Event,
    Ignored,
    Kind,
    Kline,
    Market,
    Pong,
    Said,
    Subscription,
)
from streams.exchange.mexc.protocol import Subscriptions, within_size
from streams.exchange.mexc.values import moment, name, price, quantity, summed, traded, whole
from streams.exchange.mexc.wire import mexc_spot_pb2

SUBSCRIPTIONS_MAX = 30
# One request may name several channels; MEXC's own examples have few, and a refusal of one is told by name.
CHANNELS_A_REQUEST = 10
MS_IN_SECOND = 1000

_SIDES = {1: Side.BUY, 2: Side.SELL}
_NOBODY = {"", "0"}  # a side of the book that is empty
_CHANNEL = re.compile(r"spot@[A-Za-z0-9_.@]+")
_NAMES = {
    Kind.DEALS: "spot@public.aggre.deals.v3.api.pb@{interval}@{symbol}",
    Kind.BOOK_TICKER: "spot@public.aggre.bookTicker.v3.api.pb@{interval}@{symbol}",
    Kind.DEPTH: "spot@public.aggre.depth.v3.api.pb@{interval}@{symbol}",
    Kind.KLINE: "spot@public.kline.v3.api.pb@{symbol}@Min1",
}


class SpotProtocol:
    """`interval`: how often MEXC gathers what it sends; 10ms is the soonest it offers."""

    market = Market.SPOT
    kinds = frozenset(_NAMES)
    subscriptions_max = SUBSCRIPTIONS_MAX

    def __init__(self, interval: Literal["10ms", "100ms"] = "10ms") -> None:
        self.subscriptions = Subscriptions()
        self._interval = interval
        self._by_channel: dict[str, Subscription] = {}

    def channel(self, subscription: Subscription) -> str:
        """How MEXC calls it."""
        return _NAMES[subscription.kind].format(interval=self._interval, symbol=subscription.symbol)

    def subscribe(self, subscriptions: Iterable[Subscription]) -> list[str]:
        asked = list(subscriptions)
        self._by_channel |= {self.channel(one): one for one in asked}
        self.subscriptions.asked(asked)
        return self._requests("SUBSCRIPTION", asked)

    def unsubscribe(self, subscriptions: Iterable[Subscription]) -> list[str]:
        ended = list(subscriptions)
        self.subscriptions.dropped(ended)
        return self._requests("UNSUBSCRIPTION", ended)

    def ping(self) -> str:
        return '{"method":"PING"}'

    def receive(self, frame: str | bytes) -> list[Said]:
        within_size(frame)
        return self._control(frame) if isinstance(frame, str) else [_pushed(frame)]

    def _requests(self, method: str, subscriptions: list[Subscription]) -> list[str]:
        return [
            json.dumps({"method": method, "params": [self.channel(one) for one in subscriptions[at : at + CHANNELS_A_REQUEST]]})
            for at in range(0, len(subscriptions), CHANNELS_A_REQUEST)
        ]

    def _control(self, text: str) -> list[Said]:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            raise FrameError(f"control must be JSON, was {text[:80]!r}") from None
        if not isinstance(said, dict):
            raise FrameError(f"control must be an object, was {text[:80]!r}")
        message, code = str(said.get("msg", "")), said.get("code")
        if message.upper() == "PONG":
            return [Pong()]
        if str(said.get("method", "")).upper() == "PING":
            return [Ignored("ping of the exchange")]
        known = [self._by_channel[name] for name in _CHANNEL.findall(message) if name in self._by_channel]
        known = [one for one in known if one in self.subscriptions.standings]
        if not known:
            return [Ignored(f"control with code {code}")]
        if code == 0 and _CHANNEL.match(message):
            return [self.subscriptions.acknowledged(one) for one in known]
        return [self.subscriptions.refused(one, message) for one in known]


def _pushed(frame: bytes) -> Event | Ignored:
    try:
        push = mexc_spot_pb2.PushData.FromString(frame)
    except ProtobufError:
        raise FrameError(f"market data must be a protobuf message, was {frame[:24].hex(' ')}") from None
    body = push.WhichOneof("body")
    make = _BODIES.get(body or "")
    if make is None:
        # Of a type that we never ask for, or that is not in our .proto. A frame without a channel is none of MEXC's.
        if not push.channel:
            raise FrameError(f"market data must name its channel, was {frame[:24].hex(' ')}")
        return Ignored(f"push of {push.channel.split('@')[1] if push.channel.count('@') else push.channel}")
    if not push.symbol:
        raise FrameError(f"market data must name its symbol, was without on {push.channel[:80]!r}")
    sent = push.send_time or push.create_time
    head = {"symbol": push.symbol, "event_time": moment(sent, "sendTime") if sent else None}
    said: Event | Ignored = make(getattr(push, str(body)), head)
    return said


def _deals(body: mexc_spot_pb2.AggreDeals, head: dict[str, Any]) -> Deals:
    return Deals(**head, trades=list(_trades(body.deals)))


def _trades(deals: Iterable[mexc_spot_pb2.Deal]) -> Iterator[Trade]:
    for deal in deals:
        side = _SIDES.get(deal.trade_type)
        if side is None:
            raise FrameError(f"tradeType must be 1 or 2, was {deal.trade_type}")
        yield Trade(
            trade_id=name(deal.trade_id, "tradeId"), price=price(deal.price), quantity=traded(deal.quantity), aggressor=side,
            time=moment(deal.time, "time"),
        )  # fmt: skip


def _book_ticker(body: mexc_spot_pb2.AggreBookTicker, head: dict[str, Any]) -> BookTicker | Ignored:
    if body.bid_price in _NOBODY or body.ask_price in _NOBODY:
        return Ignored("book ticker of one side")
    return BookTicker(
        **head, bid=price(body.bid_price, "bidPrice"), bid_quantity=quantity(body.bid_quantity, "bidQuantity"),
        ask=price(body.ask_price, "askPrice"), ask_quantity=quantity(body.ask_quantity, "askQuantity"),
        version=whole(body.version, "version") if body.version else None,
    )  # fmt: skip


def _depth(body: mexc_spot_pb2.AggreDepths, head: dict[str, Any]) -> DepthChange:
    start, end = whole(body.from_version, "fromVersion"), whole(body.to_version, "toVersion")
    if start > end:
        raise FrameError(f"fromVersion must be at most toVersion ({end}), was {start}")
    return DepthChange(**head, previous=start - 1, version=end, bids=_levels(body.bids), asks=_levels(body.asks))


def _limit_depth(body: mexc_spot_pb2.LimitDepths, head: dict[str, Any]) -> DepthSnapshot:
    return DepthSnapshot(**head, version=whole(body.version, "version"), bids=_levels(body.bids), asks=_levels(body.asks))


def _levels(levels: Iterable[mexc_spot_pb2.Level]) -> list[Level]:
    return [Level(price(one.price), quantity(one.quantity)) for one in levels]


def _kline(body: mexc_spot_pb2.Kline, head: dict[str, Any]) -> Kline | Ignored:
    if body.interval != "Min1":
        return Ignored(f"kline of {body.interval[:20]}")

    return Kline(
        **head, start=moment(body.window_start * MS_IN_SECOND, "windowStart"), open=summed(body.opening_price, "openingPrice"),
        high=summed(body.highest_price, "highestPrice"), low=summed(body.lowest_price, "lowestPrice"),
        close=summed(body.closing_price, "closingPrice"), volume=summed(body.volume, "volume"), amount=summed(body.amount, "amount"),
    )  # fmt: skip


_BODIES: dict[str, Any] = {
    "aggre_deals": _deals, "aggre_book_ticker": _book_ticker, "aggre_depths": _depth, "limit_depths": _limit_depth, "kline": _kline,
}
