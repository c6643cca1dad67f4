"""
How much a method asks for, before any limit: a notional in the account's currency, unsigned, rounded half to even at 12 places.

A method that lacks what it measures asks for nothing and says what it waits for (ATR and volatility come with candles, so
waiting ends by itself). Kelly cannot wait: without trades there would never be any, so until it is measurable it asks for
what the fixed fraction does, and says so.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from streams.domain.money import ONE, ZERO, quotient
from streams.domain.risk_settings import SizingMethod, SizingSettings

KELLY_SHARE = Decimal("0.25")


class Measured(NamedTuple):
    """What a method may look at. `returns` are the strategy's newest closed trades, fractions of what was paid, net of fees."""

    equity: Decimal
    mark: Decimal
    stop: Decimal
    atr: Decimal | None = None
    volatility: Decimal | None = None
    returns: Sequence[Decimal] = ()


class Wish(NamedTuple):
    """What a method asks for. `waits_for` names what is not yet measurable; `stands_in` is the method that answered instead."""

    notional: Decimal
    inputs: dict[str, Decimal]
    waits_for: str = ""
    stands_in: str = ""


def fixed_fraction(measured: Measured, settings: SizingSettings) -> Wish:
    """
    The notional that loses `risk_per_trade_pct` of equity when the price moves by the stop: equity·risk/stop.

    Equity 100,000, risk .02, stop .02: 100,000. Zero where equity is not above zero.
    """
    equity, risk, stop = measured.equity, settings.risk_per_trade_pct, measured.stop
    return Wish(
        quotient(equity * risk, stop) if equity > 0 else ZERO,
        {"equity": equity, "risk": risk, "stop": stop, "mark": measured.mark},
    )


def volatility_target(measured: Measured, settings: SizingSettings) -> Wish:
    """
    The notional whose swings are those of `target_volatility` on equity: equity·target/volatility, both of a year.

    Equity 100,000, target .20, volatility .80: 25,000. A market that has not moved at all has no volatility yet.
    """
    equity, target, volatility = measured.equity, settings.target_volatility, measured.volatility
    inputs = {"equity": equity, "target": target, "mark": measured.mark}
    if not volatility:
        return Wish(ZERO, inputs, waits_for="volatility")
    inputs["volatility"] = volatility
    return Wish(quotient(equity * target, volatility) if equity > 0 else ZERO, inputs)


def average_true_range(measured: Measured, settings: SizingSettings) -> Wish:
    """
    The notional that loses `risk_per_trade_pct` of equity when the price moves by `atr_multiple` ATRs: equity·risk/(ATR·2)·price.

    Equity 100,000, risk .02, ATR 500, price 50,000: 2,000 / 1,000 · 50,000 = 100,000.
    """
    equity, risk, atr, multiple = measured.equity, settings.risk_per_trade_pct, measured.atr, settings.atr_multiple
    inputs = {"equity": equity, "risk": risk, "multiple": multiple, "mark": measured.mark}
    if not atr:
        return Wish(ZERO, inputs, waits_for="atr")
    inputs["atr"] = atr
    return Wish(quotient(equity * risk * measured.mark, atr * multiple) if equity > 0 else ZERO, inputs)


def kelly(measured: Measured, settings: SizingSettings) -> Wish:
    """
    A quarter of Kelly's share of equity, at most all of it: equity·min(1, ¼·(p·W − (1−p)·L)/W); nothing without an edge.

    p is the share of winners, W and L are the mean gain and loss as fractions. Half winners of .04, half losers of .02:
    ¼·(.02 − .01)/.04 = .0625.
    """
    returns, equity = measured.returns, measured.equity
    if len(returns) < settings.kelly_trades_min:
        return fixed_fraction(measured, settings)._replace(stands_in="fixed_fraction")
    gains = [one for one in returns if one > 0]
    losses = [-one for one in returns if one <= 0]
    count, gained, lost = Decimal(len(returns)), sum(gains, ZERO), sum(losses, ZERO)
    inputs = {
        "equity": equity, "mark": measured.mark, "trades": count, "winners": quotient(Decimal(len(gains)), count),
        "gain": quotient(gained, Decimal(len(gains))) if gains else ZERO,
        "loss": quotient(lost, Decimal(len(losses))) if losses else ZERO,
    }  # fmt: skip
    # p·W is all that was gained over the number of trades, (1−p)·L all that was lost: exact until the one division.
    edge = gained - lost
    if edge <= 0 or equity <= 0:
        return Wish(ZERO, inputs)
    share = quotient(KELLY_SHARE * edge * len(gains), count * gained)
    return Wish(quotient(equity * min(ONE, share), ONE), inputs)


METHODS: Mapping[SizingMethod, Callable[[Measured, SizingSettings], Wish]] = {
    "fixed_fraction": fixed_fraction,
    "volatility_target": volatility_target,
    "kelly": kelly,
    "atr": average_true_range,
}
