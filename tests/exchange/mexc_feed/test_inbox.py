"""The queue between connections and log: what it coalesces, what it never drops, and that no promise passes what is taken in."""

import threading
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.records import Level, Side, Trade
from streams.exchange.mexc.inbox import Inbox, coalesced
from streams.exchange.push import FundingNotice, Position, Push, Quiet

D = Decimal


def push(symbol: str = "BTCUSDT", at: int = 0, **content: object) -> Push:
    return Push(exchange="mexc", symbol=symbol, event_time=at, receive_time=at, source=Position("x", at), **content)  # type: ignore[arg-type]


def trade(number: int) -> Trade:
    return Trade(str(number), D(100), D(1), Side.BUY, number)


def level(price: int, quantity: int) -> Level:
    return Level(D(price), D(quantity))


def book_of(pushes: list[Push | FundingNotice], symbol: str) -> dict[Decimal, Decimal]:
    """The bids that these pushes make; what a gap leaves void is empty."""
    book: dict[Decimal, Decimal] = {}
    for one in pushes:
        if not isinstance(one, Push) or one.symbol != symbol:
            continue
        if one.gap or one.snapshot:
            book = {}
        for bid in one.bids:
            book[bid.price] = bid.quantity
    return {price: quantity for price, quantity in book.items() if quantity}


contents = st.one_of(
    st.builds(lambda p, q: {"bids": [level(p, q)]}, st.integers(1, 4), st.integers(0, 3)),
    st.builds(lambda n: {"trades": [trade(n)]}, st.integers(1, 99)),
    st.builds(lambda q: {"snapshot": True, "bids": [level(2, q)]}, st.integers(1, 3)),
    st.builds(lambda p: {"best_bid": D(p), "best_ask": D(p + 1)}, st.integers(1, 9)),
    st.just({"gap": True}), st.builds(lambda p: {"mark_price": D(p)}, st.integers(1, 9)),
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(["A", "B"]), contents), max_size=30))
def test_coalescing_keeps_every_trade_gap_and_snapshot_in_order_and_the_books_that_come_of_it(told):
    pushes = [push(symbol, at, **content) for at, (symbol, content) in enumerate(told)]
    left = list(coalesced(pushes))

    def lasting(some):
        return [one for one in some if one.trades or one.gap or one.snapshot]

    assert lasting(left) == lasting(pushes)
    assert [one.receive_time for one in left] == sorted(one.receive_time for one in left)
    for symbol in "AB":
        assert book_of(left, symbol) == book_of(pushes, symbol)
    for symbol in "AB":
        quotes = [one.best_bid for one in pushes if one.symbol == symbol and one.best_bid is not None]
        assert [one.best_bid for one in left if one.symbol == symbol and one.best_bid is not None] == quotes[-1:]


def test_slow_log_makes_book_updates_few_and_leaves_every_trade():
    inbox = Inbox(lambda: 0, coalesce_at=100, full_at=500)
    for number in range(1000):
        inbox.put([push(at=number, bids=[level(number % 7 + 1, 1)])])
        if number % 10 == 0:
            inbox.put([push(at=number, trades=[trade(number)])])
    taken = inbox.take(0)
    assert isinstance(taken, list)
    assert [one.trades[0].time for one in taken if isinstance(one, Push) and one.trades] == list(range(0, 1000, 10))
    assert len(taken) < 250 and inbox.coalesced == 1100 - len(taken)


def test_full_of_trades_it_asks_to_read_no_more_until_some_are_taken():
    inbox = Inbox(lambda: 0, coalesce_at=10, full_at=50)
    inbox.put([push(at=number, trades=[trade(number)]) for number in range(50)])
    assert inbox.is_full and inbox.held_back == 1
    assert len(inbox.take(0)) == 50
    assert not inbox.is_full


def test_no_promise_passes_a_frame_that_is_being_taken_in():
    clock = iter(range(10, 1000, 10))
    inbox = Inbox(lambda: next(clock))
    with inbox.hearing() as time:
        seen = []
        other = threading.Thread(target=lambda: seen.append(inbox.take(0)))
        other.start()
        other.join()
        assert seen == [Quiet(time)]
        inbox.put([push(at=time, trades=[trade(1)])])
    assert len(inbox.take(0)) == 1


def test_receive_clock_never_goes_back_though_the_wall_clock_does():
    wall = iter([100, 200, 50, 60, 300])
    inbox = Inbox(lambda: next(wall))
    times = []
    for _ in range(2):
        with inbox.hearing() as time:
            times.append(time)
    quiet = inbox.take(0)
    assert isinstance(quiet, Quiet)
    times.append(quiet.receive_time)
    for _ in range(2):
        with inbox.hearing() as time:
            times.append(time)
    assert times == [100, 200, 200, 200, 300]


def test_what_ends_the_connections_reaches_the_log_after_what_came_before():
    inbox = Inbox(lambda: 0)
    inbox.put([push(trades=[trade(1)])])
    inbox.fail(AssertionError("a bug"))
    assert len(inbox.take(0)) == 1
    with pytest.raises(AssertionError, match="a bug"):
        inbox.take(0)
