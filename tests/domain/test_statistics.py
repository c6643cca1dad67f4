"""Statistics against numbers worked by hand, and against an independent library."""

import math
from decimal import Decimal
from typing import Any, NamedTuple

import empyrical
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.portfolio import on_fill, on_funding, on_takeover, opened
from streams.domain.records import PortfolioSnapshot, Position, RiskMode, Side
from streams.domain.statistics import YEAR, round_trips, sharpe_with_error, statistics
from tests.domain.risk_stories import D

DAY = YEAR // 365
_IDS = {"event_id": "x", "causation_id": "", "correlation_id": "", "session": "story"}


class Fill(NamedTuple):
    side: Side
    quantity: str
    notional: str
    fee: str = "0"
    time: int = 0
    symbol: str = "BTCUSDT"


class Takeover(NamedTuple):
    """A liquidation at a loss."""

    loss: str
    fee: str
    time: int


class Settled(NamedTuple):
    """A funding settlement; received is positive."""

    payment: str
    time: int


def filled(side: Side, quantity: str, notional: str, **more: Any) -> Fill:
    return Fill(side, quantity, notional, **more)


def positions(*events: Fill | Takeover | Settled) -> list[Position]:
    """The positions of a real book after each event, as risk states them."""
    book, stated, symbol = opened(D(100_000)), [], "BTCUSDT"
    for event in events:
        if isinstance(event, Fill):
            symbol = event.symbol
            on_fill(
                book, symbol=symbol, strategy="momentum", side=event.side, quantity=D(event.quantity), notional=D(event.notional),
                fee=D(event.fee), mark=D(event.notional) / D(event.quantity), time=event.time,
            )
        held = book.positions[symbol]["momentum"]
        if isinstance(event, Takeover):
            on_takeover(book, held, realized=-D(event.loss), fee=D(event.fee))
        elif isinstance(event, Settled):
            on_funding(book, held, D(event.payment))
        stated.append(Position(
            **_IDS, time=event.time, account="main", strategy="momentum", symbol=symbol, quantity=held.quantity,
            entry_price=held.entry_price, cost=held.cost, mark=held.mark, realized_pnl=held.realized_pnl, unrealized_pnl=D(0),
            fees=held.fees, funding=held.funding, margin=D(0), leverage=D(1), liquidation_price=None, stop_price=None,
            take_profit_price=None, opened_at=held.opened_at, conversion_mark=None,
        ))
    return stated


def snapshot(equity: str, *, day: int, positions: int = 0, reason: str = "TIMER", fees: str = "0") -> PortfolioSnapshot:
    return PortfolioSnapshot(
        **_IDS, time=day * DAY, account="main", currency="USDT", initial_equity=D(100), equity=D(equity), cash=D(0),
        realized_pnl=D(0), unrealized_pnl=D(0), fees=D(fees), funding=D(0), margin_used=D(0), exposure=D(0),
        peak_equity=D(0), drawdown=D(0), day_start_equity=D(0), daily_drawdown=D(0), daily_pnl=D(0),
        open_positions=positions, risk_mode=RiskMode.RUNNING, reason=reason, conversion=D(0), balances="{}",
    )


def test_a_round_trip_earns_what_it_sold_for_less_cost_and_fees() -> None:
    [trip] = round_trips(positions(
        filled(Side.BUY, "1", "100", fee="1", time=5), filled(Side.BUY, "1", "110", fee="1", time=6),
        filled(Side.SELL, "2", "231", fee="2", time=9),
    ))
    # 231 - 210 - 4 = 17, on 210 opened.
    assert (trip.pnl, trip.fees, trip.quantity, trip.opened_at, trip.closed_at) == (17, 4, 2, 5, 9)
    assert trip.result == D("0.080952380952")


