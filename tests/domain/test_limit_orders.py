"""Limit orders in the paper exchange: what they take, how they rest, and how they end. Numbers worked by hand."""

import pytest

from streams.domain.records import InstrumentStatus, Liquidity, OrderType, ResultStatus
from tests.domain.execution_stories import BUY, MS, ORDER_LATENCY, SELL, START, Paper, said
from tests.domain.market import D, levels, make_instrument, make_market

LIMIT, MAKER = OrderType.LIMIT, OrderType.LIMIT_MAKER
IOC, FOK = OrderType.IMMEDIATE_OR_CANCEL, OrderType.FILL_OR_KILL


def make_paper(**settings: object) -> Paper:
    """Bids 99:10 98:20, asks 101:1 102:3; maker 0.001, taker 0.002."""
    paper = Paper(**settings)
    paper.show(bids=["99:10", "98:20"], asks=["101:1", "102:3"])
    return paper


def test_crossing_part_takes_at_book_prices_with_taker_fee_and_the_rest_rests():
    paper = make_paper()
    [partial] = paper.order(LIMIT, BUY, "3", limit="101.5", decision_mark=D(100))
    # Only 101:1 is within 101.5. 101 · 0.002 = 0.202; (101 − 100)/100 = 100 bps
    assert said([partial]) == [("PARTIAL", None, 1, 101, "book_walk")]
    assert (partial.fee, partial.liquidity, partial.slippage_bps) == (D("0.202"), Liquidity.TAKER, 100)
    assert (partial.cumulative_quantity, partial.remaining_quantity) == (1, 2)
    assert (paper.standing(paper.name).crossed, paper.ahead(paper.name)) == (True, 0)


def test_order_within_its_price_is_filled_at_once():
    paper = make_paper()
    [fill] = paper.order(LIMIT, BUY, "3", limit="102")
    # 1 · 101 + 2 · 102 = 305; 305/3
    assert (fill.status, fill.notional, fill.price) == (ResultStatus.FILLED, 305, D("101.666666666667"))
    assert paper.venue.buys == []


def test_rest_that_the_market_still_reaches_takes_what_is_newly_displayed_until_it_stands_clear():
    paper = make_paper()
    paper.order(LIMIT, BUY, "5", limit="101")
    assert paper.change(asks=["101:1"], bids=["99:11"])[0].liquidity is Liquidity.TAKER  # the level is whole again
    [more] = paper.change(asks=["100.5:2"])
    assert said([more]) == [("PARTIAL", None, 2, D("100.5"), "book_walk")]
    assert more.fee == D("100.5") * 2 * D("0.002")
    assert paper.change(asks=["100.5:0", "101:0"]) == []
    assert paper.standing(paper.name).rested
    [last] = paper.trades(("101", "5", SELL))
    # It stood at the head of 101; 1 left at 101 · 0.001
    assert said([last]) == [("FILLED", None, 1, 101, "queue_pessimistic")]
    assert (last.fee, last.liquidity) == (D("0.101"), Liquidity.MAKER)


def test_resting_order_waits_for_its_queue_and_pays_the_maker_fee():
    paper = make_paper()
    assert paper.order(LIMIT, BUY, "4", limit="99", decision_mark=D(100)) == []
    order, placed = paper.name, paper.now
    assert paper.trades(("99", "7", SELL)) == []
    assert paper.ahead(order) == 3
    [partial] = paper.trades(("99", "5", SELL))
    assert said([partial]) == [("PARTIAL", None, 2, 99, "queue_pessimistic")]
    # 2 · 99 · 0.001; bought 1 below the mark of 100: −100 bps
    assert (partial.fee, partial.fee_asset, partial.liquidity) == (D("0.198"), "USDT", Liquidity.MAKER)
    assert (partial.slippage_bps, partial.decision_mark) == (-100, 100)
    assert partial.latency_us == paper.now - (placed - ORDER_LATENCY) == partial.fill_time - (placed - ORDER_LATENCY)
    assert (partial.order_id, partial.market_event_id) == (order, make_market(sequence=3).event_id)
    [last] = paper.trades(("99", "9", SELL))
    assert (last.status, last.quantity, last.cumulative_quantity, last.remaining_quantity) == ("FILLED", 2, 4, 0)
    assert paper.trades(("99", "9", SELL)) == []


