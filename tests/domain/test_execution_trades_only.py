"""The paper exchange where a symbol has shown trades and never a book."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.execution.fees import FeeSchedule
from streams.domain.execution.latency import Latency
from streams.domain.execution.paper_exchange import on_order
from streams.domain.execution.trades_only import Minute, Tape, hourly_volatility, model_fill
from streams.domain.execution.venue import Terms, Venue, on_market
from streams.domain.records import Liquidity, OrderType, ResultStatus, Side
from streams.stages.state import decode_state, encode_state
from tests.domain.execution_stories import Paper, said
from tests.domain.market import START, D, make_instrument, make_market, make_order, make_snapshot, trade

MINUTE = 60_000_000
TERMS = Terms(None, FeeSchedule(D("0.0002"), D("0.0006"), "USDT"), Latency(50_000, 50_000))


def make_venue(*minutes: tuple[int, str, str]) -> Venue:
    """One trade (price, quantity) in each given minute after the start."""
    venue = Venue()
    for minute, price, quantity in minutes:
        on_market(venue, make_market(START + minute * MINUTE, trades=[trade(price, quantity)]))
    return venue


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "100.1"), (Side.SELL, "99.9")])
def test_fill_is_the_last_trade_worsened_by_base_and_depth(side, price):
    venue = make_venue((0, "100", "4"))
    [fill] = on_order(venue, make_order(side, "2"), now=START + 1, terms=TERMS)
    # 5 bps + 10 bps · 200/400; one minute has no volatility
    assert (fill.price, fill.model, fill.status) == (D(price), "trades_only", ResultStatus.FILLED)
    assert (fill.slippage_bps, fill.notional) == (10, 2 * D(price))


def test_minute_closes_at_the_last_trade_of_its_last_record():
    venue = Venue()
    on_market(venue, make_market(START, trades=[trade("100"), trade("101")]))
    on_market(venue, make_market(START + 1, trades=[trade("99"), trade("102")]))
    assert venue.tape.minutes == [Minute(START // MINUTE, D(102), D(4), D(402))]


def test_volatility_of_the_hour_worsens_the_price():
    venue = make_venue((0, "100", "1"), (1, "101", "1"), (2, "101", "2"))
    # Returns 0.01 and 0: √(60 · 0.0001/2) = √0.003
    assert hourly_volatility(venue.tape) == D("0.054772255751")
    filled = model_fill(venue.tape, side=Side.BUY, quantity=D(1), now=START + 2 * MINUTE, limit=None, whole=False)
    # 5 + 10 · 101/303 + 20,000 · 0.054772255751 = 1103.77844835333… bps
    assert filled.price == D("112.148162328369")


def test_no_more_is_filled_than_was_just_traded_and_not_filled_yet():
    venue = make_venue((0, "100", "3"), (1, "100", "1"))
    now = START + MINUTE
    assert [answer.quantity for answer in on_order(venue, make_order(Side.BUY, "3"), now=now, terms=TERMS)] == [3]
    partial, rest = on_order(venue, make_order(Side.BUY, "3"), now=now, terms=TERMS)
    assert (partial.quantity, rest.status, rest.remaining_quantity) == (1, ResultStatus.CANCELLED, 2)
    [nothing] = on_order(venue, make_order(Side.BUY, "3"), now=now, terms=TERMS)
    assert (nothing.status, nothing.reason, nothing.model) == (ResultStatus.REJECTED, "NO_TRADES", "trades_only")


def test_trades_of_two_minutes_ago_price_nothing_and_those_of_the_last_do_to_its_last_microsecond():
    for now, reason in ((START + 2 * MINUTE - 1, None), (START + 2 * MINUTE, "NO_TRADES")):
        [answer] = on_order(make_venue((0, "100", "3")), make_order(), now=now, terms=TERMS)
        assert answer.reason == reason


def test_feed_that_is_down_prices_nothing():
    venue = make_venue((0, "100", "3"))
    on_market(venue, make_market(feed_down=True))
    assert on_order(venue, make_order(), now=START, terms=TERMS)[0].reason == "FEED_DOWN"


def test_symbol_that_has_shown_a_book_is_never_priced_by_the_model():
    venue = make_venue((0, "100", "3"))
    on_market(venue, make_snapshot(bids=[], asks=[]))
    on_market(venue, make_market(gap=True, trades=[trade("100")]))
    assert on_order(venue, make_order(), now=START, terms=TERMS)[0].reason == "BOOK_GAP"
    assert venue.tape == Tape()


def test_tape_holds_an_hour():
    venue = make_venue(*((minute, "100", "1") for minute in range(0, 200, 2)))
    first = START // MINUTE
    assert [minute.minute - first for minute in venue.tape.minutes] == list(range(140, 200, 2))
    assert venue.tape.minutes[0] == Minute(first + 140, D(100), D(1), D(100))


trades = st.lists(st.tuples(st.integers(0, 3), st.integers(50, 150), st.integers(1, 9)), min_size=1, max_size=20)
orders = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 30)), max_size=8)


@given(trades, orders)
def test_fills_are_worse_than_the_last_trade_and_within_what_was_traded(trades, orders):
    minute, made = 0, []
    for wait, price, quantity in trades:
        minute += wait
        made.append((minute, str(price), str(quantity)))
    venue = make_venue(*made)
    last, now, filled = D(trades[-1][1]), START + minute * MINUTE, D(0)
    for side, quantity in orders:
        fill = model_fill(venue.tape, side=side, quantity=Decimal(quantity), now=now, limit=None, whole=False)
        if fill is not None:
            filled += fill.quantity
            assert fill.quantity <= quantity
            assert fill.price > last if side is Side.BUY else 0 <= fill.price < last
        assert decode_state(encode_state(venue), Venue) == venue
    assert filled <= sum(Decimal(quantity) for at, _, quantity in made if at >= minute - 1)


# Orders with a limit price where no book was ever shown


def make_paper(*deals: tuple[str, str, Side]) -> Paper:
    paper = Paper(instrument=make_instrument(tick_size=D("0.01"), lot_size=D("0.1")))
    for deal in deals:
        paper.trades(deal)
    return paper


def test_limit_order_takes_at_the_models_price_and_its_rest_at_later_trades():
    paper = make_paper(("100", "4", Side.BUY))
    answers = paper.order(OrderType.LIMIT, Side.BUY, "6", limit="101")
    # 5 bps + 10 bps · 400/400 of 100
    assert said(answers) == [("PARTIAL", None, 4, D("100.15"), "trades_only")]
    [more] = paper.trades(("100.5", "1", Side.SELL))
    assert (said([more]), more.liquidity) == ([("PARTIAL", None, 1, D("100.5"), "trade_through")], Liquidity.TAKER)
    assert paper.trades(("101.5", "9", Side.BUY)) == []
    assert paper.trades(("101", "9", Side.SELL)) == [], "nobody knows who was ahead"
    [last] = paper.trades(("100.9", "9", Side.SELL))
    assert (said([last]), last.liquidity) == ([("FILLED", None, 1, 101, "trade_through")], Liquidity.MAKER)


def test_trades_that_filled_a_resting_order_are_not_sold_again():
    paper = make_paper(("100", "1", Side.BUY))
    paper.order(OrderType.LIMIT, Side.BUY, "3", limit="99")
    assert said(paper.trades(("98", "4", Side.SELL))) == [("FILLED", None, 3, 99, "trade_through")]
    # 1 of the first minute's trades and 4 − 3 of the new ones are left.
    assert [answer.quantity for answer in paper.order(OrderType.MARKET, Side.BUY, "9")] == [2, 0]


def test_price_beyond_the_limit_is_not_taken():
    paper = make_paper(("100", "4", Side.BUY))
    [end] = paper.order(OrderType.IMMEDIATE_OR_CANCEL, Side.BUY, "4", limit="100.14")
    assert end.reason == "NO_MORE_WITHIN_LIMIT"
    [end] = paper.order(OrderType.FILL_OR_KILL, Side.SELL, "4.1", limit="90")
    assert end.reason == "NOT_FILLABLE_AT_ONCE"
    [end] = paper.order(OrderType.LIMIT_MAKER, Side.BUY, "1", limit="100")
    assert end.reason == "WOULD_TAKE"
    assert said(paper.order(OrderType.FILL_OR_KILL, Side.SELL, "4", limit="99.85"))[0][0] == "FILLED"


def test_limit_order_for_a_symbol_without_any_market_is_rejected():
    assert make_paper().order(OrderType.LIMIT, Side.BUY, "1", limit="100")[0].reason == "NO_TRADES"


def test_first_book_gives_a_resting_order_its_place():
    paper = make_paper(("100", "4", Side.BUY))
    paper.order(OrderType.LIMIT, Side.BUY, "1", limit="99")
    assert paper.ahead(paper.name) is None
    paper.show(bids=["99:3"], asks=["101:1"])
    assert paper.ahead(paper.name) == 3


def test_records_of_one_minute_are_one_minute_of_the_tape():
    venue = make_venue((0, "100", "1"), (1, "101", "2"), (1, "102", "3"))
    assert [(minute.close, minute.available) for minute in venue.tape.minutes] == [(100, 1), (102, 5)]


def test_trades_of_one_kind_in_a_row_are_one_fill():
    # Above its limit nobody trades with it: it rests. What it got before crossed, the two parts after it are a maker's, at 100 and 98.
    paper = Paper()
    paper.trades(("99", "0.5", Side.SELL))
    paper.order(OrderType.LIMIT, Side.BUY, "10", limit="100")
    paper.answers.clear()
    paper.trades(("99", "1", Side.SELL), ("101", "1", Side.BUY), ("99.5", "1", Side.SELL), ("98", "1", Side.SELL))
    fills = [(one.quantity, one.price, one.liquidity) for one in paper.answers if one.quantity]
    assert fills == [(1, 99, Liquidity.TAKER), (2, 99, Liquidity.MAKER)]
