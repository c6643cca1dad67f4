"""
Files of candles into rows: feather, parquet, csv and MEXC's text format, the last two also as .gz.

A file has the columns time, open, high, low, close and volume, and maybe close_time; other columns are ignored. Mark candles need
no volume; funding rates need a time and a rate, which may stand in open. Times are UTC: a
timestamp, ISO 8601 text, `YYYYMMDD HHMMSS`, or a whole number of seconds, ms, µs or ns since 1970, told apart by their size. A
csv file without a header has its columns in that order. Separators are comma, semicolon or tab.

Amounts become the decimal of their shortest text, also where the file holds binary floats (95505.4 is 95505.4), rounded half to
even at 12 places. Nothing is judged here but that a cell is a number or a time: see `streams.exchange.candle_rules`.
"""

import gzip
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, feather, parquet

from streams.domain.money import SCALE, amount
from streams.errors import ConfigError, FeedError
from streams.exchange.candle_names import SUFFIXES

PRICES = ("open", "high", "low", "close")
AMOUNTS = (*PRICES, "volume")
COLUMNS = ("time", *AMOUNTS)
_TIME_NAMES = (
    "time", "date", "datetime", "timestamp", "open_time", "open time", "opentime", "settlement_time", "funding_time", "fundingtime",
)  # fmt: skip
_RATE_NAMES = ("rate", "funding_rate", "fundingrate", "open")
_CLOSE_NAMES = ("close_time", "close time", "closetime")
_DIGITS_OF_MEXC = "%Y%m%d %H%M%S"
# A number below the bound is in units of this many µs; ns are divided.
_UNITS = ((10**11, 1_000_000), (10**14, 1000), (10**17, 1))
_SLICE_ROWS = 4096


class Row(NamedTuple):
    """One candle, or the funding rate in its column open; `number` as messages count it, `time` its first µs."""

    number: int
    time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class CandleTable(NamedTuple):
    """A file's rows in its own order. `first_number`: what messages call row 0; `times` and `close_times` in µs."""

    path: str
    first_number: int
    times: Any
    close_times: Any
    amounts: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.times)

    def number(self, place: int) -> int:
        """What messages call the row at `place` (from 0)."""
        return self.first_number + place

    def fault(self, place: int, field: str, rule: str, value: object) -> FeedError:
        """The error that says which rule a cell breaks."""
        return FeedError(f"{self.path} row {self.number(place)} {field} must {rule}, was {value}")

    def rows(self, start: int = 0, stop: int | None = None) -> Iterator[Row]:
        """Rows from `start` to before `stop`, read in slices."""
        end = len(self) if stop is None else stop
        for begin in range(start, end, _SLICE_ROWS):
            length = min(_SLICE_ROWS, end - begin)
            texts = [pc.cast(self.amounts[name].slice(begin, length), pa.string()).to_pylist() for name in AMOUNTS]
            times = self.times.slice(begin, length).to_pylist()
            for place, (time, *cells) in enumerate(zip(times, *texts, strict=True)):
                yield Row(self.number(begin + place), time, *map(_decimal, cells))

    def cell(self, place: int, field: str) -> str:
        """A cell as people read it: a time as ISO text."""
        if field in ("time", "close_time"):
            time = (self.times if field == "time" else self.close_times)[place].as_py()
            return "missing" if time is None else moment(time)
        value = self.amounts[field][place].as_py()
        return "missing" if value is None else str(value)


class Content(Enum):
    """What a file holds, and which of its columns may be missing; those count as 0."""

    CANDLES = ()
    MARKS = ("volume",)
    FUNDING = ("high", "low", "close", "volume")  # the rate stands in open, rate or funding_rate


