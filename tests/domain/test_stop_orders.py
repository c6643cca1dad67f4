"""Stops in the paper exchange: what sets them off and what they do then. Numbers worked by hand."""

import pytest

from streams.domain.records import InstrumentStatus, OrderType, ResultStatus
from tests.domain.execution_stories import BUY, MS, SELL, Paper, said
from tests.domain.market import D, make_instrument

STOP, STOP_LIMIT = OrderType.STOP, OrderType.STOP_LIMIT


def make_paper(**settings: object) -> Paper:
    paper = Paper(**settings)
    paper.show(bids=["99:10", "98:20"], asks=["101:1", "102:3"])
    return paper


def test_stop_becomes_a_market_order_with_the_first_trade_at_its_price():
    paper = make_paper()
    assert paper.order(STOP, SELL, "12", stop="99.5") == []
    assert paper.trades(("99.6", "1", SELL)) == []
    [fill] = paper.trades(("99.5", "1", SELL))
    # 10 · 99 + 2 · 98 = 1186 for 12
    assert (fill.status, fill.notional, fill.price, fill.model) == ("FILLED", 1186, D("98.833333333333"), "book_walk")
    assert fill.fill_time == paper.now and paper.venue.stops == []


def test_buy_stop_is_set_off_from_below_and_its_rest_is_cancelled():
    paper = make_paper()
    paper.order(STOP, BUY, "5", stop="101", correlation_id="test/feed/began")
    answers = paper.trades(("101.5", "1", BUY))
    assert said(answers) == [
        ("PARTIAL", None, 4, D("101.75"), "book_walk"), ("CANCELLED", "NO_MORE_DEPTH", 0, None, ""),
    ]  # fmt: skip
    assert {answer.correlation_id for answer in answers} == {"test/feed/began"}


def test_any_trade_of_a_record_sets_a_stop_off():
    paper = make_paper()
    paper.order(STOP, SELL, "1", stop="99")
    assert paper.trades(("100", "1", SELL), ("98.9", "1", SELL), ("100", "1", BUY))[0].status is ResultStatus.FILLED


def test_stop_already_reached_by_the_last_trade_acts_as_it_arrives():
    paper = make_paper()
    paper.trades(("99", "1", SELL))
    assert said(paper.order(STOP, SELL, "1", stop="99.5")) == [("FILLED", None, 1, 99, "book_walk")]


def test_trade_that_happened_before_the_stop_arrived_sets_nothing_off():
    paper = make_paper()
    paper.order(STOP, SELL, "1", stop="99")
    assert paper.trades(("98", "1", SELL), traded_at=paper.now - 1) == []
    assert paper.trades(("99", "1", SELL)) != []


def test_stop_limit_rests_at_its_limit_once_set_off():
    paper = make_paper()
    paper.order(STOP_LIMIT, SELL, "12", stop="99.5", limit="98.5")
    answers = paper.trades(("99.4", "1", SELL))
    assert said(answers) == [("PARTIAL", None, 10, 99, "book_walk")]
    assert paper.change(bids=["99:0"]) == []
    # Alone at the head of 98.5 since nothing displayed stands there.
    assert said(paper.trades(("98.5", "9", BUY))) == [("FILLED", None, 2, D("98.5"), "queue_pessimistic")]


def test_stop_limit_away_from_the_market_waits_behind_what_is_displayed():
    paper = make_paper()
    paper.order(STOP_LIMIT, BUY, "1", stop="100", limit="99")
    assert paper.trades(("100", "1", BUY)) == []
    assert paper.ahead(paper.name) == 10
    [end] = paper.cancel(paper.name)
    assert end.reason == "CANCEL_REQUESTED"


def test_with_the_mid_as_trigger_trades_set_nothing_off():
    paper = make_paper(stop_trigger="mid")
    paper.order(STOP, SELL, "1", stop="99.4")
    assert paper.trades(("90", "1", SELL)) == []
    assert paper.change(bids=["99:0"]) == []  # (98 + 101)/2 = 99.5
    assert said(paper.change(asks=["100.8:1"])) == [("FILLED", None, 1, 98, "book_walk")]  # 99.4


def test_mid_of_a_book_with_one_side_or_crossed_is_no_trigger():
    paper = make_paper(stop_trigger="mid")
    paper.order(STOP, SELL, "1", stop="200")
    assert said(paper.answers)[-1][0] == "FILLED"
    paper.order(STOP, BUY, "1", stop="100.5")
    order = paper.standing(paper.name)
    paper.change(asks=["98.5:1"])
    paper.change(bids=["99:0", "98:0"])
    assert not order.triggered
    assert said(paper.change(bids=["98:1"], asks=["98.5:0"]))[:1] == []
    assert said(paper.change(bids=["100.5:1"])) == [("FILLED", None, 1, 101, "book_walk")]


def test_stop_set_off_in_a_gap_acts_when_the_book_is_back():
    paper = make_paper()
    paper.order(STOP, SELL, "1", stop="99")
    paper.market(gap=True)
    assert paper.trades(("98", "1", SELL)) == []
    assert paper.standing(paper.name).triggered
    assert said(paper.show(bids=["97:5"], asks=["98:1"])) == [("FILLED", None, 1, 97, "book_walk")]


def test_stop_is_taken_in_without_a_book_and_waits_while_the_symbol_is_not_online():
    paper = make_paper()
    paper.trades(("98", "1", SELL))
    paper.market(gap=True)
    assert paper.order(STOP, SELL, "1", stop="99") == []
    paper._step("instruments", make_instrument(status=InstrumentStatus.PAUSED, valid_from=paper.now))
    assert paper.show(bids=["97:5"], asks=["98:1"]) == []
    paper._step("instruments", make_instrument(valid_from=paper.now + 1))
    assert said(paper.market()) == [("FILLED", None, 1, 97, "book_walk")]


def test_stop_is_refused_while_the_feed_is_down():
    paper = make_paper()
    paper.market(feed_down=True)
    assert said(paper.order(STOP, SELL, "1", stop="90")) == [("REJECTED", "FEED_DOWN", 0, None, "")]


def test_stop_that_waits_expires_and_is_cancelled_like_any_order():
    paper = make_paper()
    paper.order(STOP, SELL, "1", stop="90", lasts=5 * MS)
    assert said(paper.wait(5 * MS)) == [("EXPIRED", "EXPIRES_AT", 0, None, "")]
    paper.order(STOP, SELL, "1", stop="90")
    assert said(paper.cancel(paper.name)) == [("CANCELLED", "CANCEL_REQUESTED", 0, None, "")]
    assert paper.trades(("80", "1", SELL)) == []


def test_stop_that_finds_nothing_is_rejected():
    paper = Paper()
    paper.show(bids=[], asks=["101:1"])
    paper.order(STOP, SELL, "1", stop="90")
    assert said(paper.trades(("80", "1", SELL))) == [("REJECTED", "NO_DEPTH", 0, None, "")]


@pytest.mark.parametrize("trigger", ["last_trade", "mid"])
def test_where_no_book_was_ever_shown_the_last_trade_is_the_trigger(trigger):
    paper = Paper(stop_trigger=trigger)
    paper.order(STOP, SELL, "1", stop="90")
    [fill] = paper.trades(("80", "1", SELL))
    # 5 + 10 · 80/80 = 15 bps below 80
    assert (fill.price, fill.model, fill.market_event_id) == (D("79.88"), "trades_only", "test/feed/sim/BTCUSDT/1")
