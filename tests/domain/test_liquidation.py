"""Positions whose margin is used up: taken over at that very event, isolated and cross, whatever is in flight."""

import msgspec

from streams.domain.parameters import AccountParameters
from streams.domain.records import (
    Alert,
    LedgerEntry,
    LedgerKind,
    Order,
    PortfolioSnapshot,
    Position,
    Record,
    RiskMode,
    Side,
)
from streams.domain.rules import broken_rule
from tests.domain.perpetual_stories import PERPETUAL, PerpetualStory, make_perpetual, make_perpetual_settings
from tests.domain.risk_stories import D, make_instrument, only

# Tests open .2 BTC at 50,000 with leverage 10: margin 1,000, maintenance 50; 45,250 long, 54,750 short.


def cross(**risk: object) -> PerpetualStory:
    account = AccountParameters(leverage=D(10), margin_mode="CROSS", shorts_allowed=True)
    return PerpetualStory(make_perpetual_settings(accounts=[account], **risk))


def codes(records: list[Record]) -> list[str]:
    return [alert.code for alert in only(Alert, records)]


def entries(records: list[Record]) -> list[tuple[LedgerKind, object]]:
    return [(entry.kind, entry.amount) for entry in only(LedgerEntry, records)]


def test_an_open_perpetual_states_its_margin_leverage_and_liquidation_price() -> None:
    story = PerpetualStory()
    story.mark("50000", symbol=PERPETUAL)
    records = story.result(story.signal(Side.BUY, "50000", symbol=PERPETUAL), price="50000", fee="6")
    [position] = only(Position, records)
    assert (position.margin, position.leverage, position.liquidation_price) == (1000, 10, 45_250)
    [snapshot] = only(PortfolioSnapshot, records)
    # Nothing but the fee leaves cash: the margin is bound in it.
    assert (snapshot.cash, snapshot.equity, snapshot.margin_used, snapshot.exposure) == (99_994, 99_994, 1000, 10_000)


def test_a_long_is_taken_over_on_the_mark_at_its_liquidation_price_and_not_before() -> None:
    story = PerpetualStory()
    story.opened()
    assert only(LedgerEntry, story.mark("45250.01", symbol=PERPETUAL)) == []
    records = story.mark("45250", symbol=PERPETUAL)
    # Closed at 45,000: the margin of 1,000 is lost, and .2 x 45,000 x .0002 = 1.8 of fee.
    assert entries(records) == [(LedgerKind.LIQUIDATION, -1000), (LedgerKind.LIQUIDATION_FEE, D("-1.8"))]
    [alert] = [alert for alert in only(Alert, records) if alert.code == "LIQUIDATED"]
    assert (alert.symbol, alert.measured, alert.limit) == (PERPETUAL, 45_250, 45_000)
    [position] = only(Position, records)
    assert (position.quantity, position.margin, position.liquidation_price, position.realized_pnl) == (0, 0, None, -1000)
    [snapshot] = only(PortfolioSnapshot, records)
    assert (snapshot.reason, snapshot.equity, snapshot.cash, snapshot.fees) == ("LIQUIDATION", D("98998.2"), D("98998.2"), D("1.8"))
    assert only(Order, records) == [], "the exchange takes over, nobody orders"
    assert all(broken_rule(msgspec.structs.replace(r, session="s")) is None for r in records)


def test_a_short_is_taken_over_above() -> None:
    story = PerpetualStory()
    story.opened(Side.SELL)
    assert only(LedgerEntry, story.mark("54749.99", symbol=PERPETUAL)) == []
    # Closed at 55,000: 11,000 x .0002 = 2.2.
    assert entries(story.mark("54750", symbol=PERPETUAL)) == [
        (LedgerKind.LIQUIDATION, -1000), (LedgerKind.LIQUIDATION_FEE, D("-2.2")),
    ]


def test_a_jump_beyond_the_bankruptcy_price_costs_no_more_than_the_margin() -> None:
    story = PerpetualStory()
    story.opened()
    story.mark("20000", symbol=PERPETUAL)
    assert story.account().portfolio.equity == D("98998.2")


