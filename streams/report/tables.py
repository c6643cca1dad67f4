"""
The report's tables as rows of cells. A cell shows a rounded figure, and keeps the exact one for the pointer and for sorting.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from streams.domain.risk.codes import RejectionCode
from streams.domain.statistics import Statistics, statistics
from streams.replay.summary import DAY_SECONDS, balances_of, measured
from streams.report.gather import Material
from streams.report.trades import Trade

ROWS_MAX = 500
NOT_MEASURED = "too little to measure"


class Cell(NamedTuple):
    """`exact` is shown under the pointer, `sort` is what the column sorts by; `tone` is good, bad or nothing."""

    text: str
    exact: str = ""
    sort: str = ""
    tone: str = ""
    is_number: bool = False


class Table(NamedTuple):
    """`rows` may be fewer than `total`; `places`: for each row the trade it stands for."""

    headers: Sequence[str]
    rows: list[list[Cell]]
    total: int
    places: tuple[int, ...] = ()


def amount(value: Decimal | None, places: int = 2, *, toned: bool = False, unit: str = "") -> Cell:
    """An amount in its currency."""
    if value is None:
        return Cell("–", NOT_MEASURED, "", is_number=True)
    exact = f"{value:f}"
    tone = "" if not toned or not value else "good" if value > 0 else "bad"
    return Cell(f"{value:,.{places}f}{unit}", exact, exact, tone, is_number=True)


def share(value: Decimal | None, *, toned: bool = False) -> Cell:
    """A fraction as per cent."""
    if value is None:
        return Cell("–", NOT_MEASURED, "", is_number=True)
    return amount(value * 100, 3 if abs(value) < Decimal("0.01") else 2, toned=toned, unit=" %")._replace(exact=f"{value:f}")


def price(value: Decimal | None) -> Cell:
    """A price with as many places as its size asks for."""
    if value is None:
        return Cell("–", "", "", is_number=True)
    places = 2 if abs(value) >= 100 else 4 if abs(value) >= 1 else 8
    return amount(value, places)


def moment(time: int) -> Cell:
    """A time in UTC, to the millisecond under the pointer."""
    if time <= 0:
        return Cell("–")
    found = datetime.fromtimestamp(time / 1e6, UTC)
    return Cell(found.strftime("%Y-%m-%d %H:%M:%S"), found.isoformat(timespec="milliseconds"), str(time))


def duration(microseconds: int | Decimal) -> Cell:
    """A length of time in its two largest units."""
    seconds = int(microseconds) // 1_000_000
    days, hours, minutes, rest = seconds // 86_400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60
    named = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")) if count]
    return Cell(" ".join(named[:2]) or "0 s", f"{Decimal(microseconds) / 1_000_000} s", str(microseconds), is_number=True)


def statistics_by_account(material: Material) -> dict[str, Statistics]:
    """Of every account that has a snapshot."""
    found = {}
    for name, snapshots in material.snapshots.items():
        held = [position for position in material.positions if position.account == name]
        one = measured(statistics(snapshots, held))
        if one is not None:
            found[name] = one
    return found


def statistics_table(material: Material, found: dict[str, Statistics]) -> Table:
    """One row for each figure, one column for each account."""
    last = {name: snapshots[-1] for name, snapshots in material.snapshots.items() if snapshots}
    rows: dict[str, list[Cell]] = {
        "start equity": [amount(last[name].initial_equity) for name in found],
        "equity at the end": [amount(one.equity) for one in found.values()],
        "return": [share(one.total_return, toned=True) for one in found.values()],
        "realized": [amount(last[name].realized_pnl, toned=True) for name in found],
        "unrealized": [amount(last[name].unrealized_pnl, toned=True) for name in found],
        "conversion": [amount(one.conversion, toned=True) for one in found.values()],
        "volatility a year": [share(one.volatility) for one in found.values()],
        "Sharpe": [amount(one.sharpe) for one in found.values()],
        "Sortino": [amount(one.sortino) for one in found.values()],
        "Calmar": [amount(one.calmar) for one in found.values()],
        "maximum drawdown": [share(one.max_drawdown) for one in found.values()],
        "maximum drawdown lasted": [duration(one.max_drawdown_seconds * 1_000_000) for one in found.values()],
        "round trips": [amount(Decimal(one.round_trips), 0) for one in found.values()],
        "win rate": [share(one.win_rate) for one in found.values()],
        "profit factor": [amount(one.profit_factor) for one in found.values()],
        "expectancy a round trip": [amount(one.expectancy, toned=True) for one in found.values()],
        "time with a position": [share(one.exposure_time) for one in found.values()],
        "turnover (times the start equity)": [amount(one.turnover) for one in found.values()],
        "fees": [amount(one.fees) for one in found.values()],
        "fees, share of the gain before costs": [share(one.fees_share) for one in found.values()],
        "funding": [amount(one.funding, toned=True) for one in found.values()],
        "funding, share of the gain before costs": [share(one.funding_share) for one in found.values()],
        "risk mode at the end": [Cell(last[name].risk_mode.value, is_number=True) for name in found],
    }
    owned = {name: balances_of(last[name]) for name in found}
    for asset in sorted({asset for balances in owned.values() for asset in balances}):
        rows[f"balance {asset} at the end"] = [_balance(balances.get(asset)) for balances in owned.values()]
    return Table(("figure", *found), [[Cell(label), *cells] for label, cells in rows.items()], len(rows))


def _balance(owned: dict[str, str] | None) -> Cell:
    if owned is None:
        return Cell("–", is_number=True)
    return amount(Decimal(owned["amount"]), unit=f" at {owned['mark']}")


def is_short(found: dict[str, Statistics]) -> bool:
    """Whether less than a day was seen, from which no year is drawn."""
    return any(one.seconds < DAY_SECONDS for one in found.values())


def trades_table(trades: Sequence[Trade]) -> Table:
    """The newest last; of too many those with the largest gain or loss."""
    places = sorted(sorted(range(len(trades)), key=lambda place: -abs(trades[place].pnl))[:ROWS_MAX])
    rows = []
    for place in places:
        one = trades[place]
        account, strategy, symbol = one.key
        length = duration(one.closed_at - one.opened_at) if one.closed_at is not None else Cell("open", is_number=True)
        rows.append([
            Cell(str(place + 1), sort=str(place), is_number=True), moment(one.opened_at), length, Cell(account), Cell(strategy),
            Cell(symbol), Cell("long" if one.side.value == "BUY" else "short"), Cell(f"{one.quantity.normalize():f}", is_number=True),
            price(one.entry), price(one.exit), amount(one.fees), amount(one.funding), amount(one.pnl, toned=True),
            share(one.result, toned=True), Cell(one.purpose.replace("_", " ").lower() or "open"),
        ])  # fmt: skip
    headers = (
        "#", "opened (UTC)", "held", "account", "strategy", "symbol", "side", "quantity", "entry", "exit", "fees", "funding",
        "result", "of opened", "ended by",
    )  # fmt: skip
    return Table(headers, rows, len(trades), tuple(places))


def strategies_table(trades: Sequence[Trade]) -> Table:
    """What each strategy made of each symbol, round trips only."""
    groups: dict[tuple[str, str, str], list[Trade]] = {}
    for one in trades:
        if one.closed_at is not None:
            groups.setdefault(one.key, []).append(one)
    rows = []
    for (account, strategy, symbol), own in sorted(groups.items()):
        gains = [one.pnl for one in own]
        wins = Decimal(sum(gain > 0 for gain in gains)) / len(own)
        rows.append([
            Cell(account), Cell(strategy), Cell(symbol), amount(Decimal(len(own)), 0), share(wins),
            amount(sum(gains, Decimal(0)), toned=True), amount(sum((one.fees for one in own), Decimal(0))),
            amount(max(gains), toned=True), amount(min(gains), toned=True),
        ])  # fmt: skip
    headers = ("account", "strategy", "symbol", "round trips", "win rate", "result", "fees", "best", "worst")
    return Table(headers, rows, len(rows))


def refusals_table(material: Material) -> Table:
    """Each rejection code with its meaning, and the last decision that met it."""
    rows = []
    for one in material.refusals:
        meaning = RejectionCode[one.code].doc if one.code in RejectionCode.__members__ else ""
        rows.append([
            Cell(one.code), amount(Decimal(one.total), 0), Cell(", ".join(f"{name} {count:,}" for name, count in one.strategies.items())),
            Cell(one.last.symbol), _figure(one.last.measured), _figure(one.last.limit), Cell(meaning),
        ])  # fmt: skip
    return Table(("code", "decisions", "strategies", "last symbol", "measured", "limit", "meaning"), rows, len(rows))


def ledger_table(material: Material) -> Table:
    """Sums of the ledger by kind."""
    rows = [
        [Cell(account), Cell(kind.replace("_", " ").lower()), amount(Decimal(count), 0), amount(total, toned=True), Cell(asset)]
        for (account, kind, asset), (count, total) in material.ledger.items()
    ]
    return Table(("account", "entry", "count", "sum (received is positive)", "asset"), rows, len(rows))


def alerts_table(material: Material) -> Table:
    """The last alerts, each with its words."""
    tones = {"CRITICAL": "bad", "WARNING": "warn"}
    rows = [
        [
            moment(one.time), Cell(one.level.value, tone=tones.get(one.level.value, "")), Cell(one.account), Cell(one.symbol or ""),
            Cell(one.code), Cell(one.message), _figure(one.measured), _figure(one.limit), Cell(one.action_required),
        ]
        for one in material.alerts[-ROWS_MAX:]
    ]  # fmt: skip
    headers = ("time (UTC)", "level", "account", "symbol", "code", "message", "measured", "limit", "to do")
    return Table(headers, rows, len(material.alerts))


def modes_table(material: Material) -> Table:
    """When each account's mode changed, as its snapshots saw it."""
    rows = []
    for name, snapshots in material.snapshots.items():
        before = None
        for one in snapshots:
            if one.risk_mode is not before:
                rows.append([
                    moment(one.time), Cell(name), Cell(one.risk_mode.value), amount(one.equity), share(one.drawdown),
                    share(one.daily_drawdown),
                ])  # fmt: skip
            before = one.risk_mode
    headers = ("from (UTC)", "account", "mode", "equity", "drawdown", "of the day")
    return Table(headers, rows[-ROWS_MAX:], len(rows))


