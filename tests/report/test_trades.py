"""Trades as the report tells them: how each ended, and what is open at the end."""

import pytest

from streams.domain.records import Position, Side
from streams.report.gather import Material, Prices
from streams.report.series import Bars
from streams.report.trades import details_of, trades_of
from tests.domain.risk_stories import D
from tests.domain.test_statistics import Takeover, filled, positions
from tests.report.sessions import material, quiet_settings, ran


@pytest.fixture(scope="module")
def nothing() -> Material:
    return material(ran(quiet_settings(5)))


def with_positions(nothing: Material, states: list[Position]) -> Material:
    prices = Prices("marks", Bars([0, 10_000_000], [100.0, 104.0], [101.0, 106.0], [99.0, 103.0], [100.0, 105.0]))
    return nothing._replace(positions=states, results=[], prices={"BTCUSDT": prices})


def test_trade_that_the_exchange_took_over_ended_by_liquidation(nothing: Material) -> None:
    seen = with_positions(nothing, positions(filled(Side.BUY, "2", "200", time=5), Takeover("40", "3", time=9)))
    [trade] = trades_of(seen)
    assert (trade.purpose, trade.pnl, trade.entry, trade.exit, trade.closed_at) == ("LIQUIDATION", -43, 100, 80, 9)
    assert details_of(seen, [trade])[0]["bars"]["h"] == [101.0, 106.0]


def test_open_trade_is_valued_at_the_last_price(nothing: Material) -> None:
    [trade] = trades_of(with_positions(nothing, positions(filled(Side.SELL, "2", "200", time=5))))
    # Sold 2 at 100, the last price is 105.
    assert (trade.side, trade.closed_at, trade.result, trade.pnl) == (Side.SELL, None, None, D("-10"))
