"""History on the log before the market: every stage goes through it, nobody trades in it, and a replay sees it."""

import random
from typing import Any

import msgspec
import pytest

from streams.domain.ids import market_id
from streams.domain.records import MarketData
from streams.domain.vocabulary import HISTORY
from tests.simulation.market import Written, make_market, make_settings
from tests.simulation.schedule import Simulation, assert_replays_equal, data_of

RECORDS, HISTORIC, SEED = 400, 200, 7


def with_history(market: list[Written]) -> list[Written]:
    """The same prices, of which the first are told as history: trades, and nothing of a book."""
    return [
        one._replace(record=told(one.record)) if place < HISTORIC and isinstance(one.record, MarketData) else one
        for place, one in enumerate(market)
    ]


def told(record: MarketData) -> MarketData:
    name = market_id(record.session, HISTORY, record.symbol, record.sequence)
    return msgspec.structs.replace(
        record, event_id=name, causation_id=name, correlation_id=name, exchange=HISTORY, best_bid=None, best_bid_quantity=None,
        best_ask=None, best_ask_quantity=None, bids=[], asks=[], snapshot=False, gap=False,
    )  # fmt: skip


def simulate(seed: int, shape: tuple[int, int, int], market: list[Written]) -> Simulation:
    partitions, risk_tasks, workers = shape
    settings = make_settings(partitions=partitions, risk_tasks=risk_tasks)
    return Simulation(settings, market, random.Random(seed), workers=workers).run(kill_share=0.01 if seed else 0.0)


def times(data: dict[str, list[Any]], topic: str) -> list[int]:
    return [record.time for record in data[topic]]


def test_history_warms_up_and_nobody_trades_in_it():
    market = with_history(make_market("sim", RECORDS, SEED))
    begun = market[HISTORIC].record.time
    data = data_of(simulate(0, (1, 1, 1), market))
    assert min(times(data, "candles")) < begun and min(times(data, "regimes")) < begun
    for topic in ("marks", "signals", "orders", "positions", "portfolio_snapshots", "alerts"):
        assert all(time >= begun for time in times(data, topic)), topic
    assert data["signals"] and data["order_results"]


def test_candles_and_regimes_are_those_of_a_session_that_was_there_all_along():
    market = make_market("sim", RECORDS, SEED)
    warm, through = (data_of(simulate(0, (1, 1, 1), one)) for one in (with_history(market), market))
    assert warm["candles"] == through["candles"]
    assert warm["regimes"] == through["regimes"]


@pytest.mark.parametrize("shape", [(2, 1, 1), (7, 2, 3)])
def test_session_with_history_is_the_same_under_any_schedule_and_replays_equal(shape):
    market = with_history(make_market("sim", RECORDS, SEED))
    reference = data_of(simulate(0, (1, 1, 1), market))
    for seed in (1, 2):
        simulation = simulate(seed, shape, market)
        assert data_of(simulation) == reference
        assert_replays_equal(simulation)
