"""Every query to Postgres, of every panel, on the rows of a session that traded: what it returns is what the records say."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import psycopg
import pytest

import schemas
from streams.domain import records as r
from streams.domain.statistics import round_trips, statistics
from streams.log.layout import Layout
from streams.operate.dashboards.risk import AT_MOST
from streams.operate.migrate import migrate
from streams.operate.rows import Table
from streams.operate.stack import Stack
from streams.replay.summary import records_of
from tests.contract.samples import sample
from tests.operate.databases import fresh_database
from tests.operate.grafana import ask_postgres, targets
from tests.report.sessions import busy_settings, ran

ACCOUNT = "bold"
TARGETS = targets("grafana-postgresql-datasource")
Row = dict[str, Any]


class Told(NamedTuple):
    """The session's records of the account, and of all accounts."""

    session: str
    every: dict[str, list[Any]]

    def of(self, topic: str) -> list[Any]:
        return [record for record in self.every[topic] if record.account == ACCOUNT]

    @property
    def newest(self) -> r.PortfolioSnapshot:
        newest: r.PortfolioSnapshot = self.of("portfolio_snapshots")[-1]
        return newest

    @property
    def trips(self) -> list[Any]:
        return round_trips(self.of("positions"))

    @property
    def fills(self) -> list[r.OrderResult]:
        return [result for result in self.of("order_results") if result.quantity]

    @property
    def rejected(self) -> list[r.Order]:
        return [order for order in self.of("orders") if not order.approved]


@pytest.fixture(scope="module")
def told_and_dsn(run_stack: Stack) -> Iterator[tuple[Told, str]]:
    """A session run in memory, its records put into the tables as reconcile's repair does."""
    done = ran(busy_settings(120))
    layout = Layout.of(done.settings)
    specs = [spec for spec in schemas.catalogue().values() if spec.table]
    every = {spec.name: list(records_of(done.log, layout, done.codec, spec.name)) for spec in specs}
    # What a quiet session has none of; a stranger's rows, which no panel may show; and one dead letter.
    for topic, kind in (("alerts", r.Alert), ("commands", r.Command)):
        every[topic] += [
            sample(kind, session=done.settings.session, event_id=f"own/{account}", account=account, time=done.settings.feed.start_time)
            for account in (ACCOUNT, "*", "main")
        ]
    every["dead_letters"].append(sample(r.DeadLetter, session=done.settings.session, event_id="own/1"))
    with fresh_database(run_stack) as dsn:
        migrate(dsn)
        with psycopg.connect(dsn) as connection:
            for spec in specs:
                table = Table(spec.table, schemas.schema(spec.record))
                for offset, record in enumerate(every[spec.name]):
                    table.insert(connection, record, 0, offset)
                stranger = sample(r.RECORDS[spec.record], session="another", event_id="another/1")
                table.insert(connection, stranger, 0, 0)
        yield Told(done.settings.session, every), dsn


def only(rows: list[Row]) -> Any:
    """The value of an answer that is one value."""
    [row] = rows
    [value] = row.values()
    return value


def by_time(field: Callable[[Any], Any]) -> Callable[[Told], Any]:
    return lambda told: [field(one) for one in told.of("portfolio_snapshots")]


def column(name: str) -> Callable[[list[Row]], Any]:
    return lambda rows: [row[name] for row in rows]


def pairs(rows: list[Row]) -> dict[Any, Any]:
    return dict(row.values() for row in rows)


def count(rows: list[Row]) -> int:
    return len(rows)


def most_used(told: Told) -> dict[str, Decimal]:
    used: dict[str, Decimal] = {}
    for order in told.of("orders"):
        for check in json.loads(order.checks) if order.purpose is r.Purpose.ENTRY else []:
            if check["code"] in AT_MOST and check["measured"] is not None and check["limit"] is not None and Decimal(check["limit"]) > 0:
                share = Decimal(check["measured"]) / Decimal(check["limit"])
                used[check["code"]] = max(share, used.get(check["code"], share))
    return used


def approximately(rows: list[Row]) -> dict[str, Decimal]:
    return {code: round(share, 12) for code, share in pairs(rows).items()}


