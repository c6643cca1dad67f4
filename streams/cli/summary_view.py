"""A session's summary as tables for a person."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from streams.domain.statistics import Statistics
from streams.replay.summary import DAY_SECONDS, AccountSummary, Summary, balances_of

# Strategies tell their measures exactly; a person needs four places.
LONG_DECIMAL = re.compile(r"\d+\.\d{5,}")


def print_summary(summary: Summary, console: Console) -> None:
    """Decisions, fills, accounts and statistics; where nothing traded, why not."""
    console.rule(f"session {summary.session}")
    console.print(f"market time {_moment(summary.first_time)} to {_moment(summary.last_time)} UTC")
    console.print("records: " + ", ".join(f"{count:,} {topic}" for topic, count in summary.records.items()), highlight=False)
    console.print(_decisions(summary))
    for account in summary.accounts:
        console.print(_account(account))
    if summary.fills == 0:
        console.print("[bold]nothing traded:[/]")
    for what, words in summary.reasons.items():
        console.print(f"  {what}: {LONG_DECIMAL.sub(_rounded, words)}", highlight=False)


def _decisions(summary: Summary) -> Table:
    table = Table(title="decisions", title_justify="left", pad_edge=False, box=None)
    table.add_column("outcome")
    table.add_column("count", justify="right")
    table.add_row("approved", f"{summary.approved:,}")
    for code, count in summary.refused.items():
        table.add_row(f"refused {code}", f"{count:,}")
    table.add_row("fills", f"{summary.fills:,}")
    for symbol, count in summary.round_trips.items():
        table.add_row(f"round trips {symbol}", f"{count:,}")
    return table


def _account(account: AccountSummary) -> Table:
    snapshot = account.snapshot
    table = Table(title=f"account {account.account} ({snapshot.currency})", title_justify="left", pad_edge=False, box=None)
    table.add_column("figure")
    table.add_column("value", justify="right")
    rows = {
        "start equity": f"{snapshot.initial_equity:,.2f}", "equity": f"{snapshot.equity:,.2f}",
        "realized": f"{snapshot.realized_pnl:,.2f}", "unrealized": f"{snapshot.unrealized_pnl:,.2f}",
        "fees": f"{snapshot.fees:,.2f}", "funding": f"{snapshot.funding:,.2f}", "conversion": f"{snapshot.conversion or 0:,.2f}",
        "risk mode": snapshot.risk_mode.value,
    }  # fmt: skip
    rows |= {f"balance {asset}": f"{Decimal(one['amount']):,.2f} at {one['mark']}" for asset, one in balances_of(snapshot).items()}
    for figure, value in (rows | _statistics(account.statistics)).items():
        table.add_row(figure, value)
    for position in account.open_positions:
        table.add_row(f"open {position.symbol} ({position.strategy})", f"{position.quantity.normalize():f}")
    return table


def _statistics(found: Statistics | None) -> dict[str, str]:
    """Statistics as lines; shares as per cent, what cannot be measured left out."""
    if found is None:
        return {}
    shares = {
        "return": found.total_return, "volatility a year": found.volatility, "maximum drawdown": found.max_drawdown,
        "win rate": found.win_rate, "time with a position": found.exposure_time, "fees of the gain": found.fees_share,
    }  # fmt: skip
    ratios = {
        "Sharpe": found.sharpe, "Sortino": found.sortino, "Calmar": found.calmar, "profit factor": found.profit_factor,
        "expectancy a round trip": found.expectancy, "turnover": found.turnover,
    }  # fmt: skip
    return (
        {name: f"{value:.2%}" for name, value in shares.items() if value is not None}
        | {"drawdown lasted": f"{found.max_drawdown_seconds:,.0f} s", "round trips": f"{found.round_trips:,}"}
        | {name: f"{value:,.2f}" for name, value in ratios.items() if value is not None}
        | ({"volatility, Sharpe, Sortino, Calmar": "not measured under a day"} if found.seconds < DAY_SECONDS else {})
    )


def _rounded(found: re.Match[str]) -> str:
    return f"{round(Decimal(found.group()), 4).normalize():f}"


def _moment(time: int) -> str:
    return datetime.fromtimestamp(time / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")
