"""When a live feed dies: who writes, what time does, and how the feed comes back. No second of it is waited for."""

from contextlib import closing
from itertools import pairwise

import pytest

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.exchange.guard import refuse_second_feed
from streams.exchange.service import FeedService, FeedStatus
from streams.exchange.timekeeper import Timekeeper
from streams.exchange.writer import writer_name
from streams.log.interface import Writer
from streams.log.memory import MemoryLog
from streams.operate.watchdog import log_duties, watch
from tests.exchange.sessions import (
    CODEC,
    T0,
    FakeWall,
    data_of,
    market_records,
    messages,
    new_log,
    new_writer,
    newest_source,
    settings_for,
    small_recording,
    watermarks,
    write_lines,
)  # fmt: skip

SECOND = 1_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def live_settings(**changed: object) -> SessionSettings:
    fields = {"start_time": T0, "duration_seconds": 240, "rate_per_second": 4, "symbols": SYMBOLS, **changed}
    return SessionSettings(session="s", feed=FeedParameters.model_validate(fields))


def feed_until(log: MemoryLog, settings: SessionSettings, wall: FakeWall, seconds: float) -> FeedStatus:
    """The feed lives until the wall clock shows `seconds`."""
    wall.stopped = False
    wall.at(seconds, wall.stop)
    service = FeedService(log, CODEC, settings, wall, speed="1x", code_version="test")
    service.run()
    wall.stopped = False
    return service.status()


def keep(log: MemoryLog, settings: SessionSettings, wall: FakeWall) -> Timekeeper:
    return Timekeeper(log, CODEC, settings, wall, code_version="test")


def turns_until(keeper: Timekeeper, wall: FakeWall, seconds: float) -> None:
    while wall.monotonic() < seconds:
        keeper.turn()
        wall.wait(0.1)


@pytest.fixture
def settings() -> SessionSettings:
    return live_settings()


@pytest.fixture
def log(settings) -> MemoryLog:
    return new_log(settings)


class FeedThatComesBack(FakeWall):
    """The feed takes its name back the moment that the timekeeper, having taken it, asks for the time."""

    def __init__(self, log: MemoryLog, settings: SessionSettings) -> None:
        super().__init__()
        self._log, self._settings = log, settings
        self.feed: Writer | None = None

    def now(self) -> int:
        if self.feed is None:
            self.feed = self._log.writer(writer_name(self._settings))
        return super().now()


def test_feed_that_comes_back_while_the_timekeeper_begins_is_given_way_to(log, settings):
    feed_until(log, settings, FakeWall(), 10)
    data = data_of(log, settings)
    wall = FeedThatComesBack(log, settings)
    keeper = keep(log, settings, wall)
    turns_until(keeper, wall, 8)
    assert wall.feed is not None, "the timekeeper must have taken over once"
    assert not keeper.keeps and data_of(log, settings) == data


