"""
Every rejection code has an order that provokes it: whoever adds a code adds a row here, or this fails.

All but the row's own faults are avoided, so each row also says what the smallest foolish thing is that the check refuses;
the documented defaults hold except where a row names another setting.
"""

from collections.abc import Callable
from typing import Any

import pytest

from streams.domain.parameters import AccountParameters
from streams.domain.records import CommandKind, DepthStep, InstrumentStatus, Order, Record, Regime, RegimeName, ResultStatus, Side
from streams.domain.risk.codes import RejectionCode
from tests.domain.perpetual_stories import PERPETUAL, make_perpetual, make_perpetual_settings
from tests.domain.risk_stories import SECOND, D, Story, make_instrument, make_settings, only

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
BOLD: dict[str, Any] = {
    "risk_per_trade_pct": D("0.1"), "stop_loss_pct": D("0.4"), "max_position_pct": D("0.25"),
    "max_symbol_exposure_pct": D("0.25"), "allocation_warmup": D(1),
}
WIDE: dict[str, Any] = {"allocation_warmup": D(1)}

ROWS: dict[RejectionCode, Callable[[], Order]] = {}


def provokes(code: RejectionCode) -> Callable[[Callable[[], Order]], Callable[[], Order]]:
    def take(row: Callable[[], Order]) -> Callable[[], Order]:
        assert code not in ROWS
        ROWS[code] = row
        return row

    return take


def documented(*, symbols: tuple[str, ...] = ("BTCUSDT",), **changes: Any) -> Story:
    """A story under the documented defaults."""
    return Story(make_settings(documented=True, **changes), symbols=symbols)


def asked(story: Story | None = None, side: Side = Side.BUY, *, mark: dict[str, Any] | None = None, **signal: Any) -> Order:
    """What becomes of a signal at a mark of 100."""
    story = story or documented()
    story.mark("100", symbol=signal.get("symbol", "BTCUSDT"), **(mark or {}))
    return story.signal(side, signal.pop("price", "100"), **signal)


def regime(story: Story, name: RegimeName, *, symbol: str = "BTCUSDT") -> list[Record]:
    return story.tell("regimes", symbol, Regime(
        event_id=story._id("regimes"), causation_id="", correlation_id="", session="story", time=story.now, symbol=symbol,
        regime=name, adx=None, atr_ratio=None,
    ))


def lose(story: Story, times: int, *, price: str = "99.9", days: int = 0) -> None:
    """Trades of the strategy that end at a loss, closed by its own signals; so many whole days between them."""
    for _ in range(times):
        story.wait(days * 86_400 + 2)
        story.long("100")
        story.result(story.signal(Side.SELL, "100"), price=price)


@provokes(RejectionCode.KILL_SWITCH_HALT_ALL)
def halted() -> Order:
    story = documented()
    story.command(CommandKind.HALT)
    return asked(story)


@provokes(RejectionCode.KILL_SWITCH_REDUCE_ONLY)
def reducing() -> Order:
    story = documented()
    story.command(CommandKind.REDUCE_ONLY)
    return asked(story)


ROWS |= {
    RejectionCode.RECORD_INVALID: lambda: asked(price=D(0)),
    RejectionCode.STRATEGY_UNKNOWN: lambda: asked(strategy="nobody"),
    RejectionCode.STRATEGY_DISABLED: lambda: asked(strategy="resting"),
    RejectionCode.SYMBOL_UNKNOWN: lambda: asked(symbol="DOGEUSDT"),
    RejectionCode.SHORTS_NOT_ALLOWED: lambda: asked(side=Side.SELL),
    RejectionCode.MARK_MISSING: lambda: asked(mark={"mark": None}),
    RejectionCode.FEED_DOWN: lambda: asked(mark={"feed_down": True}),
    RejectionCode.FEED_GAP: lambda: asked(mark={"gap": True}),
    RejectionCode.BOOK_MISSING: lambda: asked(mark={"book_present": False}),
    RejectionCode.BOOK_CROSSED: lambda: asked(mark={"book_crossed": True}),
    RejectionCode.PRICE_ANOMALY: lambda: asked(price="102"),
    RejectionCode.SPREAD_ANOMALY: lambda: asked(
        mark={"best_bid": D("99.7"), "best_ask": D("100.3"), "spread_mean": D("0.001")}
    ),
    RejectionCode.SIZE_NOT_YET_MEASURABLE: lambda: asked(documented(sizing_method="atr")),
    # 1 of 100,000 at a stop of one half is 2 quote units; the exchange takes 10.
    RejectionCode.BELOW_MINIMUM: lambda: asked(documented(risk_per_trade_pct=D("0.00001"), stop_loss_pct=D("0.5"))),
}


