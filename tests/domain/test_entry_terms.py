"""How entries are sent, how long they rest, and that they never stand in an exit's way."""

import contextlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.parameters import AccountParameters, StrategyParameters
from streams.domain.records import Alert, CommandKind, Order, OrderType, Purpose, Record, ResultStatus, RiskMode, Side
from streams.domain.risk.entry_terms import Terms, entry_terms
from streams.domain.risk_settings import EntrySettings
from streams.domain.rules import broken_rule
from streams.stages.contract import NEVER
from tests.domain.risk_stories import LATENCY, SECOND, D, Story, make_instrument, make_settings, only

RESTING = {"entry_order_type": "LIMIT", "entry_limit_offset_bps": D(10)}


def terms(side: Side = Side.BUY, mark: str = "100", tick: str = "0.01", **settings: Any) -> Any:
    return entry_terms(EntrySettings(**settings), side=side, mark=D(mark), tick=D(tick), time=0)


def resting_story(**risk: Any) -> tuple[Story, Order]:
    """A limit order at 99.9 rests for 60 s: 10,000 at most, 100 units."""
    story = Story(make_settings(entries=RESTING, **risk))
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    assert order.approved and order.order_type is OrderType.LIMIT
    return story, order


def cancels(records: list[Record]) -> list[Order]:
    return [order for order in only(Order, records) if order.order_type is OrderType.CANCEL]


def test_a_limit_lies_below_the_mark_for_a_purchase_and_above_it_for_a_sale() -> None:
    assert terms(entry_order_type="LIMIT", entry_limit_offset_bps=D(25)).limit_price == D("99.75")
    assert terms(Side.SELL, entry_order_type="LIMIT", entry_limit_offset_bps=D(25)).limit_price == D("100.25")
    # Negative: it crosses.
    assert terms(entry_order_type="FILL_OR_KILL", entry_limit_offset_bps=D(-25)).limit_price == D("100.25")


def test_a_limit_is_rounded_to_the_tick_that_pays_less() -> None:
    # 1 bps of 101.37 is .010137: 101.359863 down, 101.380137 up.
    settings = {"entry_order_type": "LIMIT_MAKER", "entry_limit_offset_bps": D(1)}
    assert terms(mark="101.37", **settings).limit_price == D("101.35")
    assert terms(Side.SELL, mark="101.37", **settings).limit_price == D("101.39")


def test_a_stop_lies_beyond_the_mark_and_is_rounded_away_from_it() -> None:
    # 10 bps above 101.37 is 101.47137, below it 101.26863.
    assert terms(mark="101.37", entry_order_type="STOP").stop_price == D("101.48")
    assert terms(Side.SELL, mark="101.37", entry_order_type="STOP").stop_price == D("101.26")
    assert terms(entry_order_type="STOP").limit_price is None


def test_a_stop_limits_limit_counts_from_its_stop() -> None:
    # Stop 101, limit 20 bps beyond it: 101.202, 101.20 on the grid.
    found = terms(entry_order_type="STOP_LIMIT", entry_stop_offset_bps=D(100), entry_limit_offset_bps=D(-20))
    assert (found.stop_price, found.limit_price) == (D(101), D("101.20"))
    assert (found.dearest(D(100)), found.cheapest(D(100))) == (D("101.20"), 100)


@pytest.mark.parametrize(("order_type", "rests"), [
    ("MARKET", False), ("IMMEDIATE_OR_CANCEL", False), ("FILL_OR_KILL", False), ("LIMIT", True), ("LIMIT_MAKER", True),
    ("STOP", True), ("STOP_LIMIT", True),
])
def test_only_what_rests_expires(order_type: str, rests: bool) -> None:
    assert terms(entry_order_type=order_type, entry_expiry_sec=30).expires_at == (30 * SECOND if rests else None)


