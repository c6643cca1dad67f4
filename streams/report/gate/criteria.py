"""
What is asked of days on paper, and the verdict. Pure: evidence and limits in, criteria out.

A figure that could not be measured is None, and what is not measured does not hold: no evidence is a no-go.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from streams.domain.money import quotient


class Limits(BaseModel):
    """What must hold. Ratios are fractions; amounts are the account's currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uptime_min: Decimal = Field(Decimal("0.995"), ge=0, le=1, description="0..1")
    feed_completeness_min: Decimal = Field(Decimal("0.9995"), ge=0, le=1, description="0..1")
    drawdown_max: Decimal = Field(Decimal("0.05"), ge=0, le=1, description="0..1")
    fill_rate_min: Decimal = Field(Decimal("0.9"), ge=0, le=1, description="0..1")
    pnl_min: Decimal = Field(Decimal(0), description="an amount: PnL must be above it")
    sharpe_min: Decimal = Field(Decimal(0), description="a number: the ratio less its standard error must be above it")
    trades_min: int = Field(30, ge=1, description="a whole number of at least 1")
    restarts_max: int = Field(0, ge=0, description="a whole number of at least 0")


class Sharpe(NamedTuple):
    """A year's ratio and its standard error."""

    ratio: Decimal
    error: Decimal


class Evidence(NamedTuple):
    """
    What was measured in the window. `window`, `up`, `complete`: µs, the time asked for, of it that with a live feed, and of that the
    mean over symbols without a gap. `compared` records replayed, `divergences` among them. `rows_wrong`: missing, extra or different.
    `drawdown`, `pnl`, `sharpe`: of the worst account. `closed`: orders with a terminal answer, `filled` of them at least in part.
    """

    window: int
    up: int
    complete: int
    compared: int
    divergences: int
    rows_compared: int | None
    rows_wrong: int | None
    restarts: int
    restarts_unexplained: int
    drawdown: Decimal | None
    closed: int
    filled: int
    pnl: Decimal | None
    sharpe: Sharpe | None
    trades: int


class Criterion(NamedTuple):
    """One line of the table."""

    name: str
    measured: str
    limit: str
    holds: bool


def judge(evidence: Evidence, limits: Limits) -> list[Criterion]:
    """Every criterion, in the order of the issue: the machine's first, then the money's."""
    uptime = _share(evidence.up, evidence.window)
    complete = _share(evidence.complete, evidence.up)
    filled = _share(evidence.filled, evidence.closed)
    wrong, compared = evidence.rows_wrong, evidence.rows_compared
    sharpe = evidence.sharpe
    lowest = None if sharpe is None else sharpe.ratio - sharpe.error
    enough = evidence.trades >= limits.trades_min
    return [
        _criterion("uptime", uptime, _percent, f"at least {_percent(limits.uptime_min)}", lambda x: x >= limits.uptime_min),
        _criterion(
            "feed completeness", complete, _percent, f"at least {_percent(limits.feed_completeness_min)}",
            lambda x: x >= limits.feed_completeness_min,
        ),
        Criterion(
            "replay identity", f"{evidence.divergences} divergences in {evidence.compared:,} records", "0 divergences, some records",
            evidence.divergences == 0 and evidence.compared > 0,
        ),
        Criterion(
            "parity", "not measured" if wrong is None else f"{wrong:,} wrong of {compared:,} rows", "0 wrong, some rows",
            wrong == 0 and bool(compared),
        ),
        Criterion(
            "restarts without a recorded cause", f"{evidence.restarts_unexplained} of {evidence.restarts}",
            f"at most {limits.restarts_max}", evidence.restarts_unexplained <= limits.restarts_max,
        ),
        _criterion(
            "worst drawdown", evidence.drawdown, _percent, f"at most {_percent(limits.drawdown_max)}", lambda x: x <= limits.drawdown_max
        ),
        _criterion("fill rate", filled, _percent, f"at least {_percent(limits.fill_rate_min)}", lambda x: x >= limits.fill_rate_min),
        _criterion("PnL after fees", evidence.pnl, _amount, f"above {_amount(limits.pnl_min)}", lambda x: x > limits.pnl_min),
        Criterion(
            "Sharpe less its standard error",
            "not measured" if sharpe is None else f"{_amount(sharpe.ratio)} ± {_amount(sharpe.error)}",
            f"above {_amount(limits.sharpe_min)}", lowest is not None and lowest > limits.sharpe_min,
        ),
        Criterion(
            "trades", f"{evidence.trades}" if enough else f"{evidence.trades}: not enough evidence", f"at least {limits.trades_min}", enough
        ),
    ]  # fmt: skip


def _criterion(
    name: str, value: Decimal | None, shown: Callable[[Decimal], str], limit: str, holds: Callable[[Decimal], bool]
) -> Criterion:
    return Criterion(name, "not measured", limit, False) if value is None else Criterion(name, shown(value), limit, holds(value))


def _share(part: int, whole: int) -> Decimal | None:
    return quotient(Decimal(part), Decimal(whole)) if whole > 0 else None


def _percent(value: Decimal) -> str:
    return f"{value * 100:.3f} %"


def _amount(value: Decimal) -> str:
    return f"{value:,.2f}"
