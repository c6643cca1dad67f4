from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.domain import book as books
from streams.domain.book import Book
from streams.domain.marks import HOUR, MarkState, mark, mark_deviation, on_market
from streams.domain.money import EXACT, quotient
from streams.domain.records import DepthStep, Mark, MarketData, MarkSource, Side
from streams.stages.state import decode_state, encode_state
from tests.domain.market import START, SYMBOL, D, levels, make_market, make_snapshot, trade

INTERVAL = 100_000


class Market:
    """A book and a mark state that take the same records; `made` are the marks that were due at once."""

    def __init__(self, *records: MarketData, exchange_marked: bool = True, notionals: tuple[Decimal, ...] = ()) -> None:
        self.book, self.state = Book(), MarkState()
        self.rules: dict[str, Any] = {
            "exchange_marked": exchange_marked, "depth_notionals": notionals, "atr": D("1.5"), "volatility": D("0.4"),
        }  # fmt: skip
        self.made: list[Mark] = []
        for record in records:
            self.take(record)

    def take(self, record: MarketData) -> None:
        books.on_market(self.book, record)
        if on_market(self.state, self.book, record, INTERVAL):
            self.make(record.time)

    def make(self, now: int) -> Mark:
        self.made.append(mark(self.state, self.book, symbol=SYMBOL, now=now, **self.rules))
        return self.made[-1]


def quoted(time: int = START, bid: str = "99:1", ask: str = "101:2", **changes: Any) -> MarketData:
    return make_market(time, bid=bid, ask=ask, **changes)


def snapshot(time: int = START) -> MarketData:
    return make_snapshot(time, bids=levels("99:10", "98:20"), asks=levels("101:10", "102:20"), update_id=1)


def test_exchanges_mark_comes_before_the_mid_and_the_mid_before_the_last_trade():
    last = make_market(trades=[trade("100.5")])
    made = Market(last).made[0]
    assert (made.mark, made.source) == (D("100.5"), MarkSource.LAST)
    made = Market(last, quoted(START + INTERVAL, bid="99:1", ask="100:2")).made[1]
    assert (made.mark, made.source, made.last) == (D("99.5"), MarkSource.MID, D("100.5"))
    made = Market(quoted(mark_price=D("97"), index_price=D("96"))).made[0]
    assert (made.mark, made.source, made.index) == (97, MarkSource.EXCHANGE, 96)


def test_instrument_without_an_exchange_mark_is_marked_by_the_market():
    made = Market(quoted(mark_price=D("97")), exchange_marked=False).made[0]
    assert (made.mark, made.source) == (100, MarkSource.MID)


def test_without_any_price_the_mark_says_so():
    made = Market(make_market()).made[0]
    assert (made.mark, made.source) == (None, MarkSource.NONE)


def test_mark_carries_atr_and_volatility_of_the_closed_candles():
    made = Market(quoted()).made[0]
    assert (made.atr, made.volatility) == (D("1.5"), D("0.4"))


def test_at_most_one_mark_in_the_interval_and_the_last_state_at_its_end():
    market = Market(quoted(), quoted(START + 1, ask="103:1"), quoted(START + INTERVAL - 1, ask="105:1"))
    assert len(market.made) == 1
    assert market.state.due == START + INTERVAL
    made = market.make(START + INTERVAL)
    assert (made.best_ask, made.market_time, made.time) == (105, START + INTERVAL - 1, START + INTERVAL)
    assert market.state.due is None
    market.take(quoted(START + 2 * INTERVAL))
    assert len(market.made) == 3


def test_mark_of_a_timer_names_the_newest_market_record_as_its_beginning():
    market = Market(quoted(sequence=1), quoted(START + 1, sequence=7))
    assert market.make(START + INTERVAL).correlation_id == quoted(sequence=7).event_id


