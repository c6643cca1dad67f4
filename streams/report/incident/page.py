"""
The page of an incident, in the look of the session's report: one file that asks nobody for anything.

What it holds is bounded whatever the part's length, see `NOTES`. Amounts are rounded to be read; the pointer on one shows it exactly.
"""

from decimal import Decimal
from typing import Any, NamedTuple

from streams.replay.questions.chain import Link
from streams.replay.questions.moments import shown
from streams.replay.questions.places import Placed, TakenCommand, TimerCause
from streams.replay.questions.whynot import WhyNot
from streams.replay.questions.wording import duration_words, number, values_of, words_of
from streams.report import figures, tables
from streams.report.incident import figures as drawn
from streams.report.incident.gather import Incident
from streams.report.incident.timeline import shortened
from streams.report.page import priced, readable, rendered
from streams.report.series import BARS_MAX, CURVE_POINTS_MAX
from streams.report.tables import ROWS_MAX, Cell, Table, amount, moment, share

SECTIONS = (
    ("overview", "Overview"), ("timeline", "What happened"), ("market", "Trades and refusals"), ("event", "Why"), ("risk", "Risk"),
    ("lag", "Lag"), ("alerts", "Alerts"), ("settings", "Settings"),
)  # fmt: skip
NOTES = (
    f"What happened: at most {ROWS_MAX} rows, critical ones and warnings before the others; signals, refusals and faults that say the same "
    f"of the same again are one row with a count. A lane of the chart holds at most {drawn.LANE_POINTS_MAX:,} points, evenly chosen.",
    f"Prices hold at most {BARS_MAX:,} bars, fills and refusals at most {figures.FILLS_MAX:,} points a symbol, evenly chosen; curves at "
    f"most {CURVE_POINTS_MAX:,} points, no peak and no fall among those left out.",
    "The rest of the session is not here: cdb report draws all of it, cdb replay state, why and whynot answer for any other moment.",
)


class ChainLine(NamedTuple):
    """One link of the chain in words. `role` as `Link` has it."""

    role: str
    lead: str
    words: str
    when: str
    after: str
    place: str
    event_id: str
    values: list[str]
    links: list["ChainLine"]


def incident_page(incident: Incident) -> str:
    """The whole page. Equal incidents, equal pages: nothing of the clock or the machine is in it."""
    material, state, session = incident.material, incident.state, incident.material.settings.session
    found = priced(material)
    return rendered(
        "incident.html.j2", title=f"{session} – incident at {shown(incident.at)}", heading=f"Incident {shown(incident.at)[:19]}",
        sections=SECTIONS, session=session, first=shown(incident.start), last=shown(incident.end), at=shown(incident.at),
        length=tables.duration(incident.end - incident.start), feed=material.settings.feed, code_version=material.code_version,
        cards=_cards(incident), moments=_moments(incident), refusals=tables.refusals_table(material), symbols=list(found),
        sources={name: one.source for name, one in found.items()}, alerts=tables.alerts_table(material),
        chain=None if incident.chain is None else _line(incident.chain.root),
        checks=None if incident.whynot is None else _checks(incident.whynot),
        proven=[] if incident.whynot is None else _proven(incident.whynot),
        accounts=_accounts(incident), limits=_limits(incident), positions=_positions(incident), pending=_pending(incident),
        reasons={f"{one.strategy} {one.symbol}": readable(one.words) for one in state.strategies}, modes=tables.modes_table(material),
        settings=tables.settings_table(material), digest=material.settings.digest(), notes=NOTES,
        charts={
            "timeline": drawn.timeline(incident), "lag": drawn.lag(incident), "performance": drawn.performance(incident), "trades": {},
            "prices": {name: drawn.price(incident, name) for name in found},
        },
    )  # fmt: skip


def _cards(incident: Incident) -> list[tuple[str, Cell]]:
    material = incident.material
    critical = sum(one.level.value == "CRITICAL" for one in material.alerts)
    refused = sum(one.total for one in material.refusals)
    worst = max((one.drawdown for snapshots in material.snapshots.values() for one in snapshots), default=None)
    return [
        ("signals, fills", Cell(f"{_count(incident, 'signals'):,}, {_count(incident, 'fills'):,}")),
        ("orders approved", amount(Decimal(material.approved), 0)),
        ("orders refused", amount(Decimal(refused), 0)._replace(tone="warn" if refused else "")),
        ("alerts", amount(Decimal(len(material.alerts)), 0)),
        ("critical alerts", amount(Decimal(critical), 0)._replace(tone="bad" if critical else "")),
        ("worst drawdown", share(worst)),
    ]


def _count(incident: Incident, lane: str) -> int:
    return sum(one.times for one in incident.moments if one.lane == lane)


