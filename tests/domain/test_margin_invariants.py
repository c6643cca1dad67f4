"""
In any story of perpetuals: what an approved entry leaves of margin and distance, and who is liquidated at a mark.

Both are worked out here from the positions alone, as the exchange's documents say it, not as the code does.
"""

import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.parameters import AccountParameters, SessionSettings
from streams.domain.records import Alert, Order, Purpose, Record, Side
from streams.domain.risk.codes import AlertCode
from streams.domain.risk.state import Account, RiskState
from tests.domain.perpetual_stories import make_perpetual_settings
from tests.domain.risk_stories import D
from tests.domain.test_perpetual_invariants import MOVES, SYMBOLS, Move, Played, rules

UNIT = D("0.000000000001")


Entry = tuple[str, str, Side, str]


def kept(cost: Decimal) -> Decimal:
    """Maintenance of the stories' tiers."""
    return abs(cost) * (D("0.005") if abs(cost) <= 50_000 else D("0.01"))


def must_be_paid_for_and_stand_far_enough_from_liquidation(story: Played, account: Account, order: Order, least: Decimal) -> None:
    book, mark = account.portfolio, order.decision_mark
    assert mark is not None
    perpetuals = [position for _, _, position in book.each() if position.quantity and position.leverage is not None]
    shown = sum((one.value - one.cost for one in perpetuals), D(0))
    bound = sum((one.margin for one in perpetuals), D(0))
    # With everything that may still fill.
    bound += sum((one.remaining * one.mark / (one.leverage or 1) for one in account.in_flight.values() if not one.reduces), D(0))
    taker_rate = story.state.instruments.versions[order.symbol][-1].taker_fee_rate
    fee = order.notional * taker_rate
    balance = book.cash + (shown if account.cross_margin else 0)
    assert balance - bound - fee >= -UNIT, "more margin than there is"
    if "_" not in order.symbol:
        return
    assert account.leverage <= story.stage.settings.risk.leverage_max
    assert account.leverage * D("0.02" if order.notional > 50_000 else "0.01") <= 1, "more leverage than the tier grants"
    # At a price as near as is allowed, the position's margin is not yet used up, or just so.
    sign = 1 if order.side is Side.BUY else -1
    nearest = mark * (1 - sign * least)
    behind = order.notional / account.leverage
    if account.cross_margin:
        behind = book.cash + shown - sum((kept(one.cost) for one in perpetuals), D(0)) - fee
    assert behind + sign * (order.quantity * nearest - order.notional) >= kept(order.notional) - 2 * UNIT * nearest


class Limited(Played):
    """Every approved entry is held against the limits as soon as it is decided."""

    def __init__(self, given: SessionSettings) -> None:
        self.entries = 0
        super().__init__(given)

    def _step(self, event: Any) -> list[Record]:
        made = super()._step(event)
        for order in made:
            if isinstance(order, Order) and order.approved and order.purpose is Purpose.ENTRY:
                least = self.stage.settings.risk.min_liquidation_distance
                must_be_paid_for_and_stand_far_enough_from_liquidation(self, self.state.accounts[order.account], order, least)
                self.entries += 1
        return made


    def enter(self, entries: list[Entry]) -> None:
        """Each at a mark of its own; filled there after the next one was decided."""
        waiting: list[Order] = []
        for symbol, strategy, side, price in entries:
            self.mark(price, symbol=symbol)
            told = len(self.records)
            self.signal(side, price, symbol=symbol, strategy=strategy, account="a")
            for order in waiting:
                self._answer(order, parts=1)
            waiting = [order for order in self.records[told:] if isinstance(order, Order) and order.approved]


def limited(mode: str, *, leverage: Decimal, least: Decimal, share: Decimal, equity: Decimal) -> Limited:
    own = AccountParameters.model_validate({
        "name": "a", "leverage": leverage, "shorts_allowed": True, "margin_mode": mode, "initial_equity": equity,
    })
    return Limited(make_perpetual_settings(
        accounts=(own,), leverage_max=D(25), min_liquidation_distance=least, max_position_pct=share, max_symbol_exposure_pct=D(1),
        max_total_exposure_pct=D(1), max_strategy_exposure_pct=D(1), max_correlated_exposure_pct=D(1),
        max_daily_drawdown_pct=D("0.2"), circuit_breaker_threshold_pct=D("0.5"), stop_loss_pct=D("0.5"),
    ))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**48))
