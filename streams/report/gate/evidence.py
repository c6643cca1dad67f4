"""
Evidence from a session's own records: how long the feed was live and whole, what a replay compares, how accounts and orders went.

How long: each symbol's marks say from when on its feed was down or its book had a gap; a state holds until the symbol's next mark. The
session is up while any symbol's feed is. Replay starts at the snapshots before the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from streams.domain.money import ZERO, quotient
from streams.domain.records import Mark, Order, OrderResult, PortfolioSnapshot, Position
from streams.domain.statistics import round_trips, sharpe_with_error
from streams.operate.history import CAUSE, RESTART, Entry
from streams.operate.reconcile import Report
from streams.replay.recorded.recorded import Recorded
from streams.replay.summary import records_of
from streams.replay.verification.part import Part
from streams.replay.verification.verify import Progress, Verdict, verify
from streams.report.gate.criteria import Evidence, Sharpe


class Window(NamedTuple):
    """From `start` to `end`, µs."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return max(self.end - self.start, 0)


class Spell(NamedTuple):
    """A state of a symbol's feed from `start` until `end`."""

    start: int
    end: int
    down: bool
    gap: bool


def evidence_of(
    recorded: Recorded, window: Window, *, report: Report | None, history: Sequence[Entry],
    progress: Callable[[Progress], None] = lambda _: None,
) -> Evidence:
    """
    What the window shows. `report`: Postgres against the topics, None where it could not be compared.

    Raises: LogError, ReplayMismatch as verification.
    """
    up, complete = _feed_times(recorded, window)
    verdict = replayed(recorded, window, progress)
    accounts = _accounts(recorded, window)
    positions = [one for one in _of(recorded, "positions", Part(None, window.end)) if isinstance(one, Position)]
    closed, filled = _orders(recorded, window)
    restarts, unexplained = restarts_of(history, recorded.settings.session, window)
    return Evidence(
        window=window.length, up=up, complete=complete, compared=verdict.compared, divergences=len(verdict.divergences),
        rows_compared=None if report is None else sum(table.records for table in report.tables),
        rows_wrong=None if report is None else sum(
            table.missing + table.extra + table.different + table.undecodable for table in report.tables
        ),
        restarts=restarts, restarts_unexplained=unexplained, drawdown=max((one.drawdown for one in accounts), default=None), closed=closed,
        filled=filled, pnl=min((one.pnl for one in accounts), default=None), sharpe=_worst_sharpe(accounts),
        trades=sum(window.start <= trip.closed_at <= window.end for trip in round_trips(positions)),
    )  # fmt: skip


def replayed(recorded: Recorded, window: Window, progress: Callable[[Progress], None]) -> Verdict:
    """The replay of what every task has stepped of the window."""
    part = Part(window.start, min(window.end, recorded.end()))
    return verify(recorded.log, recorded.settings, recorded.codec, tuple(recorded.stages.values()), progress, part=part)


def restarts_of(history: Sequence[Entry], session: str, window: Window) -> tuple[int, int]:
    """How many restarts of the session the history tells of within the window, and how many of them nobody has explained since."""
    found = [
        one for one in history
        if one.kind == RESTART and window.start <= one.time <= window.end and one.findings and one.findings[0].startswith(f"{session}: ")
    ]
    explained = max((one.time for one in history if one.kind == CAUSE), default=0)
    return len(found), sum(one.time > explained for one in found)


def _of(recorded: Recorded, topic: str, part: Part) -> Iterable[object]:
    return records_of(recorded.log, recorded.layout, recorded.codec, topic, part)


def _feed_times(recorded: Recorded, window: Window) -> tuple[int, int]:
    """µs with any feed up, and µs without a gap, the mean over symbols."""
    states: dict[str, list[tuple[int, bool, bool]]] = {}
    for mark in _of(recorded, "marks", Part(None, window.end)):
        assert isinstance(mark, Mark)
        own = states.setdefault(mark.symbol, [])
        if not own or own[-1][1:] != (mark.feed_down, mark.gap):
            own.append((mark.time, mark.feed_down, mark.gap))
    end = min(window.end, recorded.end())
    spells = {symbol: _spells(own, window.start, end) for symbol, own in states.items()}
    up = _union([(one.start, one.end) for own in spells.values() for one in own if not one.down])
    whole = [sum(one.end - one.start for one in own if not one.down and not one.gap) for own in spells.values()]
    return up, sum(whole) // len(whole) if whole else 0


def _spells(states: Sequence[tuple[int, bool, bool]], start: int, end: int) -> list[Spell]:
    """The states as stretches of time, cut to the window."""
    ends = [*(time for time, _, _ in states[1:]), end]
    cut = (Spell(max(time, start), min(until, end), down, gap) for (time, down, gap), until in zip(states, ends, strict=True))
    return [one for one in cut if one.start < one.end]


def _union(stretches: list[tuple[int, int]]) -> int:
    """The length that stretches cover together."""
    total, reached = 0, 0
    for start, end in sorted(stretches):
        total += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total


class Account(NamedTuple):
    """One account's snapshots within the window; `start`: its equity at the window's beginning."""

    start: Decimal
    snapshots: list[PortfolioSnapshot]

    @property
    def pnl(self) -> Decimal:
        return self.snapshots[-1].equity - self.start

    @property
    def drawdown(self) -> Decimal:
        """The deepest fall from a peak of the window, as a fraction of the peak."""
        peak, deepest = self.start, ZERO
        for one in self.snapshots:
            peak = max(peak, one.equity)
            if peak > 0:
                deepest = max(deepest, quotient(peak - one.equity, peak))
        return deepest


def _accounts(recorded: Recorded, window: Window) -> list[Account]:
    """Of accounts with a snapshot in the window. What they start with is the last equity before, else what they were made with."""
    found: dict[str, list[PortfolioSnapshot]] = {}
    for one in _of(recorded, "portfolio_snapshots", Part(None, window.end)):
        assert isinstance(one, PortfolioSnapshot)
        found.setdefault(one.account, []).append(one)
    accounts = []
    for own in found.values():
        own.sort(key=lambda one: one.time)
        before = [one for one in own if one.time < window.start]
        if within := own[len(before) :]:
            accounts.append(Account(before[-1].equity if before else within[0].initial_equity, within))
    return accounts


def _worst_sharpe(accounts: Iterable[Account]) -> Sharpe | None:
    """The one that is lowest less its error; None where an account has none."""
    found = [sharpe_with_error(one.snapshots) for one in accounts]
    measured = [Sharpe(*one) for one in found if one is not None]
    return min(measured, key=lambda one: one.ratio - one.error) if measured and len(measured) == len(found) else None


def _orders(recorded: Recorded, window: Window) -> tuple[int, int]:
    """Approved orders whose terminal answer falls within the window, cancelled ones left out, and those of them that filled."""
    part = Part(window.start, window.end)
    cancelling = {one.event_id for one in _of(recorded, "orders", part) if isinstance(one, Order) and one.target_order_id}
    filled: dict[str, bool] = {}
    closed: set[str] = set()
    for one in _of(recorded, "order_results", part):
        assert isinstance(one, OrderResult)
        filled[one.order_id] = filled.get(one.order_id, False) or bool(one.quantity)
        if one.terminal and one.status.value != "CANCELLED" and one.order_id not in cancelling:
            closed.add(one.order_id)
    return len(closed), sum(filled[one] for one in closed)

