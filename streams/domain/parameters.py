"""
Every rule's number, with its range and meaning: what a session is made with.

Frozen pydantic models: a session's settings are data, go into its manifest as canonical JSON, and `settings_digest` names them.
Upper-case names in the texts are the settings' names in files and the environment. Fractions are of 1 (0.03 is 3 %).
"""

import hashlib
import json
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streams.domain.regime_settings import RegimeSettings
from streams.domain.risk_settings import AllocationSettings, EntrySettings, SizingSettings, TradeSettings

D = Decimal


class Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class AccountParameters(Parameters):
    """One paper account."""

    name: Name = "main"
    initial_equity: D = Field(D(100_000), gt=0, le=D("1e12"), description="start equity in the account currency")
    currency: Name = "USDT"
    shorts_allowed: bool = False
    leverage: D = Field(D(1), ge=1, le=125, description="of positions in perpetuals; at most LEVERAGE_MAX")
    margin_mode: Literal["ISOLATED", "CROSS"] = Field("ISOLATED", description="margin of each position apart, or the whole account's")


class StrategyParameters(EntrySettings, Parameters):
    """One running strategy: its kind, the accounts and symbols it trades, and its own parameters by name."""

    name: Name
    kind: Name
    accounts: tuple[Name, ...] = ("main",)
    symbols: tuple[Name, ...] = ()  # empty: every symbol of the feed
    enabled: bool = True
    parameters: dict[str, str] = Field(default_factory=dict, description="of its kind, as decimal texts; checked by the kind")


class MarketParameters(RegimeSettings, Parameters):
    """How market data becomes candles, regimes and marks."""

    candle_seconds: int = Field(60, ge=1, le=86_400)
    candle_grace_ms: int = Field(2000, ge=0, le=60_000)
    mark_interval_ms: int = Field(100, ge=10, le=10_000, description="at most one mark a symbol in this time; flag changes at once")
    depth_steps: tuple[Annotated[D, Field(gt=0)], ...] = Field(
        (D(1_000), D(10_000), D(50_000)), max_length=8, description="quote notionals of the marks' depth steps"
    )


class RiskParameters(SizingSettings, AllocationSettings, TradeSettings, Parameters):
    """Limits of the risk stage; see `streams.domain.risk` for each check."""

    data_stale_timeout_sec: int = Field(30, ge=10, le=120)
    max_slippage_pct: D = Field(D("0.01"), ge=D("0.001"), le=D("0.05"))
    max_spread_multiplier: D = Field(D(5), ge=2, le=10)
    circuit_breaker_threshold_pct: D = Field(D("0.10"), ge=D("0.05"), le=D("0.5"))
    execution_failures_in_a_row_max: int = Field(3, ge=1, le=100)
    execution_failures_an_hour_max: int = Field(5, ge=1, le=1000)
    max_daily_drawdown_pct: D = Field(D("0.05"), ge=D("0.01"), le=D("0.20"))
    max_total_exposure_pct: D = Field(D("0.30"), ge=D("0.10"), le=1)
    max_position_pct: D = Field(D("0.10"), ge=D("0.01"), le=D("0.25"))
    max_symbol_exposure_pct: D = Field(D("0.10"), ge=D("0.01"), le=1)
    max_strategy_exposure_pct: D = Field(D("0.30"), ge=D("0.01"), le=1)
    stop_loss_pct: D = Field(D("0.02"), ge=D("0.0001"), le=D("0.5"))
    take_profit_pct: D | None = Field(None, ge=D("0.0001"), le=10)
    leverage_max: D = Field(D(10), ge=1, le=125)
    min_liquidation_distance: D = Field(D("0.15"), ge=0, le=D("0.9"), description="of the mark, from the mark to the liquidation price")
    liquidation_fee_rate: D = Field(D("0.0002"), ge=0, le=D("0.05"), description="where the instrument's tiers name none")
    funding_grace_sec: int = Field(60, ge=1, le=3600, description="a settlement is missing this long after it was due")
    trailing_stop_pct: D | None = Field(None, ge=D("0.0001"), le=D("0.5"))
    snapshot_seconds: int = Field(60, ge=1, le=3600, description="event time between portfolio snapshots")

    @model_validator(mode="after")
    def limits_agree(self) -> Self:
        if self.max_position_pct > self.max_total_exposure_pct:
            raise ValueError(
                f"MAX_POSITION_PCT must be at most MAX_TOTAL_EXPOSURE_PCT ({self.max_total_exposure_pct}), was {self.max_position_pct}"
            )
        return self


class ExecutionParameters(Parameters):
    """The paper exchange."""

    order_latency_ms: int = Field(50, ge=1, le=60_000, description="from decision to the market")
    report_latency_ms: int = Field(50, ge=1, le=60_000, description="from the fill to risk")
    maker_fee_rate: D = Field(D("0.0002"), ge=0, le=D("0.01"), description="where the instrument names none")
    taker_fee_rate: D = Field(D("0.0006"), ge=0, le=D("0.01"), description="where the instrument names none")
    latency_model: Literal["constant", "spread"] = Field("constant", description="see streams.domain.execution.latency")
    order_latency_spread_ms: int = Field(0, ge=0, le=60_000, description="spread: most that an order takes beyond ORDER_LATENCY_MS")
    queue_model: Literal["pessimistic", "proportional"] = Field("pessimistic", description="see streams.domain.execution.queue_model")
    stop_trigger: Literal["last_trade", "mid"] = Field("last_trade", description="the price that sets off STOP and STOP_LIMIT orders")

    @model_validator(mode="after")
    def latency_model_fits(self) -> Self:
        if (self.order_latency_spread_ms > 0) != (self.latency_model == "spread"):
            raise ValueError(
                f"ORDER_LATENCY_SPREAD_MS must be above 0 with LATENCY_MODEL spread and 0 without, was "
                f"{self.order_latency_spread_ms} with {self.latency_model}"
            )
        return self


