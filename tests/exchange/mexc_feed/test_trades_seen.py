"""Each trade once, though several connections and REST tell it and mostly without an id."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from streams.domain.records import Side, Trade
from streams.exchange.mexc.trades_seen import TradesSeen

D = Decimal


def trade(time: int, price: int = 100, quantity: int = 1, trade_id: str = "") -> Trade:
    return Trade(trade_id, D(price), D(quantity), Side.BUY, time)


def test_two_connections_that_overlap_tell_each_trade_once_equal_ones_as_often_as_they_happened():
    seen = TradesSeen()
    assert seen.new("a", [trade(1), trade(1)]) == [trade(1), trade(1)]
    assert seen.new("b", [trade(1)]) == []
    assert seen.new("b", [trade(1)]) == []
    assert seen.new("b", [trade(1)]) == [trade(1)], "a third equal one is a third trade"
    assert seen.duplicates == 2


def test_a_connection_that_repeats_an_id_tells_nothing_new():
    seen = TradesSeen()
    seen.new("a", [trade(1, trade_id="7")])
    assert seen.new("a", [trade(1, trade_id="7"), trade(1, trade_id="8")]) == [trade(1, trade_id="8")]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 2)), max_size=30), st.data())
def test_whatever_each_of_two_connections_misses_what_both_tell_together_is_told_once(happened, data):
    trades = [trade(time, price) for time, price in sorted(happened)]
    cut = data.draw(st.integers(0, len(trades)))
    start = data.draw(st.integers(0, cut))
    # The first breaks off at `cut`, the second begins before that: between equal trades nothing tells how many it has missed.
    while 0 < start < len(trades) and trades[start] == trades[start - 1]:
        start -= 1
    seen, told = TradesSeen(), []
    told += seen.new("a", trades[:cut])
    for one in trades[start:]:
        told += seen.new("b", [one])
    assert told == trades


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2)), max_size=12), st.data())
def test_with_ids_whatever_two_connections_hear_each_trade_that_either_heard_is_told_once(happened, data):
    """Also of equal trades of which each has heard some, which without ids nothing can tell apart."""
    trades = [trade(time, price, trade_id=str(number)) for number, (time, price) in enumerate(happened)]
    heard = {source: data.draw(st.lists(st.sampled_from(trades), unique=True), label=source) if trades else [] for source in "ab"}
    order = data.draw(st.permutations([source for source, some in heard.items() for _ in some]))
    seen, told, left = TradesSeen(), [], {source: iter(some) for source, some in heard.items()}
    for source in order:
        told += seen.new(source, [next(left[source])])
    assert sorted(told, key=lambda one: one.trade_id) == sorted({*heard["a"], *heard["b"]}, key=lambda one: one.trade_id)
    assert seen.duplicates == len(order) - len(told)


@given(st.lists(st.integers(1, 2), min_size=1, max_size=8), st.data())
def test_what_rest_told_first_is_not_told_again_by_the_connection_and_what_it_does_not_know_is(happened, data):
    """REST calls trades by other names."""
    trades = [trade(time, trade_id=str(number)) for number, time in enumerate(sorted(happened))]
    known = trades[: data.draw(st.integers(0, len(trades)))]
    seen = TradesSeen()
    first = seen.new("rest", [trade(one.time, trade_id=f"r{one.trade_id}") for one in known], by_id=False)
    assert len(first) == len(known)
    assert len(seen.new("a", trades)) == len(trades) - len(known)
    assert seen.new("b", trades) == [] == seen.new("rest again", trades, by_id=False)


def test_an_answer_by_rest_gives_what_is_missing_and_nothing_twice():
    seen = TradesSeen()
    seen.new("a", [trade(1), trade(2), trade(5)])
    answer = [trade(1), trade(2), trade(3), trade(3), trade(5)]
    assert seen.agrees(answer, before=3)
    assert seen.new("rest", answer, by_id=False) == [trade(3), trade(3)]


def test_an_answer_that_does_not_know_what_we_heard_counts_otherwise_and_is_not_trusted():
    seen = TradesSeen()
    seen.new("a", [trade(2), trade(3)])
    assert not seen.agrees([trade(1), trade(3, quantity=2)], before=4)


def test_memory_is_bounded():
    seen = TradesSeen(kept=10)
    for time in range(1000):
        seen.new("a", [trade(time, trade_id=str(time))])
        seen.new("b", [trade(time)])
        seen.new("c", [trade(time, price=7)])
    assert len(seen._told) == len(seen._ids) == 10
    assert max(len(held) for held in (seen._nameless, *seen._by_source.values())) <= 10
    assert seen.since == 995, "of two different ones a moment the newest ten"
