"""`cdb replay why`: the chain of causes of one record, drawn as a tree."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from streams.cli.options import Bootstrap, Registry
from streams.cli.replay_source import Archive, Source, recorded_session
from streams.cli.replay_state import number, plain
from streams.domain.ids import session_of
from streams.domain.records import (
    Alert,
    Candle,
    LedgerEntry,
    Mark,
    MarketData,
    Order,
    OrderResult,
    PortfolioSnapshot,
    Position,
    Record,
    Signal,
)
from streams.replay.questions.chain import Chain, Link, why
from streams.replay.questions.moments import shown
from streams.replay.questions.places import Placed, TakenCommand, TimerCause

ID = Annotated[str, typer.Argument(metavar="ID", help="The event_id of a record: an order's id is its event_id.")]

AsJson = Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")]


def why_command(
    context: typer.Context,
    event_id: ID,
    archive: Archive = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Say why a fill, order, signal, position or alert came to be: from the market's push to the ledger, with places, times and values.

    Examples:

        cdb replay why live/risk/signals/feed/binance/BTCUSDT/512/main/0/main/0

        cdb replay why live/execution/… --archive monday --json | jq .chain
    """
    console = Console(stderr=as_json)
    with recorded_session(Source(context, session_of(event_id), archive, bootstrap, registry), console) as recorded:
        chain = why(recorded, event_id)
    if as_json:
        typer.echo(json.dumps(as_document(chain), indent=2))
    else:
        console.print(_drawn(chain), highlight=False)


def as_document(chain: Chain) -> dict[str, Any]:
    """The chain as JSON objects; amounts as decimal texts, times and durations in µs."""
    return {"asked": chain.asked.record.event_id, "chain": _link_document(chain.root, chain.root.time)}


def _link_document(link: Link, began: int) -> dict[str, Any]:
    cause = link.cause
    found: dict[str, Any] = {
        "role": link.role, "id": link.event_id, "time": link.time, "moment": shown(link.time), "after_us": link.after,
        "since_start_us": link.time - began,
    }  # fmt: skip
    match cause:
        case Placed():
            found |= _placed_document(cause)
        case TakenCommand():
            found |= {"taken_at": cause.time, **_placed_document(cause.placed)}
        case TimerCause():
            found |= {"kind": "Timer", "timer": {"name": cause.name, "key": cause.key, "deadline": cause.deadline}}
    return found | {"links": [_link_document(one, began) for one in link.links]}


def _placed_document(placed: Placed) -> dict[str, Any]:
    record = plain(placed.record)
    for field in ("indicators", "checks", "sizing"):
        if field in record:
            record[field] = json.loads(record[field])
    return {
        "kind": type(placed.record).__name__, "topic": placed.topic, "partition": placed.partition, "offset": placed.offset,
        "record": record,
    }  # fmt: skip


def _drawn(chain: Chain) -> Tree:
    tree = Tree(_line(chain.root), guide_style="dim")
    _grow(tree, chain.root)
    return tree


def _grow(branch: Tree, link: Link) -> None:
    for one in link.links:
        _grow(branch.add(_line(one)), one)


def _line(link: Link) -> str:
    """What happened, where it stands and when, and the values that were seen."""
    cause = link.cause
    match cause:
        case Placed():
            what, place, values = words_of(cause.record), cause.place, _values(cause.record)
        case TakenCommand():
            what, place, values = words_of(cause.placed.record), cause.placed.place, []
        case TimerCause():
            what, place, values = f"timer {cause.name} of {cause.key}", "", []
    lead = {"saw": "saw: ", "met": "met: "}.get(link.role, "")
    head = f"{lead}[bold]{escape(what)}[/]" if link.role != "asked" else f"[bold reverse]{escape(what)}[/]"
    after = "" if link.after is None else f", {_duration(link.after)}"
    lines = [head, f"[dim]{shown(link.time)}{after}  {place}  {escape(link.event_id)}[/]"]
    return "\n".join([*lines, *(f"[dim]{escape(one)}[/]" for one in values)])


