"""
A session's feed as a whole, on a memory log and a wall clock moved by hand: pace, restarts, faults, a second feed.
"""

from itertools import pairwise

import pytest

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.errors import ConfigError, FeedError, Fenced
from streams.exchange.guard import refuse_second_feed
from streams.exchange.pacing import speed_of
from streams.exchange.service import FeedService
from streams.log.memory import MemoryLog
from tests.exchange.sessions import (
    CODEC,
    T0,
    FakeWall,
    data_of,
    journal,
    market_records,
    new_log,
    new_writer,
    newest_source,
    recording,
    settings_for,
    small_recording,
    watermarks,
    write_lines,
)  # fmt: skip

SECOND = 1_000_000


def recorded_settings(tmp_path, lines=None, **feed: object) -> SessionSettings:
    path = write_lines(tmp_path / "a.jsonl", lines or small_recording())
    return settings_for(files=(path,), **feed)


def simulated_settings(**changed: object) -> SessionSettings:
    fields = {"start_time": T0, "duration_seconds": 120, "rate_per_second": 4, "symbols": ("BTCUSDT", "ETHUSDT")}
    return SessionSettings(session="s", feed=FeedParameters.model_validate({**fields, **changed}))


def make_service(
    log: MemoryLog, settings: SessionSettings, wall: FakeWall, speed: str = "max", *, take_over: bool = False
) -> FeedService:
    return FeedService(log, CODEC, settings, wall, speed=speed, code_version="test", take_over=take_over)


def log_of(settings: SessionSettings, speed: str) -> MemoryLog:
    log = new_log(settings)
    make_service(log, settings, FakeWall(), speed).run()
    return log


@pytest.mark.parametrize("speed", ["1x", "10x", "1000x"])
def test_bytes_do_not_depend_on_the_speed(tmp_path, speed):
    settings = recorded_settings(tmp_path)
    assert data_of(log_of(settings, speed), settings) == data_of(log_of(settings, "max"), settings)


@pytest.mark.parametrize(("speed", "seconds"), [("1x", 3.8), ("10x", 0.38)])
def test_recording_takes_its_own_time_divided_by_the_speed(tmp_path, speed, seconds):
    settings, wall = recorded_settings(tmp_path), FakeWall()
    make_service(new_log(settings), settings, wall, speed).run()
    assert wall.monotonic() == pytest.approx(seconds, abs=0.01)


def test_while_a_push_is_waited_for_promises_go_on_every_tenth_of_a_second(tmp_path):
    """
    The recording is silent for 3.1 s: at 1x that is some 31 flushes, each with a later promise once the delay is over.
    """
    settings = recorded_settings(tmp_path)
    log = log_of(settings, "1x")
    inside = [w for w in watermarks(log, settings) if T0 + 1_600_000 < w < T0 + 4_500_000]
    assert len(inside) >= 25 and inside == sorted(set(inside))
    assert max(b - a for a, b in pairwise(inside)) <= 110_000


def test_watermarks_of_a_silence_stay_the_quiet_delay_behind_the_push_that_ends_it(tmp_path):
    settings = recorded_settings(tmp_path)
    times = {record.sequence: record.time for record in market_records(log_of(settings, "1x"), settings)}
    # Offset −1 s: received at 3.6 s means 4.6 s of exchange time, which is the event time of push 6.
    assert times[6] == T0 + 4_600_000


def test_told_to_stop_it_flushes_and_the_next_run_goes_on_there(tmp_path):
    settings, wall = recorded_settings(tmp_path), FakeWall()
    log = new_log(settings)
    wall.at(0.25, wall.stop)
    first = make_service(log, settings, wall, "1x")
    assert not first.run().ended and first.status().phase == "stopped"
    assert len(market_records(log, settings)) == 3 and not newest_source(log, settings).ended
    assert make_service(log, settings, FakeWall(), "10x").run().ended
    assert data_of(log, settings) == data_of(log_of(settings, "max"), settings)


def test_session_that_has_ended_is_left_as_it_is(tmp_path):
    settings = recorded_settings(tmp_path)
    log = log_of(settings, "max")
    before = len(journal(log, settings))
    assert make_service(log, settings, FakeWall()).run().ended
    assert len(journal(log, settings)) == before


def test_corrupt_line_ends_the_session_cleanly_with_tail_and_reason(tmp_path):
    lines = small_recording()
    settings = recorded_settings(tmp_path, [*lines[:5], "12 {broken", *lines[5:]])
    log = new_log(settings)
    service = make_service(log, settings, FakeWall())
    outcome = service.run()
    assert outcome.ended and "a.jsonl line 6" in str(outcome.error)
    records = market_records(log, settings)
    assert len(records) == 5
    assert watermarks(log, settings)[-1] == records[-1].time + 5 * SECOND
    source = newest_source(log, settings)
    assert source.ended and "line 6" in (source.error or "")
    assert service.status().phase == "ended" and "line 6" in (service.status().error or "")


def test_recording_cut_to_a_duration_ends_there(tmp_path):
    settings = recorded_settings(tmp_path, duration_seconds=1)
    assert len(market_records(log_of(settings, "max"), settings)) == 6


