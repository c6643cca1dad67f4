"""What is quoted in another asset than the account's currency: valued at that asset's own mark, or not entered at all."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from streams.domain.parameters import AccountParameters
from streams.domain.records import (
    Alert,
    CommandKind,
    InstrumentKind,
    LedgerEntry,
    LedgerKind,
    MarkSource,
    Order,
    OrderType,
    PortfolioSnapshot,
    Position,
    Purpose,
    Record,
    RiskMode,
    Side,
)
from streams.domain.risk.conversion import rate_of
from streams.domain.risk.margin import available_margin
from tests.domain.perpetual_stories import PerpetualStory, make_perpetual, make_perpetual_settings
from tests.domain.risk_stories import SECOND, D, Story, make_instrument, make_settings, only

PAIR = "USDCUSDT"


def known(story: Story) -> Story:
    """With BTCUSDC to trade and the pair that values it."""
    story.tell("instruments", "BTCUSDC", make_instrument("BTCUSDC", base_asset="BTC", quote_asset="USDC"))
    story.tell("instruments", PAIR, make_instrument(PAIR))
    return story


def converting(mark: str = "0.9990", **changes: Any) -> Story:
    """An account in USDT that knows what a USDC is worth."""
    story = known(Story(make_settings(**changes), symbols=("BTCUSDT",)))
    story.mark(mark, symbol=PAIR)
    return story


def bought(story: Story, price: str = "50000", *, fee: str = "0") -> list[Record]:
    story.mark(price, symbol="BTCUSDC")
    order = story.signal(Side.BUY, price, symbol="BTCUSDC")
    assert order.approved, order.rejection_code
    return story.result(order, price=price, fee=fee, asset="USDC")


def terms(story: Story) -> dict[str, Decimal]:
    """The terms of a snapshot that is cut now, whose sum is its equity to the last digit."""
    made = story.wait_until(story.now + 60 * SECOND - story.now % (60 * SECOND))
    one = only(PortfolioSnapshot, made)[-1]
    assert one.conversion is not None
    total = one.initial_equity + one.realized_pnl + one.funding - one.fees + one.unrealized_pnl + one.conversion
    assert total == one.equity and story.account().portfolio.is_exact()
    names = ("equity", "cash", "realized_pnl", "unrealized_pnl", "fees", "conversion")
    return {name: getattr(one, name) for name in names}


def test_an_account_in_usdt_trades_btcusdc_and_every_term_is_worked_by_hand() -> None:
    # A tenth of 100,000 USDT at 50,000 x .9990 a BTC is .2002, in lots .2: 10,000 USDC and a fee of 6.
    # There is no USDC: 10,006 are bought for 10,006 x .9990 = 9,995.994 USDT, which leaves 90,004.006.
    story = converting()
    made = bought(story, fee="6")
    entries = [(e.kind, e.asset, e.amount) for e in only(LedgerEntry, made)]
    assert entries == [
        (LedgerKind.FEE, "USDC", -6), (LedgerKind.CONVERSION, "USDT", D("-9995.994")), (LedgerKind.CONVERSION, "USDC", 10_006),
    ]
    # Of the 100,000 only the fee of 6 x .9990 is gone.
    assert terms(story) == {
        "equity": D("99994.006"), "cash": D("90004.006"), "realized_pnl": 0, "unrealized_pnl": 0, "fees": D("5.994"),
        "conversion": 0,
    }
    # The 10,000 USDC of cost are worth 10,000 x .0015 more.
    story.mark("1.0005", symbol=PAIR)
    assert terms(story)["conversion"] == 15
    assert story.account().portfolio.equity == D("100009.006")
    # What BTC gains in USDC, 200, counts as 200 x 1.0005.
    story.mark("51000", symbol="BTCUSDC")
    assert terms(story) == {
        "equity": D("100209.106"), "cash": D("90004.006"), "realized_pnl": 0, "unrealized_pnl": D("200.1"), "fees": D("5.994"),
        "conversion": 15,
    }
    # Sold for 10,200 less 6.12: 10,193.88 USDC stay, and the fee is 6.12 x 1.0005 = 6.12306.
    story.mark("1.0005", symbol=PAIR)
    story.mark("51000", symbol="BTCUSDC")
    order = story.signal(Side.SELL, "51000", symbol="BTCUSDC")
    made = story.result(order, price="51000", fee="6.12", asset="USDC")
    assert [(e.kind, e.asset, e.amount) for e in only(LedgerEntry, made)] == [
        (LedgerKind.REALIZED_PNL, "USDC", 200), (LedgerKind.FEE, "USDC", D("-6.12")),
    ]
    assert terms(story) == {
        "equity": D("100202.98294"), "cash": D("100202.98294"), "realized_pnl": D("200.1"), "unrealized_pnl": 0,
        "fees": D("12.11706"), "conversion": 15,
    }
    # Back at .9990 they lose 10,193.88 x .0015 = 15.29082, of which 15 had been won.
    story.mark("0.9990", symbol=PAIR)
    assert terms(story) == {
        "equity": D("100187.69212"), "cash": D("100187.69212"), "realized_pnl": D("200.1"), "unrealized_pnl": 0,
        "fees": D("12.11706"), "conversion": D("-0.29082"),
    }
    [snapshot] = only(PortfolioSnapshot, story.records[-1:])
    assert msgspec.json.decode(snapshot.balances or "") == {"USDC": {"amount": "10193.88", "mark": "0.999"}}


def test_what_a_sale_brought_pays_for_the_next_purchase_before_anything_is_converted() -> None:
    story = converting("1")
    bought(story)
    story.result(story.signal(Side.SELL, "50000", symbol="BTCUSDC"), price="50000", asset="USDC")
    assert story.account().portfolio.balance("USDC") == 10_000
    assert not [e for e in only(LedgerEntry, bought(story, fee="0")) if e.kind is LedgerKind.CONVERSION]
    assert (story.account().portfolio.balance("USDC"), story.account().portfolio.cash) == (0, 90_000)
    story.result(story.signal(Side.SELL, "50000", symbol="BTCUSDC"), price="50000", asset="USDC")
    # With a fee of 3 only those 3 are lacking.
    converted = [e.amount for e in only(LedgerEntry, bought(story, fee="3")) if e.kind is LedgerKind.CONVERSION]
    assert converted == [-3, 3]


def test_positions_stay_in_their_quote_units_and_say_what_one_is_worth() -> None:
    story = converting()
    [position] = only(Position, bought(story, fee="6"))
    assert (position.cost, position.entry_price, position.fees, position.conversion_mark) == (10_000, 50_000, 6, D("0.9990"))
    story.mark("50000", symbol="BTCUSDT")
    [own] = only(Position, story.result(story.signal(Side.BUY, "50000"), price="50000"))
    assert own.conversion_mark is None


def test_sizes_and_limits_are_in_the_accounts_currency_whatever_a_quote_unit_is_worth() -> None:
    # At 2 USDT a USDC a tenth of 100,000 USDT buys half as much.
    for mark, quantity in (("2", "0.1"), ("1", "0.2"), ("0.5", "0.4")):
        story = converting(mark)
        story.mark("50000", symbol="BTCUSDC")
        order = story.signal(Side.BUY, "50000", symbol="BTCUSDC")
        assert (order.approved, order.quantity, order.notional) == (True, D(quantity), D(quantity) * 50_000)
        assert order.requested_notional == 100_000 / D(mark), "quote units"
        sizing = msgspec.json.decode(order.sizing)
        assert sizing["conversion"] == {"pair": PAIR, "mark": mark}
        exposure = next(c for c in msgspec.json.decode(order.checks) if c["code"] == "POSITION_LIMIT")
        assert (exposure["measured"], exposure["limit"]) == ("0.1", "0.1")
        story.result(order, price="50000", asset="USDC")
        assert story.account().portfolio.exposure() == 10_000


def test_an_exposure_in_another_asset_leaves_less_for_the_accounts_own() -> None:
    # .3 of 100,000 in all; .1 is held in BTCUSDC at 2 USDT, .1 in BTCUSDT: a third of .1 fits, a fourth does not.
    story = converting("2", max_symbol_exposure_pct=D("0.1"), max_total_exposure_pct=D("0.25"))
    bought(story)
    story.mark("50000")
    first = story.signal(Side.BUY, "50000")
    story.result(first, price="50000")
    assert first.notional == 10_000
    story.tell("instruments", "ETHUSDT", make_instrument("ETHUSDT"))
    story.mark("100", symbol="ETHUSDT")
    last = story.signal(Side.BUY, "100", symbol="ETHUSDT")
    assert (last.notional, msgspec.json.decode(last.sizing)["trims"][-1]) == (5_000, {"limit": "total_exposure", "room": "5000"})


def test_an_entry_in_flight_counts_at_its_assets_mark() -> None:
    story = converting("2", max_total_exposure_pct=D("0.15"))
    story.mark("50000", symbol="BTCUSDC")
    assert story.signal(Side.BUY, "50000", symbol="BTCUSDC").notional == 5_000
    assert available_margin(story.account()) == 90_000, "what it will convert is reserved"
    story.mark("50000")
    assert story.signal(Side.BUY, "50000").notional == 5_000, "5,000 of 15,000 are left"


def test_a_pair_without_a_mark_refuses_new_risk_and_sizes_nothing() -> None:
    story = known(Story(symbols=()))
    story.mark("50000", symbol="BTCUSDC")
    order = story.signal(Side.BUY, "50000", symbol="BTCUSDC")
    assert (order.rejection_code, order.requested_notional, order.quantity) == ("CONVERSION_MISSING", 0, 0)
    assert not story.account().portfolio.balances
    story.mark("1", symbol=PAIR, mark=None, source=MarkSource.NONE)
    assert story.signal(Side.BUY, "50000", symbol="BTCUSDC").rejection_code == "CONVERSION_MISSING"


def test_a_perpetual_on_the_pair_is_no_conversion() -> None:
    story = known(Story(symbols=()))
    story.tell("instruments", PAIR, make_instrument(PAIR, kind=InstrumentKind.PERPETUAL))
    story.mark("1", symbol=PAIR)
    story.mark("50000", symbol="BTCUSDC")
    assert story.signal(Side.BUY, "50000", symbol="BTCUSDC").rejection_code == "CONVERSION_MISSING"


def test_a_mark_as_old_as_prices_may_not_be_refuses_new_risk_with_its_age() -> None:
    story = converting()
    story.wait("29.8")
    story.mark("50000", symbol="BTCUSDC")
    assert story.signal(Side.BUY, "50000", symbol="BTCUSDC", strategy="other").approved
    story.mark("50000", symbol="BTCUSDC")
    order = story.signal(Side.BUY, "50000", symbol="BTCUSDC")
    assert (order.rejection_code, order.measured, order.limit) == ("CONVERSION_STALE", 30, 30)


def test_marks_of_a_feed_that_is_down_prove_nothing() -> None:
    story = converting()
    story.mark("0.9990", symbol=PAIR, after="31", market_time=story.now)
    story.mark("50000", symbol="BTCUSDC")
    assert story.signal(Side.BUY, "50000", symbol="BTCUSDC").rejection_code == "CONVERSION_STALE"


def test_an_exit_passes_with_a_stale_conversion_and_counts_at_the_newest_mark() -> None:
    story = converting()
    bought(story)
    story.wait("40")
    made = story.mark("48900", symbol="BTCUSDC")
    [stop] = only(Order, made)
    assert (stop.purpose, stop.approved) == (Purpose.STOP_LOSS, True)
    stale = next(c for c in msgspec.json.decode(stop.checks) if c["code"] == "CONVERSION_STALE")
    assert stale["waived"] and not stale["passed"]
    [snapshot] = only(PortfolioSnapshot, story.result(stop, price="48900", asset="USDC"))
    assert (snapshot.realized_pnl, snapshot.conversion) == (D("-219.78"), 0), ".2 x 1,100 x .9990"


def test_the_inverse_pair_serves_where_there_is_no_direct_one() -> None:
    # 1.25 USDC for a USDT: one is worth .8.
    story = Story(symbols=())
    story.tell("instruments", "BTCUSDC", make_instrument("BTCUSDC", base_asset="BTC", quote_asset="USDC"))
    story.tell("instruments", "USDTUSDC", make_instrument("USDTUSDC", base_asset="USDT", quote_asset="USDC"))
    story.mark("1.25", symbol="USDTUSDC")
    bought(story)
    assert story.account().portfolio.cash == 100_000 - 12_500 * D("0.8")
    story.mark("1.6", symbol="USDTUSDC")
    # 12,500 USDC fell from .8 to .625.
    assert terms(story)["conversion"] == -12_500 * D("0.175")
    # A direct pair goes before it, as soon as it has a mark.
    story.tell("instruments", PAIR, make_instrument(PAIR))
    story.mark("1.6", symbol="USDTUSDC")
    assert story.account().portfolio.worth("USDC") == D("0.625")
    story.mark("0.8", symbol=PAIR)
    story.mark("1.6", symbol="USDTUSDC")
    assert story.account().portfolio.worth("USDC") == D("0.8")
    assert terms(story)["conversion"] == 0


def test_one_over_a_mark_is_rounded_half_to_even_at_twelve_places() -> None:
    story = Story(symbols=())
    story.tell("instruments", "USDTUSDC", make_instrument("USDTUSDC", base_asset="USDT", quote_asset="USDC"))
    story.mark("3", symbol="USDTUSDC")
    rate = rate_of(story.state, asset="USDC", currency="USDT", time=story.now)
    assert rate is not None and (rate.mark, rate.pair) == (D("0.333333333333"), "USDTUSDC")
    assert rate_of(story.state, asset="EUR", currency="USDT", time=story.now) is None
    story.mark("2000000000001", symbol="USDTUSDC")
    assert rate_of(story.state, asset="USDC", currency="USDT", time=story.now) is None, "worth nothing at 12 places"


def test_a_pair_that_is_no_longer_valid_values_nothing_new_and_what_is_held_stays_at_its_last_mark() -> None:
    story = converting()
    bought(story)
    story.tell("instruments", PAIR, make_instrument(PAIR, valid_to=story.now + SECOND))
    story.mark("0.5", symbol=PAIR, after="2")
    assert story.account().portfolio.worth("USDC") == D("0.9990")
    story.mark("50000", symbol="BTCUSDC")
    assert story.signal(Side.BUY, "50000", symbol="BTCUSDC", strategy="other").rejection_code == "CONVERSION_MISSING"


def test_a_fall_of_the_other_asset_alone_trips_the_breaker_and_closes_what_is_held() -> None:
    # A tenth of 100,000 in BTC for USDC: without any mark of BTCUSDC, USDC falls by half.
    story = converting("1", circuit_breaker_threshold_pct=D("0.05"))
    bought(story)
    made = story.mark("0.5", symbol=PAIR)
    assert sorted(a.code for a in only(Alert, made)) == ["CIRCUIT_BREAKER_DRAWDOWN", "DAILY_DRAWDOWN"]
    [order] = only(Order, made)
    assert (order.symbol, order.purpose, order.approved) == ("BTCUSDC", Purpose.FLATTEN, True)
    story.result(order, price="50000", asset="USDC")
    assert story.account().mode is RiskMode.HALT_ALL
    assert terms(story)["conversion"] == -5_000


def test_a_resting_entry_goes_when_what_would_value_it_is_stale() -> None:
    story = converting(entries={"entry_order_type": OrderType.LIMIT, "entry_limit_offset_bps": D(10), "entry_expiry_sec": 600})
    story.mark("50000", symbol="BTCUSDC")
    order = story.signal(Side.BUY, "50000", symbol="BTCUSDC")
    assert order.approved and order.order_type is OrderType.LIMIT
    story.wait("20")
    story.mark("50000", symbol="BTCUSDC")
    made = story.wait("15")
    assert [(o.order_type, o.target_order_id) for o in only(Order, made)] == [(OrderType.CANCEL, order.event_id)]
    assert [(a.code, a.symbol) for a in only(Alert, made)] == [("DATA_STALE", PAIR)]


def test_a_mark_of_the_pair_before_anything_is_converted_changes_no_account() -> None:
    story = converting()
    story.mark("0.5", symbol=PAIR)
    assert story.account().portfolio.equity == 100_000 and not story.account().portfolio.balances


def test_what_cannot_be_paid_from_both_balances_is_refused() -> None:
    # Two quarters of 100,000 USDT went into BTC for 100,000 USDC and came back as those: they pay for USDC's market alone.
    wide = {"max_position_pct": D("0.25"), "max_total_exposure_pct": D(1), "max_symbol_exposure_pct": D(1)}
    story = converting("0.5", **wide, max_strategy_exposure_pct=D(1))
    account = story.account()
    for strategy in ("momentum", "other"):
        story.mark("50000", symbol="BTCUSDC")
        order = story.signal(Side.BUY, "50000", symbol="BTCUSDC", strategy=strategy)
        story.result(order, price="50000", asset="USDC")
    assert account.portfolio.cash == 50_000
    for strategy in ("momentum", "other"):
        order = story.signal(Side.SELL, "50000", symbol="BTCUSDC", strategy=strategy)
        story.result(order, price="50000", asset="USDC")
    assert (account.portfolio.balance("USDC"), account.portfolio.cash) == (100_000, 50_000)
    assert (available_margin(account), available_margin(account, "USDC")) == (50_000, 100_000)
    # An entry in flight reserves what it takes.
    story.mark("50000", symbol="BTCUSDC")
    assert story.signal(Side.BUY, "50000", symbol="BTCUSDC").quantity == 1
    assert (available_margin(account), available_margin(account, "USDC")) == (50_000, 75_000)


def test_a_short_that_is_bought_back_dearer_converts_what_its_sale_did_not_bring() -> None:
    story = known(Story(make_settings(accounts=[AccountParameters(shorts_allowed=True)]), symbols=()))
    story.mark("1", symbol=PAIR)
    story.mark("50000", symbol="BTCUSDC")
    story.result(story.signal(Side.SELL, "50000", symbol="BTCUSDC"), price="50000", asset="USDC")
    assert story.account().portfolio.balance("USDC") == 10_000
    made = story.result(story.signal(Side.BUY, "50000", symbol="BTCUSDC"), price="51000", fee="1", asset="USDC")
    assert [(e.kind, e.amount) for e in only(LedgerEntry, made)] == [
        (LedgerKind.REALIZED_PNL, -200), (LedgerKind.FEE, -1), (LedgerKind.CONVERSION, -201), (LedgerKind.CONVERSION, 201),
    ]
    assert (story.account().portfolio.balance("USDC"), story.account().portfolio.equity) == (0, 99_799)


def test_an_operator_closes_what_is_held_in_another_asset() -> None:
    story = converting()
    bought(story)
    [order] = only(Order, story.command(CommandKind.FLATTEN))
    assert order.approved and order.symbol == "BTCUSDC"


def perpetual(mark: str = "1", *, cross: bool = False, **risk: Any) -> PerpetualStory:
    """Leverage 10 in BTC_USDC, which settles in USDC; .2 BTC at 50,000 are a tenth of 100,000 at a mark of 1."""
    mode = "CROSS" if cross else "ISOLATED"
    story = PerpetualStory(make_perpetual_settings(
        accounts=[AccountParameters(leverage=D(10), margin_mode=mode, shorts_allowed=True)], **risk  # type: ignore[arg-type]
    ))
    story.tell("instruments", "BTC_USDC", make_perpetual(symbol="BTC_USDC", quote_asset="USDC"))
    story.tell("instruments", PAIR, make_instrument(PAIR))
    story.mark(mark, symbol=PAIR)
    return story


def opened(story: PerpetualStory, *, fee: str = "0") -> Position:
    story.mark("50000", symbol="BTC_USDC")
    order = story.signal(Side.BUY, "50000", symbol="BTC_USDC")
    assert order.approved, order.rejection_code
    made = story.result(order, price="50000", fee=fee, asset="USDC")
    return only(Position, made)[-1]


@pytest.mark.parametrize("cross", [False, True], ids=["isolated", "cross"])
def test_a_perpetual_binds_its_margin_in_what_it_settles_in(cross: bool) -> None:
    # At .8 USDT a USDC a tenth of equity is .25 BTC, 12,500 USDC; the margin of 1,250 and the fee of 5 are bought for 1,004.
    story = perpetual("0.8", cross=cross)
    position = opened(story, fee="5")
    book = story.account().portfolio
    assert (position.quantity, position.margin, position.conversion_mark) == (D("0.25"), 1_250, D("0.8"))
    assert (book.balance("USDC"), book.cash, book.bound("USDC"), book.bound("")) == (1_250, 98_996, 1_250, 0)
    assert (book.margin_used(), book.exposure(), book.equity) == (1_000, 10_000, 99_996)
    # The maintenance is 62.5: (12,500 - 1,250 + 62.5) / .25, for only the USDC stands behind it.
    assert position.liquidation_price == 45_250


@pytest.mark.parametrize("cross", [False, True], ids=["isolated", "cross"])
def test_a_liquidation_takes_the_settle_asset_and_leaves_the_accounts_currency(cross: bool) -> None:
    story = perpetual("0.8", cross=cross)
    opened(story, fee="5")
    made = story.mark("45250", symbol="BTC_USDC")
    assert [a.code for a in only(Alert, made)] == ["LIQUIDATED"]
    book = story.account().portfolio
    assert (book.balance("USDC"), book.cash, book.equity) == (0, 98_996, 98_996)
    assert {e.asset for e in only(LedgerEntry, made)} == {"USDC"}
    # Lost: 1,250 x .8 at the mark then; with cross margin a part of it is the liquidation fee.
    assert book.realized_pnl - book.fees == -1_004 and book.conversion() == 0
    assert book.is_exact()


@pytest.mark.parametrize(("cross", "converted"), [(False, "1003.6"), (True, "603.6")], ids=["isolated", "cross"])
def test_what_a_position_shows_stands_for_the_next_margin_only_with_cross_margin(cross: bool, converted: str) -> None:
    # The first position binds 1,000 USDC and shows 400 at 52,000. A tenth of 100,400 is .193 BTC, which bind 1,003.6.
    story = perpetual(cross=cross, max_symbol_exposure_pct=D(1))
    opened(story)
    story.mark("52000", symbol="BTC_USDC")
    order = story.signal(Side.BUY, "52000", symbol="BTC_USDC", strategy="other")
    assert (order.approved, order.quantity) == (True, D("0.193"))
    made = story.result(order, price="52000", asset="USDC")
    assert [e.amount for e in only(LedgerEntry, made)] == [-D(converted), D(converted)]


def test_cross_margin_of_one_asset_does_not_stand_for_another() -> None:
    story = perpetual(cross=True)
    story.opened(price="50000")
    opened(story)
    assert len(story.account().portfolio.margined()) == 2
    story.mark("45250", symbol="BTC_USDC")
    [(symbol, _, _)] = story.account().portfolio.margined()
    assert symbol == "BTC_USDT", "the account's currency bears more than the margin of one position"


def test_an_entry_of_cross_margin_is_measured_by_what_it_will_convert() -> None:
    story = perpetual("0.8", cross=True)
    story.mark("50000", symbol="BTC_USDC")
    order = story.signal(Side.BUY, "50000", symbol="BTC_USDC")
    distance = next(c for c in msgspec.json.decode(order.checks) if c["code"] == "LIQUIDATION_DISTANCE")
    assert distance["measured"] == "0.095", "50,000 to 45,250"


def test_funding_is_paid_in_the_settle_asset_and_counts_at_its_mark() -> None:
    story = perpetual("0.8")
    opened(story)
    settlement = story.now + SECOND
    story.funding("0.0001", settlement=settlement, symbol="BTC_USDC")
    made = story.wait("2")
    # .25 x 50,000 x .0001 = 1.25 USDC; nothing beside the margin is there, so it comes out of that.
    [entry] = only(LedgerEntry, made)
    assert (entry.kind, entry.asset, entry.amount) == (LedgerKind.FUNDING, "USDC", D("-1.25"))
    [snapshot] = only(PortfolioSnapshot, made)
    assert (snapshot.funding, snapshot.equity) == (-1, 99_999)
    assert story.account().portfolio.positions["BTC_USDC"]["momentum"].margin == D("1248.75")
