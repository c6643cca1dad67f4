"""
What a number stands for, beyond its Avro type: the unit and the sign that a field's doc ends with, as `Price [quote units; > 0]`.

A reader that takes quote units for base units, or a fee paid for one received, is broken without any decoder noticing. So unit and
sign are part of the contract, while the words before them may be bettered at any time. Units and signs come from closed lists: a new
one is added here, not invented in a schema. `units of FIELD` says that a field beside it, or the rule at hand, names the unit.
"""

import re
from typing import Any, NamedTuple

UNITS = frozenset({
    "µs since 1970 UTC", "microseconds", "seconds", "hours",
    "quote units", "base units", "fraction", "basis points", "points", "times", "count", "number",
    "units of asset", "units of fee_asset", "units of currency", "units of rule", "units of strategy",
    "account currency units",
})  # fmt: skip

# Ranges hold for every record (`streams.domain.rules` sees to it); words say which direction is positive.
RANGES = frozenset({"> 0", ">= 0", ">= 1", "0..1", "0..100"})
DIRECTIONS = frozenset({
    "long is positive", "gain is positive", "paid is positive", "received is positive", "owned is positive",
    "paid by longs is positive", "worse for the account is positive", "either sign",
})  # fmt: skip

_AT_THE_END = re.compile(r"^(?P<words>.+) \[(?P<unit>[^;\[\]]+); (?P<sign>[^;\[\]]+)\]$", re.DOTALL)


class Meaning(NamedTuple):
    """Unit and sign of a number."""

    unit: str
    sign: str

    def __str__(self) -> str:
        return f"[{self.unit}; {self.sign}]"


def meaning_of(doc: str) -> Meaning | None:
    """Unit and sign at the end of a doc, or None where it names none."""
    found = _AT_THE_END.match(doc)
    return Meaning(found["unit"], found["sign"]) if found else None


def words_of(doc: str) -> str:
    """A doc without unit and sign."""
    found = _AT_THE_END.match(doc)
    return found["words"] if found else doc


def needs_meaning(avro_type: Any) -> bool:
    """Whether values of this type are numbers: decimals, longs and times, optional or not."""
    if isinstance(avro_type, list):
        return any(needs_meaning(branch) for branch in avro_type)
    if isinstance(avro_type, dict):
        return "logicalType" in avro_type or needs_meaning(avro_type["type"])
    return avro_type in {"int", "long", "float", "double"}
