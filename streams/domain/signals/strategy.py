"""
What a strategy is to the signals stage, and what it is told.

A strategy is a class with a frozen parameter record, a state record and one `on_event`. The stage keeps one state for each
strategy and symbol, turns every `Idea` into a signal for each account of the strategy, and never looks inside the state.
To add one: a module with these members, and an entry in `streams.domain.signals.KINDS`.
"""

import json
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from streams.domain.money import EXACT
from streams.domain.records import Candle, Side, Trade

MINUTE = 60_000_000
SECOND = 1_000_000


class Moment(NamedTuple):
    """What just happened to one symbol at logical `time` (µs): trades in exchange order, or a candle that closed."""

    time: int
    trades: list[Trade]
    candle: Candle | None = None


class Idea(NamedTuple):
    """A wish to trade. `strength` is 1 where the rule is just met, `confidence` is 0..1, `price` in quote currency."""

    side: Side
    strength: Decimal
    confidence: Decimal
    price: Decimal
    reason: str
    indicators: dict[str, Decimal]


class StrategySettings(BaseModel):
    """Base of every kind's parameters: frozen, ranges on the fields, names as in the settings file but in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def plain_number(cls, value: Any) -> Any:
        """Spaces around a number in a file mean nothing; NaN and infinities are refused by the ranges."""
        return value.strip() if isinstance(value, str) else value

    @classmethod
    def of(cls, parameters: dict[str, str]) -> Self:
        """From the upper-case names of a settings file; raises pydantic's `ValidationError`."""
        return cls.model_validate({name.lower() if name.isupper() else name: text for name, text in parameters.items()})


class Strategy(Protocol):
    """One kind of strategy with its parameters; all that changes is in the state."""

    Settings: ClassVar[type[StrategySettings]]
    State: ClassVar[type[msgspec.Struct]]

    def __init__(self, settings: Any) -> None: ...

    def on_event(self, state: Any, moment: Moment) -> Idea | None:
        """Takes in what happened, and an idea where the rule says so."""

    def diagnosis(self, state: Any) -> str:
        """In words, for people: how near the rule came, and what it still waits for."""


def faults_of(error: ValidationError, known: type[StrategySettings]) -> list[str]:
    """One line for each fault, as "NAME must be <rule>, was <value>"."""
    lines = []
    for fault in error.errors():
        name = str(fault["loc"][0]) if fault["loc"] else "parameters"
        if fault["type"] == "extra_forbidden":
            names = ", ".join(field.upper() for field in known.model_fields)
            lines.append(f"{name.upper()} must be one of {names}, was unknown")
        else:
            lines.append(f"{name.upper()} must be {_rule(known, name)}, was {fault['input']}")
    return lines


def plain(value: Decimal) -> str:
    """A decimal's shortest plain text: no exponent, no trailing zeros."""
    return f"{value.normalize(EXACT):f}"


def indicators_text(indicators: dict[str, Decimal]) -> str:
    """Canonical JSON text: names sorted, values as plain decimal texts."""
    return json.dumps({name: plain(indicators[name]) for name in sorted(indicators)}, separators=(",", ":"))


def _rule(known: type[StrategySettings], name: str) -> str:
    """A field's range in words, from its own constraints."""
    field = known.model_fields[name]
    bounds = {key: getattr(rule, key) for rule in field.metadata for key in ("ge", "gt", "le", "lt") if hasattr(rule, key)}
    kind = "a whole number" if field.annotation is int else "a number"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    if "ge" in bounds and "le" in bounds:
        return f"{kind} {bounds['ge']}..{bounds['le']}"
    return " ".join([kind, " and ".join(f"{words[key]} {bound}" for key, bound in bounds.items())]).strip()
