"""A session with history before its market: fed, stopped and gone on with, run again in memory and replayed, always the same bytes."""

import threading
from pathlib import Path

import pytest

from streams.domain.parameters import SessionSettings
from streams.domain.records import Candle, Mark, MarketData, Order, Regime, Signal
from streams.domain.vocabulary import HISTORY
from streams.errors import ConfigError, FeedError
from streams.exchange.service import FeedService, feed_of
from streams.exchange.wall import SystemWall
from streams.exchange.writer import FeedWriter
from streams.log.canonical import differences
from streams.log.codec import Codec
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.operate.candle_ask import CandleAsk
from streams.operate.plan import Ask, going_on, settings_of
from streams.operate.topics import create_session
from streams.replay.backtest import Backtest, backtest
from streams.report.gather import material_of
from tests.exchange.candle_stories import MINUTE, NOON, line, write_csv
from tests.exchange.sessions import FakeWall, small_recording, write_lines
from tests.replay.candle_sessions import KINDS, Played

SECOND = 1_000_000
CODEC = Codec.offline()
# The market begins 20 s into a minute; the simulated one at about 60,000.
START = NOON + 20 * SECOND
# As many candles as a report draws prices from, where they are the session's own.
HISTORY_MINUTES = 250
STRATEGIES = """
[[strategy]]
name = "fast"
kind = "momentum"

[strategy.parameters]
SIGNAL_LOOKBACK_MIN = 5
SIGNAL_THRESHOLD_PCT = "0.5"
SIGNAL_MIN_VOLUME = 0

[[strategy]]
name = "bands"
kind = "mean_reversion"

[[strategy]]
name = "cross"
kind = "trend"
"""


def history(tmp_path: Path, name: str = "BTCUSDT_history.csv", *, first: int = -HISTORY_MINUTES, last: int = 3) -> Path:
    """Minutes around NOON, more than 1 % below the simulated market; those from NOON on reach into it."""
    lines = [line(minute, f"{59_000 + minute},{59_010 + minute},{58_990 + minute},{59_001 + minute}") for minute in range(first, last)]
    return Path(write_csv(tmp_path / name, lines))


def asked(tmp_path: Path, *warmup: Path, **changed: object) -> Ask:
    strategies = tmp_path / "fast.toml"
    strategies.write_text(STRATEGIES)
    fields = {"symbols": ("BTCUSDT",), "duration_seconds": 60, "start_time": START, "strategies": strategies, "warmup": warmup}
    return Ask("warm", **{**fields, **changed})  # type: ignore[arg-type]


def run(settings: SessionSettings) -> Backtest:
    return backtest(settings, KINDS, SystemWall(threading.Event()), code_version="test")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> SessionSettings:
    folder = tmp_path_factory.mktemp("warm")
    return settings_of(asked(folder, history(folder)))


@pytest.fixture(scope="module")
def warm(settings: SessionSettings) -> Played:
    return Played(run(settings))


def test_history_stands_first_as_trades_of_its_own_times_and_ends_before_the_market(warm: Played) -> None:
    records = sorted(warm.records("market_data", MarketData), key=lambda one: one.time)
    told = [one for one in records if one.exchange == HISTORY]
    # Four points a candle; the three candles that reach into the market are not told.
    assert len(told) == 4 * HISTORY_MINUTES and records[: len(told)] == told
    assert told[0].time == NOON - HISTORY_MINUTES * MINUTE + SECOND and told[-1].time == NOON - SECOND
    for one in told:
        assert (one.time, len(one.trades)) == (one.receive_time, 1) and one.time == one.event_time == one.trades[0].time
        assert one.best_bid is one.mark_price is None and not one.bids and not one.asks and not one.snapshot and not one.gap
    assert records[len(told)].exchange == "simulated" and records[len(told)].time >= START
    assert [one.sequence for one in records] == list(range(len(records)))


def test_strategies_are_warm_at_the_first_trade_and_nothing_is_decided_before(warm: Played) -> None:
    signals, orders = warm.records("signals", Signal), warm.records("orders", Order)
    trades = [one for one in warm.records("market_data", MarketData) if one.exchange != HISTORY and one.trades]
    assert signals[0].time == trades[0].time, "momentum knows the price of five minutes ago"
    assert min(one.time for one in orders) >= START and min(one.time for one in warm.records("marks", Mark)) >= START
    candles = [one for one in warm.records("candles", Candle) if one.close_time <= NOON]
    assert [one.open_time for one in candles] == [NOON - n * MINUTE for n in range(HISTORY_MINUTES, 0, -1)]
    assert {one.interval_seconds for one in candles} == {60} and all(one.trade_count == 4 for one in candles)
    assert min(one.time for one in warm.records("regimes", Regime)) < START


