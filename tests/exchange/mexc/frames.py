"""Frames as MEXC's documents and users show them, made of the same messages that the protocol reads, or of bytes by hand."""

from typing import Any

from streams.exchange.mexc.wire import mexc_spot_pb2 as wire

SENT_MS = 1_736_409_765_051


def spot(channel: str, symbol: str = "BTCUSDT", *, sent: int | None = SENT_MS, **body: Any) -> bytes:
    """A push with one body."""
    return wire.PushData(channel=channel, symbol=symbol, send_time=sent, **body).SerializeToString()


def deal(price: str, quantity: str, trade_type: int = 1, time: int = SENT_MS, trade_id: str = "") -> wire.Deal:
    return wire.Deal(price=price, quantity=quantity, trade_type=trade_type, time=time, trade_id=trade_id)


def deals(*found: wire.Deal, symbol: str = "BTCUSDT") -> bytes:
    return spot(f"spot@public.aggre.deals.v3.api.pb@10ms@{symbol}", symbol, aggre_deals=wire.AggreDeals(deals=found))


def levels(*found: tuple[str, str]) -> list[wire.Level]:
    return [wire.Level(price=price, quantity=quantity) for price, quantity in found]