def test_change_of_any_flag_makes_a_mark_at_once():
    market = Market(quoted())
    for record, flag in [
        (snapshot(START + 1), "book_present"),
        (make_market(START + 2, update_id=2, bids=levels("101:1")), "book_crossed"),
        (make_market(START + 3, gap=True), "gap"),
        (make_market(START + 4, feed_down=True), "feed_down"),
    ]:
        before = len(market.made)
        market.take(record)
        assert len(market.made) == before + 1
        assert getattr(market.made[-1], flag)
    market.take(make_market(START + 5, feed_down=True))
    assert len(market.made) == 5


def test_feed_down_is_no_market_record_and_makes_no_mark_where_there_was_none():
    market = Market(quoted(), make_market(START + 5, feed_down=True))
    assert market.made[-1].market_time == START
    assert Market(make_market(feed_down=True)).made == []


def test_depth_steps_say_what_a_market_order_would_meet():
    made = Market(snapshot(), notionals=(D(505), D(2030), D(100_000))).made[0]
    assert made.depth == [
        DepthStep(Side.BUY, D(505), D(101), D(5)),
        # 10 at 101, then 1020/102 = 10 at 102: 2030 for 20
        DepthStep(Side.BUY, D(2030), D("101.5"), D(20)),
        # too thin: 1010 + 2040 for 30
        DepthStep(Side.BUY, D(100_000), D("101.666666666667"), D(30)),
        DepthStep(Side.SELL, D(505), D(99), D("5.101010101010")),
        # 990 for 10, then 1040/98
        DepthStep(Side.SELL, D(2030), D("98.485148514851"), D("20.612244897959")),
        DepthStep(Side.SELL, D(100_000), D("98.333333333333"), D(30)),
    ]


def test_side_without_levels_has_no_depth_steps():
    one_sided = make_snapshot(bids=levels("99:10"), asks=[])
    assert [step.side for step in Market(one_sided, notionals=(D(99),)).made[0].depth] == [Side.SELL]


def test_no_depth_steps_without_a_whole_uncrossed_book():
    assert Market(quoted(), notionals=(D(1),)).made[0].depth == []
    crossed = make_snapshot(bids=levels("101:1"), asks=levels("100:1"))
    assert Market(crossed, notionals=(D(1),)).made[0].depth == []


def test_spread_mean_is_over_the_marks_of_the_last_24_hours():
    market = Market(quoted(bid="99:1", ask="101:1"))  # 2/100
    market.take(quoted(START + HOUR, bid="98:1", ask="102:1"))  # 4/100
    assert [made.spread_mean for made in market.made] == [D("0.02"), D("0.03")]
    market.take(quoted(START + 24 * HOUR, bid="94:1", ask="106:1"))  # 12/100, the first is forgotten
    assert market.made[-1].spread_mean == D("0.08")


def test_crossed_and_one_sided_books_do_not_count_in_the_spread():
    assert Market(make_market(best_bid=D(1), best_bid_quantity=D(1))).made[0].spread_mean is None
    assert Market(quoted(bid="101:1", ask="100:1")).made[0].spread_mean is None


@given(st.lists(st.tuples(st.integers(0, 2 * HOUR), st.integers(1, 50)), min_size=1, max_size=60))
def test_spread_mean_equals_a_full_recomputation(steps):
    market, now, spreads = Market(), START, []
    for wait, ticks in steps:
        now += wait + INTERVAL
        market.take(quoted(now, bid="100:1", ask=f"{100 + ticks}:1"))
        spreads.append((now // HOUR, quotient(D(2 * ticks), D(200 + ticks))))
        kept = [spread for hour, spread in spreads if hour > now // HOUR - 24]
        assert market.made[-1].spread_mean == quotient(EXACT.create_decimal(sum(kept)), D(len(kept)))
    assert decode_state(encode_state(market.state), MarkState) == market.state


def test_distance_from_the_mark_is_a_fraction_of_it_on_either_side():
    assert [mark_deviation(D(price), D("200")) for price in ("202", "198", "200", "100")] == [D("0.01"), D("0.01"), 0, D("0.5")]
