"""What is wrong with a schema, as data: where, by which rule, who would read what, and what to do instead."""

import json
from decimal import Decimal
from typing import Any, NamedTuple

from streams.contract.decoding import Time


class CrossReading(NamedTuple):
    """A record that shows a break, really written by one schema and read by another. Values are JSON texts, `got` may be an error."""

    writer: str
    reader: str
    outcome: str
    written: str
    got: str


class Finding(NamedTuple):
    """One fault. `file` from the project's folder; `field` dotted from the record's name, or what else is meant."""

    file: str
    field: str
    rule: str
    problem: str
    instead: str
    reading: CrossReading | None = None

    def __str__(self) -> str:
        return f"{self.file}: {self.field}: {self.rule}: {self.problem}"

    def as_document(self) -> dict[str, Any]:
        """The finding as JSON objects."""
        return {**self._asdict(), "reading": self.reading._asdict() if self.reading else None}


def value_text(value: Any) -> str:
    """A value as one line of JSON: amounts and moments as texts, bytes in hex."""
    return json.dumps(_told(value), ensure_ascii=False)


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _told(item) for name, item in value.items()}
    if isinstance(value, Time):
        return f"{value.microseconds} µs{' local' if value.local else ''}"
    if isinstance(value, list):
        return [_told(item) for item in value]
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    return format(value, "f") if isinstance(value, Decimal) else value