class CandleFile(Parameters):
    """A file of candles, mark candles or funding rates, and whose it is, as VENUE:SYMBOL."""

    path: str
    instrument: str


class WarmupParameters(Parameters):
    """Candles that are told as history before the market begins; times in µs, those of whole candles."""

    candles: tuple[CandleFile, ...] = Field(min_length=1)
    interval_seconds: int = Field(ge=1, le=86_400)
    from_time: int = Field(ge=0, description="candles that open before are left out")
    to_time: int = Field(ge=0, description="candles that end after are left out; the market begins here or later")


class FeedParameters(Parameters):
    """Where the session's market data comes from and how its time is made. `partitions` counts market_data partitions."""

    kind: Literal["simulated", "recorded", "candles", "mexc"] = "simulated"
    name: Name = "feed"
    symbols: tuple[Name, ...] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    seed: int = 1
    start_time: int = Field(0, ge=0, description="µs; simulated market's first moment (the CLI puts the wall clock here)")
    rate_per_second: int = Field(40, ge=1, le=10_000, description="simulated pushes a second and symbol")
    duration_seconds: int | None = Field(None, ge=1)
    files: tuple[str, ...] = ()
    candles: tuple[CandleFile, ...] = ()
    marks: tuple[CandleFile, ...] = ()
    funding: tuple[CandleFile, ...] = ()
    interval_seconds: int | None = Field(None, ge=1, le=86_400, description="length of a candle; None where the feed has none")
    path: Literal["nearest_extreme_first", "open_low_high_close", "open_high_low_close"] = "nearest_extreme_first"
    path_steps: int = Field(1, ge=1, le=60, description="points that each of a candle's three legs is walked in")
    from_time: int | None = Field(None, ge=0, description="µs; candles that open before are left out")
    to_time: int | None = Field(None, ge=0, description="µs; candles that end after are left out")
    warmup: WarmupParameters | None = None
    time_ahead_max_ms: int = Field(2000, ge=100, le=60_000, description="FEED_TIME_AHEAD_MAX")
    quiet_delay_ms: int = Field(250, ge=10, le=10_000, description="a quiet market's watermark stays this far behind the clock")
    tail_seconds: int = Field(5, ge=1, le=600, description="event time after the last push in which open windows and orders settle")


class SessionSettings(Parameters):
    """All that decides a session's bytes, besides market data and commands."""

    session: Name = "live"
    partitions: int = Field(1, ge=1, le=64, description="market_data partitions: tasks of signals and of execution")
    risk_tasks: int = Field(1, ge=1, le=64)
    snapshot_interval_seconds: int = Field(60, ge=1, le=3600, description="event time between state snapshots")
    accounts: tuple[AccountParameters, ...] = (AccountParameters(),)
    strategies: tuple[StrategyParameters, ...] = (StrategyParameters(name="momentum", kind="momentum"),)
    market: MarketParameters = MarketParameters()
    risk: RiskParameters = RiskParameters()
    execution: ExecutionParameters = ExecutionParameters()
    feed: FeedParameters = FeedParameters()

    @model_validator(mode="after")
    def names_agree(self) -> Self:
        accounts = [account.name for account in self.accounts]
        strategies = [strategy.name for strategy in self.strategies]
        for field, names in (("accounts", accounts), ("strategies", strategies)):
            if len(set(names)) != len(names):
                raise ValueError(f"{field} must have different names, were {', '.join(names)}")
        for strategy in self.strategies:
            for account in strategy.accounts:
                if account not in accounts:
                    raise ValueError(f"strategies.{strategy.name}.accounts must be among {', '.join(accounts)}, was {account}")
        for one in self.accounts:
            if one.leverage > self.risk.leverage_max:
                allowed = f"at most LEVERAGE_MAX ({self.risk.leverage_max})"
                raise ValueError(f"accounts.{one.name}.leverage must be {allowed}, was {one.leverage}")
        return self

    def canonical(self) -> str:
        """The settings as JSON text with sorted keys and no spaces: equal settings, equal text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """sha256 of `canonical`, without the session's name: the same rules have the same digest in every session."""
        neutral = self.model_copy(update={"session": "-"})
        return hashlib.sha256(neutral.canonical().encode()).hexdigest()

    def symbol_task(self, symbol: str) -> int:
        """The market_data partition, and so the signals and execution task, that owns a symbol."""
        symbols = sorted(self.feed.symbols)
        return symbols.index(symbol) % self.partitions if symbol in symbols else 0

    def account_task(self, account: str) -> int:
        """The risk task that owns an account."""
        accounts = [a.name for a in self.accounts]
        return accounts.index(account) % self.risk_tasks if account in accounts else 0
