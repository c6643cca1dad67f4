"""
Strategies of the real risk stage whose entries rest, wait for their stop, expire and are cancelled by operators: whatever the schedule,
the same records, a replay that agrees, and a restart that finds the same state.
"""

import random
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.domain.parameters import ExecutionParameters, SessionSettings, StrategyParameters
from streams.domain.records import CommandKind, Order, OrderResult, OrderType
from streams.log.held import WorkerLimits
from streams.log.journal import newest_entry, taken_of
from streams.log.takeover import take_over
from streams.log.worker import Worker
from streams.replay.summary import records_of
from tests.simulation.market import make_market, make_settings
from tests.simulation.schedule import STAGES, Simulation, assert_replays_equal, data_of

RECORDS, MARKET_SEED = 140, 7
SHAPES = [(partitions, risk_tasks, workers) for partitions in (1, 2, 7) for risk_tasks in (1, 2) for workers in (1, 3)]
WAYS: list[dict[str, object]] = [
    {"entry_order_type": "LIMIT", "entry_limit_offset_bps": "4", "entry_expiry_sec": 20},
    {"entry_order_type": "LIMIT_MAKER", "entry_limit_offset_bps": "3", "entry_expiry_sec": 3},
    {"entry_order_type": "STOP", "entry_stop_offset_bps": "5", "entry_expiry_sec": 30},
    {"entry_order_type": "STOP_LIMIT", "entry_stop_offset_bps": "2", "entry_limit_offset_bps": "-1", "entry_expiry_sec": 8},
    {"entry_order_type": "LIMIT", "entry_limit_offset_bps": "1", "entry_expiry_sec": 1},
]
WORDS = (CommandKind.CANCEL, CommandKind.FLATTEN, CommandKind.HALT, CommandKind.RESUME_REQUEST, CommandKind.RESUME_CONFIRM)

given_a_schedule = given(seed=st.integers(0, 2**32), shape=st.sampled_from(SHAPES), kill_share=st.sampled_from((0.0, 0.03)))
calmly = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def make_resting(*, partitions: int = 1, risk_tasks: int = 1) -> SessionSettings:
    """Five strategies of one kind, which enter by orders that rest near the market for one to thirty seconds."""
    own = {"SIGNAL_LOOKBACK_MIN": "0.2", "SIGNAL_THRESHOLD_PCT": "0.02", "SIGNAL_MIN_VOLUME": "0", "SIGNAL_REPEAT_SEC": "1"}
    strategies = tuple(
        StrategyParameters.model_validate({"name": f"way{n}", "kind": "momentum", "accounts": accounts, "parameters": own} | way)
        for n, way in enumerate(WAYS)
        for accounts in [("alpha", "beta") if n % 2 else ("alpha",)]
    )
    execution = ExecutionParameters(latency_model="spread", order_latency_spread_ms=400, queue_model="proportional")
    chosen = make_settings(partitions=partitions, risk_tasks=risk_tasks, execution=execution)
    return chosen.model_copy(update={"strategies": strategies, "snapshot_interval_seconds": 10})


def simulate(seed: int, shape: tuple[int, int, int], kill_share: float = 0.0, **run: Any) -> Simulation:
    partitions, risk_tasks, workers = shape
    chosen = make_resting(partitions=partitions, risk_tasks=risk_tasks)
    market = make_market("sim", RECORDS, MARKET_SEED)
    return Simulation(chosen, market, random.Random(seed), workers=workers).run(kill_share=kill_share, **run)


@cache
def reference() -> dict[str, list[Any]]:
    return data_of(simulate(0, (1, 1, 1)))


def test_orders_of_the_reference_session_end_in_every_way() -> None:
    simulation = simulate(0, (1, 1, 1))
    orders = [one for one in records_of(simulation.log, simulation.layout, simulation.codec, "orders") if isinstance(one, Order)]
    assert {one.order_type for one in orders if one.approved} >= {
        OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP, OrderType.STOP_LIMIT, OrderType.CANCEL
    }  # fmt: skip
    results = records_of(simulation.log, simulation.layout, simulation.codec, "order_results")
    ends = {(one.status.value, one.reason) for one in results if isinstance(one, OrderResult)}
    assert ends >= {("FILLED", None), ("PARTIAL", None), ("EXPIRED", "EXPIRES_AT"), ("CANCELLED", "CANCEL_REQUESTED")}


