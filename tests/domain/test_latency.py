"""How long orders take: the contract of every latency model, and what a longer way does in the paper exchange."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streams.domain.execution.latency import Latency, SpreadLatency, latency_of
from streams.domain.parameters import ExecutionParameters
from streams.domain.records import OrderType
from tests.domain.execution_stories import BUY, MS, ORDER_LATENCY, SELL, Paper, said
from tests.domain.market import D

LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
SPREAD = {"latency_model": "spread", "order_latency_spread_ms": 20}
MODELS = {"constant": ExecutionParameters(), "spread": ExecutionParameters(**SPREAD)}


@pytest.mark.parametrize("name", MODELS)
@given(order_id=st.text(max_size=40))
def test_latency_is_at_least_the_stated_and_the_same_each_time(name, order_id):
    model = latency_of(MODELS[name])
    assert (model.order, model.report) == (50 * MS, 50 * MS)
    beyond = model.beyond_least(f"live/{order_id}")
    assert isinstance(beyond, int) and 0 <= beyond <= 20 * MS
    assert beyond == latency_of(MODELS[name]).beyond_least(f"another-session/{order_id}")


def test_settings_name_exactly_the_models_that_are_there():
    assert set(MODELS) == set(ExecutionParameters.model_fields["latency_model"].annotation.__args__)
    assert latency_of(MODELS["constant"]) == Latency(50 * MS, 50 * MS)
    assert latency_of(MODELS["spread"]) == SpreadLatency(50 * MS, 50 * MS, 20 * MS)


def test_spread_is_even():
    model = latency_of(MODELS["spread"])
    drawn = [model.beyond_least(f"live/risk/{number}") for number in range(2000)]
    assert len(set(drawn)) > 1800
    assert abs(sum(drawn) / len(drawn) - 10 * MS) < 500


@pytest.mark.parametrize(("model", "spread"), [("constant", 5), ("spread", 0)])
def test_spread_without_its_model_or_the_model_without_spread_is_refused(model, spread):
    with pytest.raises(ValidationError, match=rf"ORDER_LATENCY_SPREAD_MS must be .* was {spread} with {model}"):
        ExecutionParameters(latency_model=model, order_latency_spread_ms=spread)


def test_order_on_a_longer_way_meets_the_market_of_its_arrival():
    paper = Paper(**SPREAD)
    paper.show(bids=["99:10"], asks=["101:1"])
    assert paper.order(MARKET, BUY, "1", correlation_id="test/feed/began") == []
    sent, beyond = paper.now, paper.stage._latency.beyond_least(paper.name)
    paper.change(asks=["101:0", "102:1"])
    [fill] = paper.wait(20 * MS)
    assert said([fill]) == [("FILLED", None, 1, 102, "book_walk")]
    assert (fill.fill_time, fill.latency_us) == (sent + beyond, ORDER_LATENCY + beyond)
    assert fill.correlation_id == "test/feed/began"
    assert paper.stage.next_timer(paper.state) is None


def test_order_that_expires_on_its_way_takes_nothing():
    paper = Paper(**SPREAD)
    paper.show(bids=["99:10"], asks=["101:1"])
    paper.order(LIMIT, BUY, "1", limit="101", lasts=1)
    assert said(paper.wait(20 * MS)) == [("EXPIRED", "EXPIRES_AT", 0, None, "")]


def test_cancellation_that_overtakes_its_order_ends_it_on_its_way():
    paper = Paper(**SPREAD)
    paper.show(bids=["99:10"], asks=["101:1"])
    latency = paper.stage._latency
    slow = max((f"test/risk/slow/{n}" for n in range(50)), key=latency.beyond_least)
    fast = min((f"test/risk/fast/{n}" for n in range(50)), key=latency.beyond_least)
    paper.order(LIMIT, BUY, "1", limit="101", event_id=slow)
    paper.cancel(slow, event_id=fast)
    [end] = paper.wait(40 * MS)
    assert (end.order_id, end.reason, end.remaining_quantity) == (slow, "CANCEL_REQUESTED", 1)
    assert paper.venue.on_their_way == []


def test_orders_of_one_moment_arrive_in_the_order_of_their_ways_and_share_what_is_there():
    paper = Paper(**SPREAD)
    paper.show(bids=["99:10"], asks=["101:1", "102:1"])
    latency = paper.stage._latency
    names = sorted((f"test/risk/{n}" for n in range(4)), key=latency.beyond_least)
    for name in sorted(names):
        paper.order(MARKET, BUY, "0.5", event_id=name, account="other" if name == names[0] else "main")
        paper.now -= MS
    fills = paper.wait(30 * MS)
    assert [fill.order_id for fill in fills] == names
    assert [fill.price for fill in fills] == [101, 101, 102, 102]
    assert said(paper.order(MARKET, SELL, "1") + paper.wait(20 * MS)) == [("FILLED", None, D(1), 99, "book_walk")]