@given(
    st.sampled_from(sorted(set(OrderType) - {OrderType.CANCEL, OrderType.MARKET})), st.sampled_from(Side),
    st.decimals("0.0001", "100000", places=4), st.sampled_from(["0.0001", "0.01", "0.5", "25"]),
    st.decimals("0", "900", places=1), st.decimals("0.1", "900", places=1),
)
def test_every_price_lies_on_the_grid(kind: Any, side: Side, mark: Any, tick: str, limit: Any, stop: Any) -> None:
    found = entry_terms(
        EntrySettings(entry_order_type=kind, entry_limit_offset_bps=limit, entry_stop_offset_bps=stop), side=side,
        mark=mark, tick=D(tick), time=0,
    )
    assert found.prices and all(price >= 0 and price % D(tick) == 0 for price in found.prices)
    assert found.stop_price is None or (found.stop_price > mark if side is Side.BUY else found.stop_price < mark)


@pytest.mark.parametrize(("given_settings", "fault"), [
    ({"entry_order_type": "CANCEL"}, "can open a position, was CANCEL"),
    ({"entry_order_type": "LIMIT_MAKER", "entry_limit_offset_bps": D(-1)}, "at least 0 with LIMIT_MAKER"),
])
def test_terms_that_make_no_sense_are_refused_at_start(given_settings: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        StrategyParameters(name="x", kind="momentum", **given_settings)


def test_an_approved_entry_carries_its_strategys_terms() -> None:
    story, order = resting_story()
    # 10 bps below 100; sized at the mark, the dearest it can get.
    assert (order.limit_price, order.stop_price, order.expires_at) == (D("99.9"), None, story.now + 60 * SECOND)
    assert order.quantity == 100
    assert broken_rule(msgspec.structs.replace(order, session="story")) is None


def test_a_stop_is_sized_at_its_stop_price_so_that_the_limits_hold_when_it_is_set_off() -> None:
    # 10,000 at 101 are 99.0099 units; at 100 they would have been 100.
    story = Story(make_settings(entries={"entry_order_type": "STOP", "entry_stop_offset_bps": D(100)}))
    story.mark("100")
    assert story.signal(Side.BUY, "100").quantity == D("99.009")


def test_a_price_that_comes_to_nothing_on_the_grid_is_refused() -> None:
    story = Story(make_settings(entries=RESTING))
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", tick_size=D(1000)))
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    assert (order.rejection_code, order.measured, order.limit) == ("ORDER_PRICE_IMPOSSIBLE", 0, 1000)
    assert broken_rule(msgspec.structs.replace(order, session="story")) is None


def test_a_resting_entry_stays_in_flight_and_reserves_its_unfilled_rest() -> None:
    story, order = resting_story(max_symbol_exposure_pct=D("0.15"))
    story.result(order, price="99.9", quantity=D(40), status=ResultStatus.PARTIAL, terminal=False)
    # 40 held and 60 that may come, all at 100; .15 of 100,004 (40 were bought .1 below the mark) leaves 5,000.6.
    story.wait(20)
    story.mark("100")
    other = story.signal(Side.BUY, "100", strategy="other")
    assert other.quantity == D("50.006")
    assert story.stage.answer_due(story.state, "order_results") == order.time + LATENCY, "it may answer at any time"
    story.result(order, price="1", quantity=D(0), status=ResultStatus.EXPIRED)
    story.result(other, price="1", quantity=D(0), status=ResultStatus.EXPIRED)
    assert story.stage.answer_due(story.state, "order_results") == NEVER


def test_a_stop_loss_that_falls_due_cancels_the_resting_entry_and_closes_what_is_held() -> None:
    story, order = resting_story()
    story.result(order, price="99.9", quantity=D(40), status=ResultStatus.PARTIAL, terminal=False)
    exit_order, cancel = only(Order, story.mark("97"))
    assert (exit_order.purpose, exit_order.quantity, exit_order.approved) == (Purpose.STOP_LOSS, 40, True)
    assert (cancel.order_type, cancel.target_order_id, cancel.quantity) == (OrderType.CANCEL, order.event_id, 0)
    assert cancel.approved and json.loads(cancel.sizing)["why"] == "its position is to be closed"
    assert broken_rule(msgspec.structs.replace(cancel, session="story")) is None
    assert only(Order, story.mark("96")) == [], "neither is asked for twice"
    # The rest fills before the cancellation comes: it is closed as well, after the first exit has ended.
    story.result(order, price="99.9", quantity=D(60))
    story.result(exit_order, price="96")
    assert [(o.purpose, o.quantity) for o in only(Order, story.mark("96"))] == [(Purpose.FLATTEN, 60)]


def test_a_signal_against_a_resting_entry_cancels_it() -> None:
    story, order = resting_story()
    cancel = story.signal(Side.SELL, "100")
    assert (cancel.order_type, cancel.target_order_id, cancel.reduce_only) == (OrderType.CANCEL, order.event_id, True)
    # Its end is awaited; another signal against it finds it on its way.
    assert story.signal(Side.SELL, "100").rejection_code == "ORDER_IN_FLIGHT"
    story.result(order, price="1", quantity=D(0), status=ResultStatus.CANCELLED)
    assert story.account().in_flight == {}


def test_a_signal_against_a_partly_filled_entry_closes_what_is_held_and_cancels_the_rest() -> None:
    story, order = resting_story()
    story.result(order, price="99.9", quantity=D(40), status=ResultStatus.PARTIAL, terminal=False)
    story.told += 1
    made = story.records
    count = len(made)
    with pytest.raises(ValueError):  # two records: the exit and the cancellation
        story.signal(Side.SELL, "100")
    exit_order, cancel = only(Order, story.records[count:])
    assert (exit_order.purpose, exit_order.quantity) == (Purpose.EXIT, 40)
    assert cancel.target_order_id == order.event_id


@pytest.mark.parametrize("kind", [CommandKind.HALT, CommandKind.REDUCE_ONLY, CommandKind.CANCEL, CommandKind.FLATTEN])
def test_commands_that_end_trading_cancel_what_rests(kind: CommandKind) -> None:
    story, order = resting_story()
    made = story.command(kind)
    assert [cancel.target_order_id for cancel in cancels(made)] == [order.event_id]
    [answer] = only(Alert, made)
    assert answer.code == "COMMAND_TAKEN"
    assert cancels(story.command(CommandKind.HALT)) == [], "once is enough"


def test_a_cancel_of_another_symbol_finds_nothing() -> None:
    story, _ = resting_story()
    [answer] = only(Alert, story.command(CommandKind.CANCEL, symbol="ETHUSDT"))
    assert (answer.code, answer.message) == ("COMMAND_REFUSED", "CANCEL by ann: no resting orders to cancel")


def test_a_breaker_cancels_what_rests() -> None:
    settings = make_settings(entries=RESTING, execution_failures_in_a_row_max=1, max_symbol_exposure_pct=D("0.2"))
    story = Story(settings)
    story.mark("100")
    orders = [story.signal(Side.BUY, "100", strategy=strategy) for strategy in ("momentum", "other")]
    made = story.reject(orders[0])
    assert story.account().mode is RiskMode.REDUCE_ONLY
    assert [cancel.target_order_id for cancel in cancels(made)] == [orders[1].event_id]


def test_stale_data_cancels_what_rests_in_its_symbol_once_and_nothing_else() -> None:
    """Thirty seconds after the last record of the market, by a timer, whether or not anything arrives."""
    story = Story(make_settings(entries=RESTING), symbols=("BTCUSDT", "ETHUSDT"))
    story.mark("100")
    stale = story.signal(Side.BUY, "100")
    story.mark("100", symbol="ETHUSDT", after="20")
    fresh = story.signal(Side.BUY, "100", symbol="ETHUSDT")
    assert stale.approved and fresh.approved
    assert not cancels(story.wait("9.9"))
    [cancellation] = cancels(story.wait("0.1"))
    assert cancellation.target_order_id == stale.event_id and "BTCUSDT is stale" in cancellation.sizing
    assert not cancels(story.wait("10"))
    assert [story.account().in_flight[one.event_id].rests for one in (stale, fresh)] == [False, True]


def end_without_fill(order_type: str, status: ResultStatus, reason: str | None = None) -> int:
    story = Story(make_settings(entries={"entry_order_type": order_type}))
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    story.result(order, price="1", quantity=D(0), status=status, reason=reason)
    return story.account().failures_in_a_row


@pytest.mark.parametrize(("order_type", "status", "reason", "failures"), [
    ("MARKET", ResultStatus.CANCELLED, "NO_MORE_DEPTH", 1),
    ("LIMIT", ResultStatus.EXPIRED, "EXPIRES_AT", 0),
    ("LIMIT", ResultStatus.REJECTED, "FEED_DOWN", 1),
    ("LIMIT_MAKER", ResultStatus.REJECTED, "WOULD_TAKE", 0),
    ("FILL_OR_KILL", ResultStatus.CANCELLED, "NOT_FILLABLE_AT_ONCE", 0),
    ("IMMEDIATE_OR_CANCEL", ResultStatus.CANCELLED, "NO_MORE_WITHIN_LIMIT", 0),
])
def test_only_an_end_that_the_order_did_not_provide_for_is_a_failure(
    order_type: str, status: ResultStatus, reason: str, failures: int
) -> None:
    assert end_without_fill(order_type, status, reason) == failures


def test_an_entry_that_was_cancelled_is_no_failure() -> None:
    story, order = resting_story()
    story.command(CommandKind.CANCEL)
    story.result(order, price="1", quantity=D(0), status=ResultStatus.CANCELLED)
    assert story.account().failures_in_a_row == 0


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["mark", "signal", "fill", "part", "expire", "flatten", "cancel"]), st.sampled_from(Side),
        st.decimals("90", "110", places=2),
    ),
    max_size=40,
)


