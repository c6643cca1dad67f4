"""What a candle session becomes where little is said: instrument, interval, range, and settings that fit candles."""

import shutil
from pathlib import Path

import pytest

from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.operate.candle_ask import CandleAsk
from streams.operate.plan import Ask, going_on, settings_of
from tests.exchange.candle_stories import MINUTE, NOON, line, write_csv


def asked(tmp_path: Path, name: str = "BTCUSDT_2023.csv", *, feed: str | None = None, **candles: object) -> SessionSettings:
    path = Path(write_csv(tmp_path / name, [line(minute) for minute in range(6)]))
    return settings_of(Ask("s", feed=feed, files=(path,), candles=CandleAsk(**candles)))  # type: ignore[arg-type]


def test_file_tells_feed_instrument_interval_and_range(tmp_path):
    found = asked(tmp_path)
    feed = found.feed
    assert (feed.kind, feed.symbols, feed.interval_seconds, feed.from_time, feed.to_time) == (
        "candles", ("BTCUSDT",), 60, NOON, NOON + 6 * MINUTE,
    )  # fmt: skip
    assert feed.candles[0].instrument == "binance:BTCUSDT"
    assert not found.risk.book_required


@pytest.mark.parametrize(
    ("name", "instrument"),
    [
        ("BTC_USDT-1m.csv", "binance:BTCUSDT"), ("BTC_USDT-1m-spot.csv", "binance:BTCUSDT"),
        ("BTC_USDT_USDT-1h-futures.csv", "binance-usdm:BTC_USDT"), ("BTC_USDT-5m-futures.csv", "binance-usdm:BTC_USDT"),
        ("BTC_USDT.csv", "binance-usdm:BTC_USDT"),
    ],
)  # fmt: skip
def test_name_of_a_file_tells_whose_candles_it_holds(tmp_path, name, instrument):
    assert asked(tmp_path, name).feed.candles[0].instrument == instrument


def test_instrument_that_is_named_holds_whatever_the_file_is_called(tmp_path):
    assert asked(tmp_path, "BTC_USDT-1m.csv", instruments=("binance:ETHUSDT",)).feed.symbols == ("ETHUSDT",)


def test_marks_and_funding_belong_to_the_one_perpetual(tmp_path):
    marks = Path(write_csv(tmp_path / "marks.csv", [line(minute) for minute in range(6)]))
    funding = Path(write_csv(tmp_path / "rates.csv", [f"{NOON // 1000 + hour * 3_600_000},0.0001" for hour in (0, 8)]))
    feed = asked(tmp_path, "BTC_USDT_USDT-1m.csv", marks=(marks,), funding=(funding,)).feed
    assert {feed.marks[0].instrument, feed.funding[0].instrument} == {"binance-usdm:BTC_USDT"}


def test_our_candles_and_snapshots_are_as_long_as_the_files_unless_the_strategies_say_so(tmp_path):
    path = Path(write_csv(tmp_path / "BTCUSDT.csv", [line(60 * hour) for hour in range(3)]))
    found = settings_of(Ask("s", files=(path,)))
    assert (found.feed.interval_seconds, found.market.candle_seconds) == (3600, 3600)
    assert (found.risk.snapshot_seconds, found.snapshot_interval_seconds) == (3600, 3600)
    strategies = tmp_path / "s.toml"
    text = '[[strategy]]\nname = "m"\nkind = "momentum"\n[market]\nCANDLE_SECONDS = {}\n[risk]\nSNAPSHOT_SECONDS = 7\n'
    strategies.write_text(text.format(7200))
    found = settings_of(Ask("s", files=(path,), strategies=strategies))
    assert (found.market.candle_seconds, found.risk.snapshot_seconds) == (7200, 7)
    strategies.write_text(text.format(60))
    with pytest.raises(ConfigError, match=r"^CANDLE_SECONDS must be a multiple of the feed's candles \(3600 s\), was 60$"):
        settings_of(Ask("s", files=(path,), strategies=strategies))


@pytest.mark.parametrize(
    ("candles", "fault"),
    [
        ({"start": "yesterday"}, r"^--from must be a UTC time like 2024-08-05 or '2024-08-05 13:00', was yesterday$"),
        ({"end": "2024-13-01"}, r"^--to must be a UTC time like .*, was 2024-13-01$"),
        ({"interval": "1w"}, r"^--interval must be 1s\.\.1d like 1m, 15m, 1h, was 1w$"),
        ({"path": "drunk"}, r"^FEED\.PATH must be 'nearest_extreme_first', .*, was drunk$"),
        ({"path_steps": 61}, r"^FEED\.PATH_STEPS must be a whole number 1\.\.60, was 61$"),
        ({"instruments": ("nyse:IBM",)}, r"^INSTRUMENT must be VENUE:SYMBOL with a venue of binance, .*, was nyse:IBM$"),
        ({"instruments": ("binance:IBM",)}, r"^INSTRUMENT of binance must be one of BTCUSDT, .*, was IBM$"),
        ({"instruments": ("binance:BTCUSDT",) * 2}, r"^--instrument must be given once or for each of 1 files, was given 2 times$"),
        ({"marks": (Path("/nowhere.csv"),)}, r"candle files must exist, was /nowhere.csv$"),
    ],
)
def test_wrong_ask_is_refused_with_field_rule_and_value(tmp_path, candles, fault):
    with pytest.raises(ConfigError, match=fault):
        asked(tmp_path, "BTC_USDT-1m.csv" if "marks" not in candles else "BTC_USDT_USDT-1m.csv", **candles)


def test_faults_of_a_candle_ask_are_said_at_once(tmp_path):
    with pytest.raises(ConfigError) as refused:
        asked(tmp_path, "unknown.csv", start="now", end="then", interval="?", path_steps=0)
    assert len(str(refused.value).splitlines()) == 5


def test_file_of_an_unknown_name_asks_for_its_instrument(tmp_path):
    with pytest.raises(ConfigError, match=r"^prices\.csv must name its instrument: none fits of .*; say --instrument VENUE:SYMBOL$"):
        asked(tmp_path, "prices.csv")


def test_candle_options_without_candles_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="^--interval, --from must not be given without candles, was given with --feed simulated$"):
        settings_of(Ask("s", candles=CandleAsk(interval="1m", start="2024-01-01")))
    with pytest.raises(ConfigError, match="^FEED_FILES must name at least one file of candles with --feed candles, was empty$"):
        settings_of(Ask("s", feed="candles"))


def test_candle_session_goes_on_by_its_settings_and_not_by_others(tmp_path):
    made = asked(tmp_path)
    path = Path(made.feed.candles[0].path)
    assert going_on(Ask("s", now=5), made) == made
    assert going_on(Ask("s", files=(path,), now=2 * NOON), made) == made
    copy = Path(shutil.copy(path, tmp_path / "BTCUSDT_copy.csv"))
    with pytest.raises(ConfigError, match=r"^FEED\.CANDLES.*PATH must be .* as session s was made, was .*copy\.csv$"):
        going_on(Ask("s", files=(copy,)), made)
