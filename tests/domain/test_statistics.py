"""Statistics against numbers worked by hand."""

import msgspec

from streams.domain.records import Liquidity, OrderResult, PortfolioSnapshot, ResultStatus, RiskMode, Side
from streams.domain.statistics import YEAR, round_trips, statistics
from tests.domain.risk_stories import D

DAY = YEAR // 365
_IDS = {"event_id": "x", "causation_id": "", "correlation_id": "", "session": "story"}


def filled(
    side: Side, quantity: str, notional: str, *, fee: str = "0", time: int = 0, symbol: str = "BTCUSDT"
) -> OrderResult:
    return OrderResult(
        **_IDS, time=time, account="main", strategy="momentum", symbol=symbol, order_id="o", side=side,
        status=ResultStatus.FILLED, terminal=True, reason=None, quantity=D(quantity), price=None, notional=D(notional),
        cumulative_quantity=D(quantity), remaining_quantity=D(0), fee=D(fee), fee_asset="USDT",
        liquidity=Liquidity.TAKER, decision_mark=None, slippage_bps=None, latency_us=0, fill_time=time, model="",
        market_event_id=None,
    )


def snapshot(equity: str, *, day: int, positions: int = 0, reason: str = "TIMER", fees: str = "0") -> PortfolioSnapshot:
    return PortfolioSnapshot(
        **_IDS, time=day * DAY, account="main", currency="USDT", initial_equity=D(100), equity=D(equity), cash=D(0),
        realized_pnl=D(0), unrealized_pnl=D(0), fees=D(fees), funding=D(0), margin_used=D(0), exposure=D(0),
        peak_equity=D(0), drawdown=D(0), day_start_equity=D(0), daily_drawdown=D(0), daily_pnl=D(0),
        open_positions=positions, risk_mode=RiskMode.RUNNING, reason=reason,
    )


def test_a_round_trip_earns_what_it_sold_for_less_cost_and_fees() -> None:
    [trip] = round_trips([
        filled(Side.BUY, "1", "100", fee="1", time=5), filled(Side.BUY, "1", "110", fee="1", time=6),
        filled(Side.SELL, "2", "231", fee="2", time=9),
    ])
    # 231 - 210 - 4 = 17, on 210 opened.
    assert (trip.pnl, trip.fees, trip.quantity, trip.opened_at, trip.closed_at) == (17, 4, 2, 5, 9)
    assert trip.result == D("0.080952380952")


def test_a_fill_that_turns_a_position_round_ends_one_trip_and_begins_another() -> None:
    trips = round_trips([
        filled(Side.BUY, "1", "100"), filled(Side.SELL, "3", "330", fee="3"), filled(Side.BUY, "2", "200"),
    ])
    # Long: 110 - 100 - 1. Short: sold 2 for 220, bought back for 200, fee 2.
    assert [(trip.side, trip.pnl) for trip in trips] == [(Side.BUY, 9), (Side.SELL, 18)]


def test_a_position_still_open_is_no_round_trip_and_symbols_are_kept_apart() -> None:
    assert round_trips([filled(Side.BUY, "1", "100"), filled(Side.SELL, "1", "90", symbol="ETHUSDT")]) == []


def test_statistics_of_three_days_by_hand() -> None:
    result = statistics(
        [
            snapshot("100", day=0), snapshot("110", day=1, positions=1), snapshot("99", day=2, fees="1"),
            snapshot("108.9", day=3, fees="1"),
        ],
        [filled(Side.BUY, "1", "50", fee="0.5"), filled(Side.SELL, "1", "60", fee="0.5")],
    )
    assert result is not None
    # Returns +10 %, -10 %, +10 %: mean 1/30, sample variance (2 x (1/15)^2 + (2/15)^2) / 2 = 0.0133.., 365 a year.
    assert result.total_return == D("0.089")
    assert result.volatility is not None and abs(result.volatility - D("2.206052")) < D("0.000001")
    assert result.sharpe is not None and abs(result.sharpe - D("5.515130")) < D("0.000001")
    # Below zero: sqrt(.01 / 3) = 0.057735; 1/30 / 0.057735 x sqrt(365) = 11.030261.
    assert result.sortino is not None and abs(result.sortino - D("11.030261")) < D("0.000001")
    # From 110 to 99 is 10 %, never recovered: day 1 to day 3. A year's return .089 x 365 / 3 against it.
    assert (result.max_drawdown, result.max_drawdown_seconds) == (D("0.1"), 2 * 86_400)
    assert result.calmar is not None and abs(result.calmar - D("108.283333")) < D("0.000001")
    assert (result.round_trips, result.win_rate, result.expectancy, result.profit_factor) == (1, 1, 9, None)
    assert result.exposure_time == D("0.333333333333")
    assert result.turnover == D("1.1")
    assert result.fees_share == D("0.101010101010")  # 1 of 8.9 + 1


def test_wins_and_losses_are_weighed_against_each_other() -> None:
    result = statistics([snapshot("100", day=0)], [
        filled(Side.BUY, "1", "100"), filled(Side.SELL, "1", "130"), filled(Side.BUY, "1", "100"),
        filled(Side.SELL, "1", "90"),
    ])
    assert result is not None
    assert (result.win_rate, result.profit_factor, result.expectancy) == (D("0.5"), 3, 10)


def test_a_drawdown_ends_when_its_peak_is_reached_again() -> None:
    equities = ("100", "90", "100", "95", "120")
    result = statistics([snapshot(equity, day=day) for day, equity in enumerate(equities)], [])
    assert result is not None
    assert (result.max_drawdown, result.max_drawdown_seconds) == (D("0.1"), 2 * 86_400)


def test_too_little_to_measure_is_none_and_not_zero() -> None:
    result = statistics([snapshot("100", day=0, reason="FILL")], [])
    assert result is not None
    assert {result.volatility, result.sharpe, result.sortino, result.calmar, result.win_rate} == {None}
    assert statistics([], []) is None


def test_snapshots_on_fills_count_for_drawdowns_but_not_for_returns() -> None:
    evenly = [snapshot("100", day=0), snapshot("110", day=1), snapshot("105", day=2)]
    with_fill = [*evenly[:2], msgspec.structs.replace(snapshot("55", day=1), reason="FILL"), evenly[2]]
    plain, filled_between = statistics(evenly, []), statistics(with_fill, [])
    assert plain is not None and filled_between is not None
    assert plain.volatility == filled_between.volatility
    assert filled_between.max_drawdown == D("0.5")
