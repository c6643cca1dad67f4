"""Sessions in memory for reports: one that trades on two accounts, one that does nothing."""

import threading

from streams.domain.parameters import SessionSettings
from streams.exchange.wall import SystemWall
from streams.operate.plan import DEFAULT_STRATEGIES, Ask, settings_of
from streams.operate.runtime import STAGES
from streams.replay.backtest import Backtest, backtest
from streams.report.gather import Material, material_of


def ran(settings: SessionSettings) -> Backtest:
    return backtest(settings, tuple(STAGES.values()), SystemWall(threading.Event()), code_version="test")


def material(done: Backtest) -> Material:
    return material_of(done.log, done.codec, done.settings, tuple(STAGES.values()))


def busy_settings(seconds: int = 120) -> SessionSettings:
    """Two accounts and two strategies, split over tasks as widely as it goes."""
    asked = settings_of(Ask(session="two-accounts", duration_seconds=seconds))
    [slow] = [one.model_dump() for one in asked.strategies][:1]
    fast = {**slow, "name": "fast", "accounts": ("bold",), "parameters": {**slow["parameters"], "SIGNAL_LOOKBACK_MIN": "0.1"}}
    return SessionSettings.model_validate({
        **asked.model_dump(), "accounts": ({"name": "main"}, {"name": "bold", "initial_equity": "20000", "shorts_allowed": True}),
        "strategies": ({**slow, "name": "slow", "accounts": ("main", "bold")}, fast), "risk_tasks": 2, "partitions": 3,
    })  # fmt: skip


def quiet_settings(seconds: int) -> SessionSettings:
    """The documented defaults in a market of seconds: nothing trades."""
    return settings_of(Ask(session="quiet", duration_seconds=seconds, strategies=DEFAULT_STRATEGIES))
