"""`cdb replay state`: what a session held and knew at one moment."""

from __future__ import annotations

import json
from itertools import islice
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from streams.cli.options import Bootstrap, Registry, Session
from streams.cli.replay_source import Archive, Source, recorded_session
from streams.domain.book import Book, top, visible
from streams.domain.records import Side
from streams.replay.questions.moments import FORMS, moment_of, shown, span_of
from streams.replay.questions.state import Limit, PendingOrder, SessionState, state_at
from streams.replay.questions.wording import number

LEVELS_SHOWN, LEVELS_IN_JSON = 3, 25


def state_command(
    context: typer.Context,
    at: Annotated[str, typer.Option("--at", metavar="MOMENT", help=f"{FORMS[0].upper()}{FORMS[1:]}.")] = "end",
    session: Session = "live",
    archive: Archive = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Show positions, orders on their way, limits, books and what the strategies remembered at any moment of a session.

    The moment holds all events up to it. An offset stands for the moment of the record there, that record included.

    Examples:

        cdb replay state --session live --at "2026-01-01 12:00:00"

        cdb replay state --session live --at orders/0@1234

        cdb replay state --archive monday --session live --at +90 --json | jq .positions
    """
    console = Console(stderr=as_json)
    with recorded_session(Source(context, session, archive, bootstrap, registry), console) as recorded:
        span = span_of(recorded)
        found = state_at(recorded, moment_of(at, recorded, span, name="AT"))
    if as_json:
        typer.echo(json.dumps(as_document(found), indent=2))
    else:
        print_state(found, console)


def as_document(state: SessionState) -> dict[str, Any]:
    """The state as JSON objects; amounts as decimal texts, times in µs."""
    return {
        "session": state.session, "time": state.time, "moment": shown(state.time), "events_run_again": state.events,
        "accounts": [plain(one) for one in state.accounts], "positions": [plain(one) for one in state.positions],
        "pending_orders": [
            {"order_id": one.order_id, "account": one.account, **plain(one.order), **_market_side(one)} for one in state.pending
        ],
        "limits": [
            {
                "account": one.account, "of": one.of, "check": one.finding.check, "code": one.finding.code.name,
                "measured": str(one.finding.measured), "limit": str(one.finding.limit), "reached": not one.finding.passed,
            }
            for one in state.limits
        ],
        "markets": [
            {"symbol": one.symbol, "last_price": plain(one.last_price), "market_id": one.market_id, "regime": one.regime, **_book(one.book)}
            for one in state.markets
        ],
        "strategies": [
            {"strategy": one.strategy, "symbol": one.symbol, "words": one.words, "memory": one.memory} for one in state.strategies
        ],
        "state_digests": state.digests,
    }  # fmt: skip


def plain(value: Any) -> Any:
    """Records and states as JSON values, decimals as texts."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _market_side(order: PendingOrder) -> dict[str, Any]:
    return {
        "stands": order.stands, "limit_price": plain(order.limit_price), "stop_price": plain(order.stop_price),
        "expires_at": order.expires_at, "queue_ahead": plain(order.queue_ahead),
    }  # fmt: skip


def _book(book: Book) -> dict[str, Any]:
    return {
        "book_present": book.present, "gap": book.gap, "feed_down": book.feed_down, "book_time": book.time, "crossed": top(book).crossed,
        "bids": plain(list(islice(visible(book, Side.SELL), LEVELS_IN_JSON))),
        "asks": plain(list(islice(visible(book, Side.BUY), LEVELS_IN_JSON))),
    }  # fmt: skip


def print_state(state: SessionState, console: Console) -> None:
    """The state as tables."""
    console.rule(f"session {state.session} at {shown(state.time)} UTC")
    console.print(_accounts(state))
    for table in (_positions(state), _pending(state), _limits(state.limits), _markets(state)):
        if table.row_count:
            console.print(table)
    for one in state.strategies:
        console.print(f"[bold]{one.strategy} {one.symbol}[/]: {one.words}", highlight=False)


def table_of(title: str, *columns: str) -> Table:
    """An empty table without lines; columns that begin with > are of numbers."""
    table = Table(title=title, title_justify="left", pad_edge=False, box=None)
    for column in columns:
        words = column.removeprefix(">")
        table.add_column(words, justify="right" if column.startswith(">") else "left", overflow="fold")
    return table


def _accounts(state: SessionState) -> Table:
    table = table_of(
        "accounts", "account", ">equity", ">cash", ">realized", ">unrealized", ">fees", ">conversion", ">exposure", ">drawdown",
        "mode",
    )
    for one in state.accounts:
        amounts = (one.equity, one.cash, one.realized_pnl, one.unrealized_pnl, one.fees, one.conversion, one.exposure)
        table.add_row(one.account, *(number(value, 2) for value in amounts), f"{one.drawdown:.4%}", one.risk_mode.value)
    return table


def _positions(state: SessionState) -> Table:
    table = table_of("positions", "account", "strategy", "symbol", ">quantity", ">entry", ">mark", ">unrealized", ">stop", ">liquidation")
    for one in state.positions:
        amounts = (one.quantity, one.entry_price, one.mark, one.unrealized_pnl, one.stop_price, one.liquidation_price)
        table.add_row(one.account, one.strategy, one.symbol, *(number(value, 6) for value in amounts))
    return table


def _pending(state: SessionState) -> Table:
    table = table_of("orders on their way", "account", "order", "purpose", ">quantity", ">filled", ">limit", ">stop", "stands", "id")
    for one in state.pending:
        order = one.order
        table.add_row(
            one.account, f"{order.side} {order.symbol} {order.order_type}", order.purpose.value, number(order.quantity),
            number(order.filled), number(one.limit_price), number(one.stop_price), one.stands, one.order_id,
        )  # fmt: skip
    return table


def _limits(limits: list[Limit]) -> Table:
    table = table_of("limits", "account", "of", "check", "code", ">measured", ">limit", "")
    for one in limits:
        finding = one.finding
        reached = "" if finding.passed else "[red]reached"
        table.add_row(one.account, one.of, finding.check, finding.code.name, number(finding.measured), number(finding.limit), reached)
    return table


def _markets(state: SessionState) -> Table:
    table = table_of("markets", "symbol", ">last", ">bids, best first", ">asks, best first", "book", "regime")
    for one in state.markets:
        book = one.book
        sides = [
            "\n".join(f"{number(price)} × {number(quantity, 4)}" for price, quantity in islice(visible(book, side), LEVELS_SHOWN))
            for side in (Side.SELL, Side.BUY)
        ]
        flags = {"present": book.present, "gap": book.gap, "feed down": book.feed_down, "crossed": top(book).crossed}
        words = ", ".join(name for name, holds in flags.items() if holds) or "none yet"
        table.add_row(one.symbol, number(one.last_price), *sides, words, one.regime or "–")
    return table