def test_without_history_nothing_is_signalled_yet_and_the_market_is_the_same(settings: SessionSettings, warm: Played) -> None:
    cold = Played(run(settings.model_copy(update={"feed": settings.feed.model_copy(update={"warmup": None})})))
    assert not cold.records("signals", Signal)
    market = [(one.time, one.trades, one.bids) for one in warm.records("market_data", MarketData) if one.exchange != HISTORY]
    assert market == [(one.time, one.trades, one.bids) for one in cold.records("market_data", MarketData)]


def test_report_begins_with_the_market_not_with_its_history(warm: Played) -> None:
    material = material_of(warm.done.log, warm.done.codec, warm.done.settings, KINDS)
    assert NOON <= material.first_time <= START + SECOND
    assert material.prices["BTCUSDT"].source == "marks, in bars of a second", "history is no price of the session"


def test_session_replays_equal_and_adds_up(warm: Played) -> None:
    warm.must_be_sound()


@pytest.mark.parametrize("stop_at", [0, 70, 4 * HISTORY_MINUTES + 1, 4 * HISTORY_MINUTES + 10])
def test_live_session_that_stopped_in_history_or_after_it_is_byte_equal_to_the_backtest(
    settings: SessionSettings, warm: Played, stop_at: int
) -> None:
    """Paced by a wall clock, stopped by hand after some pushes, gone on by another feed, workers turning in between."""
    log = MemoryLog()
    create_session(log, settings.session, feeds=1, risk=1)
    workers = make_workers(log, KINDS, settings, CODEC, code_version="test")
    writer = FeedWriter(log, CODEC, settings, code_version="test", live=True)
    feed = feed_of(settings)
    writer.introduce(feed.instruments())
    for count, push in enumerate(feed.pushes()):
        if count == stop_at:
            break
        writer.put(push)
        if count % 9 == 0:
            writer.flush()
            run_turns(workers)
    writer.flush()
    writer.close()
    wall = FakeWall(START + 3 * SECOND)
    service = FeedService(log, CODEC, settings, wall, speed="1x", code_version="test", take_over=True)
    assert service.run().ended and service.live
    assert wall.now() == pytest.approx(START + 60 * SECOND, abs=2 * SECOND), "history is not waited for, the market is"
    run_turns(workers)
    layout = Layout.of(settings)
    assert not list(differences((log, CODEC), (warm.done.log, warm.done.codec), layout, layout))


def test_history_that_the_timekeeper_cut_short_is_not_told_late(settings: SessionSettings) -> None:
    log = MemoryLog()
    create_session(log, settings.session, feeds=1, risk=1)
    feed = feed_of(settings)
    writer = FeedWriter(log, CODEC, settings, code_version="test", live=True)
    writer.introduce(feed.instruments())
    for _, push in zip(range(30), feed.pushes(), strict=False):
        writer.put(push)
    writer.flush()
    kept = FeedWriter(log, CODEC, settings, code_version="test", live=True, role="timekeeper")
    kept.put_feed_down(START + 9 * SECOND)
    kept.flush()
    wall = FakeWall(START + 12 * SECOND)
    assert FeedService(log, CODEC, settings, wall, speed="1x", code_version="test").run().ended
    records = Played(Backtest(log, CODEC, settings, 0, 0, None)).records("market_data", MarketData)
    late = [one for one in records if one.time > START]
    assert sum(one.exchange == HISTORY for one in records) == 30 and not any(one.exchange == HISTORY for one in late)
    assert late[1].gap and late[1].time > START + 9 * SECOND


def test_session_goes_on_with_the_history_it_was_made_with(tmp_path: Path) -> None:
    ask = asked(tmp_path, history(tmp_path))
    made = settings_of(ask)
    assert going_on(ask._replace(start_time=START + MINUTE), made) == made
    with pytest.raises(ConfigError, match="FEED.WARMUP"):
        going_on(ask._replace(warmup=()), made)


