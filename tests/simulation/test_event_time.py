"""Whatever the schedule, the partitions, the workers and the kills: the same records, and a replay that agrees."""

import random
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.domain.records import CommandKind
from streams.log.journal import read_range
from streams.replay.verification.verify import verify
from tests.simulation.market import make_market, make_settings
from tests.simulation.schedule import STAGES, TAIL, Simulation, data_of

RECORDS = 400
MARKET_SEED = 7
SHAPES = [(partitions, risk_tasks, workers) for partitions in (1, 2, 7) for risk_tasks in (1, 2) for workers in (1, 3)]

given_a_schedule = given(seed=st.integers(0, 2**32), shape=st.sampled_from(SHAPES), kill_share=st.sampled_from((0.0, 0.01, 0.05)))
calmly = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def simulate(seed: int, shape: tuple[int, int, int], kill_share: float = 0.0, **run: Any) -> Simulation:
    partitions, risk_tasks, workers = shape
    market = make_market("sim", RECORDS, MARKET_SEED)
    chosen = make_settings(partitions=partitions, risk_tasks=risk_tasks)
    return Simulation(chosen, market, random.Random(seed), workers=workers).run(kill_share=kill_share, **run)


@cache
def reference() -> dict[str, list[Any]]:
    """One partition, one worker of each stage, no kills."""
    return data_of(simulate(0, (1, 1, 1)))


def test_the_reference_session_trades() -> None:
    counts = {topic: len(records) for topic, records in reference().items()}
    assert counts["order_results"] >= 10 and counts["positions"] >= 5 and counts["candles"] >= 30 and counts["regimes"] >= 6
    said = {word for signal in reference()["signals"] for word in (b"momentum", b"mean_reversion", b"trend") if word in signal.payload}
    assert len(said) == 3


@given_a_schedule
@calmly
def test_any_schedule_partitioning_and_kills_give_the_same_bytes(seed: int, shape: tuple[int, int, int], kill_share: float) -> None:
    simulation = simulate(seed, shape, kill_share)
    found = data_of(simulation)
    for topic, records in reference().items():
        assert found[topic] == records, f"{topic} differs"
    assert set(simulation.frontiers().values()) == {simulation.market[-1].record.time + TAIL}, "a task did not come to the end"


@given_a_schedule
@calmly
def test_every_session_replays_equal_with_commands_where_the_journal_has_them(
    seed: int, shape: tuple[int, int, int], kill_share: float
) -> None:
    commands = [(0.2, CommandKind.HALT), (0.4, CommandKind.RESUME_REQUEST), (0.45, CommandKind.RESUME_CONFIRM), (0.7, CommandKind.FLATTEN)]
    simulation = simulate(seed, shape, kill_share, commands=commands)
    verdict = verify(simulation.log, simulation.settings, simulation.codec, STAGES)
    assert verdict.equal, str(verdict.divergences[0])
    assert verdict.snapshots > 0 and verdict.records["alerts"] >= len(commands)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 3)])
def test_a_fast_input_is_paused_not_buffered_without_limit(shape: tuple[int, int, int]) -> None:
    """Queues of 20 records and batches of one: back-pressure everywhere, and still the end is reached."""
    for seed in range(3):
        simulation = simulate(seed, shape)
        assert not simulation.overfull, f"queue lengths against what is allowed: {simulation.overfull[:3]}"
        assert set(simulation.frontiers().values()) == {simulation.market[-1].record.time + TAIL}


def test_a_changed_record_is_found_and_located() -> None:
    simulation = simulate(3, (2, 1, 1))
    partition = simulation.layout.at("order_results", 0)
    messages = list(read_range(simulation.log, partition, 0, simulation.log.end_offset(partition)))
    victim = next(message for message in messages if message.value is not None)
    shelf = simulation.log.shelf(partition)
    place = next(n for n, message in enumerate(shelf.messages) if message.offset == victim.offset)
    assert victim.value is not None
    shelf.messages[place] = victim._replace(value=victim.value[:-1] + bytes([victim.value[-1] ^ 1]))
    verdict = verify(simulation.log, simulation.settings, simulation.codec, STAGES)
    assert not verdict.equal
    named = {(one.topic, one.partition, one.offset) for one in verdict.divergences}
    assert (partition.topic, 0, victim.offset) in named or any(topic.endswith("order_results") for topic, _, _ in named)
