"""
Mean reversion: against a candle that closes outside its Bollinger bands while the RSI says that the move is overdone.

BUY where the close is below the lower band and RSI ≤ `RSI_OVERSOLD`, SELL where it is above the upper one and RSI ≥
`RSI_OVERBOUGHT` (a SELL closes a long; whether it may open a short is risk's word); again with every candle that still does.
Strength is the distance from the middle in half widths of the bands, confidence that of the RSI from 50. Periods in candles.
Deliberately ignored: everything between two closes.
"""

from decimal import Decimal
from typing import ClassVar

import msgspec
from pydantic import Field

from streams.domain.indicators import Bollinger, Rsi, RsiState, WindowState
from streams.domain.money import amount, quotient
from streams.domain.records import Side
from streams.domain.signals.strategy import Idea, Moment, StrategySettings, plain

FIFTY = Decimal(50)


class MeanReversionSettings(StrategySettings):
    bollinger_period: int = Field(20, ge=2, le=500)
    bollinger_sigmas: Decimal = Field(Decimal(2), ge=Decimal("0.5"), le=5)
    rsi_period: int = Field(14, ge=2, le=200)
    rsi_oversold: Decimal = Field(Decimal(30), ge=1, le=49)
    rsi_overbought: Decimal = Field(Decimal(70), ge=51, le=99)


class MeanReversionState(msgspec.Struct):
    """`candles` closed so far, and how many of them `outside` the bands."""

    closes: WindowState = msgspec.field(default_factory=WindowState)
    rsi: RsiState = msgspec.field(default_factory=RsiState)
    candles: int = 0
    outside: int = 0


class MeanReversion:
    """The rule; one instance for each strategy of this kind."""

    Settings: ClassVar[type[StrategySettings]] = MeanReversionSettings
    State: ClassVar[type[msgspec.Struct]] = MeanReversionState

    def __init__(self, settings: MeanReversionSettings) -> None:
        self.settings = settings
        self._bollinger = Bollinger(settings.bollinger_period, settings.bollinger_sigmas)
        self._rsi = Rsi(settings.rsi_period)

    def on_event(self, state: MeanReversionState, moment: Moment) -> Idea | None:
        if moment.candle is None:
            return None
        close = moment.candle.close
        bands, rsi = self._bollinger.on_close(state.closes, close), self._rsi.on_close(state.rsi, close)
        state.candles += 1
        if bands is None or rsi is None or bands.lower <= close <= bands.upper:
            return None
        state.outside += 1
        if close < bands.lower and rsi <= self.settings.rsi_oversold:
            side = Side.BUY
        elif close > bands.upper and rsi >= self.settings.rsi_overbought:
            side = Side.SELL
        else:
            return None
        return Idea(
            side=side,
            strength=quotient(abs(close - bands.middle), bands.upper - bands.middle),
            confidence=quotient(abs(rsi - FIFTY), FIFTY),
            price=close,
            reason=f"close {plain(close)} outside the bands {plain(amount(bands.lower))} to {plain(amount(bands.upper))}",
            indicators={"rsi": amount(rsi), **{name: amount(band) for name, band in bands._asdict().items()}},
        )

    def diagnosis(self, state: MeanReversionState) -> str:
        """How many closes were outside the bands, and the newest RSI beside its limits."""
        rsi, settings = self._rsi.value(state.rsi), self.settings
        if rsi is None or not self.is_warm(state):
            return f"warming up: {state.candles} of {max(settings.bollinger_period, settings.rsi_period + 1)} candles"
        return (
            f"{state.outside} of {state.candles} candles closed outside the bands; RSI {plain(amount(rsi))} now "
            f"against RSI_OVERSOLD {plain(settings.rsi_oversold)} and RSI_OVERBOUGHT {plain(settings.rsi_overbought)}"
        )

    def is_warm(self, state: MeanReversionState) -> bool:
        return self._rsi.value(state.rsi) is not None and self._bollinger.value(state.closes) is not None
