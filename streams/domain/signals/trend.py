"""
Trend: goes with a fast exponential average of closes that crosses a slow one, once the ADX confirms that the market moves one way.

A cross waits for ADX ≥ `ADX_MIN` until the opposite cross; then one signal goes out, BUY where the fast average is above (a SELL
closes a long; whether it may open a short is risk's word). On which side the averages begin is no cross: nobody saw it happen.
Strength is ADX / `ADX_MIN`, confidence ADX / 100; the MACD's signal line stands beside for whoever reads it. Periods in candles.
Deliberately ignored: everything between two closes.
"""

from decimal import Decimal
from typing import ClassVar, Self

import msgspec
from pydantic import Field, model_validator

from streams.domain.indicators import Adx, AdxState, Macd, MacdState
from streams.domain.money import amount, quotient
from streams.domain.records import Side
from streams.domain.signals.strategy import Idea, Moment, StrategySettings, plain


class TrendSettings(StrategySettings):
    ema_fast: int = Field(12, ge=2, le=200)
    ema_slow: int = Field(26, ge=3, le=500)
    macd_signal: int = Field(9, ge=1, le=100)
    adx_period: int = Field(14, ge=2, le=200)
    adx_min: Decimal = Field(Decimal(25), ge=1, le=100)

    @model_validator(mode="after")
    def fast_below_slow(self) -> Self:
        if self.ema_fast >= self.ema_slow:
            raise ValueError(f"EMA_FAST must be below EMA_SLOW ({self.ema_slow}), was {self.ema_fast}")
        return self


class TrendState(msgspec.Struct):
    """`side` on which the fast average is, `waiting` of a cross without its ADX; counts of candles and crosses so far."""

    macd: MacdState = msgspec.field(default_factory=MacdState)
    adx: AdxState = msgspec.field(default_factory=AdxState)
    side: Side | None = None
    waiting: Side | None = None
    candles: int = 0
    crosses: int = 0


class Trend:
    """The rule; one instance for each strategy of this kind."""

    Settings: ClassVar[type[StrategySettings]] = TrendSettings
    State: ClassVar[type[msgspec.Struct]] = TrendState

    def __init__(self, settings: TrendSettings) -> None:
        self.settings = settings
        self._macd = Macd(settings.ema_fast, settings.ema_slow, settings.macd_signal)
        self._adx = Adx(settings.adx_period)

    def on_event(self, state: TrendState, moment: Moment) -> Idea | None:
        candle = moment.candle
        if candle is None:
            return None
        macd, adx = self._macd.on_close(state.macd, candle.close), self._adx.on_candle(state.adx, candle)
        state.candles += 1
        if macd is None or adx is None:
            return None
        side = state.side if not macd.line else Side.BUY if macd.line > 0 else Side.SELL
        if state.side is not None and side is not state.side:
            state.waiting, state.crosses = side, state.crosses + 1
        state.side = side
        if state.waiting is None or adx < self.settings.adx_min:
            return None
        confirmed, state.waiting = state.waiting, None
        return Idea(
            side=confirmed,
            strength=quotient(adx, self.settings.adx_min),
            confidence=quotient(adx, Decimal(100)),
            price=candle.close,
            reason=f"EMA {self._macd.fast} crossed EMA {self._macd.slow}, ADX {plain(amount(adx))}",
            indicators={"adx": amount(adx), **{name: amount(value) for name, value in macd._asdict().items()}},
        )

    def diagnosis(self, state: TrendState) -> str:
        """How many crosses there were, and the newest ADX beside its limit."""
        adx, settings = self._adx.value(state.adx), self.settings
        if adx is None or not self.is_warm(state):
            return f"warming up: {state.candles} of {max(self._macd.candles, 2 * settings.adx_period)} candles"
        waiting = "" if state.waiting is None else ", the last of them not confirmed yet"
        return (
            f"{state.crosses} crosses of EMA {settings.ema_fast} and {settings.ema_slow} in {state.candles} candles{waiting}; "
            f"ADX {plain(amount(adx))} now against ADX_MIN {plain(settings.adx_min)}"
        )

    def is_warm(self, state: TrendState) -> bool:
        return self._adx.value(state.adx) is not None and self._macd.value(state.macd) is not None