@given_a_schedule
@calmly
def test_any_schedule_partitioning_and_kills_give_the_same_records_and_replay_equal(
    seed: int, shape: tuple[int, int, int], kill_share: float
) -> None:
    simulation = simulate(seed, shape, kill_share)
    found = data_of(simulation)
    for topic, records in reference().items():
        assert found[topic] == records, f"{topic} differs"
    assert_replays_equal(simulation)


@given_a_schedule
@calmly
def test_sessions_whose_operators_cancel_and_flatten_replay_equal_and_are_taken_over_in_the_same_state(
    seed: int, shape: tuple[int, int, int], kill_share: float
) -> None:
    drawn = random.Random(seed)
    commands = sorted((drawn.random(), drawn.choice((*WORDS, CommandKind.CANCEL, CommandKind.CANCEL))) for _ in range(5))
    simulation = simulate(seed, shape, kill_share, commands=commands)
    assert_replays_equal(simulation)
    interval = simulation.settings.snapshot_interval_seconds * 1_000_000
    for worker in simulation.workers.values():
        for number, held in worker.tasks.items():
            stage = held.task.stage
            fresh = take_over(simulation.log, simulation.layout, simulation.codec, stage, number, snapshot_interval=interval).task
            if fresh.frontier == held.task.frontier:
                assert stage.encode(fresh.state) == stage.encode(held.task.state)


def test_command_after_a_restart_is_taken_later_than_all_that_was_promised_before_it() -> None:
    """
    The promise was sent without a journal entry, and the new worker steps one event a turn: it must not take the command on its
    way there, or its orders would lie below the promise, and execution stop at them for ever.
    """
    for place in (85, 125, 140):
        simulation = Simulation(make_resting(), make_market("sim", 200, MARKET_SEED), random.Random(0))
        for worker in simulation.workers.values():
            worker.close()
        limits = WorkerLimits(wait_s=0.0, journal_idle_s=1e9, promise_s=0.0, promise_idle_s=0.0)
        workers = [_worker(simulation, stage, limits) for stage in range(3)]
        while simulation.place < place:
            simulation.feed_turn(5)
            _turns(workers, 6)
        promised = workers[1].tasks[0].watermark
        simulation.log.lose(workers[1]._member)  # type: ignore[arg-type]
        simulation.command(CommandKind.FLATTEN)
        workers[1] = _worker(simulation, 1, limits._replace(events_max=1))
        _turns(workers, 200)
        entry = newest_entry(simulation.log, simulation.layout.journal("risk", 0), simulation.codec)
        assert entry is not None and _taken_at(simulation) > promised


def test_promise_is_sent_at_once_while_an_order_is_in_flight_however_rarely_it_is_otherwise() -> None:
    simulation = Simulation(make_resting(), make_market("sim", 200, MARKET_SEED), random.Random(0))
    for worker in simulation.workers.values():
        worker.close()
    limits = WorkerLimits(wait_s=0.0, journal_idle_s=1e9, promise_s=0.0, promise_idle_s=0.0)
    workers = [_worker(simulation, stage, limits._replace(promise_idle_s=1e9 if stage else 0.0)) for stage in range(3)]
    awaited = held_back = 0
    while simulation.place < 200:
        simulation.feed_turn(5)
        _turns(workers, 6)
        for worker in workers[1:]:
            for held in worker.tasks.values():
                if worker.stage.is_awaited(held.task.state):
                    awaited += 1
                    assert held.watermark == held.task.watermark
                else:
                    held_back += held.watermark < held.task.watermark
    assert awaited and held_back


def _worker(simulation: Simulation, stage: int, limits: WorkerLimits) -> Worker:
    return Worker(simulation.log, STAGES[stage], simulation.settings, simulation.codec, slot="0", code_version="test", limits=limits)


def _turns(workers: list[Worker], count: int) -> None:
    for _ in range(count):
        for worker in workers:
            worker.step(worker.receive())
            worker.commit()


def _taken_at(simulation: Simulation) -> int:
    """When the only command of the session was taken."""
    entries = records_of(simulation.log, simulation.layout, simulation.codec, "journal")
    [taken] = [taken for entry in entries for taken in taken_of(entry)]  # type: ignore[arg-type]
    return taken.time