def test_a_trip_in_another_asset_counts_each_amount_at_the_mark_of_its_moment() -> None:
    # 1 for 100 USDC at .9 costs 90 and a fee of 1; sold for 110 at 1.1 realizes 10 x 1.1 = 11 and pays 2 x 1.1 = 2.2.
    # 11 - .9 - 2.2 = 7.9 on 90; what the mark has made of the 100 is conversion, not this trade's.
    bought, sold = positions(filled(Side.BUY, "1", "100", fee="1", time=5), filled(Side.SELL, "1", "110", fee="2", time=9))
    valued = [
        msgspec.structs.replace(bought, conversion_mark=D("0.9")), msgspec.structs.replace(sold, conversion_mark=D("1.1")),
    ]
    [trip] = round_trips(valued)
    assert (trip.pnl, trip.fees, trip.opened_notional, trip.closed_notional) == (D("7.9"), D("3.1"), 100, 110)
    assert trip.result == D("0.087777777778")
    # Traded: 90 and 121, of a start equity of 100.
    found = statistics([msgspec.structs.replace(snapshot("101", day=0), conversion=D("20"))], valued)
    assert found is not None and (found.turnover, found.expectancy, found.conversion) == (D("2.11"), D("7.9"), 20)
    # A snapshot of the first version knows none.
    older = statistics([msgspec.structs.replace(snapshot("101", day=0), conversion=None, balances=None)], [])
    assert older is not None and older.conversion == 0


def test_a_fill_that_turns_a_position_round_ends_one_trip_and_begins_another() -> None:
    trips = round_trips(positions(
        filled(Side.BUY, "1", "100"), filled(Side.SELL, "3", "330", fee="3"), filled(Side.BUY, "2", "200"),
    ))
    # Long: 110 - 100 - 1. Short: sold 2 for 220, bought back for 200, fee 2.
    assert [(trip.side, trip.pnl) for trip in trips] == [(Side.BUY, 9), (Side.SELL, 18)]


def test_a_position_still_open_is_no_round_trip_and_symbols_are_kept_apart() -> None:
    assert round_trips(positions(filled(Side.BUY, "1", "100"), filled(Side.SELL, "1", "90", symbol="ETHUSDT"))) == []


def test_statistics_of_three_days_by_hand() -> None:
    result = statistics(
        [
            snapshot("100", day=0), snapshot("110", day=1, positions=1), snapshot("99", day=2, fees="1"),
            snapshot("108.9", day=3, fees="1"),
        ],
        positions(filled(Side.BUY, "1", "50", fee="0.5"), filled(Side.SELL, "1", "60", fee="0.5")),
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
    result = statistics([snapshot("100", day=0)], positions(
        filled(Side.BUY, "1", "100"), filled(Side.SELL, "1", "130"), filled(Side.BUY, "1", "100"),
        filled(Side.SELL, "1", "90"),
    ))
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


def test_a_liquidated_position_is_a_round_trip_that_lost_what_the_ledger_says() -> None:
    [trip] = round_trips(positions(filled(Side.BUY, "2", "200", fee="1", time=5), Takeover("40", "3", time=9)))
    # Taken over for 200 - 40 = 160; fees 1 + 3.
    assert (trip.pnl, trip.closed_notional, trip.fees, trip.opened_at, trip.closed_at) == (-44, 160, 4, 5, 9)


def test_funding_belongs_to_the_round_trip_it_was_settled_in() -> None:
    trips = round_trips(positions(
        filled(Side.SELL, "1", "100", time=1), Settled("2", time=2), Settled("-0.5", time=3), filled(Side.BUY, "1", "95", time=4),
        filled(Side.BUY, "1", "95", time=5), filled(Side.SELL, "1", "96", time=6),
    ))
    # A short that received 1.5 and earned 5; then a long that earned 1, untouched by either settlement.
    assert [(trip.side, trip.funding, trip.pnl) for trip in trips] == [(Side.SELL, D("1.5"), D("6.5")), (Side.BUY, 0, 1)]


def test_a_position_closed_in_parts_is_one_round_trip_and_turns_over_what_was_traded() -> None:
    events = positions(
        filled(Side.BUY, "2", "200"), filled(Side.SELL, "1", "110"), filled(Side.BUY, "1", "90"), filled(Side.SELL, "2", "210")
    )
    [trip] = round_trips(events)
    # 110 + 210 - 200 - 90 = 30; bought 3 in all; traded 610.
    assert (trip.pnl, trip.quantity, trip.opened_notional, trip.closed_notional) == (30, 3, 290, 320)
    found = statistics([snapshot("100", day=0)], events)
    assert found is not None and found.turnover == D("6.1")


def close(ours: Decimal | None, theirs: float) -> bool:
    # Single returns are rounded at 12 places: where they cancel out, a ratio of their mean keeps about six; a divisor below a
    # thousandth would not keep nine either, so the tests below look at larger ones.
    return ours is not None and math.isclose(float(ours), theirs, rel_tol=1e-9, abs_tol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.decimals(min_value=-20, max_value=25, places=2), min_size=3, max_size=60))