@provokes(RejectionCode.FROM_THE_FUTURE)
def from_the_future() -> Order:
    story = documented()
    return asked(story, time=story.now + SECOND)


@provokes(RejectionCode.SIGNAL_STALE)
def stale_signal() -> Order:
    story = documented()
    return asked(story, time=story.now - 31 * SECOND)


@provokes(RejectionCode.MARK_STALE)
def stale_mark() -> Order:
    story = documented()
    return asked(story, mark={"market_time": story.now - 31 * SECOND})


@provokes(RejectionCode.BOOK_STALE)
def stale_book() -> Order:
    story = documented()
    return asked(story, mark={"book_time": story.now - 31 * SECOND})


@provokes(RejectionCode.INSTRUMENT_NOT_ONLINE)
def paused() -> Order:
    story = documented()
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", status=InstrumentStatus.PAUSED))
    return asked(story)


@provokes(RejectionCode.CONVERSION_MISSING)
def other_currency() -> Order:
    story = documented()
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", quote_asset="USDC"))
    return asked(story)


@provokes(RejectionCode.CONVERSION_STALE)
def old_conversion() -> Order:
    story = documented()
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", quote_asset="USDC"))
    story.tell("instruments", "USDCUSDT", make_instrument("USDCUSDT"))
    story.mark("1", symbol="USDCUSDT", market_time=story.now - 31 * SECOND)
    return asked(story)


@provokes(RejectionCode.ORDER_IN_FLIGHT)
def twice() -> Order:
    story = documented()
    assert asked(story).approved
    return asked(story)


@provokes(RejectionCode.POSITION_ALREADY_OPEN)
def on_top() -> Order:
    story = documented()
    story.long("100")
    return asked(story)


@provokes(RejectionCode.NO_POSITION_TO_CLOSE)
def nothing_to_close() -> Order:
    """Reachable only by an exit that finds its position gone: decided here as the stage would."""
    from streams.domain.records import Purpose
    from streams.domain.risk.orders import order_exit
    from streams.domain.risk.step import Step

    story = documented()
    story.mark("100")
    step = Step(session="story", time=story.now, cause_id="story/x")
    order_exit(
        step, story.state, story.stage.rules, story.account(), symbol="BTCUSDT", strategy="momentum", purpose=Purpose.FLATTEN
    )
    [order] = only(Order, step.made)
    return order


@provokes(RejectionCode.ORDER_PRICE_IMPOSSIBLE)
def no_such_price() -> Order:
    story = documented(entries={"entry_order_type": "LIMIT", "entry_limit_offset_bps": D(1)})
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", tick_size=D(1000)))
    return asked(story)


@provokes(RejectionCode.CIRCUIT_BREAKER_DRAWDOWN)
def deep_fall() -> Order:
    # 250 units from 100 to 55: 11.25 % of 100,000.
    story = documented(**BOLD | {"max_daily_drawdown_pct": D("0.2"), "stop_loss_pct": D("0.4")})
    story.long("100")
    story.mark("55")
    return asked(story, strategy="other")


@provokes(RejectionCode.CIRCUIT_BREAKER_FAILURES_IN_A_ROW)
def three_failures() -> Order:
    story = documented()
    for _ in range(3):
        story.wait(2)
        story.reject(asked(story))
    return asked(story)


@provokes(RejectionCode.CIRCUIT_BREAKER_FAILURES_AN_HOUR)
def five_failures() -> Order:
    story = documented()
    for failures in range(5):
        story.wait(2)
        story.reject(asked(story))
        if failures in (1, 3):
            story.long("100")
            story.result(story.signal(Side.SELL, "100"), price="100")
    return asked(story)


