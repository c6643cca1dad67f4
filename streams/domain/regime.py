"""
What the closed candles of one symbol say of its market: ATR and volatility for its marks, and its regime.

A candle speaks for HIGH_VOL_CHAOTIC where ATR / close ≥ `REGIME_ATR_RATIO`, else for TREND where ADX ≥ `REGIME_ADX_TREND`, for
RANGE where ADX ≤ `REGIME_ADX_RANGE`, else for what holds already. The regime changes with the last of `REGIME_BARS` candles in a
row that speak for the same other one. It is UNKNOWN until then: the ratio is known after ATR_PERIOD + 1 candles, ADX after twice
its period, and each rule waits for its own number alone, so that a crash is seen before ADX is warm.

A regime record is written with a symbol's first candle (UNKNOWN: its market is seen, and not yet known) and with the candle that
confirms a change; it holds from its time until the next one of the symbol. Its numbers are those that were compared: rounded half
to even at 12 places, as are ATR (quote units) and volatility (a fraction of the price in a year) on the marks.
Deliberately ignored: prices within an open candle, and how long minutes without a trade, which make no candle, last.
"""

from decimal import Decimal

import msgspec

from streams.domain.indicators import Adx, AdxState, Atr, AtrState, Volatility, VolatilityState
from streams.domain.money import amount, quotient
from streams.domain.records import Candle, Regime, RegimeName
from streams.domain.regime_settings import RegimeSettings


class MarketConditions(msgspec.Struct):
    """
    One symbol's indicators, and its `regime`: None before the first candle.

    `candidate`: what the newest candles have spoken for, `bars` of them in a row for something other than what held.
    `atr`, `volatility`: the newest, as marks carry them; None while they warm up.
    """

    atr_state: AtrState = msgspec.field(default_factory=AtrState)
    adx_state: AdxState = msgspec.field(default_factory=AdxState)
    volatility_state: VolatilityState = msgspec.field(default_factory=VolatilityState)
    regime: RegimeName | None = None
    candidate: RegimeName = RegimeName.UNKNOWN
    bars: int = 0
    atr: Decimal | None = None
    volatility: Decimal | None = None


def on_candle(state: MarketConditions, candle: Candle, settings: RegimeSettings) -> Regime | None:
    """Takes in a candle that has closed; the regime record to write with it, or None."""
    atr = Atr(settings.atr_period).on_candle(state.atr_state, candle)
    adx = _amount(Adx(settings.adx_period).on_candle(state.adx_state, candle))
    volatility = Volatility(settings.volatility_candles, candle.interval_seconds)
    state.atr = _amount(atr)
    state.volatility = _amount(volatility.on_close(state.volatility_state, candle.close))
    ratio = None if atr is None else quotient(atr, candle.close)
    if state.regime is None:
        state.regime = RegimeName.UNKNOWN
        return _record(candle, state.regime, adx, ratio)
    spoken = _spoken(state.regime, adx, ratio, settings)
    state.bars = 0 if spoken is state.regime else state.bars + 1 if spoken is state.candidate else 1
    state.candidate = spoken
    if state.bars < settings.regime_bars:
        return None
    state.regime = spoken
    return _record(candle, spoken, adx, ratio)


def _spoken(current: RegimeName, adx: Decimal | None, ratio: Decimal | None, settings: RegimeSettings) -> RegimeName:
    if ratio is not None and ratio >= settings.regime_atr_ratio:
        return RegimeName.HIGH_VOL_CHAOTIC
    if adx is None:
        return current
    if adx >= settings.regime_adx_trend:
        return RegimeName.TREND
    return RegimeName.RANGE if adx <= settings.regime_adx_range else current


def _amount(value: Decimal | None) -> Decimal | None:
    return None if value is None else amount(value)


def _record(candle: Candle, regime: RegimeName, adx: Decimal | None, ratio: Decimal | None) -> Regime:
    return Regime(
        event_id="", causation_id="", correlation_id="", session="", time=candle.time, symbol=candle.symbol, regime=regime,
        adx=adx, atr_ratio=ratio,
    )  # fmt: skip