@given(MOVES, st.sampled_from(sorted(set(OrderType) - {OrderType.CANCEL})), st.booleans())
def test_orders_end_once_no_exit_turns_a_position_and_nothing_waits_for_a_resting_entry(
    moves: list[tuple[str, Side, Any]], kind: OrderType, shorts: bool
) -> None:
    story = Story(make_settings(
        entries={"entry_order_type": kind, "entry_limit_offset_bps": D(5)},
        accounts=[AccountParameters(shorts_allowed=shorts)],
    ))
    story.mark("100")
    for what, side, price in moves:
        story.wait("1.1")
        waiting = [r for r in only(Order, story.records) if r.event_id in story.account().in_flight]
        if what == "mark":
            story.mark(price)
            position = story.account().position("BTCUSDT", "momentum")
            if position is not None and position.guard.closing is not None:
                assert story.account().exit_in_flight("BTCUSDT", "momentum"), "an exit that is due is on its way"
        elif what == "signal":
            with contextlib.suppress(ValueError):  # an exit and a cancellation
                story.signal(side, price)
        elif what in ("flatten", "cancel"):
            story.command({"flatten": CommandKind.FLATTEN, "cancel": CommandKind.CANCEL}[what])
        elif waiting:
            order = waiting[0]
            left = story.account().in_flight[order.event_id].remaining
            if what == "fill":
                story.result(order, price=price, quantity=left)
            elif what == "part" and left > D("0.002"):
                story.result(order, price=price, quantity=D("0.001"), status=ResultStatus.PARTIAL, terminal=False)
            else:
                story.result(order, price="1", quantity=D(0), status=ResultStatus.EXPIRED)
        account = story.account()
        assert account.portfolio.is_exact()
        for order in account.in_flight.values():
            position = account.position("BTCUSDT", "momentum")
            assert not order.reduces or (position is not None and order.remaining <= abs(position.quantity))
            assert not (order.rests and order.then_close), "what is to be closed does not rest"
        raw = story.stage.encode(story.state)
        assert story.stage.encode(story.stage.decode(raw)) == raw


def test_the_cheapest_price_that_may_hold_counts_prices_below_one_and_none_of_nothing() -> None:
    assert Terms(limit_price=D("0.5")).cheapest(D("0.6")) == D("0.5")
    assert Terms(limit_price=D(0)).cheapest(D("0.6")) == D("0.6")
