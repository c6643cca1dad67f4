"""The paper exchange with a book: market orders, refusals, what stays taken."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.execution.fees import FeeSchedule, fee_schedule
from streams.domain.execution.latency import Latency, latency_of
from streams.domain.execution.market_order import walk_notional, walk_quantity
from streams.domain.execution.paper_exchange import on_order
from streams.domain.execution.taken import TakenLevel
from streams.domain.execution.venue import Terms, Venue, on_market
from streams.domain.parameters import ExecutionParameters
from streams.domain.records import (
    InstrumentStatus,
    Level,
    Liquidity,
    MarketData,
    OrderResult,
    ResultStatus,
    Side,
)
from streams.stages.state import decode_state, encode_state
from tests.domain.market import START, D, levels, make_instrument, make_market, make_order, make_snapshot

TERMS = Terms(None, FeeSchedule(D("0.0002"), D("0.0006"), "USDT"), Latency(50_000, 50_000))
ACTS = START + 50_000


def make_venue(*records: MarketData) -> Venue:
    venue = Venue()
    for record in records:
        on_market(venue, record)
    return venue


def snapshot() -> MarketData:
    return make_snapshot(bids=levels("99:1", "98:2"), asks=levels("101:1", "102:3"), update_id=10, sequence=7)


def execute(venue: Venue, *order: Any, terms: Terms = TERMS, **changes: Any) -> list[OrderResult]:
    return on_order(venue, make_order(*order, **changes), now=ACTS, terms=terms)


def test_buy_walks_the_asks_and_pays_fee_on_what_was_filled():
    [fill] = execute(make_venue(snapshot()), Side.BUY, "2", decision_mark=D(100))
    # 1 · 101 + 1 · 102 = 203 for 2; (101.5 − 100)/100 = 150 bps; 203 · 0.0006
    assert (fill.status, fill.terminal, fill.quantity, fill.notional, fill.price) == (
        ResultStatus.FILLED,
        True,
        2,
        203,
        D("101.5"),
    )
    assert (fill.slippage_bps, fill.fee, fill.fee_asset, fill.liquidity) == (150, D("0.1218"), "USDT", Liquidity.TAKER)
    assert (fill.cumulative_quantity, fill.remaining_quantity) == (2, 0)
    assert (fill.latency_us, fill.fill_time, fill.time) == (50_000, ACTS, ACTS + 50_000)
    assert (fill.model, fill.market_event_id, fill.order_id) == (
        "book_walk",
        snapshot().event_id,
        make_order().event_id,
    )


def test_sell_walks_the_bids_and_a_lower_price_is_worse():
    [fill] = execute(make_venue(snapshot()), Side.SELL, "1", decision_mark=D(100))
    assert (fill.price, fill.slippage_bps) == (99, 100)
    [better] = execute(make_venue(snapshot()), Side.SELL, "1", decision_mark=D(98))
    assert better.slippage_bps == D("-102.040816326531")


def test_without_decision_mark_slippage_is_unknown():
    assert execute(make_venue(snapshot()), decision_mark=None)[0].slippage_bps is None


def test_rest_beyond_the_visible_depth_is_cancelled():
    partial, rest = execute(make_venue(snapshot()), Side.BUY, "10")
    assert (partial.status, partial.terminal, partial.quantity, partial.remaining_quantity) == (
        ResultStatus.PARTIAL,
        False,
        4,
        6,
    )
    assert (rest.status, rest.terminal, rest.reason) == (ResultStatus.CANCELLED, True, "NO_MORE_DEPTH")
    assert (rest.quantity, rest.cumulative_quantity, rest.remaining_quantity, rest.fee) == (0, 4, 6, 0)
    assert (rest.price, rest.liquidity) == (None, Liquidity.NONE)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([make_market(update_id=1, bid="99:1", ask="101:1")], "NO_BOOK"),
        ([snapshot(), make_market(gap=True)], "BOOK_GAP"),
        ([snapshot(), make_market(feed_down=True)], "FEED_DOWN"),
        ([snapshot(), make_market(update_id=11, bids=levels("101:1"))], "BOOK_CROSSED"),
        ([make_snapshot(bids=levels("99:1"), asks=[])], "NO_DEPTH"),
    ],
)
def test_order_without_a_usable_book_is_rejected_with_the_reason(records, reason):
    [answer] = execute(make_venue(*records), Side.BUY, "2")
    assert (answer.status, answer.terminal, answer.reason) == (ResultStatus.REJECTED, True, reason)
    assert (answer.quantity, answer.price, answer.fee, answer.remaining_quantity) == (0, None, 0, 2)


def test_instrument_that_is_not_online_rejects():
    terms = TERMS._replace(instrument=make_instrument(status=InstrumentStatus.PAUSED))
    assert execute(make_venue(snapshot()), terms=terms)[0].reason == "INSTRUMENT_PAUSED"


def test_orders_that_are_not_approved_or_ask_for_nothing_are_a_bug():
    with pytest.raises(AssertionError, match="quantity of test/risk/order/1 must be above 0, was 0"):
        execute(make_venue(snapshot()), quantity=D(0))
    with pytest.raises(AssertionError, match="is not approved"):
        execute(make_venue(snapshot()), approved=False)


def test_what_a_fill_took_stays_taken():
    venue = make_venue(snapshot())
    execute(venue, Side.BUY, "1.5")
    [second] = execute(venue, Side.BUY, "2")
    assert (second.price, second.notional) == (102, 204)
    partial, _ = execute(venue, Side.BUY, "2")
    assert partial.quantity == D("0.5")
    [nothing] = execute(venue, Side.BUY, "1")
    assert (nothing.status, nothing.reason) == (ResultStatus.REJECTED, "NO_DEPTH")
    assert execute(venue, Side.SELL, "1")[0].price == 99


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        (make_market(update_id=11, asks=levels("101:1")), ["102"]),
        (make_market(update_id=11, asks=levels("103:1")), ["101", "102"]),
        (make_market(update_id=11, asks=levels("101:0")), ["102"]),  # 102 becomes the best: nobody spoke of it
        (make_market(update_id=11, bids=levels("101:0")), ["101", "102"]),
        (make_market(update_id=11, bid="99:5", ask="101:1"), ["101", "102"]),  # the ask is the one already shown
        (make_market(update_id=11, bid="99:5", ask="101:0.9"), ["102"]),
        (make_market(update_id=11, bid="99:5", ask="102:3"), ["101"]),
        (make_market(gap=True), []),
        (make_snapshot(bids=levels("99:1"), asks=levels("101:1"), update_id=20), []),
    ],
)
def test_level_is_whole_again_once_the_market_speaks_of_it(record, kept):
    venue = make_venue(snapshot())
    execute(venue, Side.BUY, "2")
    on_market(venue, record)
    assert [level.price for level in venue.taken.asks] == [D(price) for price in kept]


@pytest.mark.parametrize(("record", "kept"), [
    (make_market(update_id=11, bids=levels("99:1")), ["98"]),
    (make_market(update_id=11, asks=levels("99:0")), ["99", "98"]),
    (make_market(update_id=11, bid="99:0.9", ask="101:1"), ["98"]),
    (make_market(update_id=11, bid="98:2", ask="101:1"), ["99"]),
])
def test_bid_is_whole_again_once_the_market_speaks_of_it(record, kept):
    venue = make_venue(snapshot())
    execute(venue, Side.SELL, "2")
    on_market(venue, record)
    assert [level.price for level in venue.taken.bids] == [D(price) for price in kept]


def test_fees_come_from_the_instrument_and_else_from_the_settings():
    settings = ExecutionParameters()
    assert fee_schedule(None, settings, currency="EUR") == FeeSchedule(D("0.0002"), D("0.0006"), "EUR")
    known = fee_schedule(make_instrument(quote_asset="USDC"), settings, currency="EUR")
    assert known == FeeSchedule(D("0.001"), D("0.002"), "USDC")
    assert (known.fee(D(1000), Liquidity.MAKER), known.fee(D(1000), Liquidity.TAKER)) == (1, 2)


def test_latencies_are_microseconds_of_the_settings():
    assert latency_of(ExecutionParameters(order_latency_ms=3, report_latency_ms=7)) == Latency(3000, 7000)


def test_levels_showing_nothing_are_passed_over():
    shown = [(D(101), D(0)), (D(102), D(2))]
    assert walk_quantity(shown, D(1)).levels == [(102, 1)]
    assert walk_notional(shown, D(102)).levels == [(102, 1)]


def test_a_worth_below_the_smallest_quantity_takes_nothing():
    # 1e-12 at 50,000 would be 2e-17; quantities have 12 places.
    assert walk_notional([(D(50_000), D(1))], D("0.000000000001")) == (0, 0, [])


prices = st.integers(1, 40)
quantities = st.integers(0, 50).map(lambda n: Decimal(n) / 10)
side = st.dictionaries(prices, quantities, max_size=6)
orders = st.lists(st.tuples(st.sampled_from(Side), st.integers(1, 100).map(lambda n: Decimal(n) / 10)), max_size=6)


@given(side, side, orders, st.integers(0, 1))
def test_fills_never_exceed_what_is_displayed_nor_leave_the_books_range(bids, asks, orders, quote):
    shown = {
        Side.SELL: {Decimal(price): quantity for price, quantity in bids.items()},
        Side.BUY: {Decimal(price + 50): quantity for price, quantity in asks.items()},
    }
    book = [[Level(price, quantity) for price, quantity in shown[one].items()] for one in (Side.SELL, Side.BUY)]
    venue = make_venue(make_snapshot(bids=book[0], asks=book[1], update_id=1))
    if quote:
        on_market(venue, make_market(update_id=2, bid="20:1", ask="70:1"))
        shown[Side.SELL] = {price: q for price, q in shown[Side.SELL].items() if price < 20} | {D(20): D(1)}
        shown[Side.BUY] = {price: q for price, q in shown[Side.BUY].items() if price > 70} | {D(70): D(1)}
    filled = {Side.BUY: D(0), Side.SELL: D(0)}
    for number, (taker, quantity) in enumerate(orders):
        again = decode_state(encode_state(venue), Venue)
        answers = execute(venue, taker, str(quantity), event_id=f"o/{number}")
        assert answers == execute(again, taker, str(quantity), event_id=f"o/{number}")
        assert encode_state(again) == encode_state(venue)
        assert [answer.terminal for answer in answers] == [False] * (len(answers) - 1) + [True]
        assert answers[-1].cumulative_quantity + answers[-1].remaining_quantity == quantity
        assert sum(answer.quantity for answer in answers) == answers[-1].cumulative_quantity
        for answer in answers:
            filled[taker] += answer.quantity
            if answer.price is not None:
                assert min(shown[taker]) <= answer.price <= max(shown[taker])
    assert all(filled[taker] <= sum(shown[taker].values()) for taker in Side)
    for taker, gone in ((Side.BUY, venue.taken.asks), (Side.SELL, venue.taken.bids)):
        assert all(level.quantity <= shown[taker][level.price] for level in gone)
        assert sum((level.quantity for level in gone), D(0)) == filled[taker]
        assert gone == [TakenLevel(level.price, level.quantity) for level in gone]