def test_trades_of_the_own_side_or_at_better_prices_do_not_reach_a_resting_order():
    paper = make_paper()
    paper.order(LIMIT, BUY, "1", limit="99")
    assert paper.trades(("99", "50", BUY), ("100", "50", SELL)) == []
    assert paper.ahead(paper.name) == 10


def test_trade_through_the_price_fills_to_the_quantity_traded():
    paper = make_paper()
    paper.order(LIMIT, SELL, "4", limit="102", decision_mark=D(100))
    [partial] = paper.trades(("102.1", "1.5", BUY))
    assert said([partial]) == [("PARTIAL", None, D("1.5"), 102, "trade_through")]
    assert (partial.liquidity, partial.slippage_bps) == (Liquidity.MAKER, -200)
    assert paper.ahead(paper.name) == 0
    assert said(paper.trades(("102", "9", BUY))) == [("FILLED", None, D("2.5"), 102, "queue_pessimistic")]


def test_one_record_with_several_trades_makes_one_fill_a_kind():
    paper = make_paper()
    paper.order(LIMIT, BUY, "9", limit="99")
    answers = paper.trades(("99", "11", SELL), ("99", "1", SELL), ("98.9", "1", SELL), ("98.8", "2", SELL))
    assert said(answers) == [("PARTIAL", None, 2, 99, "queue_pessimistic"), ("PARTIAL", None, 3, 99, "trade_through")]


def test_book_that_comes_through_the_price_fills_at_it_then_at_what_is_displayed():
    paper = make_paper()
    paper.order(MAKER, BUY, "5", limit="99")
    [partial] = paper.change(bids=["99:0"], asks=["98.5:2"])
    assert said([partial]) == [("PARTIAL", None, 2, 99, "book_through")]
    assert paper.trades(("98.5", "2", BUY)) == []  # of the displayed size, which is gone
    [more] = paper.change(asks=["98.5:1"])
    assert said([more]) == [("PARTIAL", None, 1, D("98.5"), "book_walk")]
    assert more.liquidity is Liquidity.MAKER


def test_post_only_order_is_rejected_where_it_would_take_and_rests_elsewhere():
    paper = make_paper()
    assert said(paper.order(MAKER, BUY, "1", limit="101")) == [("REJECTED", "WOULD_TAKE", 0, None, "")]
    assert said(paper.order(MAKER, SELL, "1", limit="98.9")) == [("REJECTED", "WOULD_TAKE", 0, None, "")]
    assert paper.order(MAKER, BUY, "1", limit="100.9") == []
    assert paper.ahead(paper.name) == 0
    assert said(paper.trades(("100.9", "3", SELL))) == [("FILLED", None, 1, D("100.9"), "queue_pessimistic")]


def test_immediate_or_cancel_takes_what_is_there_and_ends():
    paper = make_paper()
    answers = paper.order(IOC, BUY, "3", limit="101")
    assert said(answers) == [
        ("PARTIAL", None, 1, 101, "book_walk"), ("CANCELLED", "NO_MORE_WITHIN_LIMIT", 0, None, ""),
    ]  # fmt: skip
    assert (answers[1].cumulative_quantity, answers[1].remaining_quantity) == (1, 2)
    assert said(paper.order(IOC, BUY, "3", limit="101")) == [("CANCELLED", "NO_MORE_WITHIN_LIMIT", 0, None, "")]
    assert said(paper.order(IOC, SELL, "3", limit="100")) == [("CANCELLED", "NO_MORE_WITHIN_LIMIT", 0, None, "")]
    assert said(paper.order(IOC, SELL, "3", limit="99")) == [("FILLED", None, 3, 99, "book_walk")]


def test_fill_or_kill_takes_all_or_nothing():
    paper = make_paper()
    assert said(paper.order(FOK, BUY, "4.1", limit="102")) == [("CANCELLED", "NOT_FILLABLE_AT_ONCE", 0, None, "")]
    assert said(paper.order(FOK, BUY, "1.1", limit="101.9")) == [("CANCELLED", "NOT_FILLABLE_AT_ONCE", 0, None, "")]
    assert said(paper.order(FOK, BUY, "4", limit="102")) == [("FILLED", None, 4, D("101.75"), "book_walk")]


