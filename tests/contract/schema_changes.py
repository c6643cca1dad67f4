"""
Changes to a schema as data: each a schema before and one after, and what must become of records read across the change.

`forward`: what an older reader makes of what the newer program writes; `backward`: what the newer reader makes of what is there. Each is
the name of a rule of `streams.contract.breaks`, or None where every record comes through. The same changes are judged by the checker,
by decoders and by the registry.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

Schema = dict[str, Any]

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 12}
TIME = {"type": "long", "logicalType": "timestamp-micros", "connect.name": "io.debezium.time.MicroTimestamp"}
KIND = {"type": "enum", "name": "Kind", "symbols": ["UNKNOWN", "FEE", "FUNDING"], "default": "UNKNOWN"}
SIDE = {"type": "enum", "name": "Side", "symbols": ["BUY", "SELL"], "default": "BUY"}
LEVEL = {
    "type": "record", "name": "Level", "doc": "One price level.", "fields": [
        {"name": "price", "type": DECIMAL, "doc": "Price [quote units; > 0]"},
        {"name": "quantity", "type": DECIMAL, "doc": "Displayed quantity [base units; >= 0]"},
    ],
}  # fmt: skip

BASE: Schema = {
    "type": "record", "name": "Entry", "namespace": "cdb", "doc": "A record with every type that ours have, and some that they might.",
    "fields": [
        {"name": "id", "type": "string", "doc": "Its id."},
        {"name": "time", "type": TIME, "doc": "When [µs since 1970 UTC; >= 0]"},
        {"name": "amount", "type": DECIMAL, "doc": "Fee [quote units; paid is positive]"},
        {"name": "limit", "type": ["null", DECIMAL], "default": None, "doc": "Limit; null without one [quote units; > 0]"},
        {"name": "until", "type": ["null", TIME], "default": None, "doc": "End; null without one [µs since 1970 UTC; >= 0]"},
        {"name": "count", "type": "long", "doc": "How many [count; >= 0]"},
        {"name": "open", "type": "boolean", "doc": "Whether it is open."},
        {"name": "reason", "type": ["null", "string"], "default": None, "doc": "Why; null where nobody said."},
        {"name": "payload", "type": "bytes", "doc": "The bytes."},
        {"name": "kind", "type": KIND, "doc": "What it is for."},
        {"name": "side", "type": SIDE, "doc": "BUY or SELL."},
        {"name": "code", "type": {"type": "enum", "name": "Code", "symbols": ["A", "B"]}, "doc": "An enum without default."},
        {"name": "levels", "type": {"type": "array", "items": LEVEL}, "doc": "Levels."},
        {"name": "others", "type": {"type": "array", "items": "Level"}, "doc": "Levels of the other side."},
        {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 4}, "doc": "Digest."},
        {"name": "tags", "type": {"type": "map", "values": "long"}, "doc": "Tags."},
        {"name": "mixed", "type": ["null", "string", "long"], "default": None, "doc": "Text or number."},
        {"name": "small", "type": "int", "doc": "A small number [count; >= 0]"},
        {"name": "share", "type": "double", "doc": "A share [fraction; >= 0]"},
        {"name": "rough", "type": "float", "doc": "A rough share [fraction; >= 0]"},
    ],
}  # fmt: skip


class Change(NamedTuple):
    """`before` and `after` are whole schemas; `field` is where the checker must point, dotted."""

    name: str
    before: Schema
    after: Schema
    field: str
    forward: str | None
    backward: str | None


def field_of(schema: Schema, name: str) -> dict[str, Any]:
    """The field of that name, to be changed in place."""
    (found,) = [field for field in schema["fields"] if field["name"] == name]
    return found  # type: ignore[no-any-return]


def _change(
    name: str, change: Callable[[Schema], Any], field: str, forward: str | None = None, backward: str | None = None
) -> Change:
    # By way of a text, so that no two fields share a type that one of them is to change.
    after: Schema = json.loads(json.dumps(BASE))
    change(after)
    return Change(name, BASE, after, f"{after['name']}.{field}" if field else after["name"], forward, backward)


def _typed(name: str, field: str, kind: Any, forward: str | None, backward: str | None, **more: Any) -> Change:
    """A field's type becomes another one."""

    def change(schema: Schema) -> None:
        field_of(schema, field).update(type=kind, **more)

    return _change(name, change, field, forward, backward)


