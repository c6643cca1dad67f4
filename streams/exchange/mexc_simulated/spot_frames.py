"""Spot frames as MEXC's `/ws` sends them: JSON control, protobuf data, prices and quantities as texts in base units."""

import json
from collections.abc import Iterable

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from streams.domain.records import Level, Side
from streams.exchange.mexc.wire import mexc_spot_pb2 as wire
from streams.exchange.mexc_simulated.book import Best
from streams.exchange.mexc_simulated.clock import MICROSECONDS
from streams.exchange.mexc_simulated.hub import Channel
from streams.exchange.mexc_simulated.klines import Kline, window_end
from streams.exchange.mexc_simulated.listing import text
from streams.exchange.mexc_simulated.market import Bucket

BUY, SELL = 1, 2
# A field of the wrapper's body that no version of MEXC's files names, holding one empty message (tag 399 << 3 | 2, length 0).
_UNKNOWN_BODY = b"\xfa\x18\x00"


def reply(message: str, *, number: int = 0, code: int = 0) -> str:
    """The answer to a control message."""
    return json.dumps({"id": number, "code": code, "msg": message}, ensure_ascii=False)


def blocked(channels: Iterable[str]) -> str:
    """How MEXC refuses a channel: a message like any other, with code 0, its full-width colon included."""
    return f"Not Subscribed successfully! [{','.join(channels)}].  Reason： Blocked! "


def deals(channel: Channel, bucket: Bucket, *, old_schema: bool) -> bytes:
    """`old_schema`: as before June 2026, without trade ids."""
    push = _push(channel, bucket.time)
    push.aggre_deals.event_type = _event_type(channel)
    for trade in bucket.trades:
        push.aggre_deals.deals.add(
            price=text(trade.price), quantity=text(trade.quantity), trade_type=BUY if trade.aggressor is Side.BUY else SELL,
            time=trade.time // 1000, trade_id="" if old_schema else trade.trade_id,
        )  # fmt: skip
    return push.SerializeToString()


def depth(channel: Channel, bucket: Bucket) -> bytes:
    """fromVersion is the previous toVersion + 1."""
    change = bucket.change
    assert change is not None, "sent where the book changed"
    push = _push(channel, bucket.time)
    body = push.aggre_depths
    body.event_type = _event_type(channel)
    body.from_version, body.to_version = str(change.previous + 1), str(change.version)
    _levels(body.asks, change.asks)
    _levels(body.bids, change.bids)
    return push.SerializeToString()


def limit_depth(channel: Channel, bucket: Bucket) -> bytes:
    """The best levels of each side."""
    push = _push(channel, bucket.time)
    bids, asks = bucket.state.book.top(int(channel.detail))
    push.limit_depths.event_type = _event_type(channel)
    push.limit_depths.version = str(bucket.state.book.version)
    _levels(push.limit_depths.asks, asks)
    _levels(push.limit_depths.bids, bids)
    return push.SerializeToString()


def book_ticker(channel: Channel, bucket: Bucket, *, old_schema: bool) -> bytes:
    """Best bid and ask, aggregated."""
    push = _push(channel, bucket.time)
    body = push.aggre_book_ticker
    assert bucket.best is not None, "sent where there is one"
    body.bid_price, body.bid_quantity, body.ask_price, body.ask_quantity = _best(bucket.best)
    if not old_schema:
        body.version = str(bucket.state.book.version)
        body.last_order_create_time = bucket.time // 1000
    return push.SerializeToString()


def book_ticker_batch(channel: Channel, bucket: Bucket) -> bytes:
    push = _push(channel, bucket.time)
    assert bucket.best is not None, "sent where there is one"
    bid, bid_quantity, ask, ask_quantity = _best(bucket.best)
    push.book_ticker_batch.items.add(bid_price=bid, bid_quantity=bid_quantity, ask_price=ask, ask_quantity=ask_quantity)
    return push.SerializeToString()


def kline(channel: Channel, time: int, one: Kline) -> bytes:
    """Window start and end in seconds."""
    push = _push(channel, time)
    push.kline.CopyFrom(wire.Kline(
        interval=channel.detail, window_start=one.start // MICROSECONDS, opening_price=text(one.open), closing_price=text(one.close),
        highest_price=text(one.high), lowest_price=text(one.low), volume=text(one.volume), amount=text(one.amount),
        window_end=window_end(channel.detail, one.start) // MICROSECONDS,
    ))  # fmt: skip
    return push.SerializeToString()


def unknown(time: int) -> bytes:
    """A wrapper whose body is of a kind that nobody knows."""
    return wire.PushData(channel="spot@public.weather.v3.api.pb", send_time=time // 1000).SerializeToString() + _UNKNOWN_BODY


def _push(channel: Channel, time: int) -> wire.PushData:
    return wire.PushData(channel=channel.name, symbol=channel.symbol, create_time=time // 1000, send_time=time // 1000)


def _event_type(channel: Channel) -> str:
    """The channel without its symbol and what follows it."""
    return channel.name.split(f"@{channel.symbol}")[0]


def _levels(into: RepeatedCompositeFieldContainer[wire.Level], levels: Iterable[Level]) -> None:
    for level in levels:
        into.add(price=text(level.price), quantity=text(level.quantity))


def _best(best: Best) -> tuple[str, str, str, str]:
    return text(best.bid.price), text(best.bid.quantity), text(best.ask.price), text(best.ask.quantity)
