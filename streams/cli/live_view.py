"""The running session on a terminal: one screen, drawn anew a few times a second."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.cli.live_model import LiveModel
from streams.domain.records import Order, OrderResult


def screen(model: LiveModel, *, rate: float, notes: list[str]) -> RenderableType:
    """Everything at a glance; `rate` in market records a second of wall time."""
    return Group(
        Text(headline(model, rate=rate), style="bold"),
        _side_by_side(_prices(model), _stages(model)),
        _decisions(model),
        _fills(model),
        _side_by_side(_positions(model), _accounts(model)),
        *(Text(f"  {note}", style="yellow") for note in notes[-3:]),
    )


def headline(model: LiveModel, *, rate: float) -> str:
    """One line: for terminals that cannot redraw as well."""
    counts = model.counts
    return (
        f"{model.settings.session}  market time {_clock(model.feed_watermark)}  {rate:,.0f} records/s  "
        f"{model.feed_records:,} records  signals {counts['signals']}  approved {counts['approved']}  refused {counts['refused']}  "
        f"fills {counts['fills']}  equity {model.equity():,.2f}"
    )


def _side_by_side(left: Table, right: Table) -> Table:
    grid = Table.grid(padding=(0, 4))
    grid.add_row(left, right)
    return grid


def _table(title: str, *headers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="cyan", pad_edge=False, box=None)
    for number, header in enumerate(headers):
        table.add_column(header, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _prices(model: LiveModel) -> Table:
    table = _table("prices", "symbol", "mark", "bid", "ask", "state")
    for symbol, mark in sorted(model.marks.items()):
        flags = [word for word, on in (("gap", mark.gap), ("feed down", mark.feed_down), ("crossed", mark.book_crossed)) if on]
        table.add_row(symbol, _number(mark.mark), _number(mark.best_bid), _number(mark.best_ask), ", ".join(flags) or "ok")
    return table


def _stages(model: LiveModel) -> Table:
    table = _table("stages", "task", "lag of market time")
    for task in sorted(model.frontiers):
        lag = model.lag_seconds(task)
        table.add_row(task, "-" if lag is None else f"{lag:.2f} s")
    return table


def _decisions(model: LiveModel) -> Table:
    table = _table("decisions", "time", "symbol", "side", "purpose", "quantity", "outcome")
    for order in reversed(model.decisions):
        table.add_row(
            _clock(order.time), order.symbol, order.side.value, order.purpose.value, _number(order.quantity), _outcome(order)
        )
    return table


def _outcome(order: Order) -> Text:
    if order.approved:
        return Text("approved", style="green")
    limits = f" ({_number(order.measured)} against {_number(order.limit)})" if order.measured is not None else ""
    return Text(f"refused {order.rejection_code}{limits}", style="red")


def _fills(model: LiveModel) -> Table:
    table = _table("fills", "time", "symbol", "side", "quantity", "price", "fee", "slippage", "status")
    for result in reversed(model.fills):
        table.add_row(*_fill_cells(result))
    return table


def _fill_cells(result: OrderResult) -> tuple[str, ...]:
    slippage = "-" if result.slippage_bps is None else f"{result.slippage_bps:.2f} bps"
    status = result.status.value if result.reason is None else f"{result.status.value} {result.reason}"
    return (
        _clock(result.fill_time), result.symbol, result.side.value, _number(result.quantity), _number(result.price),
        f"{result.fee:.4f}", slippage, status,
    )  # fmt: skip


def _positions(model: LiveModel) -> Table:
    table = _table("positions", "account", "strategy", "symbol", "quantity", "entry", "unrealized")
    for position in model.positions.values():
        if position.quantity:
            table.add_row(
                position.account, position.strategy, position.symbol, _number(position.quantity),
                _number(position.entry_price), f"{position.unrealized_pnl:,.2f}",
            )  # fmt: skip
    return table


def _accounts(model: LiveModel) -> Table:
    table = _table("accounts", "account", "equity", "realized", "fees", "drawdown", "mode")
    for account, one in sorted(model.portfolios.items()):
        table.add_row(
            account, f"{one.equity:,.2f}", f"{one.realized_pnl:,.2f}", f"{one.fees:,.2f}", f"{one.drawdown:.2%}", one.risk_mode.value
        )
    return table


def _number(value: Decimal | None) -> str:
    return "-" if value is None else f"{value.normalize():f}"


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time / 1e6, UTC).strftime("%H:%M:%S.%f")[:-3] if time > 0 else "-"


