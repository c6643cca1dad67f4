"""
A session's settings with some of them changed by name: what "with other settings" means to every question.

Names are paths: risk.max_position_pct, market.…, execution.…, accounts.NAME.…, strategies.NAME.…, strategies.NAME.parameters.…; upper
case is lower case. What decides the inputs (feed, session, partitions) cannot be changed: the records are what they are.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import (
    AccountParameters,
    ExecutionParameters,
    MarketParameters,
    RiskParameters,
    SessionSettings,
    StrategyParameters,
)
from streams.domain.signals import strategy_faults
from streams.errors import ConfigError

_PARTS: dict[str, type[BaseModel]] = {"risk": RiskParameters, "market": MarketParameters, "execution": ExecutionParameters}
_LISTS: dict[str, type[BaseModel]] = {"accounts": AccountParameters, "strategies": StrategyParameters}


def changed(settings: SessionSettings, changes: Mapping[str, Any]) -> SessionSettings:
    """
    The settings with `changes` (values as texts, or of the field's type).

    Raises: ConfigError with one line for each name that there is not and each value that breaks a rule.
    """
    document = settings.model_dump()
    faults: list[str] = []
    for name, value in changes.items():
        fault = _put(document, name, value)
        if fault is not None:
            faults.append(fault)
    if not faults:
        faults = _faults(document)
    if faults:
        raise ConfigError("\n".join(faults))
    try:
        found = SessionSettings.model_validate(document)
    except ValidationError as error:
        raise ConfigError("\n".join(faults_of(error, SessionSettings))) from error
    faults = [f"strategies.{one.name}: {fault}" for one in found.strategies for fault in strategy_faults(one)]
    if faults:
        raise ConfigError("\n".join(faults))
    return found


def value_of(settings: SessionSettings, name: str) -> Any:
    """The present value of a setting, by its path."""
    holder, field = _holder(settings.model_dump(), name)
    return holder[field]


def assignments(texts: list[str]) -> dict[str, str]:
    """NAME=VALUE texts as a mapping. Raises: ConfigError for a text without both."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise ConfigError(f"SET must be NAME=VALUE, was {text!r}")
        found[name.strip()] = value.strip()
    return found


def _put(document: dict[str, Any], name: str, value: Any) -> str | None:
    try:
        holder, field = _holder(document, name)
    except KeyError as missing:
        return str(missing.args[0])
    if isinstance(value, str) and value.lower() == "none":
        value = None
    elif isinstance(holder.get(field), tuple) and isinstance(value, str):
        value = tuple(part.strip() for part in value.split(",") if part.strip())
    holder[field] = value
    return None


def _holder(document: dict[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The table that holds a setting, and its name there. Raises: KeyError with the rule."""
    part, *rest = name.split(".")
    part = part.lower()
    if part in _PARTS and len(rest) == 1:
        return _field(document[part], rest[0].lower(), name)
    if part in _LISTS and len(rest) > 1:
        named = [one["name"] for one in document[part]]
        if rest[0] not in named:
            raise KeyError(f"{name} must name one of {', '.join(named)}, was {rest[0]}")
        table = next(one for one in document[part] if one["name"] == rest[0])
        if part == "strategies" and len(rest) == 3 and rest[1].lower() == "parameters":
            return table["parameters"], rest[2].upper()
        if len(rest) == 2 and rest[1].lower() != "name":
            return _field(table, rest[1].lower(), name)
    known = "risk.…, market.…, execution.…, accounts.NAME.…, strategies.NAME.…"
    raise KeyError(f"SET must name a setting that decides ({known}), was {name}")


def _field(table: dict[str, Any], field: str, name: str) -> tuple[dict[str, Any], str]:
    if field not in table:
        raise KeyError(f"{name} must name one of {', '.join(sorted(table))}, was {field}")
    return table, field


def _faults(document: dict[str, Any]) -> list[str]:
    """What breaks a rule of its own part, named with the part."""
    tables = [(name, model, document[name]) for name, model in _PARTS.items()]
    tables += [(f"{name}.{one['name']}", model, one) for name, model in _LISTS.items() for one in document[name]]
    found = []
    for name, model, table in tables:
        try:
            model.model_validate(table)
        except ValidationError as error:
            found += [f"{name}: {fault}" for fault in faults_of(error, model)]
    return found