def test_the_tier_names_the_fee_where_it_has_one() -> None:
    tier = (
        '[{"maximum_notional":"50000","maintenance_margin_rate":"0.005","initial_margin_rate":"0.01",'
        '"liquidation_fee_rate":"0.01"}]'
    )
    story = PerpetualStory(tiers=tier)
    story.opened()
    assert entries(story.mark("45000", symbol=PERPETUAL))[1] == (LedgerKind.LIQUIDATION_FEE, -90)


def test_higher_tiers_of_a_new_version_hold_from_the_next_mark_on() -> None:
    # A rate of .09 in place of .005 keeps 900 of 1,000: 49,500.
    story = PerpetualStory()
    story.opened()
    higher = '[{"maximum_notional":"50000","maintenance_margin_rate":"0.09","initial_margin_rate":"0.1"}]'
    story.tell("instruments", PERPETUAL, make_perpetual(tiers=higher, valid_from=story.now))
    assert codes(story.mark("49500.01", symbol=PERPETUAL)) == []
    assert "LIQUIDATED" in codes(story.mark("49500", symbol=PERPETUAL))


def test_a_position_outlives_its_instrument() -> None:
    story = PerpetualStory()
    story.opened()
    story.tell("instruments", PERPETUAL, make_perpetual(valid_to=story.now))
    assert "LIQUIDATED" in codes(story.mark("45250", symbol=PERPETUAL))


def test_what_fills_after_the_takeover_of_an_exit_is_void() -> None:
    story = PerpetualStory()
    story.opened()
    story.mark("46000", symbol=PERPETUAL)
    leaving = story.signal(Side.SELL, "46000", symbol=PERPETUAL)
    assert leaving.approved and leaving.reduce_only
    assert "LIQUIDATED" in codes(story.mark("45000", symbol=PERPETUAL))
    before = story.account().portfolio.equity
    records = story.result(leaving, price="46000", quantity=D("0.1"), terminal=False)
    assert codes(records) == ["FILL_VOID"] and entries(records) == []
    assert codes(story.result(leaving, price="1", quantity=D(0))) == []
    account = story.account()
    assert account.portfolio.equity == before and not account.in_flight
    assert account.failures_in_a_row == 0, "what the exchange made impossible is no failure of ours"
    assert account.position(PERPETUAL, "momentum") is None


def test_an_exit_that_found_nothing_to_reduce_is_no_failure_of_ours() -> None:
    story = PerpetualStory()
    story.opened()
    story.mark("46000", symbol=PERPETUAL)
    leaving = story.signal(Side.SELL, "46000", symbol=PERPETUAL)
    story.mark("45000", symbol=PERPETUAL)
    story.reject(leaving)
    assert story.account().failures_in_a_row == 0 and not story.account().in_flight


def test_what_an_entry_still_opens_after_the_takeover_is_closed_at_once() -> None:
    story = PerpetualStory()
    story.mark("50000", symbol=PERPETUAL)
    order = story.signal(Side.BUY, "50000", symbol=PERPETUAL)
    story.result(order, price="50000", quantity=D("0.1"), terminal=False)
    assert "LIQUIDATED" in codes(story.mark("45250", symbol=PERPETUAL))
    story.result(order, price="45000", quantity=D("0.1"))
    position = story.account().position(PERPETUAL, "momentum")
    assert position is not None and position.quantity == D("0.1") and position.margin == 450
    [exit_] = [order for order in only(Order, story.mark("45000", symbol=PERPETUAL)) if order.approved]
    assert (exit_.side, exit_.quantity, exit_.reduce_only) == (Side.SELL, D("0.1"), True)


def test_a_fill_far_above_the_mark_is_taken_over_at_the_fill() -> None:
    # Bought at 55,300 while the mark says 50,000: margin 1,106, shown loss 1,060, 46 left of the 55.3 to keep.
    story = PerpetualStory()
    story.mark("50000", symbol=PERPETUAL)
    records = story.result(story.signal(Side.BUY, "50000", symbol=PERPETUAL), price="55300")
    assert "LIQUIDATED" in codes(records)


def test_with_isolated_margin_one_position_goes_and_the_other_stays() -> None:
    story = PerpetualStory(symbols=("BTCUSDT",))
    story.long("100", symbol="BTCUSDT")
    story.opened()
    story.mark("45000", symbol=PERPETUAL)
    account = story.account()
    assert account.position(PERPETUAL, "momentum") is None
    assert account.position("BTCUSDT", "momentum") is not None


