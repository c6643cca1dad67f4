"""
What a session did, read from its topics: decisions and why, fills, accounts, candles; and, where nothing traded, why not.

Counts and amounts are the records' own; ratios come from `streams.domain.statistics`. Times are µs of logical time.
"""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from streams.domain.parameters import SessionSettings
from streams.domain.records import Order, OrderResult, PortfolioSnapshot, Position, Record
from streams.domain.statistics import Statistics, round_trips, statistics
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import newest_entry, read_range
from streams.log.layout import Layout
from streams.log.takeover import take_over
from streams.replay.recorded.search import first_offset
from streams.replay.verification.part import WHOLE, Part
from streams.stages.contract import StageFactory

MICROSECONDS = 1_000_000
MILLISECOND = 1000
# From less than this no year is drawn: a volatility of minutes, times the root of half a million, says nothing.
DAY_SECONDS = 86_400


class AccountSummary(NamedTuple):
    """One account at the end."""

    account: str
    snapshot: PortfolioSnapshot
    statistics: Statistics | None
    open_positions: list[Position]


class Summary(NamedTuple):
    """A session in numbers. `reasons`: for each (strategy, symbol) what it saw, in words."""

    session: str
    first_time: int
    last_time: int
    records: dict[str, int]
    approved: int
    refused: dict[str, int]
    fills: int
    round_trips: dict[str, int]
    accounts: list[AccountSummary]
    reasons: dict[str, str]

    def as_document(self) -> dict[str, Any]:
        """The summary as JSON objects; amounts as decimal texts."""
        return {
            "session": self.session, "first_time": self.first_time, "last_time": self.last_time, "records": self.records,
            "approved": self.approved, "refused": self.refused, "fills": self.fills, "round_trips": self.round_trips,
            "accounts": [
                {
                    "account": one.account, "equity": str(one.snapshot.equity), "fees": str(one.snapshot.fees),
                    "realized_pnl": str(one.snapshot.realized_pnl), "unrealized_pnl": str(one.snapshot.unrealized_pnl),
                    "conversion": str(one.snapshot.conversion or 0), "balances": balances_of(one.snapshot),
                    "risk_mode": one.snapshot.risk_mode.value, "statistics": statistics_document(one.statistics),
                    "open_positions": {p.symbol: str(p.quantity) for p in one.open_positions},
                }
                for one in self.accounts
            ],
            "reasons": self.reasons,
        }  # fmt: skip


def summary_of(log: Log, settings: SessionSettings, codec: Codec, stages: tuple[StageFactory, ...]) -> Summary:
    """The summary of a session that has settled. Raises: LogError where a topic is missing."""
    layout = Layout.of(settings)
    orders = [one for one in records_of(log, layout, codec, "orders") if isinstance(one, Order)]
    results = [one for one in records_of(log, layout, codec, "order_results") if isinstance(one, OrderResult)]
    snapshots = [one for one in records_of(log, layout, codec, "portfolio_snapshots") if isinstance(one, PortfolioSnapshot)]
    positions = [one for one in records_of(log, layout, codec, "positions") if isinstance(one, Position)]
    trips = round_trips(positions)
    feed = newest_entry(log, layout.journal("feed", 0), codec)
    counted = Counter(one.symbol for one in trips)
    return Summary(
        session=settings.session,
        first_time=min((one.time for one in snapshots), default=0),
        last_time=feed.watermark if feed is not None else 0,
        records={"market_data and instruments": feed.outputs_count if feed is not None else 0}
        | {topic: _count(log, layout, topic) for topic in ("candles", "marks", "signals", "alerts", "dead_letters")}
        | {"orders": len(orders), "order_results": len(results)},
        approved=sum(one.approved for one in orders),
        refused=dict(Counter(one.rejection_code or "" for one in orders if not one.approved).most_common()),
        fills=sum(one.quantity > 0 for one in results),
        round_trips={symbol: counted[symbol] for symbol in settings.feed.symbols},
        accounts=_accounts(settings, snapshots, positions),
        reasons=strategy_reasons(log, settings, codec, stages[0]),
    )


def _accounts(
    settings: SessionSettings, snapshots: list[PortfolioSnapshot], positions: list[Position]
) -> list[AccountSummary]:
    found = []
    for account in settings.accounts:
        own = [one for one in snapshots if one.account == account.name]
        if not own:
            continue
        held = [one for one in positions if one.account == account.name]
        newest = {(one.strategy, one.symbol): one for one in held}
        found.append(
            AccountSummary(account.name, own[-1], measured(statistics(own, held)), [one for one in newest.values() if one.quantity])
        )
    return found


def balances_of(snapshot: PortfolioSnapshot) -> dict[str, dict[str, str]]:
    """What the account has of each asset that is not its currency: amount, and mark in its currency, as decimal texts."""
    found: dict[str, dict[str, str]] = json.loads(snapshot.balances or "{}")
    return found


def measured(found: Statistics | None) -> Statistics | None:
    """Without the figures of a year where there is less than a day to draw them from."""
    if found is None or found.seconds >= DAY_SECONDS:
        return found
    return found._replace(volatility=None, sharpe=None, sortino=None, calmar=None)


def strategy_reasons(log: Log, settings: SessionSettings, codec: Codec, signals: StageFactory) -> dict[str, str]:
    """What the strategies say of themselves, from the state that the journal stands for; nothing is written."""
    layout = Layout.of(settings)
    reasons = {}
    for number in range(settings.partitions):
        stage: Any = signals(settings, number)
        taken = take_over(
            log, layout, codec, stage, number, snapshot_interval=settings.snapshot_interval_seconds * MICROSECONDS
        )
        for (strategy, symbol), words in stage.diagnosis(taken.task.state).items():
            reasons[f"{strategy} {symbol}"] = words
    return reasons


def records_of(log: Log, layout: Layout, codec: Codec, topic: str, part: Part = WHOLE) -> Iterator[Record]:
    """Every record of a topic, or of a part of its time, as it stands on the log now; partition after partition."""
    for number in range(layout.count(topic)):
        partition = layout.at(topic, number)
        start = log.start_offset(partition)
        if part.start is not None:
            # The log keeps milliseconds of a time.
            start = first_offset(log, partition, part.start // MILLISECOND * MILLISECOND)
        for message in read_range(log, partition, start, log.end_offset(partition)):
            if message.value is None:
                continue
            record = codec.decode(message.value, layout.record_of(topic))
            if part.end is not None and record.time > part.end:
                break
            if part.start is None or record.time >= part.start:
                yield record


def _count(log: Log, layout: Layout, topic: str) -> int:
    total = 0
    for number in range(layout.count(topic)):
        partition = layout.at(topic, number)
        messages = read_range(log, partition, log.start_offset(partition), log.end_offset(partition))
        total += sum(message.value is not None for message in messages)
    return total


def statistics_document(found: Statistics | None) -> dict[str, Any] | None:
    """Statistics as JSON values: decimal texts, counts, null for what cannot be measured."""
    if found is None:
        return None
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in found._asdict().items()}