def decisions_a_minute(told: Told) -> list[tuple[int, int]]:
    minutes = [list(own) for _, own in groupby(told.of("orders"), lambda order: order.time // 60_000_000)]
    return [(sum(order.approved for order in own), sum(not order.approved for order in own)) for own in minutes]


def trades_by_day(told: Told) -> dict[str, int]:
    days = [datetime.datetime.fromtimestamp(fill.time / 1e6, datetime.UTC).date().isoformat() for fill in told.fills]
    return dict(Counter(days))


def win_rate(told: Told) -> Decimal | None:
    found = statistics(told.of("portfolio_snapshots"), told.of("positions"))
    assert found is not None
    return found.win_rate


# By board and panel: what is looked at of the answer, and what it must be by the records.
EXPECTED: dict[str, tuple[Callable[[list[Row]], Any], Callable[[Told], Any]]] = {
    "variable session": (column("session"), lambda told: {told.session, "another"}),
    "variable account": (column("account"), lambda told: sorted({one.account for one in told.every["portfolio_snapshots"]})),
    "Equity": (only, lambda told: told.newest.equity),
    "Total PnL": (only, lambda told: told.newest.equity - told.newest.initial_equity),
    "Daily PnL": (only, lambda told: told.newest.daily_pnl),
    "Win rate": (lambda rows: round(only(rows), 12), win_rate),
    "Open positions": (only, lambda told: told.newest.open_positions),
    "Kill switch": (only, lambda told: told.newest.risk_mode.value),
    "Equity curve": (column("equity"), by_time(lambda one: one.equity)),
    "PnL": (column("realized"), by_time(lambda one: one.realized_pnl + one.funding - one.fees)),
    "Daily drawdown": (column("daily_drawdown"), by_time(lambda one: one.daily_drawdown)),
    "Drawdown from the peak": (column("drawdown"), by_time(lambda one: one.drawdown)),
    "Total exposure": (
        lambda rows: [round(row["exposure"], 12) for row in rows], by_time(lambda one: round(one.exposure / one.equity, 12)),
    ),
    "Positions": (
        lambda rows: {(row["symbol"], row["strategy"]): row["quantity"] for row in rows},
        lambda told: {
            key: quantity for key, quantity in {(one.symbol, one.strategy): one.quantity for one in told.of("positions")}.items()
            if quantity
        },
    ),
    "Trades per day": (pairs, trades_by_day),
    "PnL by strategy": (
        pairs, lambda told: {name: sum(trip.pnl for trip in told.trips if trip.strategy == name) for name in
                             sorted({trip.strategy for trip in told.trips})},
    ),
    "Fees and funding": (pairs, lambda told: {"fees": told.newest.fees, "funding": told.newest.funding}),
    "Recent trades": (
        lambda rows: sorted((row["symbol"], row["quantity"], row["price"]) for row in rows),
        lambda told: sorted((fill.symbol, fill.quantity, fill.price) for fill in sorted(told.fills, key=lambda fill: fill.fill_time)[-50:]),
    ),
    "Recent signals": (count, lambda told: min(50, len(told.of("signals")))),
    "Approved": (only, lambda told: len(told.of("orders")) - len(told.rejected)),
    "Rejected": (only, lambda told: len(told.rejected)),
    "Approved share": (
        lambda rows: round(only(rows), 12),
        lambda told: round(1 - Decimal(len(told.rejected)) / len(told.of("orders")), 12),
    ),
    "Stops hit": (only, lambda told: sum(order.approved and order.purpose is r.Purpose.STOP_LOSS for order in told.of("orders"))),
    "Dead letters": (only, lambda told: 1),
    "Rejections by code": (pairs, lambda told: dict(Counter(order.rejection_code for order in told.rejected))),
    "Limits against use": (approximately, lambda told: {code: round(share, 12) for code, share in most_used(told).items()}),
    "Decisions a minute": (lambda rows: [(row["approved"], row["rejected"]) for row in rows], decisions_a_minute),
    "Margin used": (column("margin_used"), by_time(lambda one: one.margin_used)),
    "Recent decisions": (
        column("rejection_code"), lambda told: [order.rejection_code for order in reversed(told.of("orders")[-100:])],
    ),
    "Allocations": (column("fraction"), lambda told: [one.fraction for one in reversed(told.of("allocations"))]),
    "Operators' commands": (count, lambda told: 2),
    "Risk's alerts": (count, lambda told: 2),
}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=[one.name for one in TARGETS])
def test_panel_shows_what_the_records_say(told_and_dsn: tuple[Told, str], target: Any) -> None:
    told, dsn = told_and_dsn
    look, expected = EXPECTED[target.panel]
    answer = ask_postgres(dsn, target, {"session": told.session, "account": ACCOUNT})
    assert answer, "an empty panel tells nothing"
    wanted = expected(told)
    found = look(answer)
    assert (set(found) if isinstance(wanted, set) else found) == wanted


def test_expectations_name_panels_that_there_are() -> None:
    assert EXPECTED.keys() == {one.panel for one in TARGETS}


def test_session_is_one_in_which_every_panel_has_something_to_show(told_and_dsn: tuple[Told, str]) -> None:
    told, _ = told_and_dsn
    assert len(told.trips) > 3
    assert 0 < (win_rate(told) or 0) < 1
    assert len({order.rejection_code for order in told.rejected}) > 2
    assert any(one.open_positions for one in told.of("portfolio_snapshots"))