def test_two_strategies_hold_two_positions_with_a_margin_each() -> None:
    story = PerpetualStory(make_perpetual_settings(max_symbol_exposure_pct=D(1)))
    story.opened()
    story.mark("48000", symbol=PERPETUAL)
    order = story.signal(Side.BUY, "48000", symbol=PERPETUAL, strategy="other")
    if not order.approved:
        return  # where only one position a symbol is allowed
    story.result(order, price="48000")
    story.mark("45250", symbol=PERPETUAL)
    assert story.account().position(PERPETUAL, "momentum") is None
    assert story.account().position(PERPETUAL, "other") is not None


def test_with_cross_margin_the_whole_balance_stands_behind_a_position() -> None:
    # 100,000 behind .2 BTC at 50,000: no price above zero uses that up. A short would be liquidated at
    # (10,000 + 100,000 - 50) / .2 = 549,750.
    story = cross()
    story.opened()
    assert story.account().position(PERPETUAL, "momentum") is not None
    assert only(Position, story.records)[-1].liquidation_price is None
    assert "LIQUIDATED" not in codes(story.mark("100", symbol=PERPETUAL))
    short = cross()
    short.opened(Side.SELL)
    assert only(Position, short.records)[-1].liquidation_price == 549_750
    assert "LIQUIDATED" not in codes(short.mark("549749.99", symbol=PERPETUAL))
    records = short.mark("549750", symbol=PERPETUAL)
    # 50 are left: a fee of .2 x 549,750 x .0002 = 21.99 and a share of 28.01, which is 140.05 of price.
    assert entries(records) == [(LedgerKind.LIQUIDATION, D("-99978.01")), (LedgerKind.LIQUIDATION_FEE, D("-21.99"))]
    [alert] = [alert for alert in only(Alert, records) if alert.code == "LIQUIDATED"]
    assert alert.limit == D("549890.05")
    book = short.account().portfolio
    assert (book.equity, book.cash, book.margin_used()) == (0, 0, 0)


def test_with_cross_margin_every_perpetual_goes_and_spot_stays() -> None:
    story = cross()
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT"))
    story.tell("instruments", "ETH_USDT", make_perpetual(symbol="ETH_USDT"))
    story.long("100", symbol="BTCUSDT")
    story.opened(Side.SELL)
    story.mark("50000", symbol="ETH_USDT")
    story.result(story.signal(Side.BUY, "50000", symbol="ETH_USDT"), price="50000")
    # 90,000 of balance: .2 BTC short at 500,000 show a loss of 90,000 exactly.
    records = story.mark("500000", symbol=PERPETUAL)
    assert [r.symbol for r in only(Position, records)] == [PERPETUAL, "ETH_USDT"]
    account = story.account()
    assert account.portfolio.cash == 0
    assert account.position("BTCUSDT", "momentum") is not None
    assert account.portfolio.is_exact()


def test_a_drawdown_that_a_liquidation_shows_trips_its_breakers_at_once() -> None:
    story = PerpetualStory(make_perpetual_settings(max_daily_drawdown_pct=D("0.01")))
    story.opened()
    records = story.mark("45250", symbol=PERPETUAL)
    assert codes(records) == ["LIQUIDATED", "DAILY_DRAWDOWN"]
    assert [(s.reason, s.risk_mode) for s in only(PortfolioSnapshot, records)] == [("LIQUIDATION", RiskMode.REDUCE_ONLY)]


def test_the_liquidation_fee_is_not_taken_from_what_the_account_does_not_have() -> None:
    # .02 BTC bind 100 of the 100 that a fee of 9,900 leaves: nothing is left for the exchange's fee.
    account = AccountParameters(leverage=D(10), initial_equity=D(10_000))
    story = PerpetualStory(make_perpetual_settings(accounts=[account]))
    story.mark("50000", symbol=PERPETUAL)
    story.result(story.signal(Side.BUY, "50000", symbol=PERPETUAL), price="50000", fee="9900")
    assert entries(story.mark("45250", symbol=PERPETUAL)) == [(LedgerKind.LIQUIDATION, -100)]
    assert story.account().portfolio.cash == 0