def commands_table(material: Material) -> Table:
    """What operators asked for; what came of it stands among the alerts."""
    rows = [
        [moment(one.time), Cell(one.kind.value), Cell(one.account), Cell(one.symbol or ""), Cell(one.operator), Cell(one.justification)]
        for one in material.commands[-ROWS_MAX:]
    ]
    return Table(("asked (UTC)", "command", "account", "symbol", "operator", "justification"), rows, len(material.commands))


def allocations_table(material: Material) -> Table:
    """What share of equity each strategy was given, and why."""
    rows = [
        [
            moment(one.time), Cell(one.account), Cell(one.strategy), Cell(one.regime.value), share(one.fraction), amount(one.score, 4),
            Cell(one.reason),
        ]
        for one in material.allocations[-ROWS_MAX:]
    ]  # fmt: skip
    return Table(("time (UTC)", "account", "strategy", "regime", "fraction", "score", "reason"), rows, len(material.allocations))


def alert_counts(material: Material) -> Table:
    """How often each alert was raised."""
    counts = Counter((one.code, one.level.value) for one in material.alerts)
    rows = [[Cell(code), Cell(level), amount(Decimal(count), 0)] for (code, level), count in counts.most_common()]
    return Table(("code", "level", "count"), rows, len(rows))


def settings_table(material: Material) -> Table:
    """Every setting by its dotted name."""
    rows = [[Cell(name), Cell(value)] for name, value in _leaves("", material.settings.model_dump(mode="json"))]
    return Table(("setting", "value"), rows, len(rows))


def _leaves(name: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, one in value.items():
            yield from _leaves(f"{name}.{key}".lstrip("."), one)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for place, one in enumerate(value):
            yield from _leaves(f"{name}.{one.get('name', place)}", one)
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value)) or "–"
    else:
        yield name, "–" if value is None else str(value)


def _figure(value: Decimal | None) -> Cell:
    return Cell("") if value is None else Cell(f"{round(value, 6).normalize():f}", f"{value:f}", f"{value:f}", is_number=True)
