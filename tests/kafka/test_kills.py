"""SIGKILL, at moments drawn from a seed, for everything a recorded session stands on; it ends as if nothing had happened."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.operate.stack import Stack
from tests.exchange.sessions import recording
from tests.kafka.outage import feed_dies_and_returns
from tests.kafka.story import (
    PARTS,
    PROCESSES,
    SHARE_MAX,
    SHARE_MIN,
    Theatre,
    busy_settings,
    kills_of,
    survives,
    theatre_on,
    undisturbed,
    until,
)

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]

SEED = 1
MARKET_SECONDS = 40


@pytest.fixture
def theatre(stack: Stack, tmp_path: Path) -> Iterator[Theatre]:
    with theatre_on(stack, tmp_path) as ready:
        yield ready


@pytest.fixture
def recordings() -> list[Path]:
    return [Path(recording("spot_btcusdt")), Path(recording("spot_ethusdt"))]


def test_session_whose_every_process_is_killed_once_decides_what_it_decides_undisturbed(
    theatre: Theatre, fresh_session: Callable[[], str], recordings: list[Path]
) -> None:
    settings = busy_settings(fresh_session(), recordings, seconds=MARKET_SECONDS)
    played = survives(theatre, settings, kills_of(SEED, PROCESSES), speed="2x")
    assert {note.split()[0] for note in played.notes} == set(PROCESSES), "the supervisor must have started each anew, and no other"
    assert theatre.digests(settings)["order_results"][0] >= 10


def test_session_survives_the_death_of_postgres_connect_and_the_broker(
    theatre: Theatre, fresh_session: Callable[[], str], recordings: list[Path]
) -> None:
    settings = busy_settings(fresh_session(), recordings, seconds=MARKET_SECONDS)
    survives(theatre, settings, kills_of(SEED, PARTS), speed="2x")
    assert theatre.digests(settings)["order_results"][0] >= 10


def test_tasks_of_a_killed_worker_move_to_the_other_one_of_its_stage(
    theatre: Theatre, fresh_session: Callable[[], str], recordings: list[Path]
) -> None:
    """Slot 1 dies for good: the supervisor is not asked, so only the other worker can go on with its task."""
    settings = busy_settings(fresh_session(), recordings, seconds=40, partitions=2)
    memory = undisturbed(settings)
    running = theatre.session(settings, speed="2x", slots=2)
    running.start()
    try:
        until(lambda: min(running.progress().frontiers.values()) > 0, "every task having stepped")
        theatre.strike(running, "signals-1")
        assert not running.progress().ended, "the kill must fall within the session"
        until(lambda: running.progress().settled, "every task being at the end", seconds=120)
        assert running.supervisor.processes["signals-1"].exit_code() == -signal.SIGKILL
    finally:
        running.supervisor.stop()
    theatre.must_equal(settings, memory)
    theatre.must_replay_and_reconcile(settings)


def test_stale_alert_comes_within_35_s_of_the_feeds_death_without_market_data_and_the_feed_returns(
    theatre: Theatre, fresh_session: Callable[[], str]
) -> None:
    feed_dies_and_returns(theatre, fresh_session(), dead_seconds=0)


def test_moments_of_kills_come_from_the_seed_and_lie_within_the_session() -> None:
    assert kills_of(3, PROCESSES) == kills_of(3, PROCESSES) != kills_of(4, PROCESSES)
    assert sorted(kill.victim for kill in kills_of(3, PROCESSES)) == sorted(PROCESSES)
    assert all(SHARE_MIN <= kill.share <= SHARE_MAX for kill in kills_of(3, PROCESSES))
