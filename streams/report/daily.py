"""
A day of a session in a few lines for people, and as an alert that Alertmanager hands on to its channels.

The figures are those of `cdb analytics daily`; money is each account's currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx

from streams.errors import StreamsError
from streams.operate import web
from streams.report.analytics.queries import daily
from streams.report.analytics.source import Asked, Row, Source, Value

DAY = 86_400_000_000
ANSWER_SECONDS_MAX = 10.0
# Alertmanager must tell it once, and then let it be over.
LASTS = timedelta(minutes=5)


class NotTold(StreamsError):
    """Alertmanager cannot be reached, or does not take the report."""

    retriable = True


def day_text(source: Source, day: int) -> str:
    """The day that begins at `day` (µs), a line for each account; says so where nothing was recorded."""
    date = datetime.fromtimestamp(day / 1e6, UTC).strftime("%Y-%m-%d")
    rows = daily(source, Asked(start=day, end=day + DAY)).rows
    return "\n".join([f"{source.session} on {date}:", *(_lines(rows) or ["nothing was recorded"])])


def _lines(rows: Sequence[Row]) -> list[str]:
    return [
        f"{row['account']}: PnL {_amount(row['pnl'])}, equity {_amount(row['equity_end'])}, drawdown {_percent(row['drawdown_max'])}, "
        f"exposure up to {_percent(row['exposure_max'])}, {row['trades']} fills of {row['signals']} signals, {row['rejected']} refused, "
        f"fees {_amount(row['fees'])}"
        for row in rows
    ]


def tell(alertmanager: str, session: str, text: str, *, now: datetime) -> None:
    """Hands the text to Alertmanager. Raises: NotTold."""
    alert = {
        "labels": {"alertname": "DailyReport", "severity": "info", "session": session},
        "annotations": {"summary": text}, "startsAt": now.isoformat(), "endsAt": (now + LASTS).isoformat(),
    }  # fmt: skip
    url = f"{alertmanager.rstrip('/')}/api/v2/alerts"
    try:
        answer = web.client().post(url, json=[alert], timeout=ANSWER_SECONDS_MAX)
    except httpx.HTTPError as error:
        raise NotTold(f"Alertmanager {url} cannot be reached: {type(error).__name__} {error}") from error
    if not answer.is_success:
        raise NotTold(f"Alertmanager {url} must take the report, answers {answer.status_code} {answer.text[:200]}")


def _amount(value: Value) -> str:
    return f"{value:,.2f}" if isinstance(value, Decimal) else "–"


def _percent(value: Value) -> str:
    return f"{value * 100:.2f} %" if isinstance(value, Decimal) else "–"
