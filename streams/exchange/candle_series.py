"""
The files of a candle session, read and held against every rule: for each symbol its candles, mark candles and funding rates.

Several files of one symbol follow each other in time, in the order they are named. All candles of a session have one interval;
mark candles have the same or a multiple of it.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from streams.domain.parameters import CandleFile, FeedParameters
from streams.domain.records import InstrumentKind
from streams.errors import ConfigError
from streams.exchange.candle_files import CandleTable, Content, Row, moment, read_candles
from streams.exchange.candle_rules import (
    HOUR,
    SECOND,
    check_candles,
    check_covers,
    check_follows,
    check_funding,
    interval_of,
)
from streams.exchange.instruments import InstrumentSpec, venue_instruments


class SymbolSeries(NamedTuple):
    """One symbol's series; `mark_interval` in µs and `funding_hours` are 0 where there is none. `start`, `end` in µs."""

    spec: InstrumentSpec
    candles: list[CandleTable]
    marks: list[CandleTable]
    mark_interval: int
    funding: list[CandleTable]
    funding_hours: int
    start: int
    end: int


class Placed(NamedTuple):
    """A row and the file it stands in."""

    path: str
    row: Row


def load(parameters: FeedParameters, instruments_folder: Path, *, now: int | None = None) -> list[SymbolSeries]:
    """
    Every symbol's series between `from_time` and `to_time`, sorted by symbol; `now` of the wall clock, where candles must have
    ended by then.

    Raises: ConfigError, FeedError as the rules name them.
    """
    if not parameters.candles:
        raise ConfigError("FEED_FILES must name at least one file of candles, was empty")
    assert parameters.interval_seconds is not None, "the plan names the interval"
    paths = [file.path for file in (*parameters.candles, *parameters.marks, *parameters.funding)]
    if len(set(paths)) != len(paths):
        raise ConfigError(f"FEED_FILES must name each file once, was {', '.join(paths)}")
    specs = _specs(parameters, instruments_folder)
    for what, files in (("--marks", parameters.marks), ("--funding", parameters.funding)):
        for file in files:
            if file.instrument not in specs or specs[file.instrument].kind is not InstrumentKind.PERPETUAL:
                known = ", ".join(specs)
                raise ConfigError(f"{what} must be of a perpetual among the candles ({known}), was {file.instrument} for {file.path}")
    found = [_series(name, spec, parameters, now) for name, spec in specs.items()]
    return sorted(found, key=lambda series: series.spec.symbol)


def rows_of(tables: Sequence[CandleTable], *, start: int, end: int) -> Iterator[Placed]:
    """The rows with start ≤ time < end, files in their order."""
    for table in tables:
        for row in table.rows(_place(table, start), _place(table, end)):
            yield Placed(table.path, row)


def count_of(tables: Sequence[CandleTable], *, start: int, end: int) -> int:
    """How many rows `rows_of` gives."""
    return sum(_place(table, end) - _place(table, start) for table in tables)


def instrument_of(name: str, instruments_folder: Path) -> InstrumentSpec:
    """What VENUE:SYMBOL names; the symbol in our spelling or the venue's. Raises: ConfigError with what there is."""
    venue, _, symbol = name.partition(":")
    venues = sorted(path.stem for path in instruments_folder.glob("*.toml"))
    if venue not in venues or not symbol:
        raise ConfigError(f"INSTRUMENT must be VENUE:SYMBOL with a venue of {', '.join(venues)}, was {name}")
    known = {spec.symbol: spec for spec in venue_instruments(venue, instruments_folder).values()}
    if symbol not in known:
        raise ConfigError(f"INSTRUMENT of {venue} must be one of {', '.join(sorted(known))}, was {symbol}")
    return known[symbol]


def _specs(parameters: FeedParameters, folder: Path) -> dict[str, InstrumentSpec]:
    specs = {file.instrument: instrument_of(file.instrument, folder) for file in parameters.candles}
    symbols = [spec.symbol for spec in specs.values()]
    if len(set(symbols)) != len(symbols):
        raise ConfigError(f"INSTRUMENT must be of one venue for each symbol, was {', '.join(specs)}")
    return specs


def _series(name: str, spec: InstrumentSpec, parameters: FeedParameters, now: int | None) -> SymbolSeries:
    seconds = parameters.interval_seconds or 0
    candles = _read(parameters.candles, name, Content.CANDLES)
    for table in candles:
        check_candles(table, seconds, now=now)
    _check_files(candles, seconds)
    start, end = _bounds(candles, parameters, seconds)
    marks = _read(parameters.marks, name, Content.MARKS)
    mark_seconds = _check_marks(marks, seconds, now) if marks else 0
    funding = _read(parameters.funding, name, Content.FUNDING)
    hours = {check_funding(table) for table in funding}
    if len(hours) > 1:
        raise ConfigError(f"--funding of {name} must have one interval, was {', '.join(f'{one} h' for one in sorted(hours))}")
    funding_hours = max(hours, default=0)
    if marks:
        check_covers(marks, mark_seconds * SECOND, start=start, end=end, what="marks")
    if funding:
        _check_files(funding, 1)
        check_covers(funding, funding_hours * HOUR, start=start + funding_hours * HOUR, end=end, what="funding")
    return SymbolSeries(spec, candles, marks, mark_seconds * SECOND, funding, funding_hours, start, end)


def _read(files: Sequence[CandleFile], name: str, content: Content) -> list[CandleTable]:
    return [read_candles(file.path, content) for file in files if file.instrument == name]


def _check_files(tables: list[CandleTable], seconds: int) -> None:
    for before, after in pairwise(tables):
        check_follows(before, after, seconds)


def _check_marks(marks: list[CandleTable], seconds: int, now: int | None) -> int:
    mark_seconds = interval_of(marks, None)
    if mark_seconds % seconds:
        rule = f"have the candles' interval or a multiple of it ({seconds} s)"
        raise ConfigError(f"--marks must {rule}, was {mark_seconds} s in {marks[0].path}")
    for table in marks:
        check_candles(table, mark_seconds, now=now)
    _check_files(marks, mark_seconds)
    return mark_seconds


def _bounds(candles: list[CandleTable], parameters: FeedParameters, seconds: int) -> tuple[int, int]:
    """From the first candle's opening to the last one's end, of those that lie wholly between FROM and TO."""
    interval = seconds * SECOND
    first, last = candles[0].times[0].as_py(), candles[-1].times[-1].as_py()
    begin, stop = parameters.from_time, parameters.to_time
    start = max(first, -(-(begin or 0) // interval) * interval)
    end = last + interval if stop is None else min(last + interval, stop // interval * interval)
    if parameters.duration_seconds is not None:
        end = min(end, start + parameters.duration_seconds // seconds * interval)
    if not count_of(candles, start=start, end=end):
        raise ConfigError(
            f"FROM, TO and DURATION must leave at least one candle of {candles[0].path} ({moment(first)} to {moment(last + interval)}), "
            f"was {moment(start)} to {moment(max(end, 0))}"
        )
    return start, end


def _place(table: CandleTable, time: int) -> int:
    """Where the first row at or after `time` stands."""
    place = pc.index(pc.greater_equal(table.times, time), pa.scalar(True)).as_py()
    return len(table) if place < 0 else int(place)
