"""
The questions: what a day came to, what traded, what strategies wanted, what risk refused, what is held, and how two sessions differ.

Each answers with rows of the columns that stand beside its name. Money is the account's currency, notionals are quote units, drawdown and
exposure fractions of equity. What belongs to an account alone (equity, drawdown) is empty where one strategy is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from streams.domain.money import ZERO, quotient
from streams.report.analytics.source import Asked, Row, Source, rows_by

DAY = 86_400_000_000

Kind = Literal["time", "day", "amount", "count", "text", "flag"]


class Column(NamedTuple):
    """A column's name and what stands in it; `day` and `time` are µs since 1970 UTC."""

    name: str
    kind: Kind


class Answer(NamedTuple):
    columns: tuple[Column, ...]
    rows: list[Row]


def _columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in kinds.items())


TRADES = _columns(
    time="time", account="text", strategy="text", symbol="text", side="text", quantity="amount", price="amount", notional="amount",
    fee="amount", fee_asset="text", liquidity="text", decision_mark="amount", slippage_bps="amount", latency_us="count", order_id="text",
)  # fmt: skip
SIGNALS = _columns(
    time="time", account="text", strategy="text", symbol="text", side="text", strength="amount", confidence="amount", price="amount",
    reason="text",
)  # fmt: skip
REJECTIONS = _columns(
    account="text", strategy="text", rejection_code="text", count="count", first="time", last="time", last_symbol="text",
    last_measured="amount", last_limit="amount",
)  # fmt: skip
POSITIONS = _columns(
    account="text", strategy="text", symbol="text", time="time", quantity="amount", entry_price="amount", mark="amount",
    realized_pnl="amount", unrealized_pnl="amount", fees="amount", funding="amount", margin="amount", stop_price="amount",
)  # fmt: skip
DAILY = _columns(
    day="day", account="text", equity_start="amount", equity_end="amount", pnl="amount", fees="amount", funding="amount",
    drawdown_max="amount", exposure_max="amount", positions_max="count", signals="count", approved="count", rejected="count",
    trades="count", volume="amount",
)  # fmt: skip
COMPARE = _columns(account="text", measure="text", a="amount", b="amount", difference="amount")

_SNAPSHOT = (
    "time", "account", "initial_equity", "equity", "fees", "funding", "drawdown", "daily_drawdown", "day_start_equity", "exposure",
    "open_positions",
)  # fmt: skip


def trades(source: Source, asked: Asked) -> Answer:
    """Every fill."""
    rows = source.rows("order_results", _names(TRADES), asked)
    return Answer(TRADES, [row for row in rows if row["quantity"]])


def signals(source: Source, asked: Asked) -> Answer:
    """What strategies wanted."""
    return Answer(SIGNALS, source.rows("signals", _names(SIGNALS), asked))


def rejections(source: Source, asked: Asked) -> Answer:
    """Refused decisions by account, strategy and code, the most frequent first, with the last one's measure and limit."""
    fields = ("time", "account", "strategy", "approved", "rejection_code", "symbol", "measured", "limit")
    refused = [row for row in source.rows("orders", fields, asked) if not row["approved"]]
    found: list[Row] = []
    for (account, strategy, code), rows in rows_by(refused, "account", "strategy", "rejection_code").items():
        last = rows[-1]
        found.append({
            "account": account, "strategy": strategy, "rejection_code": code, "count": len(rows), "first": rows[0]["time"],
            "last": last["time"], "last_symbol": last["symbol"], "last_measured": last["measured"], "last_limit": last["limit"],
        })  # fmt: skip
    return Answer(REJECTIONS, sorted(found, key=lambda row: (-_count(row["count"]), str(row["account"]), str(row["rejection_code"]))))


def positions(source: Source, asked: Asked) -> Answer:
    """The newest state of each position, flat ones included."""
    rows = source.rows("positions", _names(POSITIONS), asked)
    newest = [group[-1] for group in rows_by(rows, "account", "strategy", "symbol").values()]
    return Answer(POSITIONS, sorted(newest, key=lambda row: (str(row["account"]), str(row["strategy"]), str(row["symbol"]))))


