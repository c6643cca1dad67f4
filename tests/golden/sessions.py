"""
The sessions of the corpus: what each was made with, and what happens in it. Together they hold every kind of decision.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from streams.domain.parameters import (
    AccountParameters,
    FeedParameters,
    MarketParameters,
    RiskParameters,
    SessionSettings,
    StrategyParameters,
)
from tests.golden.play import Happens

HOUR = 3_600_000_000
# Ten seconds before a full hour, which settles funding.
START = 1_700_000_000_000_000 // HOUR * HOUR + HOUR - 10_000_000

HASTY = {"SIGNAL_LOOKBACK_MIN": "0.1", "SIGNAL_THRESHOLD_PCT": "0.01", "SIGNAL_MIN_VOLUME": "0", "SIGNAL_REPEAT_SEC": "1"}
RISK = {
    "allocation_warmup": "0.3", "max_trades_an_hour": 10_000, "max_positions_a_symbol": 5, "max_open_positions": 15,
    "max_symbol_exposure_pct": "0.3", "max_position_pct": "0.03", "stop_out_cooldown_sec": 0, "max_consecutive_losses": 1000,
    "stop_loss_pct": "0.0004", "take_profit_pct": "0.0004",
}  # fmt: skip
KINDS = {
    "momentum": HASTY,
    "mean_reversion": {"BOLLINGER_PERIOD": "4", "BOLLINGER_SIGMAS": "1", "RSI_PERIOD": "3"},
    "trend": {"EMA_FAST": "2", "EMA_SLOW": "4", "MACD_SIGNAL": "2", "ADX_PERIOD": "3", "ADX_MIN": "10"},
}  # fmt: skip


class Golden(NamedTuple):
    """One session of the corpus."""

    settings: SessionSettings
    story: tuple[Happens, ...] = ()


def spot() -> Golden:
    """Three kinds of strategies, resting and stopping entries among them, in two accounts."""
    ways = {
        "resting": {"entry_order_type": "LIMIT", "entry_limit_offset_bps": "2", "entry_expiry_sec": 2},
        "stopping": {"entry_order_type": "STOP", "entry_stop_offset_bps": "1", "entry_expiry_sec": 1},
    }  # fmt: skip
    strategies = [{"name": kind, "kind": kind, "accounts": ("main", "small"), "parameters": own} for kind, own in KINDS.items()]
    strategies += [strategies[0] | {"name": name} | way for name, way in ways.items()]
    accounts = (AccountParameters(name="main"), AccountParameters(name="small", initial_equity=Decimal(5_000)))
    return Golden(_settings("golden-spot", strategies, accounts=accounts))


def perpetual() -> Golden:
    """Leverage and shorts, isolated and cross, over a settlement of funding."""
    return Golden(_settings("golden-perpetual", [_momentum("apart", "whole")], accounts=_margined(), symbols=("BTC_USDT", "BTCUSDT")))


def crash() -> Golden:
    """A fall of a sixth and a rise of a fifth: stops, breakers, liquidation."""
    story = (Happens(0.5, "jump", "0.84"), Happens(0.8, "jump", "1.2"))
    risk: dict[str, object] = {
        "min_liquidation_distance": "0.05", "stop_loss_pct": "0.4", "risk_per_trade_pct": "0.1", "max_position_pct": "0.25",
        "max_symbol_exposure_pct": "0.5", "take_profit_pct": "0.5", "circuit_breaker_threshold_pct": "0.5", "max_daily_drawdown_pct": "0.2",
    }  # fmt: skip
    return Golden(
        _settings("golden-crash", [_momentum("apart", "whole")], accounts=_margined(), symbols=("BTC_USDT",), risk=risk, seed=3), story
    )


def halts() -> Golden:
    """Operators halt, cancel, flatten, resume in two steps; a stranger's bytes are refused."""
    words = (
        (0.2, "REDUCE_ONLY"), (0.35, "HALT"), (0.5, "RESUME_REQUEST"), (0.55, "RESUME_CONFIRM"), (0.7, "CANCEL"), (0.75, "FLATTEN"),
        (0.9, "RESET"),
    )  # fmt: skip
    story = (*(Happens(share, "command", word) for share, word in words), Happens(0.3, "poison"), Happens(0.6, "poison"))
    accounts = (AccountParameters(name="main"), AccountParameters(name="other"))
    return Golden(
        _settings("golden-halts", [_momentum("main", "other")], accounts=accounts, seed=5, partitions=2, risk_tasks=2), story
    )


def restarts() -> Golden:
    """Every stage dies and comes back four times, one death right after a command."""
    story = (*(Happens(share, "restart") for share in (0.15, 0.4, 0.61, 0.85)), Happens(0.6, "command", "FLATTEN"))
    return Golden(_settings("golden-restarts", [_momentum("main")], seed=6), story)


def rebalances() -> Golden:
    """Three market partitions, two risk tasks; workers join and leave."""
    words = ((0.2, "join"), (0.35, "join"), (0.5, "leave"), (0.65, "leave"), (0.8, "join"))
    accounts = (AccountParameters(name="main"), AccountParameters(name="other"))
    return Golden(
        _settings("golden-rebalances", [_momentum("main", "other")], accounts=accounts, partitions=3, risk_tasks=2, seed=7),
        tuple(Happens(share, word) for share, word in words),
    )


def _margined() -> tuple[AccountParameters, ...]:
    return (
        AccountParameters(name="apart", leverage=Decimal(10), margin_mode="ISOLATED", shorts_allowed=True),
        AccountParameters(name="whole", leverage=Decimal(10), margin_mode="CROSS", shorts_allowed=True),
    )


def _momentum(*accounts: str) -> dict[str, object]:
    return {"name": "momentum", "kind": "momentum", "accounts": accounts, "parameters": HASTY}


def _settings(
    session: str, strategies: list[dict[str, object]], *, accounts: tuple[AccountParameters, ...] = (AccountParameters(name="main"),),
    symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT", "SOLUSDT"), risk: dict[str, object] | None = None, seed: int = 4, partitions: int = 1,
    risk_tasks: int = 1,
) -> SessionSettings:
    return SessionSettings(
        session=session, partitions=partitions, risk_tasks=risk_tasks, accounts=accounts, snapshot_interval_seconds=10,
        strategies=tuple(StrategyParameters.model_validate(one) for one in strategies),
        risk=RiskParameters.model_validate(RISK | (risk or {})),
        market=MarketParameters(candle_seconds=5, candle_grace_ms=1000, atr_period=3, adx_period=3, volatility_candles=5, regime_bars=2),
        feed=FeedParameters(symbols=symbols, seed=seed, rate_per_second=5, duration_seconds=24, start_time=START),
    )  # fmt: skip


CORPUS: tuple[Callable[[], Golden], ...] = (spot, perpetual, crash, halts, restarts, rebalances)
