"""
The strategies there are, by kind, and how one is made from a session's settings.

A new strategy is one module beside `mean_reversion.py` and one entry here.
"""

from collections.abc import Mapping

from pydantic import ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import StrategyParameters
from streams.domain.signals.mean_reversion import MeanReversion
from streams.domain.signals.momentum import Momentum
from streams.domain.signals.strategy import Strategy
from streams.domain.signals.trend import Trend
from streams.errors import ConfigError

KINDS: dict[str, type[Strategy]] = {"mean_reversion": MeanReversion, "momentum": Momentum, "trend": Trend}


def strategy_faults(parameters: StrategyParameters, kinds: Mapping[str, type[Strategy]] = KINDS) -> list[str]:
    """What is wrong with a strategy's kind and parameters, one line for each fault; empty when all is well."""
    kind = kinds.get(parameters.kind)
    if kind is None:
        return [f"KIND must be one of {', '.join(sorted(kinds))}, was {parameters.kind}"]
    try:
        kind.Settings.of(parameters.parameters)
    except ValidationError as error:
        return faults_of(error, kind.Settings)
    return []


def strategy_of(parameters: StrategyParameters, kinds: Mapping[str, type[Strategy]] = KINDS) -> Strategy:
    """The strategy that `parameters` describes. Raises `ConfigError` with all of `strategy_faults`."""
    faults = strategy_faults(parameters, kinds)
    if faults:
        raise ConfigError("\n".join(f"strategies.{parameters.name}: {fault}" for fault in faults))
    kind = kinds[parameters.kind]
    return kind(kind.Settings.of(parameters.parameters))
