"""A resting order's place at its price, under both queue models. Numbers worked by hand."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.execution.queue import SHADOW, Passed, Queue, on_display, on_trade, on_void
from streams.domain.execution.queue_model import QUEUE_MODELS, Pessimistic, Proportional, QueueModel
from streams.domain.parameters import ExecutionParameters
from streams.domain.records import OrderType
from tests.domain.execution_stories import BUY, MS, SELL, Paper, said
from tests.domain.market import D

LIMIT = OrderType.LIMIT
MODELS = sorted(QUEUE_MODELS)


# The contract of every model


def test_settings_name_exactly_the_models_that_are_there():
    assert set(MODELS) == set(ExecutionParameters.model_fields["queue_model"].annotation.__args__)


amounts = st.integers(0, 10**6).map(lambda units: Decimal(units) / 1000)


@pytest.mark.parametrize("model", QUEUE_MODELS.values(), ids=lambda model: model.name)
@given(shown=amounts.filter(bool), share=st.integers(0, 1000), gone=st.integers(1, 1000))
def test_cancellation_never_moves_an_order_back_nor_before_the_head(model: QueueModel, shown, share, gone):
    ahead, cancelled = shown * share / 1000, shown * gone / 1000
    after = model.ahead_after(ahead=ahead, shown=shown, cancelled=cancelled)
    assert 0 <= after <= ahead
    assert min(after, shown - cancelled) >= 0
    assert model.ahead_after(ahead=ahead, shown=shown, cancelled=shown) == 0
    assert QUEUE_MODELS[model.name] == model


@pytest.mark.parametrize(
    ("cancelled", "pessimistic", "proportional"),
    [
        # 6 of 10 ahead, 4 behind
        ("3", "6", "4.2"),  # 3 of the 4 behind; 6 · 7/10
        ("4", "6", "3.6"),
        ("7", "3", "1.8"),  # the 4 behind and 3 ahead; 6 · 3/10
        ("10", "0", "0"),
    ],
)
def test_models_differ_in_who_cancels(cancelled, pessimistic, proportional):
    given = {"ahead": D(6), "shown": D(10), "cancelled": D(cancelled)}
    assert Pessimistic().ahead_after(**given) == D(pessimistic)
    assert Proportional().ahead_after(**given) == D(proportional)


def test_proportional_share_is_rounded_half_to_even_at_12_places():
    assert Proportional().ahead_after(ahead=D(1), shown=D(3), cancelled=D(2)) == D("0.333333333333")


# The two models in a market


@pytest.mark.parametrize(
    ("model", "places"),
    [
        # 10 ahead of it; 5 join behind (15); 6 of the 15 cancel; 4 trade, seen after a while; 3 more cancel of the 5 that are left
        ("pessimistic", [10, 10, 9, 5, 2]),
        ("proportional", [10, 10, 6, 2, D("0.8")]),
    ],
)
def test_queue_advances_with_cancellations_and_trades(model, places):
    paper = Paper(queue_model=model)
    paper.show(bids=["99:10"], asks=["101:1"])
    paper.order(LIMIT, BUY, "1", limit="99")
    seen = [paper.ahead(paper.name)]
    paper.change(bids=["99:15"])
    seen.append(paper.ahead(paper.name))
    paper.change(bids=["99:9"])
    seen.append(paper.ahead(paper.name))
    paper.wait(SHADOW)
    paper.trades(("99", "4", SELL))
    seen.append(paper.ahead(paper.name))
    paper.change(bids=["99:5"])  # says the same as the trade
    assert paper.ahead(paper.name) == seen[-1]
    paper.wait(SHADOW)
    paper.change(bids=["99:2"])
    seen.append(paper.ahead(paper.name))
    assert seen == places
    paper.wait(SHADOW)
    [fill] = paper.trades(("99", "3", SELL))
    assert fill.model == f"queue_{model}"


@pytest.mark.parametrize("model", MODELS)
def test_level_that_shrinks_just_before_its_trade_is_counted_once(model):
    paper = Paper(queue_model=model)
    paper.show(bids=["99:10"], asks=["101:1"])
    paper.order(LIMIT, BUY, "1", limit="99")
    order = paper.name
    paper.market(bid="99:6", ask="101:1")
    assert paper.ahead(order) == 6
    assert paper.trades(("99", "4", SELL)) == []
    assert paper.ahead(order) == 6
    assert paper.trades(("99", "1", SELL)) == []
    assert paper.ahead(order) == 5
    paper.change(bids=["99:5"])
    assert paper.ahead(order) == 5
    paper.wait(SHADOW)
    assert said(paper.trades(("99", "5.5", SELL))) == [("PARTIAL", None, D("0.5"), 99, f"queue_{model}")]


def test_level_that_shrank_long_before_a_trade_had_cancellations():
    paper = Paper()
    paper.show(bids=["99:10"], asks=["101:1"])
    paper.order(LIMIT, BUY, "1", limit="99")
    paper.market(bid="99:6", ask="101:1")
    paper.wait(SHADOW)
    paper.trades(("99", "4", SELL))
    assert paper.ahead(paper.name) == 2


def test_level_that_is_gone_leaves_the_order_at_the_head():
    paper = Paper()
    paper.show(bids=["99:10", "98:5"], asks=["101:1"])
    paper.order(LIMIT, BUY, "1", limit="99")
    paper.market(bid="98.5:1", ask="101:1")
    assert paper.ahead(paper.name) == 0
    paper.change(bids=["99:50"])
    assert paper.ahead(paper.name) == 0, "who comes now stands behind"


def test_word_of_other_prices_says_nothing_of_the_queue():
    paper = Paper()
    paper.show(bids=["99:10", "98:5"], asks=["101:1"])
    paper.order(LIMIT, BUY, "1", limit="98")
    queue = paper.standing(paper.name).queue
    paper.market(bid="99:2", ask="101:1")
    paper.change(bids=["99:1"], asks=["98:0"])
    assert (queue.ahead, queue.shown) == (5, 5)


def test_order_beyond_the_visible_depth_learns_its_place_when_the_level_comes_into_view():
    paper = Paper()
    paper.show(bids=["99:10", "98:5"], asks=["101:1", "102:2"])
    paper.order(LIMIT, BUY, "1", limit="97")
    buy = paper.name
    paper.order(LIMIT, SELL, "1", limit="103")
    sell = paper.name
    assert (paper.ahead(buy), paper.ahead(sell)) == (None, None)
    assert paper.trades(("97", "50", SELL)) == [], "nobody knows who was ahead"
    paper.show(bids=["98:5", "97:7"], asks=["102:2", "104:1"])
    assert (paper.ahead(buy), paper.ahead(sell)) == (7, 0)
    paper.show(bids=["98:5"], asks=["102:2"])
    assert paper.ahead(buy) == 7, "out of view again"


def test_after_a_void_book_the_display_only_bounds_the_queue():
    paper = Paper(queue_model="proportional")
    paper.show(bids=["99:10"], asks=["101:1"])
    paper.order(LIMIT, BUY, "1", limit="99")
    paper.market(gap=True)
    paper.show(bids=["99:8"], asks=["101:1"])
    assert paper.ahead(paper.name) == 8
    paper.market(gap=True)
    paper.show(bids=["99:20"], asks=["101:1"])
    assert paper.ahead(paper.name) == 8


def test_sell_queues_among_the_asks():
    paper = Paper()
    paper.show(bids=["99:10"], asks=["101:4", "102:5"])
    paper.order(LIMIT, SELL, "2", limit="101")
    paper.market(bid="99:10", ask="101:3")
    assert paper.ahead(paper.name) == 3
    paper.wait(SHADOW)
    assert said(paper.trades(("101", "4", BUY))) == [("PARTIAL", None, 1, 101, "queue_pessimistic")]


def test_place_that_is_not_known_cannot_be_passed():
    with pytest.raises(AssertionError, match="does not know its place"):
        on_trade(Queue(), traded=D(1), left=D(1), through=D(0), now=0)


def test_second_order_at_a_level_waits_for_the_first_and_all_real_ones_before_it():
    first, second = Queue(D(2), D(5)), Queue(D(5), D(5))
    left, through = on_trade(first, traded=D(4), left=D(4), through=D(0), now=0)
    assert (left, through, first.ahead) == (2, 2, 0)
    # The first order takes 1.5 of those 2; half a unit goes on to the 3 real ones between.
    assert on_trade(second, traded=D(4), left=D("0.5"), through=through, now=0) == Passed(D(0), D("2.5"))
    assert second.ahead == D("2.5")


steps = st.lists(st.tuples(st.sampled_from(["show", "trade", "void"]), st.integers(0, 30), st.integers(0, 150)), max_size=30)


@pytest.mark.parametrize("model", QUEUE_MODELS.values(), ids=lambda model: model.name)
@given(st.none() | st.integers(0, 30), steps)
def test_queue_position_never_grows_and_trades_are_never_given_out_twice(model, ahead, steps):
    queue = Queue(None if ahead is None else D(ahead), None if ahead is None else D(ahead))
    now = traded = reached = 0
    for kind, amount, wait in steps:
        now += wait * MS
        before = queue.ahead
        match kind:
            case "show":
                on_display(queue, D(amount), now=now, model=model)
                assert queue.ahead <= amount
            case "trade" if before is not None:
                traded += amount
                left, through = on_trade(queue, traded=D(amount), left=D(amount), through=D(0), now=now)
                reached += left
                assert left + through == amount and (not left or queue.ahead == 0)
            case "void":
                on_void(queue)
        assert before is None or 0 <= queue.ahead <= before
        assert queue.advanced >= 0 and (queue.shown is None or queue.shown >= 0)
    assert reached <= traded


def test_a_trade_passes_only_those_whom_the_real_queue_before_it_has_left():
    # 5 stand before it, 2 of them were used up by the orders passed before; 8 of the trade are left: 3 more are used up, 5 go on.
    queue = Queue(ahead=D(5), shown=D(20))
    assert on_trade(queue, traded=D(10), left=D(8), through=D(2), now=0) == Passed(D(5), D(5))
    assert (queue.ahead, queue.shown) == (0, 10)


def test_a_shrinking_that_proves_to_be_the_trades_is_taken_off_the_display_once():
    # 4 ahead after a shrinking by 2, which the display has shown already; of the 3 that trade now 2 are those.
    queue = Queue(ahead=D(4), shown=D(10), advanced=D(2))
    assert on_trade(queue, traded=D(3), left=D(3), through=D(0), now=SHADOW) == Passed(D(0), D(3))
    assert (queue.ahead, queue.advanced, queue.shown) == (3, 0, 9)
