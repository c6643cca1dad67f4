"""
Records written by one schema and read by another, by fastavro: the proof behind a verdict.

`as_reader` reads as this project's codec and Java Avro do: Avro's resolution on the plain types, then the reader's own logical types
on what came out. `as_fastavro` lets fastavro do all: it takes the writer's logical types, so it does not see that a reader's differ.
Values: decimals as `Decimal`, times as `Time`, the rest as fastavro gives it.
"""

from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from typing import Any, NamedTuple

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError
from fastavro.schema import SchemaParseException

from streams.contract.avro import Schema, Types, kind_of, logical_of
from streams.contract.breaks import Outcome

_NOT_FOR_AVRO = frozenset({"logicalType", "precision", "scale", "doc"})

# What fastavro raises where a reader cannot read what is there.
UNREADABLE = (SchemaResolutionError, SchemaParseException, ValueError, TypeError, KeyError, IndexError, EOFError)

_PYTHON: dict[str, type | tuple[type, ...]] = {
    "null": type(None), "boolean": bool, "int": int, "long": int, "bytes": bytes, "fixed": bytes, "string": str, "enum": str,
    "array": list, "map": dict, "record": dict, "float": float, "double": float,
}  # fmt: skip


# Microseconds of one step of a time's logical type.
_STEPS = {"timestamp-micros": 1, "timestamp-millis": 1000, "local-timestamp-micros": 1, "local-timestamp-millis": 1000}

Decode = Callable[[bytes, Schema, Schema], Any]


class Time(NamedTuple):
    """A moment in µs since 1970, or what a clock on a wall somewhere shows."""

    microseconds: int
    local: bool


class Reading(NamedTuple):
    """What a reader made of a record: how it went, and what it got, or why it could not."""

    outcome: Outcome
    got: Any


def encoded(schema: Schema, value: Any) -> bytes:
    """The Avro bytes of a value, without header."""
    out = BytesIO()
    schemaless_writer(out, parse_schema(schema), value)
    return out.getvalue()


def as_reader(raw: bytes, writer: Schema, reader: Schema) -> Any:
    """What a program with `reader` gets from bytes that `writer` wrote. Raises: one of `UNREADABLE`."""
    return interpreted(Types.of(reader), reader, _resolved(raw, plain(writer), plain(reader)))


def as_fastavro(raw: bytes, writer: Schema, reader: Schema) -> Any:
    """What fastavro gives for the whole schemas. Raises: one of `UNREADABLE`."""
    return _resolved(raw, writer, reader)


def reading(writer: Schema, reader: Schema, value: Any, decode: Decode = as_reader) -> Reading:
    """What `reader` makes of a value that `writer` wrote, by asking a decoder."""
    raw = encoded(writer, value)
    try:
        got = decode(raw, writer, reader)
    except UNREADABLE as error:
        return Reading(Outcome.FAILS, f"{type(error).__name__}: {error}")
    written = decode(raw, writer, writer)
    same = _comes_through(Types.of(writer), Types.of(reader), (writer, written), (reader, got))
    return Reading(Outcome.READS if same else Outcome.ALTERS, got)


def plain(schema: Schema) -> Schema:
    """A schema without logical types and docs: the same bytes."""
    if isinstance(schema, dict):
        return {name: plain(value) for name, value in schema.items() if name not in _NOT_FOR_AVRO}
    return [plain(item) for item in schema] if isinstance(schema, list) else schema


def interpreted(types: Types, schema: Schema, value: Any) -> Any:
    """A plain value, or a default as it stands in a schema, as the schema's logical types say."""
    schema = types.follow(schema)
    match kind_of(schema):
        case "union":
            # A default in text form belongs to the first branch; of plain values the type tells.
            fitting = (each for each in schema if isinstance(value, _PYTHON[kind_of(types.follow(each))]))
            return interpreted(types, next(fitting, schema[0]), value)
        case "record":
            return {field["name"]: interpreted(types, field["type"], value[field["name"]]) for field in schema["fields"]}
        case "array":
            return [interpreted(types, schema["items"], item) for item in value]
        case "map":
            return {name: interpreted(types, schema["values"], item) for name, item in value.items()}
        case "bytes" | "fixed":
            # fastavro gives a default as it stands in the schema: text, one character for each byte.
            return _amount(schema, value.encode("latin-1") if isinstance(value, str) else value)
        case "long":
            logical = logical_of(schema)
            step = _STEPS.get(logical[0]) if logical else None
            return value if logical is None or step is None else Time(value * step, logical[0].startswith("local"))
        case _:
            return value


def _resolved(raw: bytes, writer: Schema, reader: Schema) -> Any:
    source = BytesIO(raw)
    value = schemaless_reader(source, parse_schema(writer), parse_schema(reader))
    if source.tell() != len(raw):
        raise ValueError(f"{len(raw) - source.tell()} bytes are left over")
    return value


def _amount(schema: Schema, raw: bytes) -> bytes | Decimal:
    logical = logical_of(schema)
    if logical is None or logical[0] != "decimal":
        return raw
    unscaled = int.from_bytes(raw, "big", signed=True)
    return Decimal((int(unscaled < 0), tuple(map(int, str(abs(unscaled)))), -(logical[2] or 0)))


def _comes_through(writers: Types, readers: Types, written: tuple[Schema, Any], got: tuple[Schema, Any]) -> bool:
    """Whether a reader has what was written, as far as it has the fields; what it has beyond is its defaults."""
    (writer, value), (reader, found) = written, got
    writer, reader = writers.follow(writer), readers.follow(reader)
    if isinstance(writer, list):
        writer = next((each for each in map(writers.follow, writer) if isinstance(value, _PYTHON[kind_of(each)])), writer)
    if isinstance(reader, list):
        reader = next((each for each in map(readers.follow, reader) if isinstance(found, _PYTHON[kind_of(each)])), reader)
    if isinstance(value, dict) and isinstance(found, dict) and kind_of(writer) == kind_of(reader) == "record":
        types = {field["name"]: field["type"] for field in writer["fields"]}
        for field in reader["fields"]:
            name = next((name for name in (field["name"], *field.get("aliases", ())) if name in types), None)
            if name is not None and not _comes_through(
                writers, readers, (types[name], value[name]), (field["type"], found[field["name"]])
            ):
                return False
        return True
    if isinstance(value, list) and isinstance(found, list):
        pairs = zip(value, found, strict=True)
        return all(_comes_through(writers, readers, (writer["items"], one), (reader["items"], other)) for one, other in pairs)
    return bool(value == found) and isinstance(value, bool) == isinstance(found, bool)
