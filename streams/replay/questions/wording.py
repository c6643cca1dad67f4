"""
Records in the words of the house: what happened, and what was seen, as every answer about a session says it.
"""

import json
from decimal import Decimal

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
from streams.replay.questions.moments import shown


def number(value: Decimal | None, places: int = 8) -> str:
    """A decimal for people: grouped, at most `places` places, no trailing zeros; a dash for none."""
    if value is None:
        return "–"
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration_words(microseconds: int) -> str:
    """How long after, or before, in milliseconds."""
    if microseconds < 0:
        return f"{number(Decimal(-microseconds) / 1000, 3)} ms before"
    return f"{number(Decimal(microseconds) / 1000, 3)} ms after" if microseconds else "at once"


def words_of(record: Record) -> str:
    """What a record says happened, in one line."""
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


def values_of(record: Record) -> list[str]:
    """What was seen, a line each: the market's prices, the strategy's measures, the checks, the fill's terms."""
    match record:
        case MarketData():
            sent = "no event time" if record.event_time is None else f"event {shown(record.event_time)}"
            delay = "" if record.event_time is None else f", {duration_words(record.receive_time - record.event_time)}"
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
                f"in the market {duration_words(record.latency_us)} the decision, {record.liquidity} by {record.model}, "
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
