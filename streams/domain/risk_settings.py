"""
The settings of sizing, allocation, trade limits and of how strategies enter, with their ranges.

`streams.domain.parameters` puts them into the session's settings. Fractions are of 1, amounts in the account's currency.
"""

from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streams.domain.vocabulary import OrderType, RegimeName

D = Decimal

SizingMethod = Literal["fixed_fraction", "volatility_target", "kelly", "atr"]

# An order of these types may wait in the market; every other one ends as soon as it has reached it.
RESTING = frozenset({OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP, OrderType.STOP_LIMIT})


class SizingSettings(BaseModel):
    """How large entries are; see `streams.domain.sizing_methods`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sizing_method: SizingMethod = "fixed_fraction"
    risk_per_trade_pct: D = Field(D("0.02"), gt=0, le=D("0.1"), description="of equity, lost when the stop is hit")
    target_volatility: D = Field(D("0.20"), ge=D("0.01"), le=2, description="a year's, of equity (volatility_target)")
    atr_multiple: D = Field(D(2), ge=D("0.5"), le=10, description="ATRs that stand for the loss of risk_per_trade_pct (atr)")
    kelly_trades_min: int = Field(30, ge=10, le=100, description="closed trades before Kelly is measurable")


class AllocationSettings(BaseModel):
    """Shares of equity that a strategy may use, by regime; see `streams.domain.allocation`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allocation_trend: D = Field(D("0.3"), ge=0, le=1)
    allocation_range: D = Field(D("0.1"), ge=0, le=1)
    allocation_high_vol_chaotic: D = Field(D("0.02"), ge=0, le=1)
    allocation_unknown: D = Field(D(0), ge=0, le=1)
    allocation_warmup: D = Field(D("0.10"), ge=0, le=1, description="until the symbol's first confirmed regime")
    allocation_stable_sec: int = Field(60, ge=1, le=86_400, description="a regime holds this long before it counts")
    allocation_score_weight: D = Field(D("0.3"), gt=0, le=1, description="of the newest closed trade in the score")
    allocation_trades_min: int = Field(30, ge=1, le=10_000, description="closed trades before the score is used")
    allocation_days_min: int = Field(7, ge=0, le=365, description="days since the first of them")
    allocation_cooldown_hours: int = Field(72, ge=1, le=8760, description="after a share dropped to zero")

    def allocation_of(self, regime: RegimeName) -> Decimal:
        """The regime's share of equity."""
        return {
            RegimeName.TREND: self.allocation_trend, RegimeName.RANGE: self.allocation_range,
            RegimeName.HIGH_VOL_CHAOTIC: self.allocation_high_vol_chaotic, RegimeName.UNKNOWN: self.allocation_unknown,
        }[regime]  # fmt: skip


class TradeSettings(BaseModel):
    """Checks 10, 12 and 13: how many, at what cost, and when not again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_open_positions: int = Field(3, ge=1, le=100, description="of an account, entries in flight included")
    max_positions_a_symbol: int = Field(1, ge=1, le=20, description="strategies of an account in one symbol")
    max_trades_an_hour: int = Field(10, ge=1, le=10_000, description="entries of an account that filled or still may")
    max_orders_a_second: int = Field(5, ge=1, le=1000, description="approved orders of an account")
    max_slippage_bps: D = Field(D(100), ge=1, le=1000, description="expected slippage and fee of the order, in bps of its mark")
    book_required: bool = Field(True, description="false: entries also where a venue shows trades and no book")
    stop_out_cooldown_sec: int = Field(300, ge=0, le=86_400, description="of the strategy in the symbol, after its stop was hit")
    max_consecutive_losses: int = Field(5, ge=1, le=1000, description="closed trades of a strategy at a loss, in a row")
    loss_cooldown_sec: int = Field(3600, ge=0, le=604_800, description="after that many")
    correlation_max: D = Field(D("0.8"), ge=D("0.5"), le=1, description="symbols that move together more than this count as one")
    correlation_minutes: int = Field(60, ge=10, le=1440, description="minutes of returns; half of them must be known")
    max_correlated_exposure_pct: D = Field(D("0.10"), ge=D("0.01"), le=1, description="of what counts as one symbol")


class EntrySettings(BaseModel):
    """
    How a strategy enters. Offsets are in bps and measured in favour of the price paid.

    The limit lies `entry_limit_offset_bps` below the mark for a purchase, above it for a sale (negative: it crosses); of
    a STOP_LIMIT it counts from the stop price. The stop lies `entry_stop_offset_bps` on the far side of the mark.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sizing_method: SizingMethod | None = Field(None, description="the session's where not given")
    entry_order_type: OrderType = OrderType.MARKET
    entry_limit_offset_bps: D = Field(D(0), ge=-1000, le=1000)
    entry_stop_offset_bps: D = Field(D(10), ge=D("0.01"), le=1000)
    entry_expiry_sec: int = Field(60, ge=1, le=604_800, description="after which what rests unfilled is cancelled")

    @model_validator(mode="after")
    def entry_is_possible(self) -> Self:
        if self.entry_order_type is OrderType.CANCEL:
            raise ValueError("ENTRY_ORDER_TYPE must be a type that can open a position, was CANCEL")
        if self.entry_order_type is OrderType.LIMIT_MAKER and self.entry_limit_offset_bps < 0:
            raise ValueError(
                f"ENTRY_LIMIT_OFFSET_BPS must be at least 0 with LIMIT_MAKER, which may not cross, was {self.entry_limit_offset_bps}"
            )
        return self
