"""
The documented defaults together: for each of the thirteen checks a sane trade that they approve, and a foolish one, which differs
from it in that one thing, that they refuse.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from streams.domain.parameters import RiskParameters
from streams.domain.records import CommandKind, DepthStep, Order, RegimeName, Side
from streams.domain.risk.codes import RejectionCode
from tests.domain.perpetual_stories import PERPETUAL
from tests.domain.risk_stories import SECOND, D, make_instrument, only
from tests.domain.test_rejection_codes import SYMBOLS, asked, documented, perpetual, regime


class Pair(NamedTuple):
    """`trade` asks for one entry: the foolish one where it is told so."""

    code: RejectionCode
    trade: Callable[[bool], Order]


def after_a_halt(foolish: bool) -> Order:
    story = documented()
    story.command(CommandKind.HALT)
    story.command(CommandKind.RESUME_REQUEST)
    if not foolish:
        story.command(CommandKind.RESUME_CONFIRM, operator="bob")
    return asked(story)


def of_a_strategy(foolish: bool) -> Order:
    return asked(strategy="nobody" if foolish else "momentum")


def at_a_mark_of_some_age(foolish: bool) -> Order:
    story = documented()
    # It is told .1 s later.
    return asked(story, mark={"market_time": story.now - (30 if foolish else 29) * SECOND})


def on_a_book(foolish: bool) -> Order:
    return asked(mark={"gap": foolish})


def away_from_the_signals_price(foolish: bool) -> Order:
    # A mark of 100: .0099 of 101, .0196 of 102.
    return asked(price="102" if foolish else "101")


def after_failures(foolish: bool) -> Order:
    story = documented()
    for _ in range(3 if foolish else 2):
        story.wait(2)
        story.reject(asked(story))
    return asked(story)


def on_a_bad_day(foolish: bool) -> Order:
    # A tenth of equity down by 51 %, or 49 %.
    story = documented(symbols=SYMBOLS)
    story.long("100")
    story.mark("49" if foolish else "51")
    return asked(story, symbol="ETHUSDT", strategy="other")


def beside_other_positions(foolish: bool) -> Order:
    # In a trend a strategy may use .3 of equity: three positions of a tenth, and not a fourth.
    story = documented(symbols=SYMBOLS)
    for symbol in SYMBOLS:
        regime(story, RegimeName.TREND, symbol=symbol)
    story.wait(61)
    held = SYMBOLS[:3] if foolish else SYMBOLS[:2]
    for symbol in held:
        story.long("100", symbol=symbol)
    return asked(story, symbol="XRPUSDT")


def in_lots(foolish: bool) -> Order:
    # The smallest order is one lot: a tenth of equity, or a fifth.
    story = documented()
    story.tell("instruments", "BTCUSDT", make_instrument("BTCUSDT", lot_size=D(200 if foolish else 100)))
    return asked(story)


def after_trades_within_the_hour(foolish: bool) -> Order:
    story = documented()
    for _ in range(10 if foolish else 9):
        story.long("100")
        story.result(story.signal(Side.SELL, "100"), price="100")
        story.wait(2)
    return asked(story)


def with_leverage(foolish: bool) -> Order:
    # Leverage 10 is liquidated .095 away, 5 is .195.
    return asked(perpetual(leverage=10 if foolish else 5), symbol=PERPETUAL)


def against_a_book(foolish: bool) -> Order:
    # 10,000 cost 100.9 on average, or 101: 90 or 100 bps, and 6 for the fee.
    price = D("101" if foolish else "100.9")
    return asked(mark={"depth": [DepthStep(Side.BUY, D(10_000), price, D(10_000) / price)]})


def after_an_exit(foolish: bool) -> Order:
    # Stopped out, or sold by its own signal at that price.
    story = documented()
    story.long("100")
    mark = "98" if foolish else "98.1"
    made = story.mark(mark)
    order = only(Order, made)[0] if foolish else story.signal(Side.SELL, mark)
    story.result(order, price=mark)
    story.wait(200)
    return asked(story)


CHECKS = {
    1: Pair(RejectionCode.KILL_SWITCH_HALT_ALL, after_a_halt),
    2: Pair(RejectionCode.STRATEGY_UNKNOWN, of_a_strategy),
    3: Pair(RejectionCode.MARK_STALE, at_a_mark_of_some_age),
    4: Pair(RejectionCode.FEED_GAP, on_a_book),
    5: Pair(RejectionCode.PRICE_ANOMALY, away_from_the_signals_price),
    6: Pair(RejectionCode.CIRCUIT_BREAKER_FAILURES_IN_A_ROW, after_failures),
    7: Pair(RejectionCode.DAILY_DRAWDOWN, on_a_bad_day),
    8: Pair(RejectionCode.TOTAL_EXPOSURE, beside_other_positions),
    9: Pair(RejectionCode.POSITION_LIMIT, in_lots),
    10: Pair(RejectionCode.TRADES_AN_HOUR, after_trades_within_the_hour),
    11: Pair(RejectionCode.LIQUIDATION_DISTANCE, with_leverage),
    12: Pair(RejectionCode.EXPECTED_COST, against_a_book),
    13: Pair(RejectionCode.STOP_OUT_COOLDOWN, after_an_exit),
}


@pytest.mark.parametrize("number", CHECKS)
def test_the_defaults_approve_the_sane_trade_and_refuse_the_foolish_one(number: int) -> None:
    code, trade = CHECKS[number]
    sane = trade(False)
    assert sane.approved and sane.quantity > 0, sane.rejection_code
    foolish = trade(True)
    assert (foolish.rejection_code, foolish.quantity) == (code.name, 0)


def test_the_stories_go_by_the_defaults_and_nothing_else() -> None:
    assert documented().stage.settings.risk == perpetual(leverage=5).stage.settings.risk == RiskParameters()
    assert len(CHECKS) == 13
