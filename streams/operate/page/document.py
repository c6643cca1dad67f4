"""
What the page shows, as one JSON document: the same model as the terminal's live view, with the reasons of each decision.

Amounts are decimal texts, unrounded; times are µs of logical time; newest first.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from streams.domain.records import Alert, Mark, Order, OrderResult, PortfolioSnapshot, Position, Record
from streams.operate.live_model import LiveModel

R = TypeVar("R", bound=Record)


def document_of(model: LiveModel) -> dict[str, Any]:
    """The whole page at this moment."""
    return {
        "session": model.settings.session,
        "accounts_known": [account.name for account in model.settings.accounts],
        "symbols_known": list(model.settings.feed.symbols),
        "market_time": model.feed_watermark,
        "records": model.feed_records,
        "equity": _text(model.equity()),
        "counts": dict(model.counts),
        "accounts": [_account(one) for _, one in sorted(model.portfolios.items())],
        "positions": [_position(one) for _, one in sorted(model.positions.items()) if one.quantity],
        "prices": [_price(one) for _, one in sorted(model.marks.items())],
        "stages": [{"task": task, "lag_seconds": model.lag_seconds(task)} for task in sorted(model.frontiers)],
        "decisions": [_decision(one) for one in _newest_first(model.decisions)],
        "fills": [_fill(one) for one in _newest_first(model.fills)],
        "alerts": [_alert(one) for one in _newest_first(model.alerts)],
        "curve": [[time, _text(equity)] for time, equity in model.curve],
    }


def _newest_first(records: Iterable[R]) -> list[R]:
    """Partitions are read in any order."""
    return sorted(records, key=lambda one: one.time, reverse=True)


def _account(one: PortfolioSnapshot) -> dict[str, Any]:
    return {
        "account": one.account, "currency": one.currency, "equity": _text(one.equity), "daily_pnl": _text(one.daily_pnl),
        "realized_pnl": _text(one.realized_pnl), "unrealized_pnl": _text(one.unrealized_pnl), "fees": _text(one.fees),
        "drawdown": _text(one.drawdown), "daily_drawdown": _text(one.daily_drawdown), "exposure": _text(one.exposure),
        "open_positions": one.open_positions, "mode": one.risk_mode.value,
    }  # fmt: skip


def _position(one: Position) -> dict[str, Any]:
    return {
        "account": one.account, "strategy": one.strategy, "symbol": one.symbol, "quantity": _text(one.quantity),
        "entry": _text(one.entry_price), "mark": _text(one.mark), "unrealized_pnl": _text(one.unrealized_pnl),
        "stop": _text(one.stop_price), "liquidation": _text(one.liquidation_price),
    }  # fmt: skip


def _price(one: Mark) -> dict[str, Any]:
    flags = [word for word, on in (("gap", one.gap), ("feed down", one.feed_down), ("crossed", one.book_crossed)) if on]
    return {
        "symbol": one.symbol, "mark": _text(one.mark), "bid": _text(one.best_bid), "ask": _text(one.best_ask), "flags": flags,
    }  # fmt: skip


def _decision(one: Order) -> dict[str, Any]:
    return {
        "id": one.event_id, "time": one.time, "account": one.account, "strategy": one.strategy, "symbol": one.symbol,
        "side": one.side.value, "purpose": one.purpose.value, "approved": one.approved, "code": one.rejection_code,
        "measured": _text(one.measured), "limit": _text(one.limit), "quantity": _text(one.quantity),
        "requested": _text(one.requested_quantity), "checks": msgspec.json.decode(one.checks),
    }  # fmt: skip


def _fill(one: OrderResult) -> dict[str, Any]:
    return {
        "id": one.event_id, "time": one.fill_time, "account": one.account, "symbol": one.symbol, "side": one.side.value,
        "status": one.status.value, "reason": one.reason, "quantity": _text(one.quantity), "price": _text(one.price),
        "fee": _text(one.fee), "slippage_bps": _text(one.slippage_bps),
    }  # fmt: skip


def _alert(one: Alert) -> dict[str, Any]:
    return {
        "id": one.event_id, "time": one.time, "account": one.account, "level": one.level.value, "code": one.code,
        "message": one.message,
    }  # fmt: skip


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