def test_cancellation_ends_its_target_and_is_not_answered_itself():
    paper = make_paper()
    paper.order(LIMIT, BUY, "4", limit="99", correlation_id="test/feed/began")
    order = paper.name
    paper.trades(("99", "12", SELL))
    [end] = paper.cancel(order)
    assert said([end]) == [("CANCELLED", "CANCEL_REQUESTED", 0, None, "")]
    assert (end.order_id, end.cumulative_quantity, end.remaining_quantity) == (order, 2, 2)
    assert (end.correlation_id, end.terminal) == ("test/feed/began", True)
    assert paper.cancel(order) == [] and paper.wait(10 * MS) == []
    assert paper.trades(("99", "50", SELL)) == []


def test_cancellation_handled_before_an_order_of_the_same_moment_still_ends_it():
    paper = make_paper()
    assert paper.cancel("test/risk/order/2") == []
    paper.now -= MS
    assert paper.order(LIMIT, BUY, "4", limit="99") == []
    assert said(paper.wait(1)) == [("CANCELLED", "CANCEL_REQUESTED", 0, None, "")]
    assert paper.stage.next_timer(paper.state) is None


def test_another_accounts_cancellation_is_a_bug():
    paper = make_paper()
    paper.order(LIMIT, BUY, "4", limit="99")
    with pytest.raises(AssertionError, match="of other cancels an order of main"):
        paper.cancel(paper.name, account="other")


def test_order_expires_at_its_time_with_what_was_filled():
    paper = make_paper()
    paper.order(LIMIT, BUY, "4", limit="99", lasts=5 * MS)
    expires = paper.now + 5 * MS
    paper.trades(("99", "12", SELL))
    assert paper.wait(3 * MS) == []
    [end] = paper.wait(MS)
    assert said([end]) == [("EXPIRED", "EXPIRES_AT", 0, None, "")]
    assert (end.fill_time, end.cumulative_quantity, end.remaining_quantity) == (expires, 2, 2)
    assert paper.outputs[-1].key == "main"


def test_order_that_arrives_at_its_expiry_takes_nothing():
    paper = make_paper()
    assert said(paper.order(LIMIT, BUY, "1", limit="102", lasts=0)) == [("EXPIRED", "EXPIRES_AT", 0, None, "")]


def test_orders_expire_in_order_of_arrival_and_the_earliest_sets_the_timer():
    paper = make_paper()
    paper.order(LIMIT, BUY, "1", limit="98", lasts=4 * MS)
    paper.order(LIMIT, BUY, "1", limit="99", lasts=3 * MS)
    paper.order(LIMIT, SELL, "1", limit="105", lasts=20 * MS)
    assert [end.order_id for end in paper.wait(9 * MS)] == ["test/risk/order/1", "test/risk/order/2"]
    assert paper.stage.next_timer(paper.state)[2] == "expiry"


@pytest.mark.parametrize(
    ("kind", "changes", "reason"),
    [
        (LIMIT, {"limit": None}, "LIMIT_PRICE_MISSING"),
        (LIMIT, {"limit": "99.05"}, "LIMIT_PRICE_OFF_TICK"),
        (IOC, {"limit": "99.05"}, "LIMIT_PRICE_OFF_TICK"),
        (LIMIT, {"limit": "99", "quantity": "1.05"}, "QUANTITY_OFF_LOT"),
        (OrderType.STOP, {"stop": None}, "STOP_PRICE_MISSING"),
        (OrderType.STOP, {"stop": "99.05"}, "STOP_PRICE_OFF_TICK"),
        (OrderType.STOP_LIMIT, {"stop": "99", "limit": "98.99"}, "LIMIT_PRICE_OFF_TICK"),
    ],
)
def test_order_that_breaks_the_instruments_rules_is_rejected_with_the_rule(kind, changes, reason):
    assert said(make_paper().order(kind, SELL, **changes)) == [("REJECTED", reason, 0, None, "")]