def _duration(microseconds: int) -> str:
    """How long after, or before, in milliseconds."""
    if microseconds < 0:
        return f"{number(Decimal(-microseconds) / 1000, 3)} ms before"
    return f"{number(Decimal(microseconds) / 1000, 3)} ms after" if microseconds else "at once"


def words_of(record: Record) -> str:
    match record:
        case MarketData():
            return f"market push {record.exchange} {record.symbol} {record.sequence}"
        case Signal():
            return f"signal {record.side} {record.symbol} of {record.strategy} for {record.account}"
        case Order():
            verdict = "approved" if record.approved else f"refused {record.rejection_code}"
            return f"order {record.purpose} {record.side} {number(record.quantity)} {record.symbol} {record.order_type} {verdict}"
        case OrderResult():
            price = "" if record.price is None else f" at {number(record.price)}"
            return f"{record.status} {record.side} {number(record.quantity)} {record.symbol}{price}"
        case Position():
            return f"position {record.account} {record.strategy} {record.symbol} {number(record.quantity)}"
        case LedgerEntry():
            return f"ledger {record.account} {record.kind} {number(record.amount)} {record.asset}"
        case PortfolioSnapshot():
            return f"portfolio {record.account} equity {number(record.equity, 2)} {record.currency}"
        case Alert():
            return f"alert {record.level} {record.code} {record.account}"
        case Mark():
            return f"mark {record.symbol} {number(record.mark)} of {record.source}"
        case Candle():
            return f"candle {record.symbol} of {record.interval_seconds} s, close {number(record.close)}"
        case _:
            return type(record).__name__.lower()


def _values(record: Record) -> list[str]:
    """What was seen: the market's prices, the strategy's measures, the checks, the fill's terms."""
    match record:
        case MarketData():
            sent = "no event time" if record.event_time is None else f"event {shown(record.event_time)}"
            delay = "" if record.event_time is None else f", {_duration(record.receive_time - record.event_time)}"
            trades = ", ".join(f"{one.aggressor} {number(one.quantity)} at {number(one.price)}" for one in record.trades[:3])
            quotes = f"bid {number(record.best_bid)} ask {number(record.best_ask)}" if record.best_bid is not None else ""
            depth = f"{len(record.bids)} bid and {len(record.asks)} ask levels" if record.bids or record.asks else ""
            seen = "; ".join(one for one in (trades and f"trades {trades}", quotes, depth) if one)
            return [f"{sent}, received {shown(record.receive_time)}{delay}", *([seen] if seen else [])]
        case Signal():
            measures = ", ".join(f"{name} {value}" for name, value in json.loads(record.indicators).items())
            return [f"{record.reason}; price {number(record.price)}, strength {number(record.strength, 4)}", measures]
        case Order():
            failed = [one for one in json.loads(record.checks) if not one["passed"]]
            said = [f"{one['code']}: measured {one['measured']}, limit {one['limit']}{' (waived)' * ('waived' in one)}" for one in failed]
            return [f"decided at mark {number(record.decision_mark)}, {len(json.loads(record.checks))} checks", *said, record.sizing]
        case OrderResult():
            slip = "" if record.slippage_bps is None else f", slippage {number(record.slippage_bps, 4)} bps"
            why_not = f" ({record.reason})" if record.reason else ""
            return [
                f"in the market {_duration(record.latency_us)} the decision, {record.liquidity} by {record.model}, "
                f"fee {number(record.fee)} {record.fee_asset}{slip}{why_not}"
            ]
        case Position():
            return [f"entry {number(record.entry_price)}, realized {number(record.realized_pnl)}, stop {number(record.stop_price)}"]
        case Alert():
            return [record.message, f"measured {number(record.measured)}, limit {number(record.limit)}"]
        case Mark():
            return [f"bid {number(record.best_bid)} ask {number(record.best_ask)}, market of {shown(record.market_time)}"]
        case _:
            return []