def _inner(name: str, field: str, path: str, changes: dict[str, Any], forward: str | None, backward: str | None) -> Change:
    """Attributes of the type at `path` (an enum, a level, a fixed) become others."""

    def change(schema: Schema) -> None:
        _type_at(schema, path).update(changes)

    return _change(name, change, field, forward, backward)


def _type_at(schema: Schema, path: str) -> dict[str, Any]:
    """The type of the field `path`, or of a field of its items: `levels.price`."""
    first, _, rest = path.partition(".")
    found: dict[str, Any] = field_of(schema, first)["type"]
    if isinstance(found, list):
        (found,) = [branch for branch in found if isinstance(branch, dict)]
    if rest:
        items: dict[str, Any] = found["items"]
        return _type_at(items, rest) if rest != "items" else items
    return found


def _added(name: str, field: dict[str, Any], forward: str | None = None, backward: str | None = None, at: int = 99) -> Change:
    return _change(name, lambda schema: schema["fields"].insert(at, field), field["name"], forward, backward)


def _removed(name: str, field: str, forward: str | None) -> Change:
    return _change(name, lambda schema: schema["fields"].remove(field_of(schema, field)), field, forward, None)


def _renamed(name: str, field: str, forward: str | None, backward: str | None, *, alias: bool, points_at: str) -> Change:
    def change(schema: Schema) -> None:
        field_of(schema, field).update({"name": f"new_{field}"} | ({"aliases": [field]} if alias else {}))

    return _change(name, change, points_at, forward, backward)


def _scaled(scale: int) -> dict[str, Any]:
    return {**DECIMAL, "scale": scale}


def _without(kind: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in kind.items() if name not in names}


def _rename_levels(schema: Schema) -> None:
    _type_at(schema, "levels.items")["name"] = "Step"
    field_of(schema, "others")["type"]["items"] = "Step"


_WANTED = "field_without_default"
_OTHER = "type_changed"