def test_ratios_equal_an_independent_library(changes: list[Decimal]) -> None:
    """Daily equity that moves by up to a quarter, as empyrical (of Quantopian's Zipline) sees it with 365 periods a year."""
    equities = [D(100)]
    for change in changes:
        equities.append((equities[-1] * (100 + change) / 100).quantize(D("0.000001")))
    found = statistics([snapshot(str(equity), day=day) for day, equity in enumerate(equities)], [])
    assert found is not None
    floats = np.array([float(equity) for equity in equities])
    returns = np.diff(floats) / floats[:-1]
    assert close(found.total_return, empyrical.cum_returns_final(returns))
    assert close(found.volatility, empyrical.annual_volatility(returns, annualization=365))
    assert close(found.max_drawdown, -empyrical.max_drawdown(returns))
    if returns.std(ddof=1) > 1e-3:
        assert close(found.sharpe, empyrical.sharpe_ratio(returns, annualization=365))
    if (returns < -1e-3).any():
        assert close(found.sortino, empyrical.sortino_ratio(returns, annualization=365))
    # Calmar of empyrical compounds; ours is the plain return a year against the deepest drawdown, as its docstring says.
    deepest = -empyrical.max_drawdown(returns)
    if deepest > 1e-3:
        assert close(found.calmar, (floats[-1] / floats[0] - 1) * 365 / len(returns) / deepest)


def test_costs_are_shares_of_the_gain_before_them() -> None:
    last = msgspec.structs.replace(snapshot("112", day=1, fees="3"), funding=D("-5"))
    found = statistics([snapshot("100", day=0), last], [])
    # 12 gained, 3 fees and 5 funding paid: 20 before costs.
    assert found is not None and (found.fees_share, found.funding_share) == (D("0.15"), D("-0.25"))


@pytest.mark.parametrize("equity", ["100", "95"])
def test_costs_have_no_share_of_a_gain_that_was_none(equity: str) -> None:
    found = statistics([snapshot("100", day=0), snapshot(equity, day=1)], [])
    assert found is not None and found.fees_share is None and found.funding_share is None


def test_sharpe_and_its_error_by_hand() -> None:
    """Days end at 100, 110, 99, 108.9: returns 0.1, −0.1, 0.1; mean 1/30, deviation 0.11547, ratio 0.288675 a day."""
    days = [snapshot(equity, day=day) for day, equity in enumerate(["100", "110", "99", "108.9"])]
    found = sharpe_with_error(days)
    assert found is not None
    ratio, error = found
    assert round(ratio, 4) == Decimal("5.5151")  # 0.288675 × √365
    assert round(error, 4) == Decimal("11.2577")  # √((1 + 0.0833/2) / 3) × √365
    assert sharpe_with_error(days[:2]) is None
    assert sharpe_with_error([*days, snapshot("1", day=4, reason="FILL")]) == found
