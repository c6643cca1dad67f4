"""Exits that risk orders by itself on marks."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.money import amount
from streams.domain.parameters import AccountParameters
from streams.domain.records import CommandKind, Order, Purpose, Record, ResultStatus, Side
from tests.domain.risk_stories import SECOND, D, Story, make_settings, only


def exits(records: list[Record]) -> list[tuple[Purpose, Any]]:
    return [(order.purpose, order.quantity) for order in only(Order, records)]


def test_the_stop_is_ordered_on_the_mark_that_reaches_it() -> None:
    # Entry 100, stop 2 %: 98.
    story = Story()
    story.long("100")
    assert exits(story.mark("98.01")) == []
    made = story.mark("98")
    assert exits(made) == [(Purpose.STOP_LOSS, 100)]
    [order] = only(Order, made)
    assert order.reduce_only and order.approved and order.side is Side.SELL
    assert order.event_id == "story/risk/signals/BTCUSDT/5/main/0", "its cause is the mark"


def test_a_stop_is_ordered_once_while_its_answer_is_awaited() -> None:
    story = Story()
    story.long("100")
    assert len(exits(story.mark("97"))) == 1
    assert exits(story.mark("96")) == []


def test_a_short_is_stopped_above_its_entry() -> None:
    story = Story(make_settings(accounts=[AccountParameters(shorts_allowed=True)]))
    story.mark("100")
    story.result(story.signal(Side.SELL, "100"), price="100")
    assert exits(story.mark("101.99")) == []
    assert exits(story.mark("102")) == [(Purpose.STOP_LOSS, 100)]


def test_a_profit_is_taken_where_the_setting_says() -> None:
    story = Story(make_settings(take_profit_pct=D("0.05")))
    story.long("100")
    assert exits(story.mark("104.99")) == []
    assert exits(story.mark("105")) == [(Purpose.TAKE_PROFIT, 100)]


def test_the_trailing_stop_follows_the_best_mark_and_never_back() -> None:
    # 3 % below the best mark of 110 is 106.7.
    story = Story(make_settings(trailing_stop_pct=D("0.03")))
    story.long("100")
    for price in ("110", "107"):
        assert exits(story.mark(price)) == []
    assert exits(story.mark("106.7")) == [(Purpose.TRAILING_STOP, 100)]


def test_the_stop_counts_from_the_price_paid_not_from_the_mark() -> None:
    # Paid 101 for a mark of 100: the stop is 98.98.
    story = Story()
    story.mark("100")
    story.result(story.signal(Side.BUY, "100"), price="101")
    assert exits(story.mark("98.99")) == []
    assert exits(story.mark("98.98")) == [(Purpose.STOP_LOSS, 100)]


def test_what_a_thin_book_left_of_an_exit_is_ordered_again_whatever_the_price() -> None:
    story = Story()
    story.long("100")
    [order] = only(Order, story.mark("98"))
    story.result(order, price="98", quantity=D(40), status=ResultStatus.PARTIAL, terminal=False)
    story.result(order, price="1", quantity=D(0), status=ResultStatus.CANCELLED)
    assert exits(story.mark("100.5")) == [(Purpose.STOP_LOSS, 60)]


def test_a_failed_exit_is_tried_again_after_a_second() -> None:
    story = Story()
    story.long("100")
    [order] = only(Order, story.mark("97"))
    story.reject(order)
    for _ in range(9):
        assert exits(story.mark("97")) == []
    assert exits(story.mark("97")) == [(Purpose.STOP_LOSS, 100)]


def test_a_halt_holds_a_stop_back_and_says_so_once() -> None:
    story = Story()
    story.long("100")
    story.command(CommandKind.HALT)
    [refused] = only(Order, story.mark("97"))
    assert (refused.approved, refused.rejection_code) == (False, "KILL_SWITCH_HALT_ALL")
    assert exits(story.mark("96.9")) == []
    story.command(CommandKind.RESUME_REQUEST)
    story.command(CommandKind.RESUME_CONFIRM)
    assert exits(story.mark("96.8")) == [(Purpose.STOP_LOSS, 100)]


def test_reduce_only_a_gap_and_a_missing_book_hold_no_stop_back() -> None:
    story = Story()
    story.long("100")
    story.command(CommandKind.REDUCE_ONLY)
    assert exits(story.mark("97", gap=True, book_present=False, feed_down=True)) == [(Purpose.STOP_LOSS, 100)]


def test_a_stop_is_not_ordered_on_a_stale_price() -> None:
    story = Story()
    story.long("100")
    bought = story.now
    story.wait(40)
    [refused] = only(Order, story.mark("97", feed_down=True, market_time=bought))
    assert refused.rejection_code == "MARK_STALE"
    assert exits(story.mark("97")) == [(Purpose.STOP_LOSS, 100)]


def test_a_new_position_is_not_guarded_by_the_old_ones_levels() -> None:
    story = Story()
    story.long("100")
    story.result(story.signal(Side.SELL, "100"), price="100")
    story.mark("50")
    story.result(story.signal(Side.BUY, "50"), price="50")
    assert exits(story.mark("49.1")) == []
    assert exits(story.mark("49")) == [(Purpose.STOP_LOSS, D("200"))]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.decimals("80", "130", places=2), min_size=1, max_size=20), st.booleans(), st.booleans(),
    st.sampled_from([None, CommandKind.HALT, CommandKind.REDUCE_ONLY]), st.booleans(),
)
def test_an_exit_is_held_back_by_a_halt_or_a_stale_price_and_nothing_else(
    prices: list[Any], gap: bool, feed_down: bool, command: CommandKind | None, stale: bool
) -> None:
    # Every limit that counts is used up by the entry alone.
    story = Story(make_settings(
        documented=True, max_open_positions=1, max_trades_an_hour=1, max_orders_a_second=1, max_consecutive_losses=1,
        max_slippage_bps=D(11), stop_out_cooldown_sec=86_400,
    ))
    story.long("100")
    for _ in range(2):  # failures never hold an exit back, whatever they latch
        story.reject(story.signal(Side.SELL, "100"))
        story.wait(2)
    if command is not None:
        story.command(command)
    for price in prices:
        market_time = story.now - 60 * SECOND if stale else story.now
        made = only(Order, story.mark(price, gap=gap, feed_down=feed_down, book_present=False, market_time=market_time))
        made = made or [story.signal(Side.SELL, price)]
        order = made[-1]
        if command is CommandKind.HALT:
            assert order.rejection_code == "KILL_SWITCH_HALT_ALL"
        elif stale:
            assert order.rejection_code == "MARK_STALE"
        else:
            assert order.approved
            assert order.quantity <= story.account().portfolio.positions["BTCUSDT"]["momentum"].quantity
            story.result(order, price=price, quantity=amount(order.quantity / 3) or order.quantity)
            story.wait(2)


def test_an_exit_without_any_price_is_refused() -> None:
    story = Story()
    story.mark("100")
    story.result(story.signal(Side.BUY, "100"), price="100")
    story.mark("100", mark=None)
    order = story.signal(Side.SELL, "100")
    assert (order.purpose, order.rejection_code) == (Purpose.EXIT, "MARK_MISSING")