@provokes(RejectionCode.DAILY_DRAWDOWN)
def bad_day() -> Order:
    # 250 units from 100 to 79: 5.25 %.
    story = documented(**BOLD)
    story.long("100")
    story.mark("79")
    return asked(story, strategy="other")


@provokes(RejectionCode.TOTAL_EXPOSURE)
def all_in() -> Order:
    story = documented(symbols=SYMBOLS, **WIDE)
    for symbol in SYMBOLS[:3]:
        story.long("100", symbol=symbol)
    return asked(story, symbol="XRPUSDT")


@provokes(RejectionCode.POSITION_LIMIT)
def one_lot_too_large() -> Order:
    # The smallest order is a lot of 200 at 100: 20,000, a fifth of equity.
    story = documented(**WIDE, max_symbol_exposure_pct=D("0.25"))
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", lot_size=D(200)))
    return asked(story)


@provokes(RejectionCode.SYMBOL_EXPOSURE)
def two_strategies_one_symbol() -> Order:
    story = documented(**WIDE)
    story.long("100")
    return asked(story, strategy="other")


@provokes(RejectionCode.STRATEGY_EXPOSURE)
def one_strategy_everywhere() -> Order:
    story = documented(symbols=SYMBOLS, **WIDE, max_strategy_exposure_pct=D("0.1"))
    story.long("100")
    return asked(story, symbol="ETHUSDT")


@provokes(RejectionCode.STRATEGY_COOLING_DOWN)
def without_success() -> Order:
    # 30 trades over 29 days, each at a loss of .1 %.
    story = documented(max_consecutive_losses=1000)
    lose(story, 30, days=1)
    return asked(story)


@provokes(RejectionCode.REGIME_NOT_TRADED)
def wrong_regime() -> Order:
    story = documented(allocation_range=D(0))
    story.mark("100")
    regime(story, RegimeName.RANGE)
    story.wait(60)
    return asked(story)


@provokes(RejectionCode.ALLOCATION_EXCEEDED)
def share_used_up() -> Order:
    story = documented(symbols=SYMBOLS)
    story.long("100")
    return asked(story, symbol="ETHUSDT")


@provokes(RejectionCode.OPEN_POSITIONS)
def too_many_positions() -> Order:
    # Four times 3 % of equity.
    story = documented(symbols=SYMBOLS, **WIDE, max_position_pct=D("0.03"))
    for symbol in SYMBOLS[:3]:
        story.long("100", symbol=symbol)
    return asked(story, symbol="XRPUSDT")


@provokes(RejectionCode.POSITIONS_A_SYMBOL)
def two_in_a_symbol() -> Order:
    story = documented(max_position_pct=D("0.05"))
    story.long("100")
    return asked(story, strategy="other")


@provokes(RejectionCode.TRADES_AN_HOUR)
def too_busy() -> Order:
    story = documented()
    for _ in range(10):
        story.long("100")
        story.result(story.signal(Side.SELL, "100"), price="100")
        story.wait(2)
    return asked(story)


@provokes(RejectionCode.ORDERS_A_SECOND)
def too_fast() -> Order:
    story = documented(symbols=SYMBOLS, max_orders_a_second=2, **WIDE)
    for symbol in SYMBOLS[:2]:
        asked(story, symbol=symbol)
    return asked(story, symbol="SOLUSDT")


def perpetual(*, leverage: int = 1, tiers: str | None = None, equity: int = 100_000, price: str = "100", **risk: Any) -> Story:
    """The documented settings and one perpetual, for an account of that leverage."""
    account = AccountParameters(leverage=D(leverage), initial_equity=D(equity), shorts_allowed=True)
    story = Story(make_settings(documented=True, accounts=[account], **risk), symbols=())
    story.tell("instruments", PERPETUAL, make_perpetual(**({} if tiers is None else {"tiers": tiers})))
    return story


@provokes(RejectionCode.TIERS_MISSING)
def no_tiers() -> Order:
    return asked(perpetual(tiers="[]"), symbol=PERPETUAL)


@provokes(RejectionCode.POSITION_ABOVE_TIERS)
def above_tiers() -> Order:
    tiers = '[{"maximum_notional":"5000","maintenance_margin_rate":"0.005","initial_margin_rate":"0.01"}]'
    return asked(perpetual(tiers=tiers), symbol=PERPETUAL)


