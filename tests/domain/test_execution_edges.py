"""The paper exchange at its edges: what is remembered, forgotten and drawn, to the last digit."""

from streams.domain.execution.latency import SpreadLatency
from streams.domain.records import OrderType
from tests.domain.execution_stories import BUY, MS, SELL, Paper
from tests.domain.market import D


def test_a_shrinking_that_a_void_book_hid_is_nobodys_cancellation():
    # 10 stand ahead and 10 behind; after the gap 12 are displayed: of whom nobody knows, so 10 may be ahead still.
    paper = Paper(queue_model="proportional")
    paper.show(bids=["99:10"], asks=["101:5"])
    paper.order(OrderType.LIMIT, BUY, "1", limit="99")
    paper.change(bids=["99:20"])
    paper.market(gap=True)
    paper.show(bids=["99:12"], asks=["101:5"])
    assert paper.ahead(paper.name) == 10
    # Seen all the while, 8 of 20 were cancellations, 4 of them ahead.
    paper.change(bids=["99:6"])
    assert paper.ahead(paper.name) == 5


def test_what_is_drawn_for_an_order_is_the_same_for_ever():
    # sha256 of "risk/order/1", its first 8 bytes as a number, modulo 20,001.
    assert SpreadLatency(50 * MS, 50 * MS, 20 * MS).beyond_least("live/risk/order/1") == 10_099


def test_a_trade_of_exactly_what_is_wanted_fills_it_to_the_last_digit():
    # .45 of it were displayed through its price; the .55 that are left are no whole lots of .1.
    paper = Paper()
    paper.show(bids=["98:5"], asks=["101:5"])
    paper.order(OrderType.LIMIT, BUY, "1", limit="99")
    [through] = paper.change(asks=["99:0.45"])
    assert through.quantity == D("0.45")
    paper.change(asks=["99:0"])
    [last] = paper.trades(("98.5", "0.55", SELL))
    assert (last.quantity, last.terminal) == (D("0.55"), True)


def test_the_last_of_several_trades_is_the_price_that_stops_are_held_against():
    paper = Paper()
    paper.show(bids=["99:5"], asks=["101:5"])
    paper.trades(("100.5", "1", BUY), ("100", "1", SELL))
    assert paper.order(OrderType.STOP, BUY, "1", stop="100.5") == [], "the last trade was below"
    [filled] = paper.order(OrderType.STOP, BUY, "1", stop="100")
    assert filled.quantity == 1
