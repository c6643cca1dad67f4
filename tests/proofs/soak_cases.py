"""The soak's tests; `python -m tests.proofs soak` runs them with their cases."""

import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from streams.domain.records import CommandKind
from streams.log.layout import Layout
from streams.operate.stack import Stack
from streams.replay.checkpoints.checkpoint import check, take
from streams.replay.verification.verify import verify
from tests.exchange.mexc_feed.day import assert_held, lived
from tests.exchange.sessions import recording
from tests.golden.play import Played, play
from tests.golden.sessions import halts
from tests.kafka.outage import feed_dies_and_returns
from tests.kafka.story import Theatre, busy_settings, kills_of, survives, theatre_on
from tests.kafka.three_workers import three_workers_verify_equal
from tests.proofs.alterations import altered
from tests.proofs.soak import VICTIMS, Case
from tests.simulation.market import make_market, make_settings
from tests.simulation.schedule import STAGES, TAIL, Simulation, assert_replays_equal, data_of

MARKET_SECONDS = 40
RECORDS = 400
SHAPES = [(partitions, risk_tasks, workers) for partitions in (1, 2, 3, 7) for risk_tasks in (1, 2) for workers in (1, 2, 3)]
COMMANDS = [(0.2, CommandKind.HALT), (0.4, CommandKind.RESUME_REQUEST), (0.45, CommandKind.RESUME_CONFIRM), (0.7, CommandKind.FLATTEN)]


@pytest.fixture(scope="session")
def theatre(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre_on(stack, tmp_path_factory.mktemp("soak")) as ready:
        yield ready


def test_kills_at_random_moments_change_no_byte(case: Case, seed: int, theatre: Theatre, fresh_session: Callable[[], str]) -> None:
    files = [Path(recording("spot_btcusdt")), Path(recording("spot_ethusdt"))]
    settings = busy_settings(fresh_session(), files, seconds=MARKET_SECONDS, partitions=1 + case.number % 2)
    survives(theatre, settings, kills_of(f"{seed} {case}", VICTIMS[case.subject]), speed="2x")


def test_workers_of_three_that_die_leave_and_join_under_commands_and_a_silent_market_verify_equal(
    case: Case, seed: int, theatre: Theatre, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    files = [Path(recording("spot_btcusdt")), Path(recording("spot_ethusdt"))]
    three_workers_verify_equal(theatre, fresh_session(), files, tmp_path, f"{seed} {case}")


def test_outage_of_a_minute_is_told_within_35_s(case: Case, seed: int, theatre: Theatre, fresh_session: Callable[[], str]) -> None:
    feed_dies_and_returns(theatre, fresh_session(), dead_seconds=60)


def test_exchange_that_fails_a_hundred_times_a_day_leaves_nothing_unmarked_and_nothing_twice(case: Case, seed: int) -> None:
    assert_held(lived(seed=seed + case.number, seconds=24 * 3600, faults=100, rate=1))


def test_simulation_of_any_shape_with_kills_and_commands_replays_equal(case: Case, seed: int) -> None:
    """Every second one without commands, whose place is the schedule's: its bytes are those of the simplest shape."""
    rng = random.Random(f"{seed} {case}")
    market_seed = rng.randrange(1 << 32)
    commands = [(share + rng.uniform(-0.02, 0.02), kind) for share, kind in COMMANDS] if case.number % 2 else []
    simulation = simulate(rng, market_seed, rng.choice(SHAPES)).run(kill_share=rng.choice((0.0, 0.01, 0.05)), commands=commands)
    if not commands:
        plain = simulate(random.Random(0), market_seed, (1, 1, 1)).run()
        assert data_of(simulation) == data_of(plain)
    assert set(simulation.frontiers().values()) == {simulation.market[-1].record.time + TAIL}
    assert not simulation.overfull
    assert_replays_equal(simulation)


def test_alteration_of_one_record_is_found_and_located(case: Case, seed: int, tmp_path: Path) -> None:
    session = session_to_alter()
    marks = tmp_path / "marks"
    checkpoint = take(session.log, session.codec, session.settings.session, marks, code_version="soak")
    assert check(session.log, session.codec, checkpoint, marks) is None
    with altered(session.log, Layout.of(session.settings), random.Random(f"{seed} {case}")) as alteration:
        verdict = verify(session.log, session.settings, session.codec, STAGES)
        proof = check(session.log, session.codec, checkpoint, marks)
    assert proof is not None and alteration.is_named_by(proof), f"{alteration} must be named by the checkpoint, was {proof}"
    if alteration.is_of_an_order:
        return
    assert not verdict.equal, f"{alteration} must be found"
    assert any(map(alteration.is_located_by, verdict.divergences)), f"{alteration} must be named, was {verdict.divergences}"


@cache
def session_to_alter() -> Played:
    """Half a minute that trades, with commands, dead letters and snapshots, verified equal before anything is altered."""
    session = play(*halts())
    verdict = verify(session.log, session.settings, session.codec, STAGES)
    assert verdict.equal
    assert verdict.records["order_results"] >= 2
    return session


def simulate(rng: random.Random, market_seed: int, shape: tuple[int, int, int]) -> Simulation:
    partitions, risk_tasks, workers = shape
    settings = make_settings(partitions=partitions, risk_tasks=risk_tasks)
    return Simulation(settings, make_market("sim", RECORDS, market_seed), rng, workers=workers)
