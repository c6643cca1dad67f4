"""Orders of every type that rest, wait, travel, expire and are cancelled: the same answers whatever the schedule."""

import random
from functools import cache
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from streams.domain.parameters import ExecutionParameters
from streams.domain.records import OrderResult
from streams.log.journal import read_range
from streams.stages.execution import ExecutionStage
from streams.stages.signals import SignalsStage
from tests.simulation.desk import Desk
from tests.simulation.market import make_market, make_settings
from tests.simulation.schedule import Simulation, assert_replays_equal, data_of

SHAPES = [(partitions, risk_tasks, workers) for partitions in (1, 2, 7) for risk_tasks in (1, 2) for workers in (1, 3)]
STAGES = (SignalsStage, Desk, ExecutionStage)
EXECUTION = ExecutionParameters(latency_model="spread", order_latency_spread_ms=400, queue_model="proportional")


def simulate(seed: int, shape: tuple[int, int, int], kill_share: float = 0.0) -> Simulation:
    partitions, risk_tasks, workers = shape
    chosen = make_settings(partitions=partitions, risk_tasks=risk_tasks, execution=EXECUTION)
    market = make_market("sim", 400, 7)
    return Simulation(chosen, market, random.Random(seed), workers=workers, stages=STAGES).run(kill_share=kill_share)


@cache
def reference() -> dict[str, list[Any]]:
    return data_of(simulate(0, (1, 1, 1)))


def test_the_reference_session_reaches_every_kind_of_answer() -> None:
    simulation = simulate(0, (1, 1, 1))
    place = simulation.layout.at("order_results", 0)
    messages = read_range(simulation.log, place, 0, simulation.log.end_offset(place))
    answers = [repr(simulation.codec.decode(one.value, OrderResult)) for one in messages if one.value is not None]
    for word in ("FILLED", "PARTIAL", "CANCELLED", "REJECTED", "EXPIRED", "MAKER", "TAKER", "CANCEL_REQUESTED"):
        assert any(f"'{word}'" in answer for answer in answers), word


# The state's promise ended within a turn, and the frontier lay before what was stepped: verify (2) and takeover (3) stopped there.
@given(seed=st.integers(0, 2**32), shape=st.sampled_from(SHAPES), kill_share=st.sampled_from((0.0, 0.02)))
@example(seed=2, shape=(1, 2, 1), kill_share=0.0)
@example(seed=3, shape=(1, 2, 3), kill_share=0.02)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
def test_any_schedule_partitioning_and_kills_give_the_same_answers_and_replay_equal(
    seed: int, shape: tuple[int, int, int], kill_share: float
) -> None:
    simulation = simulate(seed, shape, kill_share)
    found = data_of(simulation)
    for topic, records in reference().items():
        assert found[topic] == records, f"{topic} differs"
    assert_replays_equal(simulation)
