"""The day's loss, the drawdown breaker and the breaker of failed executions: what trips them, what they do, what ends
them."""

from typing import Any

from streams.domain.records import Alert, AlertLevel, Order, PortfolioSnapshot, Purpose, ResultStatus, RiskMode, Side
from streams.domain.risk.proposal import fall
from tests.domain.risk_stories import D, Story, make_settings, only

BOLD: dict[str, Any] = {
    # 100,000 x .1 / .4 = 25,000, a quarter of equity in one position, and a stop far below.
    "risk_per_trade_pct": D("0.1"), "stop_loss_pct": D("0.4"), "max_position_pct": D("0.25"),
    "max_symbol_exposure_pct": D("0.25"),
}
TO_MIDNIGHT = 6_400  # the story begins at 22:13:20


def test_the_days_loss_holds_the_account_to_exits_at_the_mark_that_reaches_it() -> None:
    # 250 units: 5 % of 100,000 are lost at 80.
    story = Story(make_settings(**BOLD))
    story.long("100")
    assert story.mark("80.04") == []
    [alert] = story.mark("80")
    assert isinstance(alert, Alert)
    assert (alert.code, alert.level, alert.measured, alert.limit) == (
        "DAILY_DRAWDOWN", AlertLevel.CRITICAL, D("0.05"), D("0.05"),
    )
    assert story.account().mode is RiskMode.REDUCE_ONLY
    assert story.mark("79.9") == [], "said once"
    # A recovery within the day does not lift it.
    story.mark("100")
    order = story.signal(Side.BUY, "100", strategy="other")
    assert (order.rejection_code, order.measured, order.limit) == ("DAILY_DRAWDOWN", 0, D("0.05"))
    assert story.signal(Side.SELL, "100").approved


def test_the_days_loss_counts_anew_from_midnight_utc() -> None:
    story = Story(make_settings(**BOLD), symbols=("BTCUSDT", "ETHUSDT"))
    story.long("100")
    story.mark("80")
    made = story.wait(TO_MIDNIGHT)
    assert [alert.code for alert in only(Alert, made)] == ["DATA_STALE", "DAILY_DRAWDOWN_OVER"]
    assert story.account().day_start_equity == 95_000
    story.mark("80")
    story.mark("100", symbol="ETHUSDT")
    assert story.signal(Side.BUY, "100", symbol="ETHUSDT").approved
    assert only(PortfolioSnapshot, made)[-1].daily_pnl == 0


def test_the_drawdown_breaker_closes_everything_then_halts() -> None:
    # 125 units each of two symbols; the first falls to 50: 6,250 of 100,000 lost, above 5 %.
    bold = BOLD | {"risk_per_trade_pct": D("0.05")}
    settings = make_settings(**bold, circuit_breaker_threshold_pct=D("0.06"), max_daily_drawdown_pct=D("0.2"))
    story = Story(settings, symbols=("BTCUSDT", "ETHUSDT"))
    story.long("100")
    story.long("100", symbol="ETHUSDT")
    assert only(Order, story.mark("61")) == []
    made = story.mark("52")
    assert [alert.code for alert in only(Alert, made)] == ["CIRCUIT_BREAKER_DRAWDOWN"]
    orders = only(Order, made)
    assert [(o.symbol, o.purpose, o.approved) for o in orders] == [
        ("BTCUSDT", Purpose.FLATTEN, True), ("ETHUSDT", Purpose.FLATTEN, True),
    ]
    assert story.account().mode is RiskMode.REDUCE_ONLY, "exits must still pass"
    for order in orders:
        story.result(order, price="52" if order.symbol == "BTCUSDT" else "100")
    assert story.account().mode is RiskMode.HALT_ALL
    assert story.signal(Side.BUY, "52").rejection_code == "CIRCUIT_BREAKER_DRAWDOWN"


def test_an_entry_that_fills_after_the_breaker_tripped_is_closed_as_well() -> None:
    settings = make_settings(**BOLD, circuit_breaker_threshold_pct=D("0.05"), max_daily_drawdown_pct=D("0.2"))
    story = Story(settings, symbols=("BTCUSDT", "ETHUSDT"))
    story.long("100")
    story.mark("100", symbol="ETHUSDT")
    late = story.signal(Side.BUY, "100", symbol="ETHUSDT")
    assert late.approved
    [exit_order] = only(Order, story.mark("75"))
    story.result(exit_order, price="75")
    assert story.account().mode is RiskMode.REDUCE_ONLY, "flat, but not for long"
    story.result(late, price="100")
    assert [o.purpose for o in only(Order, story.mark("100", symbol="ETHUSDT"))] == [Purpose.FLATTEN]


def test_three_failed_executions_in_a_row_trip_the_breaker_until_reset() -> None:
    story = Story()
    for failures in range(3):
        story.mark("100")
        assert story.account().mode is RiskMode.RUNNING
        made = story.reject(story.signal(Side.BUY, "100"))
        assert [alert.code for alert in only(Alert, made)] == (["CIRCUIT_BREAKER_FAILURES"] if failures == 2 else [])
    assert story.account().mode is RiskMode.REDUCE_ONLY
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    assert (order.rejection_code, order.measured, order.limit) == ("CIRCUIT_BREAKER_FAILURES_IN_A_ROW", 3, 3)


def test_a_fill_ends_the_row_but_five_failures_within_an_hour_trip_it_too() -> None:
    story = Story()
    for failures in range(1, 6):
        story.mark("100")
        made = story.reject(story.signal(Side.BUY, "100"))
        assert bool(only(Alert, made)) is (failures == 5)
        if failures in (2, 4):
            story.long("100")
            story.result(story.signal(Side.SELL, "100"), price="100")


def test_failures_older_than_an_hour_do_not_count() -> None:
    story = Story(make_settings(execution_failures_in_a_row_max=100))
    for _ in range(10):
        story.mark("100", after="901")
        made = story.reject(story.signal(Side.BUY, "100"))
        assert "CIRCUIT_BREAKER_FAILURES" not in [alert.code for alert in only(Alert, made)]
    assert len(story.account().failure_times) == 4


def test_a_partly_filled_order_is_no_failure() -> None:
    story = Story()
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    story.result(order, price="100", quantity=D(1), status=ResultStatus.PARTIAL, terminal=False)
    story.result(order, price="100", quantity=D(0), status=ResultStatus.CANCELLED)
    assert (story.account().failures_in_a_row, story.account().in_flight) == (0, {})


def test_from_nothing_all_of_it_has_fallen() -> None:
    assert fall(start=D(0), now=D(-5)) == 1
    assert fall(start=D(100), now=D(90)) == D("0.1")
    assert fall(start=D(100), now=D(110)) == 0
