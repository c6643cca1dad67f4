"""Futures frames as MEXC's `/edge` sends them: JSON, prices and volumes as numbers, volumes in contracts. Exact decimals stay exact."""

from decimal import Decimal
from typing import Any

import msgspec

from streams.domain.records import Level, Side, Trade
from streams.exchange.mexc_simulated.book import Change
from streams.exchange.mexc_simulated.clock import MICROSECONDS
from streams.exchange.mexc_simulated.klines import Kline
from streams.exchange.mexc_simulated.listing import Listed

_encode = msgspec.json.Encoder(decimal_format="number").encode
BUY, SELL = 1, 2
NOT_OPENING, SELF_TRADE_NO = 3, 2


def push(channel: str, symbol: str, data: object, ms: int) -> str:
    """A push of a channel (`deal`, `depth`, …)."""
    return _encode({"channel": f"push.{channel}", "data": data, "symbol": symbol, "ts": ms}).decode()


def reply(channel: str, data: object, ms: int) -> str:
    """An answer: `rs.sub.deal`, `rs.error`, `pong`."""
    return _encode({"channel": channel, "data": data, "ts": ms}).decode()


def json_text(content: object) -> bytes:
    """REST's JSON, with the same numbers."""
    return _encode(content)


def deal(listed: Listed, trade: Trade) -> dict[str, Any]:
    """One deal: p, v in contracts, T side, O neither opens nor closes, M, t in ms."""
    side = BUY if trade.aggressor is Side.BUY else SELL
    return {
        "p": trade.price, "v": listed.contracts(trade.quantity), "T": side, "O": NOT_OPENING, "M": SELF_TRADE_NO, "t": trade.time // 1000,
    }  # fmt: skip


def levels(listed: Listed, side: list[Level]) -> list[tuple[Decimal, Decimal, int]]:
    """[price, contracts, orders]; a level that is gone has none of either."""
    return [(level.price, listed.contracts(level.quantity), 1 if level.quantity else 0) for level in side]


def depth(listed: Listed, change: Change) -> dict[str, Any]:
    return {"asks": levels(listed, change.asks), "bids": levels(listed, change.bids), "version": change.version}


def kline(listed: Listed, interval: str, one: Kline) -> dict[str, Any]:
    """q in contracts, a in quote units, t in s; the r-fields are those of real trades, which all of ours are."""
    return {
        "symbol": listed.symbol, "interval": interval, "t": one.start // MICROSECONDS, "o": one.open, "c": one.close, "h": one.high,
        "l": one.low, "a": one.amount, "q": listed.contracts(one.volume), "ro": one.open, "rc": one.close, "rh": one.high, "rl": one.low,
    }  # fmt: skip
