"""Factories that show only what matters, and the recordings where they are."""

import os
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from streams.domain.ids import market_id
from streams.domain.records import (
    Instrument,
    InstrumentKind,
    InstrumentStatus,
    Level,
    MarketData,
    Order,
    OrderType,
    Purpose,
    Side,
    Trade,
)
from streams.exchange.recorded import RecordedFeed

SYMBOL = "BTCUSDT"
SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_700_000_040_000_000  # a full minute
MARKET_DATA = Path(os.environ.get("CDB_MARKET_DATA", Path(__file__).parents[2] / "../shared/market-data"))


def D(text: str | int) -> Decimal:
    return Decimal(text)


def levels(*pairs: str) -> list[Level]:
    """From texts like "100:2.5" (price:quantity)."""
    return [Level(*map(Decimal, pair.split(":"))) for pair in pairs]


def trade(
    price: str | Decimal, quantity: str | Decimal = "1", *, time: int = START, aggressor: Side = Side.BUY
) -> Trade:
    return Trade("", Decimal(price), Decimal(quantity), aggressor, time)


def make_market(
    time: int = START, *, symbol: str = SYMBOL, sequence: int = 0, exchange: str = "sim", **changes: Any
) -> MarketData:
    """A record without content; `bid` and `ask` as "price:quantity" make a book ticker."""
    name = market_id("test", exchange, symbol, sequence)
    for side in ("bid", "ask"):
        if side in changes:
            [level] = levels(changes.pop(side))
            changes |= {f"best_{side}": level.price, f"best_{side}_quantity": level.quantity}
    fields: dict[str, Any] = {
        "event_time": time, "receive_time": time, "update_id": None, "trades": [], "best_bid": None,
        "best_bid_quantity": None, "best_ask": None, "best_ask_quantity": None, "bids": [], "asks": [],
        "mark_price": None, "index_price": None, "snapshot": False, "gap": False, "feed_down": False, "time_suspect": False,
    }  # fmt: skip
    return MarketData(
        event_id=name, causation_id=name, correlation_id=name, session="test", time=time, exchange=exchange,
        symbol=symbol, sequence=sequence, **(fields | changes),
    )  # fmt: skip


def make_snapshot(time: int = START, *, bids: list[Level], asks: list[Level], **changes: Any) -> MarketData:
    return make_market(time, snapshot=True, bids=bids, asks=asks, **changes)


def make_order(side: Side = Side.BUY, quantity: str = "1", *, time: int = START, **changes: Any) -> Order:
    """An approved market order of the account main."""
    fields: dict[str, Any] = {
        "event_id": "test/risk/order/1", "correlation_id": "", "account": "main", "strategy": "momentum", "symbol": SYMBOL, "side": side,
        "purpose": Purpose.ENTRY, "approved": True, "rejection_code": None, "measured": None, "limit": None,
        "requested_quantity": Decimal(quantity), "requested_notional": Decimal(0), "quantity": Decimal(quantity),
        "notional": Decimal(0), "order_type": OrderType.MARKET, "limit_price": None, "stop_price": None,
        "expires_at": None, "reduce_only": False, "target_order_id": None, "decision_mark": Decimal(100),
        "checks": "[]", "sizing": "{}",
    }  # fmt: skip
    return Order(causation_id="", session="test", time=time, **(fields | changes))


def make_instrument(time: int = START, *, symbol: str = SYMBOL, valid_from: int = 0, **changes: Any) -> Instrument:
    fields: dict[str, Any] = {
        "kind": InstrumentKind.SPOT, "base_asset": "BTC", "quote_asset": "USDT", "tick_size": D("0.01"),
        "lot_size": D("0.00001"), "quantity_min": D("0.00001"), "notional_min": D(5), "contract_size": D(1),
        "maker_fee_rate": D("0.001"), "taker_fee_rate": D("0.002"), "leverage_max": D(1), "tiers": "[]",
        "status": InstrumentStatus.ONLINE, "valid_to": None,
    }  # fmt: skip
    return Instrument(
        event_id=f"test/feed/{symbol}/{valid_from}", causation_id="", correlation_id="", session="test", time=time,
        exchange="sim", symbol=symbol, valid_from=valid_from, **(fields | changes),
    )  # fmt: skip


@cache
def recording(name: str) -> tuple[MarketData, ...]:
    """The records of one recorded file with strictly rising times; skips the test where the file is absent."""
    path = MARKET_DATA / "binance-ws-raw-20240808" / name
    if not path.is_file():
        pytest.skip(f"recording {name} is not under CDB_MARKET_DATA")
    return tuple(_records(path))


def _records(path: Path) -> Iterator[MarketData]:
    last, ahead = 0, 0
    for sequence, push in enumerate(RecordedFeed((str(path),)).pushes()):
        if push.event_time is not None:
            ahead = max(ahead, push.event_time - push.receive_time)
        last = max(push.event_time or push.receive_time + ahead, last + 1)
        yield make_market(
            last, symbol=push.symbol, sequence=sequence, event_time=push.event_time, receive_time=push.receive_time,
            update_id=push.update_id, trades=push.trades, best_bid=push.best_bid,
            best_bid_quantity=push.best_bid_quantity, best_ask=push.best_ask, best_ask_quantity=push.best_ask_quantity,
            bids=push.bids, asks=push.asks, snapshot=push.snapshot, gap=push.gap,
        )  # fmt: skip