def test_dead_feed_is_noticed_after_five_seconds_and_said_once_for_each_symbol(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    keeper = keep(log, settings, wall)
    turns_until(keeper, wall, 14.9)
    assert not keeper.keeps
    turns_until(keeper, wall, 20)
    assert keeper.keeps
    down = [record for record in market_records(log, settings) if record.feed_down]
    assert [record.symbol for record in down] == list(SYMBOLS)
    assert all(T0 + 15 * SECOND <= record.time <= T0 + 15.3 * SECOND for record in down)
    assert all(record.exchange == "simulated" and not record.trades and not record.gap for record in down)


def test_within_35_seconds_of_a_death_time_has_passed_by_more_than_30(log, settings):
    """What the stale alert needs: no market data, but promises that go on by the wall clock."""
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    last = max(record.time for record in market_records(log, settings))
    turns_until(keep(log, settings, wall), wall, 45)
    for topic in ("market_data", "instruments", "funding"):
        assert watermarks(log, settings, topic)[-1] > last + 34 * SECOND


def test_promises_of_the_timekeeper_come_ten_a_second(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    turns_until(keep(log, settings, wall), wall, 60)
    kept = [w for w in watermarks(log, settings) if w > T0 + 20 * SECOND]
    assert max(b - a for a, b in pairwise(kept)) <= 0.25 * SECOND


def test_returning_feed_takes_its_place_back_and_goes_on_above_the_last_time(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    keeper = keep(log, settings, wall)
    turns_until(keeper, wall, 70)
    kept_until = watermarks(log, settings)[-1]
    before = len(market_records(log, settings))
    status = feed_until(log, settings, wall, 90)
    new = market_records(log, settings)[before:]
    # The timekeeper's promises are no market: what is missing began when the feed died.
    assert status.gap_seconds == pytest.approx(61, abs=2)
    assert new[0].time > kept_until > T0 + 69 * SECOND
    for symbol in SYMBOLS:
        first, second = [record for record in new if record.symbol == symbol][:2]
        assert first.gap and second.snapshot
    assert newest_source(log, settings).role == "feed"
    keeper.turn()
    assert not keeper.keeps


def test_sequences_go_on_over_the_timekeepers_records(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    turns_until(keep(log, settings, wall), wall, 30)
    feed_until(log, settings, wall, 40)
    for symbol in SYMBOLS:
        sequences = [record.sequence for record in market_records(log, settings) if record.symbol == symbol]
        assert sequences == list(range(len(sequences)))


def test_keeper_that_was_fenced_watches_and_steps_in_again(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    keeper = keep(log, settings, wall)
    turns_until(keeper, wall, 30)
    feed_until(log, settings, wall, 40)
    turns_until(keeper, wall, 44.5)
    assert not keeper.keeps
    turns_until(keeper, wall, 50)
    assert keeper.keeps
    assert len([record for record in market_records(log, settings) if record.feed_down]) == 4


def test_restarted_keeper_goes_on_without_saying_it_again(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    turns_until(keep(log, settings, wall), wall, 20)
    again = keep(log, settings, wall)
    turns_until(again, wall, 30)
    assert again.keeps and watermarks(log, settings)[-1] > T0 + 29 * SECOND
    assert len([record for record in market_records(log, settings) if record.feed_down]) == 2


def test_two_keepers_do_not_fight(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    one, two = keep(log, settings, wall), keep(log, settings, wall)
    while wall.monotonic() < 30:
        one.turn()
        two.turn()
        wall.wait(0.1)
    assert [one.keeps, two.keeps] == [True, False]


def test_living_feed_is_left_alone(log, settings):
    wall = FakeWall()
    feed = new_writer(log, settings, live=True)
    keeper = keep(log, settings, wall)
    while wall.monotonic() < 20:
        feed.quiet(wall.now())
        wall.wait(4.0)
        keeper.turn()
    assert not keeper.keeps


def test_ended_session_and_recording_and_empty_session_are_left_alone(tmp_path):
    ended = live_settings(duration_seconds=5)
    recorded = settings_for(files=(write_lines(tmp_path / "a.jsonl", small_recording()),))
    for settings, start in ((ended, True), (recorded, True), (live_settings(), False)):
        log, wall = new_log(settings), FakeWall()
        if start:
            wall.at(1.0 if settings is recorded else 100.0, wall.stop)
            FeedService(log, CODEC, settings, wall, speed="1x", code_version="test").run()
            wall.stopped = False
        before = data_of(log, settings), len(messages(log, settings, "journal"))
        keeper = keep(log, settings, wall)
        turns_until(keeper, wall, wall.monotonic() + 60)
        assert not keeper.keeps
        assert (data_of(log, settings), len(messages(log, settings, "journal"))) == before


def test_keeper_turns_among_the_duties_of_the_log_until_told_to_stop(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    wall.at(30.0, wall.stop)
    with closing(keep(log, settings, wall)) as keeper:
        watch(log_duties(log, CODEC, settings, keeper), wall)
    assert watermarks(log, settings)[-1] > T0 + 29 * SECOND


def test_feed_may_return_at_once_while_the_timekeeper_writes(log, settings):
    wall = FakeWall()
    feed_until(log, settings, wall, 10)
    keeper = keep(log, settings, wall)
    turns_until(keeper, wall, 30)
    asking = FakeWall()
    asking.at(0.05, keeper.turn)
    refuse_second_feed(log, CODEC, settings, asking)
    assert asking.monotonic() == 0