CHANGES: tuple[Change, ...] = (
    # Fields come, go, move and change their names.
    _added("optional field added", {"name": "note", "type": ["null", "string"], "default": None, "doc": "Note."}),
    _added("optional field added first", {"name": "note", "type": ["null", "string"], "default": None, "doc": "Note."}, at=0),
    _added("text field with default added", {"name": "note", "type": "string", "default": "", "doc": "Note."}),
    _added("number with default added", {"name": "more", "type": "long", "default": 7, "doc": "More [count; >= 0]"}),
    _added("decimal with default added", {"name": "more", "type": DECIMAL, "default": "\u0001", "doc": "More [fraction; >= 0]"}),
    _added("bytes with default added", {"name": "more", "type": "bytes", "default": "\u00ff\u0001", "doc": "More."}),
    _added("time with default added", {"name": "more", "type": TIME, "default": 5, "doc": "More [µs since 1970 UTC; >= 0]"}),
    _added("enum with default added", {"name": "why", "default": "B", "doc": "Why.", "type": {
        "type": "enum", "name": "Why", "symbols": ["A", "B"], "default": "A"}}),
    _added("array with default added", {"name": "more", "type": {"type": "array", "items": "string"}, "default": [], "doc": "More."}),
    _added("record with default added", {"name": "more", "doc": "More.", "default": {"price": "\u0001"}, "type": {
        "type": "record", "name": "More", "fields": [{"name": "price", "type": DECIMAL, "doc": "Price [quote units; > 0]"}]}}),
    _added("field of a known enum added", {"name": "other", "type": "Side", "default": "SELL", "doc": "Other."}),
    _added("text field without default added", {"name": "note", "type": "string", "doc": "Note."}, None, _WANTED),
    _added("optional field without default added", {"name": "note", "type": ["null", "string"], "doc": "Note."}, None, _WANTED),
    _added("decimal without default added", {"name": "more", "type": DECIMAL, "doc": "More [fraction; >= 0]"}, None, _WANTED),
    _removed("optional field removed", "reason", None),
    _removed("optional decimal removed", "limit", None),
    _removed("text field removed", "id", _WANTED),
    _removed("decimal removed", "amount", _WANTED),
    _removed("enum field removed", "kind", _WANTED),
    _removed("array removed", "others", _WANTED),
    _renamed("field renamed", "count", _WANTED, _WANTED, alias=False, points_at=""),
    _renamed("field renamed with alias", "count", _WANTED, None, alias=True, points_at="count"),
    _renamed("optional field renamed with alias", "reason", None, None, alias=True, points_at="reason"),
    # A type is defined where it is met first, so the levels stay before the others.
    _change("fields in another order", lambda schema: schema["fields"].sort(key=lambda field: str(field["name"])), ""),
    _change("alias added", lambda schema: field_of(schema, "count").update(aliases=["number"]), "count"),
    _change("default added", lambda schema: field_of(schema, "count").update(default=0), "count"),
    _change("default removed", lambda schema: field_of(schema, "reason").pop("default"), "reason"),
    # Plain types.
    _typed("long to int", "count", "int", None, _OTHER),
    _typed("int to long", "small", "long", _OTHER, None),
    _typed("int to double", "small", "double", _OTHER, None),
    _typed("int to float", "small", "float", _OTHER, "digits_lost"),
    _typed("long to double", "count", "double", _OTHER, "digits_lost"),
    _typed("long to float", "count", "float", _OTHER, "digits_lost"),
    _typed("float to double", "rough", "double", _OTHER, None),
    _typed("double to float", "share", "float", None, _OTHER),
    _typed("long to string", "count", "string", _OTHER, _OTHER),
    _typed("boolean to long", "open", "long", _OTHER, _OTHER),
    _typed("string to bytes", "id", "bytes", "bytes_become_text", "text_becomes_bytes"),
    _typed("bytes to string", "payload", "string", "text_becomes_bytes", "bytes_become_text"),
    _typed("string to enum", "id", {"type": "enum", "name": "Id", "symbols": ["A"]}, _OTHER, _OTHER),
    _typed("enum to string", "kind", "string", _OTHER, _OTHER),
    _typed("bytes to fixed", "payload", {"type": "fixed", "name": "Payload", "size": 2}, _OTHER, _OTHER),
    _typed("array to map", "tags", {"type": "array", "items": "long"}, _OTHER, _OTHER),
    _typed("items of another type", "tags", {"type": "map", "values": "string"}, _OTHER, _OTHER),
    _typed("items widened", "tags", {"type": "map", "values": "double"}, _OTHER, "digits_lost"),
    _typed("decimal to double", "amount", "double", _OTHER, _OTHER),
    _typed("decimal to string", "amount", "string", "text_becomes_bytes", "bytes_become_text"),
    _typed("time to string", "time", "string", _OTHER, _OTHER),
    # Unions.
    _typed("becomes optional", "count", ["null", "long"], "null_not_read", None, default=None),
    _typed("decimal becomes optional", "amount", ["null", DECIMAL], "null_not_read", None, default=None),
    _typed("becomes mandatory", "reason", "string", None, "null_not_read", default=""),
    _typed("branches in another order", "reason", ["string", "null"], None, None, default=""),
    _typed("branch added", "reason", ["null", "string", "long"], "branch_not_read", None),
    _typed("branch removed", "mixed", ["null", "string"], None, "branch_not_read"),
    _typed("null removed from three", "mixed", ["string", "long"], None, "null_not_read", default=""),
    _typed("branch of another type", "reason", ["null", "boolean"], "branch_not_read", "branch_not_read"),
    _typed("optional number widened", "mixed", ["null", "string", "double"], "branch_not_read", "digits_lost"),
    # Enums.
    _inner("symbol added, unknown ones are read as UNKNOWN", "kind", "kind", {"symbols": ["UNKNOWN", "FEE", "FUNDING", "TAX"]}, None, None),
    _inner("symbol added, unknown ones are read as BUY", "side", "side", {"symbols": ["BUY", "SELL", "SHORT"]},
           "symbol_read_as_default", None),
    _inner("symbol added without default", "code", "code", {"symbols": ["A", "B", "C"]}, "symbol_unknown", None),
    _inner("symbol removed", "kind", "kind", {"symbols": ["UNKNOWN", "FEE"]}, None, "symbol_removed"),
    _inner("symbol removed without default", "code", "code", {"symbols": ["A"]}, None, "symbol_unknown"),
    _inner("symbol renamed", "side", "side", {"symbols": ["BUY", "SOLD"]}, "symbol_read_as_default", "symbol_removed"),
    _inner("symbols in another order", "kind", "kind", {"symbols": ["FUNDING", "FEE", "UNKNOWN"]}, None, None),
    _inner("enum default changed", "kind", "kind", {"default": "FEE"}, None, None),
    _inner("enum default added", "code", "code", {"default": "A"}, None, None),
    _inner("enum renamed", "kind", "kind", {"name": "Sort"}, "name_changed", "name_changed"),
    _inner("enum renamed with alias", "kind", "kind", {"name": "Sort", "aliases": ["Kind"]}, "name_changed", None),
    # Names of records and fixed.
    _change("nested record renamed", _rename_levels, "", "name_changed", "name_changed"),
    _inner("fixed renamed", "digest", "digest", {"name": "Hash"}, "name_changed", "name_changed"),
    _inner("fixed of another size", "digest", "digest", {"size": 8}, "fixed_size_changed", "fixed_size_changed"),
    _change("record renamed", lambda schema: schema.update(name="Booking"), "", "name_changed", "name_changed"),
    _change("record renamed with alias", lambda schema: schema.update(name="Booking", aliases=["Entry"]), "", "name_changed", None),
    _change("record in another namespace", lambda schema: schema.update(namespace="other"), "", "namespace_changed", "namespace_changed"),
    # Within nested records.
    _inner("nested decimal of another scale", "levels.price", "levels.price", {"scale": 8},
           "decimal_scale_changed", "decimal_scale_changed"),
    _change("nested optional field added", lambda schema: _type_at(schema, "levels.items")["fields"].append(
        {"name": "orders", "type": ["null", "long"], "default": None, "doc": "Orders [count; >= 0]"}), "levels.orders"),
    _change("nested field without default added", lambda schema: _type_at(schema, "levels.items")["fields"].append(
        {"name": "orders", "type": "long", "doc": "Orders [count; >= 0]"}), "levels.orders", None, _WANTED),
    _change("nested field removed", lambda schema: _type_at(schema, "levels.items")["fields"].pop(), "levels.quantity", _WANTED, None),
    # What decoders and registries do not look at.
    _typed("scale lowered", "amount", _scaled(8), "decimal_scale_changed", "decimal_scale_changed"),
    _typed("scale raised", "amount", _scaled(18), "decimal_scale_changed", "decimal_scale_changed"),
    _typed("optional decimal of another scale", "limit", ["null", _scaled(2)], "decimal_scale_changed", "decimal_scale_changed"),
    _typed("precision lowered", "amount", {**DECIMAL, "precision": 20}, None, "decimal_precision_lowered"),
    _typed("precision raised", "amount", {**DECIMAL, "precision": 40}, "decimal_precision_lowered", None),
    _typed("decimal to bytes", "amount", "bytes", "logical_type_changed", "logical_type_changed"),
    _typed("bytes to decimal", "payload", DECIMAL, "logical_type_changed", "logical_type_changed"),
    _typed("micros to millis", "time", {"type": "long", "logicalType": "timestamp-millis", "connect.name": TIME["connect.name"]},
           "logical_type_changed", "logical_type_changed"),
    _typed("time to local time", "time", {**TIME, "logicalType": "local-timestamp-micros"}, "logical_type_changed", "logical_type_changed"),
    _typed("time to number", "time", _without(TIME, "logicalType"), "logical_type_changed", "logical_type_changed"),
    _typed("number to time", "count", {"type": "long", "logicalType": "timestamp-micros"}, "logical_type_changed", "logical_type_changed"),
    _typed("optional time to millis", "until", ["null", {**TIME, "logicalType": "timestamp-millis"}],
           "logical_type_changed", "logical_type_changed"),
    _typed("connect.name removed", "time", _without(TIME, "connect.name"), "connect_name_changed", "connect_name_changed"),
    _typed("connect.name changed", "time", {**TIME, "connect.name": "io.debezium.time.NanoTimestamp"},
           "connect_name_changed", "connect_name_changed"),
    _change("unit changed", lambda schema: field_of(schema, "amount").update(doc="Fee [base units; paid is positive]"), "amount",
            "meaning_changed", "meaning_changed"),
    _change("sign changed", lambda schema: field_of(schema, "amount").update(doc="Fee [quote units; received is positive]"), "amount",
            "meaning_changed", "meaning_changed"),
    _change("words bettered", lambda schema: field_of(schema, "amount").update(doc="Cost [quote units; paid is positive]"), "amount"),
    _change("doc of the record bettered", lambda schema: schema.update(doc="Other words."), ""),
)  # fmt: skip
