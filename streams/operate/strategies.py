"""
Reads a strategies file: which strategies a session runs, and the numbers of risk and market it wants changed.

TOML: a `[[strategy]]` table for each (name, kind, accounts, symbols, enabled, `[strategy.parameters]`), and optional tables
`[risk]` and `[market]` with the upper-case names of `streams.domain.parameters`, and an `[[account]]` for each account. A strategy
that names no accounts trades all of them. Decimals are exact, as texts or plain numbers.
"""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import AccountParameters, MarketParameters, Parameters, RiskParameters, StrategyParameters
from streams.domain.signals import strategy_faults
from streams.errors import ConfigError

Model = TypeVar("Model", bound=Parameters)


class StrategiesFile(NamedTuple):
    """What a file says; `risk` and `market` are the defaults where it says nothing of them, `accounts` as the file words them."""

    strategies: tuple[StrategyParameters, ...]
    risk: RiskParameters
    market: MarketParameters
    accounts: tuple[dict[str, Any], ...] = ()


def strategies_from(path: Path) -> StrategiesFile:
    """
    The content of the file at `path`.

    Raises: ConfigError with one line "<file>: <field> must be <rule>, was <value>" for every fault of the file.
    """
    faults: list[str] = []
    tables = _tables(path)
    for name in sorted(tables.keys() - {"strategy", "risk", "market", "account"}):
        faults.append(f"{name} must be one of strategy, risk, market, account, was unknown")
    listed = tables.get("strategy", [])
    if not isinstance(listed, list) or not listed or not all(isinstance(one, dict) for one in listed):
        faults.append(f"strategy must be at least one [[strategy]] table, was {listed if listed else 'missing'}")
        listed = []
    strategies = [_strategy(table, place, faults) for place, table in enumerate(listed)]
    names = [table.get("name") for table in listed]
    for name in sorted({str(name) for name in names if name is not None and names.count(name) > 1}):
        faults.append(f"strategy names must be different, was {name} more than once")
    risk = _checked(RiskParameters, tables.get("risk", {}), "risk", faults)
    market = _checked(MarketParameters, tables.get("market", {}), "market", faults)
    accounts = _accounts(tables.get("account", []), faults)
    if faults or risk is None or market is None:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return StrategiesFile(tuple(one for one in strategies if one is not None), risk, market, accounts)


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: strategies file must be readable text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: strategies file must be TOML: {error}") from error


def _accounts(listed: Any, faults: list[str]) -> tuple[dict[str, Any], ...]:
    """The fields that each account's table names, once they are known to be good."""
    if not isinstance(listed, list):
        faults.append(f"account must be [[account]] tables, was {listed}")
        return ()
    checked = [_checked(AccountParameters, table, f"account {place + 1}", faults) for place, table in enumerate(listed)]
    return tuple(account.model_dump(exclude_unset=True) for account in checked if account is not None)


def _strategy(table: dict[str, Any], place: int, faults: list[str]) -> StrategyParameters | None:
    parameters = table.get("parameters", {})
    if isinstance(parameters, dict):
        # Booleans are numbers to Python, and lists are none: both stay as they are and are refused.
        numbers = {name: str(value) if type(value) in (int, Decimal) else value for name, value in parameters.items()}
        table = {**table, "parameters": numbers}
    where = f"strategy {table.get('name', place + 1)}"
    strategy = _checked(StrategyParameters, table, where, faults)
    if strategy is not None:
        faults += [f"{where}: {fault}" for fault in strategy_faults(strategy)]
    return strategy


def _checked(model: type[Model], table: Any, where: str, faults: list[str]) -> Model | None:
    if not isinstance(table, dict):
        faults.append(f"{where} must be a table, was {table}")
        return None
    # Lists of TOML are tuples of settings.
    fields = {name.lower(): tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        faults += [f"{where}: {fault}" for fault in faults_of(error, model)]
        return None
