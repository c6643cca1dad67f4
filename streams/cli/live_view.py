"""The running session on a terminal: one screen, drawn anew a few times a second."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from streams.domain.records import Order
from streams.operate.live_model import LiveModel

# Below this width tables lose the columns that are told elsewhere, and stand one above the other.
WIDE = 110
HISTORY_MIN = 2
PLACES = 6


def screen(model: LiveModel, *, rate: float, notes: list[str], width: int, height: int) -> RenderableType:
    """
    Everything at a glance, within `width` columns and `height` lines; `rate` in market records a second of wall time.

    Decisions and fills share the lines that the rest leaves.
    """
    wide = width >= WIDE
    top = _side_by_side(_prices(model, max(height // 6, 3)), _stages(model))
    holdings = [table for table in (_accounts(model), _positions(model, height // 8, wide=wide)) if table.row_count]
    said = [Text(note, style="yellow", no_wrap=True, overflow="ellipsis") for note in notes[-2:]]
    # A table takes its title and its header besides its rows; the two lines of the headline come first.
    shown_prices = min(max(len(model.marks), len(model.frontiers)), max(height // 6, 3, len(model.frontiers)))
    used = 2 + (2 + shown_prices) + sum(2 + table.row_count for table in holdings) + len(said)
    history = max((height - used - 5) // 2, HISTORY_MIN)
    return Group(
        *(Text(line, style="bold", no_wrap=True, overflow="ellipsis") for line in _headlines(model, rate)), top, *holdings,
        _decisions(model, history, wide=wide), _fills(model, history, wide=wide), *said,
    )  # fmt: skip


def headline(model: LiveModel, *, rate: float) -> str:
    """One line: for terminals that cannot redraw as well."""
    return "  ".join(_headlines(model, rate))


def _headlines(model: LiveModel, rate: float) -> tuple[str, str]:
    counts = model.counts
    letters = f"  dead letters {counts['dead_letters']}" if counts["dead_letters"] else ""
    return (
        f"{model.settings.session}  market time {_clock(model.feed_watermark)}  {model.feed_records:,} records  {rate:,.0f}/s",
        f"equity {model.equity():,.2f}  signals {counts['signals']}  approved {counts['approved']}  refused {counts['refused']}  "
        f"fills {counts['fills']}  alerts {counts['alerts']}{letters}",
    )


def _side_by_side(left: Table, right: Table) -> Table:
    grid = Table.grid(padding=(0, 4, 0, 0))
    grid.add_row(left, right)
    return grid


def _table(title: str, *headers: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="cyan", pad_edge=False, box=None)
    for number, header in enumerate(headers):
        table.add_column(header, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _prices(model: LiveModel, rows_max: int) -> Table:
    table = _table("prices", "symbol", "mark", "bid", "ask", "state")
    for symbol, mark in sorted(model.marks.items())[:rows_max]:
        flags = [word for word, on in (("gap", mark.gap), ("feed down", mark.feed_down), ("crossed", mark.book_crossed)) if on]
        table.add_row(symbol, _number(mark.mark), _number(mark.best_bid), _number(mark.best_ask), ", ".join(flags) or "ok")
    return table


def _stages(model: LiveModel) -> Table:
    table = _table("stages", "task", "behind")
    for task in sorted(model.frontiers):
        lag = model.lag_seconds(task)
        table.add_row(task, "-" if lag is None else f"{lag:.2f} s")
    return table


def _decisions(model: LiveModel, rows_max: int, *, wide: bool) -> Table:
    table = _table("decisions", "time", "symbol", "side", *(("purpose",) if wide else ()), "quantity", "outcome")
    table.columns[-1].justify, table.columns[-1].overflow = "left", "ellipsis"
    for order in list(reversed(model.decisions))[:rows_max]:
        purpose = (order.purpose.value,) if wide else ()
        table.add_row(
            _clock(order.time), order.symbol, order.side.value, *purpose, _number(order.quantity), _outcome(order, wide=wide)
        )
    return table


def _outcome(order: Order, *, wide: bool) -> Text:
    if order.approved:
        return Text("approved", style="green")
    limits = f" ({_number(order.measured)} against {_number(order.limit)})" if wide and order.measured is not None else ""
    return Text(f"refused {order.rejection_code}{limits}", style="red")


def _fills(model: LiveModel, rows_max: int, *, wide: bool) -> Table:
    table = _table("fills", "time", "symbol", "side", "quantity", "price", *(("fee", "slippage") if wide else ()), "status")
    table.columns[-1].justify, table.columns[-1].overflow = "left", "ellipsis"
    for result in list(reversed(model.fills))[:rows_max]:
        slippage = "-" if result.slippage_bps is None else f"{result.slippage_bps:.2f} bps"
        costs = (f"{result.fee:.4f}", slippage) if wide else ()
        status = result.status.value if result.reason is None else f"{result.status.value} {result.reason}"
        table.add_row(
            _clock(result.fill_time), result.symbol, result.side.value, _number(result.quantity), _number(result.price), *costs, status
        )
    return table


def _positions(model: LiveModel, rows_max: int, *, wide: bool) -> Table:
    who = ("account", "strategy", "symbol") if wide else ("symbol",)
    table = _table("positions", *who, "quantity", "entry", "unrealized")
    held = [position for position in model.positions.values() if position.quantity]
    for position in held[:rows_max]:
        owner = (position.account, position.strategy, position.symbol) if wide else (position.symbol,)
        table.add_row(*owner, _number(position.quantity), _number(position.entry_price), f"{position.unrealized_pnl:,.2f}")
    return table


def _accounts(model: LiveModel) -> Table:
    table = _table("accounts", "account", "equity", "realized", "fees", "drawdown", "mode")
    for account, one in sorted(model.portfolios.items()):
        table.add_row(
            account, f"{one.equity:,.2f}", f"{one.realized_pnl:,.2f}", f"{one.fees:,.2f}", f"{one.drawdown:.2%}", one.risk_mode.value
        )
    return table


def _number(value: Decimal | None) -> str:
    """Rounded for people: entries and measures are quotients of twelve places."""
    return "-" if value is None else f"{round(value, PLACES).normalize():f}"


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time / 1e6, UTC).strftime("%H:%M:%S.%f")[:-3] if time > 0 else "-"