def test_history_goes_before_recordings_and_candles_as_well(tmp_path: Path) -> None:
    recording = Path(write_lines(tmp_path / "a.jsonl", small_recording()))
    at = 1_700_000_000_000_000
    first = (at - NOON) // MINUTE
    found = settings_of(asked(tmp_path, history(tmp_path, first=first - 5, last=first + 1), files=(recording,), symbols=()))
    # The recording's receive clock runs a second behind, its first ticker has no event time: 22:13:20, in the minute 22:13.
    assert found.feed.warmup is not None and found.feed.warmup.to_time == at // MINUTE * MINUTE
    log, wall = MemoryLog(), FakeWall()
    create_session(log, found.session, feeds=1, risk=1)
    FeedService(log, CODEC, found, wall, speed="10x", code_version="test").run()
    assert wall.monotonic() == pytest.approx(0.38, abs=0.01), "the pace begins with the market"
    candles = history(tmp_path, "BTCUSDT.csv")
    ask = asked(tmp_path, candles, files=(candles,), symbols=(), candles=CandleAsk(start="2023-11-14 15:50"), duration_seconds=None)
    found = settings_of(ask)
    assert found.feed.warmup is not None and found.feed.warmup.to_time == found.feed.from_time == NOON - 10 * MINUTE
    played = Played(run(found))
    told = [one.exchange == HISTORY for one in played.records("market_data", MarketData)]
    assert told == [True] * (4 * (HISTORY_MINUTES - 10)) + [False] * (4 * 13)
    assert played.done.candles == 13
    played.must_be_sound()


def test_at_most_the_newest_ten_thousand_candles_are_told(tmp_path: Path) -> None:
    found = settings_of(asked(tmp_path, history(tmp_path, first=-10_100)))
    assert found.feed.warmup is not None and found.feed.warmup.from_time == NOON - 10_000 * MINUTE


@pytest.mark.parametrize(
    ("name", "first", "last", "message"),
    [
        ("ETHUSDT.csv", -9, 3, "--warmup: ETHUSDT.csv must be of simulated:BTCUSDT, was of ETHUSDT by its name"),
        ("NOSUCHUSDT_2026.csv", -9, 3, "--warmup: NOSUCHUSDT_2026.csv must be of simulated:BTCUSDT, was of NOSUCHUSDT by its name"),
        ("NO_USDT-1m-spot.csv", -9, 3, "--warmup: NO_USDT-1m-spot.csv must be of simulated:BTCUSDT, was of NOUSDT by its name"),
        ("BTCUSDT.csv", 0, 9, "--warmup must hold a candle of BTCUSDT among the 60 before the market's start"),
        ("BTCUSDT.csv", -90, -60, "was 2023-11-14 14:30:00 to 2023-11-14 15:00:00"),
    ],
)  # fmt: skip
def test_history_of_another_symbol_or_another_time_is_refused(tmp_path: Path, name: str, first: int, last: int, message: str) -> None:
    with pytest.raises(ConfigError) as fault:
        settings_of(asked(tmp_path, history(tmp_path, name, first=first, last=last)))
    assert message in str(fault.value)


def test_history_of_no_told_symbol_is_the_sessions_only_one_and_of_several_it_must_be_told(tmp_path: Path) -> None:
    path = history(tmp_path, "prices.csv")
    found = settings_of(asked(tmp_path, path))
    assert found.feed.warmup is not None and found.feed.warmup.candles[0].instrument == "simulated:BTCUSDT"
    with pytest.raises(ConfigError) as fault:
        settings_of(asked(tmp_path, path, history(tmp_path, "NOSUCHUSDT.csv"), symbols=("BTCUSDT", "ETHUSDT")))
    assert str(fault.value).splitlines() == [
        "--warmup: prices.csv must name its instrument: none fits of simulated:BTCUSDT, simulated:ETHUSDT; "
        "call it like BTC_USDT-1m-spot.feather",
        "--warmup: NOSUCHUSDT.csv must be of simulated:BTCUSDT, simulated:ETHUSDT, was of NOSUCHUSDT by its name",
    ]


def test_history_that_breaks_a_rule_is_refused_with_its_name(tmp_path: Path) -> None:
    hours = Path(write_csv(tmp_path / "BTCUSDT-hours.csv", [line(60 * n) for n in range(-3, 1)]))
    with pytest.raises(ConfigError, match=r"--warmup must be candles of CANDLE_SECONDS \(60 s\) or a whole part of it, was 3600 s"):
        settings_of(asked(tmp_path, hours))
    path = history(tmp_path)
    with pytest.raises(ConfigError, match="--warmup must name each file once"):
        settings_of(asked(tmp_path, path, path))
    with pytest.raises(ConfigError, match="candle files must exist, was"):
        settings_of(asked(tmp_path, tmp_path / "BTCUSDT-none.csv"))
    lone = Path(write_csv(tmp_path / "BTCUSDT-lone.csv", [line(-1)]))
    with pytest.raises(ConfigError, match="--warmup must hold at least two candles, was 1 in"):
        settings_of(asked(tmp_path, lone))
    broken = Path(write_csv(tmp_path / "BTCUSDT-broken.csv", [line(-3), line(-2, "100,90,95,105"), line(-1)]))
    with pytest.raises(FeedError, match="row 2 high must be at least low"):
        settings_of(asked(tmp_path, broken))