def test_market_and_stop_orders_close_what_is_held_to_the_last_digit():
    paper = make_paper()
    assert paper.order(OrderType.MARKET, SELL, "1.05")[0].status is ResultStatus.FILLED
    assert paper.order(OrderType.STOP, SELL, "1.05", stop="90") == []


def test_without_an_instrument_no_grid_is_known():
    paper = make_paper(instrument=make_instrument(valid_from=START, valid_to=START + 1))
    assert paper.order(LIMIT, BUY, "1.0000001", limit="99.000001") == []


@pytest.mark.parametrize(
    ("record", "reason"),
    [({"gap": True}, "BOOK_GAP"), ({"feed_down": True}, "FEED_DOWN"), ({"bid": "101:1", "ask": "102:1"}, None)],
)
def test_limit_order_needs_a_market_to_stand_in(record, reason):
    paper = make_paper()
    paper.market(**record)
    answers = paper.order(LIMIT, BUY, "1", limit="99")
    assert [answer.reason for answer in answers] == ([reason] if reason else [])


def test_symbol_that_is_not_online_takes_no_new_order_and_keeps_those_that_stand():
    paper = make_paper()
    paper.order(LIMIT, BUY, "1", limit="99")
    order = paper.name
    paper._step("instruments", make_instrument(status=InstrumentStatus.PAUSED, valid_from=paper.now))
    for kind in (LIMIT, MAKER, IOC, FOK, OrderType.STOP, OrderType.STOP_LIMIT):
        answers = paper.order(kind, BUY, "1", limit="99", stop="105")
        assert said(answers) == [("REJECTED", "INSTRUMENT_PAUSED", 0, None, "")]
    assert said(paper.cancel(order)) == [("CANCELLED", "CANCEL_REQUESTED", 0, None, "")]


def test_in_a_gap_orders_stay_and_only_trades_through_their_price_fill_them():
    paper = make_paper()
    paper.order(LIMIT, BUY, "5", limit="99")
    paper.market(gap=True)
    assert paper.trades(("99", "50", SELL)) == []
    assert said(paper.trades(("98.5", "1", SELL))) == [("PARTIAL", None, 1, 99, "trade_through")]
    # From here on 99 is no longer the market's price: the next trades are.
    [second] = paper.trades(("98", "1", BUY))
    assert (said([second]), second.liquidity) == ([("PARTIAL", None, 1, 98, "trade_through")], Liquidity.MAKER)
    assert paper.trades(("99.5", "1", BUY)) == []
    assert said(paper.trades(("98", "1", BUY))) == [("PARTIAL", None, 1, 99, "trade_through")]
    assert paper.show(bids=["97:1"], asks=["99.5:1"]) == []
    assert paper.ahead(paper.name) == 0
    assert said(paper.trades(("99", "5", SELL))) == [("FILLED", None, 2, 99, "queue_pessimistic")]


def test_crossed_book_is_not_taken_from():
    paper = make_paper()
    paper.order(LIMIT, BUY, "1", limit="99")
    assert paper.change(asks=["98.5:5"], bids=["99:1"]) == [], "bid 99 over ask 98.5"
    assert said(paper.change(bids=["99:0"])) == [("FILLED", None, 1, 99, "book_through")]


def test_with_the_feed_down_nothing_fills_and_orders_still_end():
    paper = make_paper()
    paper.order(LIMIT, BUY, "1", limit="99", lasts=60 * MS)
    order = paper.name
    paper.order(LIMIT, BUY, "1", limit="98")
    assert paper.market(feed_down=True) == []
    assert [end.status for end in paper.wait(80 * MS)] == [ResultStatus.EXPIRED]
    assert paper.cancel(paper.name)[0].order_id != order


def test_trade_that_happened_before_the_order_arrived_fills_nothing():
    paper = make_paper()
    paper.order(LIMIT, BUY, "1", limit="99")
    arrived = paper.now
    assert paper.trades(("98", "9", SELL), traded_at=arrived - 1) == []
    assert paper.trades(("98", "9", SELL), traded_at=arrived)[0].status is ResultStatus.FILLED