def _moments(incident: Incident) -> Table:
    rows = [
        [
            Cell(shown(one.time)[11:23], shown(one.time), str(one.time)), Cell(one.lane, tone=one.tone), Cell(one.about),
            Cell(readable(one.words)),
            Cell(f"{one.times:,} to {shown(one.until)[11:19]}" if one.times > 1 else "", sort=str(one.times), is_number=True),
            Cell(one.event_id),
        ]
        for one in shortened(incident.moments, ROWS_MAX)
    ]  # fmt: skip
    return Table(("time (UTC)", "kind", "of", "what", "times", "id"), rows, len(incident.moments))


def _line(link: Link) -> ChainLine:
    match link.cause:
        case Placed():
            words, place, values = words_of(link.cause.record), link.cause.place, values_of(link.cause.record)
        case TakenCommand():
            words, place, values = words_of(link.cause.placed.record), link.cause.placed.place, []
        case TimerCause():
            words, place, values = f"timer {link.cause.name} of {link.cause.key}", "", []
    return ChainLine(
        link.role, link.role if link.role in ("saw", "met") else "", words, shown(link.time),
        "" if link.after is None else duration_words(link.after), place, link.event_id, values, [_line(one) for one in link.links],
    )  # fmt: skip


def _checks(found: WhyNot) -> Table:
    """Those that failed first."""
    rows = [
        [
            Cell(one["check"]), Cell(one["code"]), _result(one), *(_figure(one[name]) for name in ("measured", "limit")),
            Cell(one.get("note", "")),
        ]
        for one in sorted(found.checks, key=lambda one: bool(one["passed"]))
    ]  # fmt: skip
    return Table(("check", "code", "result", "measured", "limit", "note"), rows, len(rows))


def _result(check: dict[str, Any]) -> Cell:
    if check["passed"]:
        return Cell("passed", tone="good")
    return Cell("waived", tone="warn") if "waived" in check else Cell("failed", tone="bad")


def _figure(value: Any) -> Cell:
    """A decimal or its text."""
    return Cell("") if value is None else Cell(number(Decimal(value), 6), str(value), str(value), is_number=True)


def _proven(found: WhyNot) -> list[str]:
    if found.decided is None:
        return ["No setting within its range would have let it pass: what refused it is what the session held or knew, not a limit."]
    lines = [f"It would have passed with {one.setting}={one.to} (was {one.was})." for one in found.alone]
    if found.together:
        settings = ", ".join(f"{one.setting}={one.to} (was {one.was})" for one in found.together)
        lines.append(f"No single setting is enough; it would have passed with {settings}.")
    return [*lines, "Proven: the decision was taken again with it, and a step less still refuses the order."]


def _accounts(incident: Incident) -> Table:
    tones = {"REDUCE_ONLY": "warn", "HALT_ALL": "bad"}
    rows = [
        [
            Cell(one.account), Cell(one.risk_mode.value, tone=tones.get(one.risk_mode.value, "good")),
            *(amount(value) for value in (one.equity, one.cash, one.exposure)),
            *(amount(value, toned=True) for value in (one.realized_pnl, one.unrealized_pnl)),
            *(share(value) for value in (one.drawdown, one.daily_drawdown)),
        ]
        for one in incident.state.accounts
    ]  # fmt: skip
    headers = ("account", "mode", "equity", "cash", "exposure", "realized", "unrealized", "drawdown", "of the day")
    return Table(headers, rows, len(rows))


def _limits(incident: Incident) -> Table:
    """Those that are reached first."""
    rows = [
        [
            Cell(one.account), Cell(one.of), Cell(one.finding.check), Cell(one.finding.code.name), _figure(one.finding.measured),
            _figure(one.finding.limit), Cell("") if one.finding.passed else Cell("reached", tone="bad"),
        ]
        for one in sorted(incident.state.limits, key=lambda one: one.finding.passed)
    ]  # fmt: skip
    return Table(("account", "of", "check", "code", "measured", "limit", ""), rows, len(rows))


def _positions(incident: Incident) -> Table:
    rows = [
        [
            Cell(one.account), Cell(one.strategy), Cell(one.symbol), _figure(one.quantity), tables.price(one.entry_price),
            tables.price(one.mark), amount(one.unrealized_pnl, toned=True), tables.price(one.stop_price),
            tables.price(one.liquidation_price), moment(one.opened_at or 0),
        ]
        for one in incident.state.positions
    ]  # fmt: skip
    headers = ("account", "strategy", "symbol", "quantity", "entry", "mark", "unrealized", "stop", "liquidation", "opened (UTC)")
    return Table(headers, rows, len(rows))


def _pending(incident: Incident) -> Table:
    rows = [
        [
            Cell(one.account), Cell(f"{one.order.side} {one.order.symbol} {one.order.order_type}"), Cell(one.order.purpose.value),
            _figure(one.order.quantity), _figure(one.order.filled), tables.price(one.limit_price), tables.price(one.stop_price),
            Cell(one.stands), Cell(one.order_id),
        ]
        for one in incident.state.pending
    ]  # fmt: skip
    return Table(("account", "order", "purpose", "quantity", "filled", "limit", "stop", "stands", "id"), rows, len(rows))
