"""
What each table can hold, as the sink's transform `connectors/transforms/Storable.java` reads it.

Derived from schemas and rules: a record that breaks no rule of `streams.domain.rules` is let through, whatever else it holds.
"""

from typing import Any

import schemas
from streams.domain.rules import EVENT_ID_LENGTH_MAX, NAME_LENGTH_MAX, SESSION_LENGTH_MAX, TIME_MAX
from streams.operate.rows import JSON_FIELDS

# Texts that stand in keys and indexes.
_LENGTHS = {
    "session": SESSION_LENGTH_MAX, "event_id": EVENT_ID_LENGTH_MAX,
    "account": NAME_LENGTH_MAX, "strategy": NAME_LENGTH_MAX, "symbol": NAME_LENGTH_MAX,
}  # fmt: skip


def tables() -> str:
    """A line for each table: its name and its columns with their kinds, `orders|event_id text(512)|limit decimal(38,12)?|…`."""
    return "\n".join(_line(spec) for spec in schemas.catalogue().values() if spec.table)


def _line(spec: schemas.TopicSpec) -> str:
    columns = [_column(field) for field in schemas.schema(spec.record)["fields"]]
    return "|".join([str(spec.table), *columns, "log_partition long", "log_offset long"])


def _column(field: dict[str, Any]) -> str:
    name, kind = field["name"], field["type"]
    if isinstance(kind, list):
        (inner,) = [branch for branch in kind if branch != "null"]
        return f"{name} {_kind(name, inner)}?"
    return f"{name} {_kind(name, kind)}"


def _kind(name: str, kind: Any) -> str:
    match kind:
        case {"logicalType": "decimal", "precision": precision, "scale": scale}:
            return f"decimal({precision},{scale})"
        case {"logicalType": "timestamp-micros"}:
            return f"time({TIME_MAX})"
        case "string" if name in JSON_FIELDS:
            return "json"
        case "string" if name in _LENGTHS:
            return f"text({_LENGTHS[name]})"
        case "string" | {"type": "enum"}:
            return "text"
        case "long" | "boolean" | "bytes":
            return str(kind)
    raise AssertionError(f"no column holds {name}: {kind}")