def test_two_accounts_share_what_is_displayed_and_traded():
    paper = make_paper()
    paper.order(LIMIT, BUY, "2", limit="99")
    paper.order(LIMIT, BUY, "2", limit="99", account="other")
    paper.order(LIMIT, BUY, "2", limit="99.5", account="other")
    # 99.5 is better and first; then 10 real ahead, then main, then other: 2 + 10 + 2 + 1 = 15
    answers = paper.trades(("98.9", "3", SELL))
    assert [(one.account, one.price, one.quantity) for one in answers] == [("other", D("99.5"), 2), ("main", 99, 1)]
    answers = paper.trades(("99", "1.5", SELL))
    assert [(one.account, one.quantity) for one in answers] == [("main", 1), ("other", D("0.5"))]


def test_two_accounts_never_take_the_same_displayed_quantity():
    paper = make_paper()
    assert said(paper.order(LIMIT, BUY, "1", limit="101"))[0][0] == "FILLED"
    assert paper.order(LIMIT, BUY, "1", limit="101", account="other") == []


def test_paper_orders_never_match_each_other():
    paper = make_paper()
    paper.order(LIMIT, BUY, "1", limit="100.5")
    assert paper.order(LIMIT, SELL, "1", limit="100.5") == []
    assert paper.order(LIMIT, SELL, "1", limit="99.5", account="other") == []
    assert paper.order(MAKER, SELL, "1", limit="99.5") == []
    # One real unit through all of them fills one of them: the seller met the bid.
    answers = paper.trades(("100", "1", SELL))
    assert [(one.side, one.quantity, one.price) for one in answers] == [(BUY, 1, D("100.5"))]


def test_without_asks_on_display_trades_say_where_the_market_is():
    paper = Paper()
    paper.show(bids=["99:5"])
    # Before any trade nobody knows the market to be above 100: the order gets the trades' own price.
    paper.order(LIMIT, BUY, "4", limit="100")
    [first] = paper.trades(("99.5", "1", SELL))
    assert (said([first]), first.liquidity) == ([("PARTIAL", None, 1, D("99.5"), "trade_through")], Liquidity.MAKER)
    assert paper.trades(("100.5", "1", BUY)) == []
    assert said(paper.trades(("99.5", "1", SELL))) == [("PARTIAL", None, 1, 100, "trade_through")]
    assert said(paper.trades(("99.5", "1", SELL))) == [("PARTIAL", None, 1, D("99.5"), "trade_through")]
    assert paper.change(asks=["100.5:1"]) == []
    assert said(paper.trades(("100", "1", SELL))) == [("FILLED", None, 1, 100, "queue_pessimistic")]


def test_share_that_the_proportional_queue_leaves_is_filled_in_whole_lots():
    paper = Paper(queue_model="proportional")
    paper.show(bids=["99:3"], asks=["101:1"])
    paper.order(LIMIT, BUY, "2", limit="99")
    paper.change(bids=["99:2"])
    paper.order(LIMIT, BUY, "2", limit="99", account="other")
    paper.wait(200 * MS)
    paper.change(bids=["99:1"])
    paper.wait(200 * MS)
    # 3 · 2/3 = 2 and 2 · 1/2 = 1 are ahead of main, 1 of other
    paper.change(bids=["99:0.7"])
    paper.wait(200 * MS)
    # 0.7 ahead; with 1.25 traded 0.55 is left of it, in lots of 0.1
    [fill] = paper.trades(("99", "1.25", SELL))
    assert (fill.account, fill.quantity) == ("main", D("0.5"))


def test_order_filled_by_a_records_trades_takes_nothing_of_what_it_displays():
    paper = make_paper()
    paper.market()
    paper.order(LIMIT, BUY, "1", limit="99")
    answers = paper.trades(("98.9", "5", SELL), bids=levels("99:0"), asks=levels("98.9:1"))
    assert said(answers) == [("FILLED", None, 1, 99, "trade_through")]
    assert paper.venue.taken.asks == []


def test_record_that_says_nothing_leaves_a_symbol_without_a_market():
    paper = Paper()
    paper.market()
    assert paper.order(LIMIT, BUY, "1", limit="99")[0].reason == "NO_TRADES"