@provokes(RejectionCode.LEVERAGE)
def too_much_leverage() -> Order:
    tiers = '[{"maximum_notional":"500000","maintenance_margin_rate":"0.005","initial_margin_rate":"0.5"}]'
    return asked(perpetual(tiers=tiers, leverage=5), symbol=PERPETUAL)


@provokes(RejectionCode.LIQUIDATION_DISTANCE)
def too_near() -> Order:
    return asked(perpetual(leverage=10), symbol=PERPETUAL)


@provokes(RejectionCode.MARGIN_NOT_AVAILABLE)
def cannot_pay() -> Order:
    # Three times a quarter of equity and 45 of fees leave 24,966.3: one lot costs 24,960, and 14.98 more with its fee.
    settings = make_perpetual_settings(
        accounts=[AccountParameters(shorts_allowed=True)], max_total_exposure_pct=D(1), max_strategy_exposure_pct=D(1),
        max_symbol_exposure_pct=D(1), max_position_pct=D("0.25"), max_correlated_exposure_pct=D(1),
    )
    story = Story(settings, symbols=SYMBOLS)
    for symbol in SYMBOLS[:3]:
        story.long("100", symbol=symbol, fee="15")
    story.tell("instruments", "XRPUSDT", make_instrument("XRPUSDT", lot_size=D("249.6")))
    return asked(story, symbol="XRPUSDT")


def step(quantity: str, price: str, notional: str = "10000") -> dict[str, Any]:
    return {"depth": [DepthStep(Side.BUY, D(notional), D(price), D(quantity))]}


@provokes(RejectionCode.BOOK_TOO_THIN)
def thin() -> Order:
    # 50 units at 100.1 are 5,005 of 10,000.
    return asked(mark=step("50", "100.1"))


@provokes(RejectionCode.EXPECTED_COST)
def dear() -> Order:
    # Bought at 101 on average: 100 bps, and 6 for the fee.
    return asked(mark=step("99.0099", "101"))


@provokes(RejectionCode.STOP_OUT_COOLDOWN)
def stopped_out() -> Order:
    story = documented()
    story.long("100")
    [order] = only(Order, story.mark("97.9"))
    story.result(order, price="97.9")
    story.wait(200)
    return asked(story)


@provokes(RejectionCode.CONSECUTIVE_LOSSES)
def losing_streak() -> Order:
    story = documented()
    lose(story, 5)
    return asked(story)


@provokes(RejectionCode.CORRELATED_EXPOSURE)
def one_risk_two_names() -> Order:
    story = documented(symbols=SYMBOLS, **WIDE)
    for minute in range(33):
        price = D(100 + minute % 2 * D("0.1") + minute % 3 * D("0.2"))
        for symbol, after in (("BTCUSDT", "60"), ("ETHUSDT", "0.1")):
            story.mark(price, symbol=symbol, after=after)
    story.long("100")
    return asked(story, symbol="ETHUSDT")


@provokes(RejectionCode.SIZE_ZERO)
def no_edge() -> Order:
    story = documented(sizing_method="kelly", max_consecutive_losses=1000, kelly_trades_min=10, max_trades_an_hour=100)
    lose(story, 10)
    return asked(story)


@pytest.mark.parametrize("code", RejectionCode, ids=lambda code: code.name)
def test_every_code_is_given_to_the_order_that_provokes_it(code: RejectionCode) -> None:
    assert code in ROWS, f"{code.name} needs a row that provokes it"
    order = ROWS[code]()
    assert (order.rejection_code, order.quantity) == (code.name, 0)


def test_there_are_at_least_forty_codes_and_each_says_what_it_means() -> None:
    assert len(RejectionCode) >= 40
    assert all(code.doc.endswith(".") and len(code.doc) > 20 for code in RejectionCode)
    assert len({code.doc for code in RejectionCode}) == len(RejectionCode)


def test_a_late_fill_status_is_not_a_rejection() -> None:
    """Execution's answers carry reasons of their own: no code of risk is among them."""
    assert {status.name for status in ResultStatus}.isdisjoint({code.name for code in RejectionCode})
