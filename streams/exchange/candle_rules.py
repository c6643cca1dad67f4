"""
What candles, mark candles and funding rates must be before a session may trade on them; a broken rule names file, row, field,
rule and value.

Above all nothing may let a decision see what comes later. So rows stand in order and once, a candle opens at a multiple of its
interval and ends within it, its prices fit each other, its end is not in the future, and a series given beside the candles covers
them: a mark or rate that is missing at an edge would have to be invented. What is merely missing inside is no fault: the feed flags it.

Times in µs, intervals in seconds. Amounts are compared as binary floats, which order as the decimals do.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streams.domain.rules import TIME_MAX
from streams.errors import ConfigError, FeedError
from streams.exchange.candle_files import AMOUNTS, PRICES, CandleTable, moment
from streams.exchange.candle_path import VOLUME_MIN

SECOND = 1_000_000
DAY_SECONDS = 86_400
# Exchanges settle some milliseconds after the hour.
SETTLEMENT_TOLERANCE = 60 * SECOND
HOUR = 3600 * SECOND


def interval_of(tables: Sequence[CandleTable], declared: int | None) -> int:
    """
    The candles' interval in seconds: the declared one, else the step that is most frequent in the first file.

    Raises: ConfigError where the step is no interval, or one row alone says nothing.
    """
    if declared is not None:
        return declared
    table = tables[0]
    if len(table) < 2:
        raise ConfigError(f"INTERVAL must be given for {table.path}, which has {len(table)} rows")
    step = _mode(table)
    if step % SECOND or not SECOND <= step <= DAY_SECONDS * SECOND:
        raise ConfigError(f"INTERVAL must be 1..{DAY_SECONDS} whole seconds, was {step / SECOND:g} s in {table.path}")
    return step // SECOND


def check_candles(table: CandleTable, interval_seconds: int, *, now: int | None = None) -> None:
    """
    `now` of the wall clock, where the candles must be complete by then. Raises: FeedError naming the first cell that breaks a rule.
    """
    _check_cells(table)
    interval = interval_seconds * SECOND
    _check_order(table)
    whole = pc.multiply(pc.divide(table.times, interval), interval)
    rule = f"be the opening of a candle of {interval_seconds} s, a multiple of it since 1970"
    _refuse(table, pc.not_equal(table.times, whole), "time", rule)
    _check_prices(table)
    volume = _floats(table, "volume")
    traded = pc.greater_equal(volume, float(VOLUME_MIN))
    _refuse(table, pc.invert(pc.or_(traded, pc.equal(volume, 0.0))), "volume", f"be 0 or at least {VOLUME_MIN:f}")
    if table.close_times is not None:
        ends = pc.add(table.times, interval)
        outside = pc.or_(pc.less(table.close_times, table.times), pc.greater(table.close_times, ends))
        _refuse(table, outside, "close_time", f"be within {interval_seconds} s after the candle's opening")
    if now is not None:
        rule = f"end by now ({moment(now)}): it is not complete"
        _refuse(table, pc.greater(pc.add(table.times, interval), now), "time", rule)


def check_funding(table: CandleTable) -> int:
    """
    The hours between two settlements, the most frequent distance.

    Raises: FeedError naming the first cell that breaks a rule.
    """
    _check_cells(table)
    _check_order(table)
    rates = _floats(table, "open")
    _refuse(table, pc.greater_equal(pc.abs(rates), 1.0), "open", "be a rate, a fraction above -1 and below 1")
    if len(table) < 2:
        raise table.fault(0, "time", "be followed by another settlement, or nothing says how far apart they are", table.cell(0, "time"))
    hours = max(round(_mode(table, SETTLEMENT_TOLERANCE) / HOUR), 1)
    interval = hours * HOUR
    steps = pc.subtract(table.times.slice(1), table.times.slice(0, len(table) - 1))
    away = pc.subtract(steps, pc.multiply(pc.divide(pc.add(steps, interval // 2), interval), interval))
    off = pc.or_(pc.greater(pc.abs(away), SETTLEMENT_TOLERANCE), pc.less(steps, interval - SETTLEMENT_TOLERANCE))
    _refuse(table, off, "time", f"be a multiple of {hours} h after the row before", shift=1)
    return hours


def check_follows(before: CandleTable, after: CandleTable, interval_seconds: int) -> None:
    """Two files of one symbol, in the order they were named. Raises: FeedError where the second does not begin behind the first."""
    end = before.times[-1].as_py() + interval_seconds * SECOND
    if after.times[0].as_py() < end:
        raise after.fault(
            0, "time", f"not be before the end of {before.path} ({moment(end)}): name the files of a symbol in order, without overlap",
            after.cell(0, "time"),
        )  # fmt: skip


def check_covers(tables: Sequence[CandleTable], interval: int, *, start: int, end: int, what: str) -> None:
    """
    Whether a series says something for all of `start` to `end`; `interval` in µs: how long its rows hold, or how far they are
    apart.

    Raises: FeedError naming file, row, and the --from or --to with which it would cover.
    """
    first, last = tables[0], tables[-1]
    if first.times[0].as_py() > start:
        rule = f"not be after the candles' start ({moment(start)}), {what} must cover them: use --from '{first.cell(0, 'time')}'"
        raise first.fault(0, "time", rule, first.cell(0, "time"))
    place = len(last) - 1
    if (covered := last.times[place].as_py() + interval) < end:
        rule = f"reach to the candles' end ({moment(end)}), {what} must cover them: use --to '{moment(covered - covered % SECOND)}'"
        raise last.fault(place, "time", rule, last.cell(place, "time"))


def _check_cells(table: CandleTable) -> None:
    if not len(table):
        raise FeedError(f"{table.path} must hold at least one row, was empty")
    _refuse(table, pc.is_null(table.times), "time", "be a time")
    _refuse(table, pc.or_(pc.less(table.times, 0), pc.greater(table.times, TIME_MAX)), "time", "be from 1970 to 9999")
    for field in AMOUNTS:
        _refuse(table, pc.invert(pc.fill_null(pc.is_finite(_floats(table, field)), False)), field, "be a number")


def _check_order(table: CandleTable) -> None:
    earlier, later = table.times.slice(0, len(table) - 1), table.times.slice(1)
    _refuse(table, pc.equal(later, earlier), "time", "occur once, the row before has the same", shift=1)
    _refuse(table, pc.less(later, earlier), "time", "be after the row before: rows must be in order of time", shift=1)


def _check_prices(table: CandleTable) -> None:
    opened, high, low, closed = (_floats(table, field) for field in PRICES)
    _refuse(table, pc.less_equal(low, 0.0), "low", "be above 0")
    _refuse(table, pc.less(high, low), "high", "be at least low")
    for field, price in (("open", opened), ("close", closed)):
        _refuse(table, pc.or_(pc.less(price, low), pc.greater(price, high)), field, "be within low and high")


def _refuse(table: CandleTable, wrong: Any, field: str, rule: str, *, shift: int = 0) -> None:
    """Raises for the first row where `wrong` holds; `shift`: how many rows its first entry stands after the file's first."""
    place = int(pc.index(wrong, pa.scalar(True)).as_py())
    if place >= 0:
        raise table.fault(place + shift, field, rule, table.cell(place + shift, field))


def _floats(table: CandleTable, field: str) -> Any:
    return pc.cast(table.amounts[field], pa.float64(), safe=False)


def _mode(table: CandleTable, rounding: int = 1) -> int:
    """The most frequent step from row to row in µs, the smaller of two that are equally frequent."""
    steps = pc.subtract(table.times.slice(1), table.times.slice(0, len(table) - 1)).to_pylist()
    counts = Counter(round(step / rounding) * rounding for step in steps)
    return int(min(counts, key=lambda step: (-counts[step], step)))
