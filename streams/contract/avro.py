"""
Avro schemas as nested dicts and lists: kinds, names, branches, ordinary values. Knows the language, decides nothing.

A `Types` holds a schema's named types, so that a name that stands for a type defined before can be followed.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

Schema = Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})

# The first numbers of which a double and a float lose a digit; bytes that are no UTF-8, as those of the decimals are none.
_LONG = 2**53 + 1
_INT = 2**24 + 1
_ORDINARY: dict[str, Any] = {
    "null": None, "boolean": True, "int": _INT, "long": _LONG, "float": 0.5, "double": 0.1, "bytes": b"\xff\x01", "string": "é",
}  # fmt: skip


class Types(NamedTuple):
    """A schema with the types it names, by full name."""

    root: Schema
    named: dict[str, Schema]

    @classmethod
    def of(cls, schema: Schema) -> "Types":
        named: dict[str, Schema] = {}
        _collect(schema, "", named)
        return cls(schema, named)

    def follow(self, schema: Schema) -> Schema:
        """The type itself where `schema` is the name of one."""
        if isinstance(schema, str) and schema not in PRIMITIVES:
            found = self.named.get(schema) or next(
                (kind for name, kind in self.named.items() if name.rpartition(".")[2] == schema), None
            )
            assert found is not None, f"no type is named {schema}"
            return found
        return schema

    def ordinary(self, schema: Schema) -> Any:
        """A value that fastavro writes for this type, the same each time; every field filled, no null where another branch is."""
        schema = self.follow(schema)
        if isinstance(schema, list):
            branches = [branch for branch in schema if branch != "null"]
            return self.ordinary(branches[0]) if branches else None
        match kind_of(schema):
            case "record":
                return {field["name"]: self.ordinary(field["type"]) for field in schema["fields"]}
            case "enum":
                return schema["symbols"][0]
            case "array":
                return [self.ordinary(schema["items"])]
            case "map":
                return {"key": self.ordinary(schema["values"])}
            case "fixed":
                return b"\x01" * int(schema["size"])
            case kind:
                return _ordinary_primitive(schema, kind)


def _ordinary_primitive(schema: Schema, kind: str) -> Any:
    match logical_of(schema):
        case ("decimal", _, int(scale)):
            return Decimal((1, (1, 2, 3, 4, 5, *(0,) * (scale - 2)), -scale)) if scale >= 2 else Decimal(-123)
        case ("timestamp-micros" | "local-timestamp-micros", _, _):
            return 1_723_032_000_000_001
        case ("timestamp-millis" | "local-timestamp-millis", _, _):
            return 1_723_032_000_001
        case _:
            return _ORDINARY[kind]


def kind_of(schema: Schema) -> str:
    """`union`, `record`, `enum`, `array`, `map`, `fixed`, a primitive's name, or the name of a type defined elsewhere."""
    if isinstance(schema, list):
        return "union"
    if isinstance(schema, str):
        return schema
    return kind_of(schema["type"])


def logical_of(schema: Schema) -> tuple[str, int | None, int | None] | None:
    """Logical type, precision and scale (0 where a decimal names none); None for a plain type."""
    if not isinstance(schema, dict) or "logicalType" not in schema:
        return None
    name = schema["logicalType"]
    return (name, schema.get("precision"), schema.get("scale", 0)) if name == "decimal" else (name, None, None)


def connect_of(schema: Schema) -> dict[str, Any]:
    """What a type says to Kafka Connect."""
    if not isinstance(schema, dict):
        return {}
    return {name: value for name, value in schema.items() if name.startswith("connect.")}


def full_name(schema: Schema, namespace: str = "") -> str:
    """A named type's name with its namespace."""
    name: str = schema["name"]
    inside: str = schema.get("namespace", namespace)
    return name if "." in name or not inside else f"{inside}.{name}"


def fields(types: Types) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a record with its path (`MarketData.trades.price`), those within arrays, maps and unions included."""
    yield from _fields_within(types, types.root, types.root["name"], ())


def _fields_within(types: Types, schema: Schema, path: str, above: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, str) and schema not in PRIMITIVES:
        schema = types.follow(schema)
    if isinstance(schema, list):
        for branch in schema:
            yield from _fields_within(types, branch, path, above)
    # A type within itself has no end of paths.
    elif isinstance(schema, dict) and schema.get("name") not in above:
        above = (*above, schema["name"]) if "name" in schema else above
        for field in schema.get("fields", ()):
            yield f"{path}.{field['name']}", field
            yield from _fields_within(types, field["type"], f"{path}.{field['name']}", above)
        for inner in ("items", "values"):
            if inner in schema:
                yield from _fields_within(types, schema[inner], path, above)


def _collect(schema: Schema, namespace: str, named: dict[str, Schema]) -> None:
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, namespace, named)
    elif isinstance(schema, dict):
        if schema.get("name") and kind_of(schema) in {"record", "enum", "fixed"}:
            whole = full_name(schema, namespace)
            named[whole] = schema
            namespace = whole.rpartition(".")[0]
        for field in schema.get("fields", ()):
            _collect(field["type"], namespace, named)
        for inner in ("items", "values"):
            if inner in schema:
                _collect(schema[inner], namespace, named)
        if isinstance(schema.get("type"), dict | list):
            _collect(schema["type"], namespace, named)
