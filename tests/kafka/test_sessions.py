"""Recorded sessions on the real stack: they trade as the exchange was, stand side by side, and are the same at any speed."""

import json
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from decimal import Decimal
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.domain.records import Candle, MarketData, Order, OrderResult, Record, Side
from streams.log.canonical import canonical_records, compared_topics, session_digests
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.operate.plan import STRATEGIES_FOLDER, Ask, settings_of
from streams.operate.runtime import STAGES
from streams.operate.stack import Stack
from streams.replay.summary import Summary, summary_of
from tests.exchange.sessions import RECORDINGS, recording, small_recording, write_lines
from tests.kafka.exchange_book import average_price, books_at
from tests.kafka.story import Digests, Theatre, busy_settings, theatre_on, undisturbed, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

SHORT_RECORDING = STRATEGIES_FOLDER / "short-recording.toml"
SYMBOLS = {"BTCUSDT": "spot_btcusdt", "ETHUSDT": "spot_ethusdt"}
AT_LEAST = 5
MINUTE = 60_000_000


@pytest.fixture(scope="module")
def theatre(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre_on(stack, tmp_path_factory.mktemp("sessions")) as ready:
        yield ready


class Whole:
    """Both recordings from start to end at full speed; `memory`: the digests of a backtest, which ran beside the checks."""

    def __init__(self, theatre: Theatre, settings: SessionSettings, memory: Future[Digests]) -> None:
        self.theatre, self.settings, self.memory = theatre, settings, memory
        self._read: dict[str, list[Any]] = {}

    @cached_property
    def summary(self) -> Summary:
        log, codec, *_ = self.theatre.runtime
        return summary_of(log, self.settings, codec, tuple(STAGES.values()))

    def records(self, topic: str, kind: type[Record]) -> list[Any]:
        """By time."""
        if topic not in self._read:
            layout, (log, codec, *_) = Layout.of(self.settings), self.theatre.runtime
            places = [layout.at(topic, number) for number in range(layout.count(topic))]
            messages = [message for place in places for message in read_range(log, place, log.start_offset(place), log.end_offset(place))]
            found = [codec.decode(message.value, kind) for message in messages if message.value is not None]
            self._read[topic] = sorted(found, key=lambda record: record.time)
        return self._read[topic]

    def fills(self, symbol: str) -> list[OrderResult]:
        return [one for one in self.records("order_results", OrderResult) if one.symbol == symbol and one.quantity]


@pytest.fixture(scope="module")
def whole(theatre: Theatre) -> Iterator[Whole]:
    files = tuple(Path(recording(name)) for name in SYMBOLS.values())
    settings = settings_of(Ask(session=f"whole-{time.time_ns():x}", feed="recorded", files=files, strategies=SHORT_RECORDING, partitions=2))
    theatre.play(settings, speed="max")
    # Not forked: what a fork copies of a Kafka client has lost its threads, and collecting it is a crash.
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield Whole(theatre, settings, pool.submit(digests_in_memory, settings))


def digests_in_memory(settings: SessionSettings) -> Digests:
    done = undisturbed(settings)
    return session_digests(done.log, Layout.of(settings), done.codec)


def test_whole_recordings_replay_equal_and_stand_in_postgres_exactly(whole: Whole) -> None:
    verdict = whole.theatre.must_replay_and_reconcile(whole.settings)
    assert verdict.records["market_data"] > 70_000


def test_backtest_of_the_same_files_is_byte_equal(whole: Whole) -> None:
    assert whole.theatre.digests(whole.settings) == whole.memory.result(timeout=300)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_each_recording_gives_five_round_trips_and_five_refused_signals(whole: Whole, symbol: str) -> None:
    refused = [one for one in whole.records("orders", Order) if one.symbol == symbol and not one.approved]
    assert whole.summary.round_trips[symbol] >= AT_LEAST
    assert len(refused) >= AT_LEAST
    assert all(one.rejection_code for one in refused)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_every_fill_lies_inside_the_recorded_book_at_its_time(whole: Whole, symbol: str) -> None:
    """Never better than walking what was displayed, never more than that; exactly it where no fill of ours came before."""
    fills = whole.fills(symbol)
    market = [one for one in whole.records("market_data", MarketData) if one.symbol == symbol]
    assert len(fills) >= 2 * AT_LEAST
    for fill in fills:
        newest = market[bisect_right(market, fill.fill_time, key=lambda one: one.time) - 1]
        assert fill.market_event_id == newest.event_id
    sequences = {fill.event_id: int(str(fill.market_event_id).rpartition("/")[2]) for fill in fills}
    books = dict(books_at(Path(recording(SYMBOLS[symbol])), set(sequences.values())))
    exact = 0
    for fill in fills:
        book, sign = books[sequences[fill.event_id]], (1 if fill.side is Side.BUY else -1)
        levels = book.asks if fill.side is Side.BUY else book.bids
        walked = average_price(levels, fill.quantity)
        assert walked is not None, f"{fill.event_id} filled more than was displayed"
        assert fill.price is not None
        rounding = Decimal("1e-12")
        assert sign * (fill.price - walked) >= -rounding, f"{fill.event_id} at {fill.price} is better than the book's {walked}"
        assert sign * (levels[-1][0] - fill.price) >= 0, f"{fill.event_id} at {fill.price} is beyond the book's last level"
        exact += abs(fill.price - walked) <= rounding
    assert exact >= len(fills) * 0.8


def test_candles_of_the_full_minutes_are_the_exchanges_own(whole: Whole) -> None:
    feather = pytest.importorskip("pyarrow.feather")
    path = Path(__file__).parents[2] / RECORDINGS.parent / "binance-spot-1m-crash-20240805" / "BTC_USDT-1m-spot.feather"
    if not path.is_file():
        pytest.skip(f"CDB_MARKET_DATA holds no {path.name}")
    theirs = {int(row["date"].timestamp() * 1e6): row for row in feather.read_table(path).to_pylist()}
    first = whole.records("market_data", MarketData)[0].time
    ours = [one for one in whole.records("candles", Candle) if one.symbol == "BTCUSDT" and one.open_time >= first]
    assert len(ours) >= AT_LEAST
    for candle in ours[:AT_LEAST]:
        row = theirs[candle.open_time]
        found = [float(value) for value in (candle.open, candle.high, candle.low, candle.close, candle.volume)]
        assert found == [row[name] for name in ("open", "high", "low", "close", "volume")]
        assert candle.interval_seconds * 1_000_000 == MINUTE


def test_same_file_at_10x_and_at_full_speed_an_older_one_and_a_live_one_stand_side_by_side(
    theatre: Theatre, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    bitcoin = [Path(recording("spot_btcusdt"))]
    live = theatre.session(
        SessionSettings(session=fresh_session(), feed=FeedParameters(start_time=time.time_ns() // 1000, symbols=("BTCUSDT",))), speed="1x"
    )
    live.start()
    try:
        fast, slow = (busy_settings(fresh_session(), bitcoin, seconds=40) for _ in range(2))
        theatre.play(fast, speed="max")
        theatre.play(slow, speed="10x")
        older = settings_of(
            Ask(session=fresh_session(), feed="recorded", files=(Path(write_lines(tmp_path / "older.jsonl", small_recording())),))
        )
        theatre.play(older, speed="max")
        until(lambda: live.progress().feed_records > 0, "the live session having market data")
    finally:
        live.supervisor.stop()
    must_be_equal_but_for_the_name(theatre, fast, slow)
    for settings in (slow, older, live.settings):
        theatre.must_replay_and_reconcile(settings)
    names = {one.session for one in (fast, slow, older, live.settings)}
    assert names <= listed(theatre)
    before = listed(theatre)
    assert cdb(theatre, "sessions", "rm", fast.session).startswith(f"removed {fast.session}")
    assert before - listed(theatre) == {fast.session}
    theatre.must_replay_and_reconcile(slow)


def must_be_equal_but_for_the_name(theatre: Theatre, one: SessionSettings, other: SessionSettings) -> None:
    """Names of one length: putting one for the other leaves every other byte where it is."""
    assert len(one.session) == len(other.session)
    log, codec, *_ = theatre.runtime
    names = [settings.session.encode() for settings in (one, other)]
    assert theatre.digests(one)["order_results"][0] >= AT_LEAST
    for topic in compared_topics():
        ours, theirs = (canonical_records(log, Layout.of(settings), codec, topic) for settings in (one, other))
        assert [(a.time, a.key, a.payload.replace(*names)) for a in ours] == [(b.time, b.key, b.payload) for b in theirs], topic


def cdb(theatre: Theatre, *words: str) -> str:
    """What a command says that ends with 0."""
    endpoints = theatre.stack.endpoints()
    command = [sys.executable, "-m", "streams.cli", *words, "--bootstrap", endpoints.bootstrap, "--registry", endpoints.ccompat_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def listed(theatre: Theatre) -> set[str]:
    """Those with a manifest."""
    return {row["session"] for row in json.loads(cdb(theatre, "sessions", "--json")) if row["status"] != "INCOMPLETE"}


def test_documented_defaults_say_why_they_did_not_trade() -> None:
    files = (Path(recording("spot_btcusdt")),)
    done = undisturbed(settings_of(Ask(session="why", feed="recorded", files=files, duration_seconds=40)))
    summary = summary_of(done.log, done.settings, done.codec, tuple(STAGES.values()))
    assert summary.fills == 0
    reason = summary.reasons["momentum BTCUSDT"]
    assert "against SIGNAL_THRESHOLD_PCT 3" in reason
    assert "warming up: " in reason
    assert "largest change so far" in reason