def test_second_feed_is_refused_while_the_first_writes_even_in_a_quiet_market(tmp_path):
    settings = recorded_settings(tmp_path)
    log = new_log(settings)
    first = new_writer(log, settings)
    first.quiet(T0)
    wall = FakeWall()
    wall.at(1.5, lambda: first.quiet(T0 + SECOND))
    with pytest.raises(FeedError, match=r"session s: feed feed is written by another process, .* was under 0\.1 s"):
        make_service(log, settings, wall).run()
    first.quiet(T0 + 2 * SECOND)


def test_feed_starts_at_once_on_a_new_session_and_after_two_seconds_where_one_died(tmp_path):
    settings = recorded_settings(tmp_path)
    log, wall = new_log(settings), FakeWall()
    refuse_second_feed(log, CODEC, settings, wall)
    assert wall.monotonic() == 0
    new_writer(log, settings).quiet(T0)
    assert make_service(log, settings, wall).run().ended
    assert wall.monotonic() == pytest.approx(2.0, abs=0.11)


def test_taking_over_fences_the_first_feed_at_once(tmp_path):
    settings = recorded_settings(tmp_path)
    log, wall = new_log(settings), FakeWall()
    first = new_writer(log, settings)
    first.quiet(T0)
    assert make_service(log, settings, wall, take_over=True).run().ended
    assert wall.monotonic() == 0
    with pytest.raises(Fenced) as fault:
        first.quiet(T0)
    assert fault.value.exit_code == 75


def test_fenced_feed_is_not_healthy(tmp_path):
    settings = recorded_settings(tmp_path)
    log, wall = new_log(settings), FakeWall()
    service = make_service(log, settings, wall, "1x")
    wall.at(0.35, lambda: log.writer("s-feed-feed"))
    with pytest.raises(Fenced):
        service.run()
    status = service.status()
    assert (status.phase, status.healthy) == ("failed", False) and "taken" in (status.error or "")


def test_feed_whose_log_hangs_is_not_healthy(tmp_path):
    """No flush for five seconds of a paced run: something holds it."""
    settings = recorded_settings(tmp_path)
    log, wall = new_log(settings), FakeWall()
    service = make_service(log, settings, wall, "1x")
    seen = []
    wall.at(0.35, lambda: seen.append(service.status()))
    wall.at(0.36, lambda: (wall.pass_over(6.0), seen.append(service.status())))
    service.run()
    assert [status.healthy for status in seen] == [True, False]


def test_live_feed_that_was_away_goes_on_at_the_present(tmp_path):
    settings = simulated_settings()
    log, wall = new_log(settings), FakeWall()
    wall.at(10.0, wall.stop)
    make_service(log, settings, wall, "1x").run()
    assert newest_source(log, settings).live
    before = len(market_records(log, settings))
    later = FakeWall(T0 + 60 * SECOND)
    back = make_service(log, settings, later, "1x")
    back.run()
    old, new = market_records(log, settings)[:before], market_records(log, settings)[before:]
    # Missing is what lies between the last record before and the first after, the mean of both symbols.
    missing = [(one.time - old[-1].time) / SECOND for one in new if one.gap]
    assert len(missing) == 2 and min(missing) > 50
    assert back.status().gap_seconds == pytest.approx(sum(missing) / 2)
    assert new[0].time > T0 + 60 * SECOND and new[0].gap and new[1].snapshot
    assert later.now() == pytest.approx(T0 + 120 * SECOND, abs=SECOND)


def test_live_feed_back_within_ten_seconds_misses_nothing(tmp_path):
    settings = simulated_settings()
    log, wall = new_log(settings), FakeWall()
    wall.at(10.0, wall.stop)
    make_service(log, settings, wall, "1x").run()
    make_service(log, settings, FakeWall(T0 + 16 * SECOND), "1x").run()
    assert data_of(log, settings) == data_of(log_of(settings, "max"), settings)


def test_simulated_market_of_another_day_is_not_live_and_goes_at_its_own_pace():
    settings, wall = simulated_settings(duration_seconds=5), FakeWall(T0 + 86_400 * SECOND)
    log = new_log(settings)
    make_service(log, settings, wall, "1x").run()
    assert not newest_source(log, settings).live
    assert wall.monotonic() == pytest.approx(5.0, abs=0.5)


@pytest.mark.parametrize("text", ["0x", "1001x", "fast", "-1x", "1", "x", ""])
def test_speed_that_is_none_is_refused_with_the_rule(text):
    with pytest.raises(ConfigError, match="SPEED must be max or 1x..1000x, was"):
        speed_of(text)


def test_status_tells_prices_offset_and_counts(tmp_path):
    settings = recorded_settings(tmp_path)
    service = make_service(new_log(settings), settings, FakeWall())
    service.run()
    status = service.status()
    assert status.records == 10 and status.prices == {"BTCUSDT": "100.20"}
    assert status.offset_seconds == {"binance": -1.0} and status.suspects == status.gaps == 0


def test_real_recordings_give_the_same_bytes_paced_and_at_once_in_two_partitions():
    files = (recording("spot_btcusdt"), recording("spot_ethusdt"))
    settings = settings_for("BTCUSDT", "ETHUSDT", files=files, partitions=2, duration_seconds=20)
    paced, at_once = log_of(settings, "10x"), log_of(settings, "max")
    assert data_of(paced, settings) == data_of(at_once, settings)
    assert len(journal(paced, settings)) > len(journal(at_once, settings))
