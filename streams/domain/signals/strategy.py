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
from pydantic import BaseModel, ConfigDict

from streams.domain.money import EXACT
from streams.domain.records import Candle, Side, Trade

SECOND = 1_000_000


class Moment(NamedTuple):
    """
    What just happened to one symbol at logical `time` (µs): trades in exchange order, or a candle that closed.

    `history`: it is told to warm up; the idea it gives is dropped.
    """

    time: int
    trades: list[Trade]
    candle: Candle | None = None
    history: bool = False


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

    @classmethod
    def of(cls, parameters: dict[str, str]) -> Self:
        """From the upper-case names and decimal texts of a settings file; raises pydantic's `ValidationError`."""
        return cls.model_validate({name.lower(): text for name, text in parameters.items()})


class Strategy(Protocol):
    """One kind of strategy with its parameters; all that changes is in the state."""

    Settings: ClassVar[type[StrategySettings]]
    State: ClassVar[type[msgspec.Struct]]

    def __init__(self, settings: Any) -> None: ...

    def on_event(self, state: Any, moment: Moment) -> Idea | None:
        """Takes in what happened, and an idea where the rule says so."""

    def diagnosis(self, state: Any) -> str:
        """In words, for people: how near the rule came, and what it still waits for."""

    def is_warm(self, state: Any) -> bool:
        """Whether it has seen enough of the market to have an idea: before that its silence means nothing."""


def plain(value: Decimal) -> str:
    """A decimal's shortest plain text: no exponent, no trailing zeros."""
    return f"{value.normalize(EXACT):f}"


def indicators_text(indicators: dict[str, Decimal]) -> str:
    """Canonical JSON text: names sorted, values as plain decimal texts."""
    return json.dumps({name: plain(indicators[name]) for name in sorted(indicators)}, separators=(",", ":"))