def daily(source: Source, asked: Asked) -> Answer:
    """A row for each day in UTC and account on which anything was recorded."""
    # From the beginning: a day begins with what the one before left.
    snapshots = source.rows("portfolio_snapshots", _SNAPSHOT, asked._replace(start=None)) if asked.strategy is None else []
    orders = source.rows("orders", ("time", "account", "approved"), asked)
    wanted = source.rows("signals", ("time", "account"), asked)
    fills = trades(source, asked).rows
    found: dict[tuple[int, str], Row] = {}
    for rows in (snapshots, orders, wanted, fills):
        for row in rows:
            found.setdefault((_day(row), str(row["account"])), {})
    before: dict[str, Row] = {}
    for key in sorted(found):
        own = [row for row in snapshots if (_day(row), row["account"]) == key]
        found[key] = {"day": key[0], "account": key[1], **_money(own, before.get(key[1]))}
        decided = [row for row in orders if (_day(row), row["account"]) == key]
        filled = [row for row in fills if (_day(row), row["account"]) == key]
        found[key] |= {
            "signals": sum((_day(row), row["account"]) == key for row in wanted), "approved": sum(bool(row["approved"]) for row in decided),
            "rejected": sum(not row["approved"] for row in decided), "trades": len(filled), "volume": _total(filled, "notional"),
        }  # fmt: skip
        if own:
            before[key[1]] = own[-1]
    start = asked.start
    return Answer(DAILY, [row for key, row in sorted(found.items()) if start is None or key[0] + DAY > start])


def _money(own: Sequence[Row], before: Row | None) -> Row:
    """What an account's snapshots of one day say; `before`: the last one of an earlier day."""
    if not own:
        return dict.fromkeys(("equity_start", "equity_end", "pnl", "fees", "funding", "drawdown_max", "exposure_max", "positions_max"))
    last = own[-1]
    start = _amount(own[0]["initial_equity"] if before is None else before["equity"])
    exposures = [quotient(_amount(row["exposure"]), _amount(row["equity"])) for row in own if _amount(row["equity"]) > 0]
    return {
        "equity_start": start, "equity_end": last["equity"], "pnl": _amount(last["equity"]) - start,
        "fees": _amount(last["fees"]) - (_amount(before["fees"]) if before else ZERO),
        "funding": _amount(last["funding"]) - (_amount(before["funding"]) if before else ZERO),
        "drawdown_max": max(_amount(row["daily_drawdown"]) for row in own), "exposure_max": max(exposures, default=ZERO),
        "positions_max": max(_count(row["open_positions"]) for row in own),
    }  # fmt: skip


def compare(a: Source, b: Source, asked: Asked) -> Answer:
    """Two sessions side by side, account by account; the difference is b minus a."""
    left, right = _measures(a, asked), _measures(b, asked)
    rows: list[Row] = []
    for account in sorted(left.keys() | right.keys()):
        ours, theirs = left.get(account, {}), right.get(account, {})
        for measure in dict.fromkeys([*ours, *theirs]):
            one, other = ours.get(measure), theirs.get(measure)
            difference = other - one if one is not None and other is not None else None
            rows.append({"account": account, "measure": measure, "a": one, "b": other, "difference": difference})
    return Answer(COMPARE, rows)


def _measures(source: Source, asked: Asked) -> dict[str, dict[str, Decimal]]:
    found: dict[str, dict[str, Decimal]] = {}
    for row in daily(source, asked).rows:
        own = found.setdefault(str(row["account"]), {})
        for name in ("signals", "approved", "rejected", "trades", "volume", "pnl", "fees", "funding"):
            if row[name] is not None:
                own[name] = own.get(name, ZERO) + Decimal(str(row[name]))
        for name in ("drawdown_max", "exposure_max"):
            if row[name] is not None:
                own[name] = max(own.get(name, ZERO), _amount(row[name]))
        if row["equity_end"] is not None:
            own["equity_end"] = _amount(row["equity_end"])
    return found


QUERIES: dict[str, Callable[[Source, Asked], Answer]] = {
    "daily": daily, "trades": trades, "signals": signals, "rejections": rejections, "positions": positions,
}  # fmt: skip


def _names(columns: Sequence[Column]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _day(row: Row) -> int:
    return _count(row["time"]) // DAY * DAY


def _total(rows: Sequence[Row], name: str) -> Decimal:
    return sum((_amount(row[name]) for row in rows), ZERO)


def _amount(value: Any) -> Decimal:
    assert isinstance(value, Decimal), value
    return value


def _count(value: Any) -> int:
    assert isinstance(value, int), value
    return value