def read_candles(path: str, content: Content = Content.CANDLES) -> CandleTable:
    """
    A file's rows.

    Raises: ConfigError for a file that does not exist or has no known ending; FeedError where it cannot be read as its ending
    says, lacks a column, or holds a cell that is no number or time.
    """
    if not Path(path).is_file():
        raise ConfigError(f"candle files must exist, was {path}")
    try:
        table, first = _table(path)
    except (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise FeedError(f"{path} must be a whole {_suffix(path)[1:]} file: {error}") from error
    columns = {name.strip().lower(): table.column(place) for place, name in enumerate(table.column_names)}
    found = {"time": _named(columns, _TIME_NAMES), **{name: columns.get(name) for name in AMOUNTS}}
    if content is Content.FUNDING:
        found["open"] = _named(columns, _RATE_NAMES)
    for name in content.value:
        found[name] = pa.chunked_array([pa.array([0] * len(table), pa.int64())]) if found[name] is None else found[name]
    missing = [name for name, column in found.items() if column is None]
    if missing:
        raise FeedError(f"{path} must have the columns {', '.join(COLUMNS)}, lacks {', '.join(missing)}, has {', '.join(columns)}")
    close_times = _named(columns, _CLOSE_NAMES)
    return CandleTable(
        path, first, _times(path, first, "time", found["time"]),
        None if close_times is None else _times(path, first, "close_time", close_times),
        {name: _numbers(path, first, name, found[name]) for name in AMOUNTS},
    )


def moment(time: int) -> str:
    """A time in µs as ISO text in UTC."""
    return datetime.fromtimestamp(time / 1_000_000, UTC).isoformat(sep=" ").removesuffix("+00:00")


def _suffix(path: str) -> str:
    suffix = next((one for one in sorted(SUFFIXES, key=len, reverse=True) if path.endswith(one)), None)
    if suffix is None:
        raise ConfigError(f"candle files must end in {', '.join(SUFFIXES)}, was {path}")
    return suffix


def _table(path: str) -> tuple[Any, int]:
    """The table, and what messages call its first row: the line of a text file, else 1."""
    match _suffix(path):
        case ".feather":
            return feather.read_table(path), 1
        case ".parquet":
            return parquet.read_table(path), 1
    with _opened(path) as source:
        line = source.readline().decode().strip()
    separator = next((one for one in ";\t," if one in line), ",")
    cells = [cell.strip().strip('"') for cell in line.split(separator)]
    # A header's second field is a name, never a number.
    has_header = len(cells) > 1 and not _is_number(cells[1])
    names = cells if has_header else [*COLUMNS, "close_time", *(f"column {n}" for n in range(8, len(cells) + 1))][: len(cells)]
    with _opened(path) as source:
        table = csv.read_csv(
            source, read_options=csv.ReadOptions(column_names=names, skip_rows=int(has_header)),
            parse_options=csv.ParseOptions(delimiter=separator),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )  # fmt: skip
    return table, 1 + has_header


def _opened(path: str) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if path.endswith(".gz") else open(path, "rb")


def _named(columns: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((columns[name] for name in names if name in columns), None)


def _times(path: str, first: int, field: str, column: Any) -> Any:
    """µs since 1970 as a column of whole numbers."""
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # ns to µs cuts; candles have no time that fine.
        return pc.cast(pc.cast(column, pa.timestamp("us", tz=getattr(kind, "tz", None)), safe=False), pa.int64())
    if pa.types.is_integer(kind):
        return pa.chunked_array([pa.array([None if v is None else _in_us(v) for v in column.to_pylist()], pa.int64())])
    if not pa.types.is_string(kind) and not pa.types.is_large_string(kind):
        raise FeedError(f"{path} {field} must be timestamps, whole numbers or texts, was {kind}")
    times = []
    for place, text in enumerate(column.to_pylist()):
        time = _time_of(text or "")
        if time is None:
            raise FeedError(f"{path} row {first + place} {field} must be a UTC time, was {text!r}")
        times.append(time)
    return pa.chunked_array([pa.array(times, pa.int64())])


def _time_of(text: str) -> int | None:
    if text.isdecimal():
        return _in_us(int(text))
    try:
        if len(text) == 15 and text[8] == " ":
            found = datetime.strptime(text, _DIGITS_OF_MEXC).replace(tzinfo=UTC)
        else:
            found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return (found - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


_MICROSECOND = datetime.resolution


def _in_us(number: int) -> int:
    return next((number * factor for bound, factor in _UNITS if number < bound), number // 1000)


def _numbers(path: str, first: int, field: str, column: Any) -> Any:
    """The column as it is, once each of its texts is known to be a number."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
        return column
    try:
        pc.cast(column, pa.float64())
    except pa.ArrowException:
        for place, text in enumerate(column.to_pylist()):
            if not _is_number(text or ""):
                raise FeedError(f"{path} row {first + place} {field} must be a number, was {text!r}") from None
        raise FeedError(f"{path} {field} must be numbers, was {column.type}") from None
    return column


def _is_number(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int), f"{text} passed the rules and is no number"
    return value if exponent >= -SCALE else amount(value)