def test_an_approved_entry_is_paid_for_and_stands_far_enough_from_its_liquidation(seed: int) -> None:
    rng = random.Random(seed)
    story = limited(
        rng.choice(("ISOLATED", "CROSS")), leverage=D(rng.choice((1, 1, 1, 2, 5, 10, 25))), share=D(rng.choice(("0.1", "0.25", "0.25"))),
        least=D(rng.choice(("0", "0", "0.05", "0.15", "0.3"))), equity=D(rng.choice((1000, 300_000, 5_000_000))),
    )
    # Shorts that have won leave equity that no balance stands behind.
    story.enter([
        (
            rng.choice(SYMBOLS), rng.choice(("momentum", "other")), rng.choice((Side.SELL, Side.SELL, Side.BUY)),
            rng.choice(("40", "80", "97", "100", "103", "130", "350")),
        )
        for _ in range(12)
    ])


@pytest.mark.parametrize("mode", ["ISOLATED", "CROSS"])
def test_entries_are_approved_up_to_the_distance_asked_for(mode: str) -> None:
    """Or the invariant above would say nothing: leverage 5 stands .195 from its liquidation, less the fee with cross margin."""
    for least, approved in ((D("0.15"), 1), (D("0.1951"), 0)):
        story = limited(mode, leverage=D(5), least=least, share=D("0.1"), equity=D(300_000))
        story.enter([("BTC_USDT", "momentum", Side.BUY, "100")])
        assert story.entries == (1 if mode == "CROSS" else approved)


class Liquidated(Played):
    """What a mark takes over is what its account's margin no longer carries, all of that, and nothing else."""

    def __init__(self, given: SessionSettings) -> None:
        self.taken = 0
        super().__init__(given)

    def _step(self, event: Any) -> list[Record]:
        if event.topic != "marks":
            return super()._step(event)
        expected = used_up(self.state, event.key, event.record.mark)
        made = super()._step(event)
        alerts = [record for record in made if isinstance(record, Alert) and record.code == AlertCode.LIQUIDATED.name]
        assert sorted((alert.account, str(alert.symbol)) for alert in alerts) == sorted(expected)
        self.taken += len(alerts)
        return made


def used_up(state: RiskState, symbol: str, mark: Decimal) -> list[tuple[str, str]]:
    """Account and symbol of every position whose margin a mark of `symbol` uses up."""
    found = []
    for account in state.accounts.values():
        each = [
            (name, position, (position.quantity * mark).quantize(UNIT) if name == symbol else position.value)
            for name, _, position in account.portfolio.each() if position.quantity and position.leverage is not None
        ]
        if account.cross_margin:
            left = account.portfolio.cash + sum((value - position.cost for _, position, value in each), D(0))
            if left <= sum((kept(position.cost) for _, position, _ in each), D(0)):
                found += [(account.name, name) for name, _, _ in each]
        else:
            found += [
                (account.name, name) for name, position, value in each
                if name == symbol and position.margin + value - position.cost <= kept(position.cost)
            ]
    return found


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_a_mark_liquidates_exactly_what_has_used_its_margin_up(moves: list[Move]) -> None:
    Liquidated(rules()).play(moves)


@pytest.mark.parametrize(("account", "side", "before", "at"), [
    # Leverage 10 and .005 kept.
    ("a", Side.BUY, "90.51", "90.5"),
    ("a", Side.SELL, "109.49", "109.5"),
    # 2.5 sold at 100 of 1,000 in all, less .05 for the fill, 1.25 kept: up to 100 + (999.95 - 1.25) / 2.5.
    ("b", Side.SELL, "499.47", "499.48"),
])
def test_the_liquidation_price_is_the_first_mark_that_takes_over(account: str, side: Side, before: str, at: str) -> None:
    story = Liquidated(rules())
    story.play([Move("signal", account, "BTC_USDT", side, "100"), *[Move("mark", account, "ETH_USDT", Side.BUY, "100")] * 3])
    for price, taken in ((before, 0), (at, 1)):
        story.mark(price, symbol="BTC_USDT")
        assert story.taken == taken
