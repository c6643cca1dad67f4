"""
Versions that each record's schema may get next, one after the other, so that reading across versions is tried before there are any.

Each differs from the one before by every kind of change that the contract allows: fields that come (first, between, last; optional
or with a default of each type), go and move, symbols that older readers take for UNKNOWN or NONE, nested fields, other words.
"""

import json
from typing import Any, NamedTuple

import schemas
from streams.contract.compatibility import NEUTRAL_SYMBOLS
from tests.contract.schema_changes import DECIMAL, TIME

# A defined type's first appearance must stay before its name is used, so only fields without one are moved.
_PRIMITIVE = frozenset({"string", "long", "boolean"})


class Version(NamedTuple):
    """One version of a record's schema, released or yet to come; `name` is for people."""

    record: str
    name: str
    schema: Any


def versions(record: str) -> list[Version]:
    """Every released version, oldest first, and three that may follow."""
    found = [Version(record, str(each.number), json.loads(each.text)) for each in schemas.released(record)]
    for name, change in (("with more fields", _more), ("with other symbols", _other), ("with fewer fields", _fewer)):
        schema = json.loads(json.dumps(found[-1].schema))
        change(schema)
        found.append(Version(record, name, schema))
    return found


def _more(schema: dict[str, Any]) -> None:
    schema["fields"].insert(0, {"name": "later_note", "type": ["null", "string"], "default": None, "doc": "Note; null without one."})
    schema["fields"].insert(3, {"name": "later_rate", "type": ["null", DECIMAL], "default": None, "doc": "Rate [fraction; either sign]"})
    schema["fields"] += [
        {"name": "later_word", "type": "string", "default": "none", "doc": "A word."},
        # -0.05 at 12 places.
        {"name": "later_share", "type": DECIMAL, "default": "\u00f4\u005b\u00c4\u008c\u0000", "doc": "Share [fraction; either sign]"},
        {"name": "later_time", "type": TIME, "default": 1_723_032_000_000_001, "doc": "Moment [µs since 1970 UTC; >= 0]"},
        {"name": "later_count", "type": "long", "default": -7, "doc": "Count [count; either sign]"},
        {"name": "later_bytes", "type": "bytes", "default": "\u0000\u00ff", "doc": "Bytes."},
        {"name": "later_kind", "default": "TWO", "doc": "Kind.", "type": {
            "type": "enum", "name": "LaterKind", "symbols": ["UNKNOWN", "TWO"], "default": "UNKNOWN"}},
    ]  # fmt: skip


def _other(schema: dict[str, Any]) -> None:
    schema["doc"] = "In other words."
    for kind in _defined(schema):
        if kind["type"] == "enum" and kind["default"] in NEUTRAL_SYMBOLS:
            kind["symbols"].insert(1, "LATER")
        elif kind["type"] == "record" and kind is not schema:
            kind["fields"].insert(0, {"name": "later_id", "type": ["null", "long"], "default": None, "doc": "Id [number; >= 0]"})
    movable = [field for field in schema["fields"] if isinstance(field["type"], str) and field["type"] in _PRIMITIVE]
    for field in movable:
        schema["fields"].remove(field)
    schema["fields"] += reversed(movable)


def _fewer(schema: dict[str, Any]) -> None:
    schema["fields"] = [field for field in schema["fields"] if "default" not in field or field["name"] == "later_share"]


def _defined(node: Any) -> list[dict[str, Any]]:
    """The enums and records that a schema defines."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = [each for child in inner for each in _defined(child)]
    return [*found, node] if isinstance(node, dict) and node.get("type") in ("enum", "record") else found
