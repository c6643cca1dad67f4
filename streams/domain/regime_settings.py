"""
The settings of what every symbol's candles are measured by: ATR, ADX and volatility, and the regime told from them.

`streams.domain.parameters` puts them into the session's settings. Periods in candles, ratios of 1, ADX 0..100.
"""

from decimal import Decimal
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

D = Decimal


class RegimeSettings(BaseModel):
    """See `streams.domain.regime`; ATR and volatility stand on every mark as well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    atr_period: int = Field(14, ge=2, le=200)
    adx_period: int = Field(14, ge=2, le=200)
    volatility_candles: int = Field(60, ge=2, le=1440, description="returns that volatility is measured over")
    regime_atr_ratio: D = Field(D("0.03"), ge=D("0.0001"), le=1, description="ATR / price from which on a market is HIGH_VOL_CHAOTIC")
    regime_adx_trend: D = Field(D(25), ge=1, le=100, description="ADX from which on it is TREND")
    regime_adx_range: D = Field(D(20), ge=0, le=100, description="ADX up to which it is RANGE")
    regime_bars: int = Field(3, ge=1, le=100, description="candles in a row that must say so before the regime changes")

    @model_validator(mode="after")
    def regimes_apart(self) -> Self:
        if self.regime_adx_range >= self.regime_adx_trend:
            raise ValueError(f"REGIME_ADX_RANGE must be below REGIME_ADX_TREND ({self.regime_adx_trend}), was {self.regime_adx_range}")
        return self
