from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain import book as books
from streams.domain.book import Book, Levels, is_crossed, on_market, top, visible
from streams.domain.records import Level, MarketData, Side
from streams.stages.state import decode_state, encode_state
from tests.domain.market import START, D, levels, make_market, make_snapshot, recording


def made(*records: MarketData) -> Book:
    book = Book()
    for record in records:
        on_market(book, record)
    return book


def snapshot(update_id: int | None = 10) -> MarketData:
    return make_snapshot(bids=levels("99:1", "98:2"), asks=levels("101:1", "102:3"), update_id=update_id)


def seen(book: Book, taker: Side) -> list[tuple[Decimal, Decimal]]:
    return list(visible(book, taker))


def test_snapshot_and_deltas_give_the_levels_best_first():
    delta = make_market(START + 1, update_id=11, bids=levels("99:0", "97:5", "98.5:4"), asks=levels("101:2", "103:1"))
    book = made(snapshot(), delta)
    assert seen(book, Side.SELL) == [(D("98.5"), 4), (D(98), 2), (D(97), 5)]
    assert seen(book, Side.BUY) == [(D(101), 2), (D(102), 3), (D(103), 1)]
    assert (book.present, book.update_id, book.time) == (True, 11, START + 1)


def test_delta_not_newer_than_the_snapshot_is_ignored():
    book = made(snapshot(update_id=10), make_market(START + 1, update_id=10, bids=levels("99:0")))
    assert seen(book, Side.SELL) == [(99, 1), (98, 2)]
    assert book.time == START


def test_removing_a_level_that_is_not_there_changes_nothing():
    book = made(snapshot(), make_market(update_id=11, bids=levels("90:0"), asks=levels("200:0")))
    assert (seen(book, Side.SELL), seen(book, Side.BUY)) == ([(99, 1), (98, 2)], [(101, 1), (102, 3)])


def test_newer_ticker_is_the_top_and_hides_levels_better_than_it():
    book = made(snapshot(), make_market(update_id=12, bid="98:7", ask="101.5:9"))
    assert seen(book, Side.SELL) == [(98, 7)]
    assert seen(book, Side.BUY) == [(D("101.5"), 9), (D(102), 3)]


def test_delta_older_than_the_ticker_does_not_bring_back_its_top():
    ticker = make_market(update_id=15, bid="98:7", ask="101:4")
    book = made(snapshot(), ticker, make_market(update_id=14, bids=levels("99:3"), asks=levels("103:6")))
    assert seen(book, Side.SELL) == [(98, 7)]
    assert seen(book, Side.BUY) == [(101, 4), (102, 3), (103, 6)]


def test_delta_that_reaches_the_tickers_state_takes_over_from_it():
    book = made(
        snapshot(),
        make_market(update_id=15, bid="98:7", ask="101:4"),
        make_market(update_id=16, bids=levels("99:3"), asks=levels("101:5")),
    )
    assert seen(book, Side.SELL) == [(99, 3), (98, 2)]
    assert seen(book, Side.BUY) == [(101, 5), (102, 3)]


def test_ticker_older_than_levels_or_last_ticker_is_ignored():
    book = made(snapshot(update_id=20), make_market(update_id=19, bid="90:1", ask="110:1"))
    assert top(book).bid == 99
    book = made(
        snapshot(),
        make_market(update_id=15, bid="98:7", ask="101:4"),
        make_market(update_id=14, bid="99:1", ask="101:1"),
    )
    assert (top(book).bid, top(book).bid_quantity) == (98, 7)


def test_without_update_ids_the_newest_record_wins():
    ticker = make_market(bid="98:7", ask="101:4")
    book = made(snapshot(update_id=None), ticker)
    assert top(book).bid == 98
    on_market(book, make_market(bids=levels("99:2")))
    assert (top(book).bid, top(book).bid_quantity) == (99, 2)


@pytest.mark.parametrize("void", ["gap", "feed_down"])
def test_what_is_missing_voids_the_book_until_the_next_snapshot(void):
    book = made(snapshot(), make_market(**{void: True}), make_market(update_id=11, bids=levels("95:1")))
    assert not book.present
    assert seen(book, Side.SELL) == []
    on_market(book, make_market(update_id=12, bid="96:1", ask="97:1"))
    assert (top(book).bid, book.present) == (96, False)
    on_market(book, make_snapshot(bids=levels("94:1"), asks=levels("95:1"), update_id=13))
    assert (book.present, book.gap, book.feed_down, top(book).bid) == (True, False, False, 94)


def test_snapshot_after_a_void_is_newer_than_the_ticker_before_it_whatever_its_id():
    """A venue may count anew after an outage."""
    ticker = make_market(update_id=500, bid="98:7", ask="101:4")
    book = made(snapshot(), ticker, make_market(feed_down=True))
    assert top(book).bid == 98
    on_market(book, make_snapshot(bids=levels("94:1"), asks=levels("95:1"), update_id=3))
    assert top(book).bid == 94


