"""Files of candles: every format gives the same rows, and each rule that a file can break is named with file, row, field and value."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from streams.errors import ConfigError, FeedError
from streams.exchange.candle_files import Content, Row, read_candles
from streams.exchange.candles import CandleFeed
from tests.exchange.candle_stories import MINUTE, NOON, PERPETUAL, D, line, parameters_of, write_csv

AMOUNTS = [("100.1", "110", "95", "105", "8.25"), ("105", "106", "104", "105.5", "0.000001")]


def rows_of(path: str) -> list[tuple[object, ...]]:
    return [row[1:] for row in read_candles(path).rows()]


def expected() -> list[tuple[object, ...]]:
    return [(NOON + place * MINUTE, *map(D, amounts)) for place, amounts in enumerate(AMOUNTS)]


def text_of(times: list[str], separator: str = ",", header: str = "") -> str:
    lines = [separator.join((time, *amounts)) for time, amounts in zip(times, AMOUNTS, strict=True)]
    return "".join(f"{text}\n" for text in [*([header] if header else []), *lines])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (text_of([f"{NOON // 1000}", f"{(NOON + MINUTE) // 1000}"]), "a.csv"),
        (text_of([f"{NOON // 10**6}", f"{(NOON + MINUTE) // 10**6}"]), "a.csv"),
        (text_of([str(NOON), str(NOON + MINUTE)]), "a.csv"),
        (text_of([f"{NOON}000", f"{NOON + MINUTE}000"]), "a.csv"),
        (text_of(["2023-11-14T16:00:00Z", "2023-11-14T17:01:00+01:00"], header="Date,Open,High,Low,Close,Volume"), "a.csv"),
        (text_of(["2023-11-14 16:00", "2023-11-14 16:01:00"], "\t", header="timestamp\topen\thigh\tlow\tclose\tvolume"), "a.csv"),
        (text_of(["20231114 160000", "20231114 160100"], ";"), "a.txt"),
        (text_of(["20231114 160000", "20231114 160100"], ";"), "a.txt.gz"),
    ],
)
def test_text_formats_hold_the_same_rows(tmp_path, text, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert rows_of(str(path)) == expected()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", [pa.float64(), pa.string(), pa.decimal128(20, 8)])
def test_feather_and_parquet_hold_the_same_rows_whatever_their_types(tmp_path, unit, kind):
    dates = [datetime.fromtimestamp(time / 1e6, UTC) for time in (NOON, NOON + MINUTE)]
    columns: dict[str, pa.Array] = {"date": pa.array(dates, pa.timestamp(unit, tz="UTC"))}
    for place, name in enumerate(("open", "high", "low", "close", "volume")):
        values = [amounts[place] for amounts in AMOUNTS]
        columns[name] = pa.array(values).cast(pa.float64() if kind == pa.float64() else pa.string())
        if pa.types.is_decimal(kind):
            columns[name] = pa.array([D(value) for value in values], kind)
    table = pa.table(columns)
    feather.write_feather(table, str(tmp_path / "a.feather"))
    parquet.write_table(table, str(tmp_path / "a.parquet"))
    assert rows_of(str(tmp_path / "a.feather")) == rows_of(str(tmp_path / "a.parquet")) == expected()


def test_binary_float_is_the_decimal_of_its_shortest_text_rounded_at_12_places(tmp_path):
    row = {"time": [NOON], "open": [0.1 + 0.2], "high": [95505.4], "low": [1e-5], "close": [0.1], "volume": [100000.0]}
    feather.write_feather(pa.table(row), str(tmp_path / "a.feather"))
    assert list(read_candles(str(tmp_path / "a.feather")).rows()) == [
        Row(1, NOON, D("0.3"), D("95505.4"), D("0.00001"), D("0.1"), D(100000))
    ]


def test_funding_rates_may_stand_in_open_or_under_their_own_name(tmp_path):
    for name, header in (("a.csv", "date,open"), ("b.csv", "settlement_time,rate"), ("c.csv", "fundingTime,symbol,fundingRate")):
        cells = f"{NOON},X,0.0001" if "symbol" in header else f"{NOON},0.0001"
        path = write_csv(tmp_path / name, [header, cells])
        assert [(row.time, row.open) for row in read_candles(path, Content.FUNDING).rows()] == [(NOON, D("0.0001"))]


# What cannot be read


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.feather", b"no feather", r"a\.feather must be a whole feather file: "),
        ("a.parquet", b"PAR1 cut short", r"a\.parquet must be a whole parquet file: "),
        ("a.csv.gz", gzip.compress(line(0).encode() * 99)[:60], r"a\.csv\.gz must be a whole csv\.gz file: "),
        ("a.csv", b"1,2,3\n", r"a\.csv must have the columns time, open, high, low, close, volume, lacks low, close, volume, has"),
        ("a.csv", b"date,open,high,low,last,volume\n1,2,3,4,5,6\n", r"a\.csv must have the columns .* lacks close, has date"),
        ("a.csv", f"{line(0)}\n{line(1)},7,8\n".encode(), r"a\.csv must be a whole csv file: "),
        ("a.csv", f"{line(0)}\nnoon,1,1,1,1,1\n".encode(), r"a\.csv row 2 time must be a UTC time, was 'noon'"),
        ("a.csv", f"date,open,high,low,close,volume\n{line(0, '100,ten,95,99')}\n".encode(), r"row 2 high must be a number, was 'ten'"),
        ("a.csv", b"", r"a\.csv must "),
    ],
)
def test_file_that_cannot_be_read_is_refused_with_the_place(tmp_path, name, content, fault):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FeedError, match=fault):
        CandleFeed(parameters_of(str(tmp_path / name)))


def test_file_that_is_not_there_or_has_another_ending_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"candle files must exist, was /nowhere\.csv"):
        CandleFeed(parameters_of("/nowhere.csv"))
    (tmp_path / "a.xls").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"candle files must end in \.feather, \.parquet, .*, was .*a\.xls"):
        CandleFeed(parameters_of(str(tmp_path / "a.xls")))
    path = write_csv(tmp_path / "a.csv", [line(0)])
    with pytest.raises(ConfigError, match="FEED_FILES must name each file once, was"):
        CandleFeed(parameters_of(path, path))


# What would let a decision see the future, or is no candle


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ([line(0), line(2), line(1)], r"row 3 time must be after the row before: rows must be in order of time, was 2023-11-14 16:01:00"),
        ([line(0), line(1), line(1)], r"row 3 time must occur once, the row before has the same, was 2023-11-14 16:01:00"),
        ([f"{NOON // 1000 + 59_999},100,110,95,105,8"], r"row 1 time must be the opening of a candle of 60 s, a multiple .* 16:00:59\.999"),
        ([line(0), line(1, "100,94,95,94")], r"row 2 high must be at least low, was 94"),
        ([line(0, "111,110,95,105")], r"row 1 open must be within low and high, was 111"),
        ([line(0, "100,110,95,94.9")], r"row 1 close must be within low and high, was 94\.9"),
        ([line(0, "100,110,0,105")], r"row 1 low must be above 0, was 0"),
        ([line(0, "100,110,-1,105")], r"row 1 low must be above 0, was -1"),
        ([line(0), line(1, volume="-1")], r"row 2 volume must be 0 or at least 0\.000000001, was -1"),
        ([line(0, volume="nan")], r"row 1 volume must be a number, was nan"),
        ([line(0, "100,inf,95,105")], r"row 1 high must be a number, was inf"),
        ([f"{line(0)},{(NOON + 2 * MINUTE) // 1000}"], r"row 1 close_time must be within 60 s after the candle's opening, was .* 16:02:00"),
        ([f"{line(0)},{(NOON - 1) // 1000}"], r"row 1 close_time must be within 60 s after the candle's opening, was .* 15:59:59"),
    ],
)
def test_row_that_breaks_a_rule_is_named_with_field_rule_and_value(tmp_path, lines, fault):
    path = write_csv(tmp_path / "a.csv", lines)
    with pytest.raises(FeedError, match=fault) as refused:
        CandleFeed(parameters_of(path))
    assert str(refused.value).startswith(f"{path} row ")


def test_candle_that_has_not_ended_yet_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv", [line(0), line(1)])
    CandleFeed(parameters_of(path), now=NOON + 2 * MINUTE)
    with pytest.raises(FeedError, match=r"row 2 time must end by now \(2023-11-14 16:01:59\.999999\): it is not complete, was .* 16:01:00"):
        CandleFeed(parameters_of(path), now=NOON + 2 * MINUTE - 1)


def test_files_of_a_symbol_out_of_order_or_overlapping_are_refused(tmp_path):
    first, second = write_csv(tmp_path / "a.csv", [line(0), line(1)]), write_csv(tmp_path / "b.csv", [line(1), line(2)])
    for files in ((first, second), (second, first)):
        with pytest.raises(FeedError, match=r"row 1 time must not be before the end of .*: name the files of a symbol in order, without"):
            CandleFeed(parameters_of(*files))


# Series beside the candles


@pytest.mark.parametrize(
    ("minutes", "fault"),
    [
        ((1, 2, 3), r"m\.csv row 1 time must not be after the candles' start .*, marks must cover them: use --from '.* 16:01:00', was"),
        ((-1, 0, 1), r"m\.csv row 3 time must reach to the candles' end .*, marks must cover them: use --to '.* 16:02:00', was .* 16:01"),
    ],
)
def test_marks_that_do_not_cover_the_candles_are_refused_with_what_would(tmp_path, minutes, fault):
    candles = write_csv(tmp_path / "a.csv", [line(n) for n in range(3)])
    marks = write_csv(tmp_path / "m.csv", [line(n, volume="0") for n in minutes])
    with pytest.raises(FeedError, match=fault):
        CandleFeed(parameters_of(candles, instrument=PERPETUAL, marks=(marks,)))


def test_marks_finer_than_the_candles_are_refused(tmp_path):
    candles = write_csv(tmp_path / "a.csv", [line(n) for n in range(3)])
    marks = write_csv(tmp_path / "m.csv", [f"{NOON // 1000 + n * 30_000},1,1,1,1" for n in range(7)])
    with pytest.raises(ConfigError, match=r"--marks must have the candles' interval or a multiple of it \(60 s\), was 30 s in"):
        CandleFeed(parameters_of(candles, instrument=PERPETUAL, marks=(marks,)))


@pytest.mark.parametrize(
    ("hours", "rate", "fault"),
    [
        ((16, 24, 32), "0.0001", r"f\.csv row 1 time must not be after the candles' start .*, funding must cover them: use --from"),
        ((-24, -16, -8), "0.0001", r"f\.csv row 3 time must reach to the candles' end .*, funding must cover them: use --to"),
        ((0, 8, 16, 23), "0.0001", r"f\.csv row 4 time must be a multiple of 8 h after the row before, was"),
        ((0, 8, 16, 17, 24), "0.0001", r"f\.csv row 4 time must be a multiple of 8 h after the row before, was"),
        ((0, 8, 8), "0.0001", r"f\.csv row 3 time must occur once"),
        ((0, 8), "1.5", r"f\.csv row 1 open must be a rate, a fraction above -1 and below 1, was 1\.5"),
        ((0,), "0.0001", r"f\.csv row 1 time must be followed by another settlement"),
    ],
)
def test_funding_that_cannot_be_settled_by_is_refused(tmp_path, hours, rate, fault):
    candles = write_csv(tmp_path / "a.csv", [line(n) for n in range(3)])
    funding = write_csv(tmp_path / "f.csv", [f"{NOON // 1000 + hour * 3_600_000},{rate}" for hour in hours])
    with pytest.raises(FeedError, match=fault):
        CandleFeed(parameters_of(candles, instrument=PERPETUAL, funding=(funding,)))


def test_marks_of_what_is_no_perpetual_of_the_session_are_refused(tmp_path):
    candles, marks = (write_csv(tmp_path / name, [line(n) for n in range(3)]) for name in ("a.csv", "m.csv"))
    with pytest.raises(ConfigError, match=r"--marks must be of a perpetual among the candles \(binance:BTCUSDT\), was binance-usdm"):
        CandleFeed(parameters_of(candles, marks=(marks,)))
    assert Path(candles).is_file()