def test_snapshot_in_the_record_that_tells_of_the_gap_ends_it():
    book = made(snapshot(), make_snapshot(bids=levels("94:1"), asks=levels("95:1"), gap=True))
    assert (book.present, book.gap) == (True, False)


def test_gap_of_a_symbol_without_depth_ends_with_the_next_record():
    book = made(make_market(gap=True))
    assert book.gap
    on_market(book, make_market(START + 1))
    assert not book.gap


def test_deltas_before_the_first_snapshot_make_no_book():
    book = made(make_market(update_id=9, bids=levels("99:1")))
    assert (book.present, book.depth_seen, seen(book, Side.SELL)) == (False, True, [])


def test_crossed_top_is_seen_and_touching_prices_count_as_crossed():
    crossing = made(snapshot(), make_market(update_id=11, bids=levels("101:1")))
    quoted = made(snapshot(), make_market(update_id=11, best_bid=D(103), best_bid_quantity=D(1)))
    for book, crossed in ((made(snapshot()), False), (crossing, True), (quoted, True), (Book(), False)):
        assert top(book).crossed is crossed
        assert is_crossed(book) is crossed


def test_levels_beyond_the_limit_are_dropped_farthest_first():
    count = books.LEVELS_MAX
    many = [Level(Decimal(price), Decimal(1)) for price in range(count)]
    above = [Level(Decimal(price), Decimal(1)) for price in range(count, 2 * count)]
    book = made(make_snapshot(bids=many, asks=above, update_id=1))
    on_market(book, make_market(update_id=2, bids=levels(f"{count - 1}.5:1"), asks=levels(f"{count - 1}.7:1")))
    assert (len(book.bids.prices), book.bids.prices[0]) == (count, 1)
    assert (len(book.asks.prices), book.asks.prices[-1]) == (count, 2 * count - 2)


prices = st.integers(1, 30).map(lambda n: Decimal(n) / 4)
changes = st.lists(st.builds(Level, prices, st.integers(0, 3).map(Decimal)), max_size=6)


@given(st.lists(st.tuples(st.booleans(), changes, changes), max_size=20))
def test_book_equals_a_plain_dictionary_of_its_levels(steps):
    book, plain = Book(), ({}, {})
    for number, (snap, bids, asks) in enumerate([(True, [], []), *steps]):
        on_market(book, make_market(update_id=number, snapshot=snap, bids=bids, asks=asks))
        for side, changed in zip(plain, (bids, asks), strict=True):
            if snap:
                side.clear()
            side |= {level.price: level.quantity for level in changed}
    bids, asks = ({price: quantity for price, quantity in side.items() if quantity} for side in plain)
    assert seen(book, Side.SELL) == sorted(bids.items(), reverse=True)
    assert seen(book, Side.BUY) == sorted(asks.items())
    raw = encode_state(book)
    assert decode_state(raw, Book) == book
    assert encode_state(decode_state(raw, Book)) == raw


@given(st.lists(st.tuples(prices, st.booleans()), min_size=1, max_size=20))
def test_levels_behind_a_ticker_are_never_better_than_it(tickers):
    book = made(make_snapshot(bids=levels("3:1", "2:1", "1:1"), asks=levels("4:1", "5:1", "6:1"), update_id=0))
    for number, (price, newer) in enumerate(tickers, start=1):
        on_market(book, make_market(update_id=2 * number, bid=f"{price}:1", ask=f"{price + 1}:1"))
        on_market(book, make_market(update_id=2 * number + (1 if newer else -1), bids=[Level(price, Decimal(2))]))
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            walked = [sign * price for price, _ in visible(book, side)]
            assert walked == sorted(set(walked))


def test_new_books_share_nothing():
    on_market(Book(), snapshot())
    assert Book().bids == Levels()


@pytest.mark.parametrize("file", ["spot_btcusdt", "spot_ethusdt", "usdm_btcusdt"])
def test_levels_of_a_recording_equal_its_tickers_at_every_common_update_id(file):
    """The levels, without the ticker over them: built from one snapshot and thousands of diffs."""
    book, built, pushed = Book(), {}, {}
    for record in recording(f"{file}_20240808.jsonl.gz"):
        on_market(book, record)
        if record.best_bid is not None:
            pushed[record.update_id] = (
                record.best_bid,
                record.best_bid_quantity,
                record.best_ask,
                record.best_ask_quantity,
            )
        elif book.present and book.update_id == record.update_id:
            bids, asks = book.bids, book.asks
            built[record.update_id] = (bids.prices[-1], bids.quantities[-1], asks.prices[0], asks.quantities[0])
        assert not top(book).crossed
        assert not is_crossed(book)
    common = built.keys() & pushed.keys()
    assert len(common) > 500
    assert [name for name in common if built[name] != pushed[name]] == []
