"""
Whether a text is a schema that this project can have: Avro, explained, exact, and such that the sink brings it to its table.

Avro's own rules are fastavro's to check, and where it is lenient (fields of one name, unions within unions, defaults of another branch)
they are checked here. The rest are the house's: every amount decimal(38,12), every time in microseconds with the name that the sink
knows, every enum with a default, every union null or one type, every field explained.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fastavro import parse_schema
from fastavro.schema import UnknownType

from streams.contract.avro import Schema, Types, connect_of, fields, kind_of, logical_of
from streams.contract.decoding import UNREADABLE, encoded, interpreted
from streams.contract.findings import Finding
from streams.contract.meaning import DIRECTIONS, RANGES, UNITS, meaning_of, needs_meaning, words_of
from streams.contract.shape import shape_faults
from streams.domain.records import Record

AMOUNT = ("decimal", 38, 12)
MOMENT = ("timestamp-micros", None, None)
CONNECT_TIME = {"connect.name": "io.debezium.time.MicroTimestamp"}

# Columns that the sink adds to every table.
PLACE_COLUMNS = frozenset({"log_partition", "log_offset"})
COLUMN_LENGTH_MAX = 63

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Bytes as they come out of a file that is read with surrogateescape.
_NO_UTF_8 = re.compile("[\udc80-\udcff]")
_NO_COLUMN = frozenset({"record", "array", "map", "fixed"})


def faults(record: str, text: str, *, file: str, in_table: bool) -> list[Finding]:
    """Everything that is wrong with the text of a record's schema; `in_table`: the sink brings its records to Postgres."""
    undecoded = _NO_UTF_8.search(text)
    if undecoded:
        said = f"line {text.count(chr(10), 0, undecoded.start()) + 1}: must be UTF-8, has the byte {ord(undecoded[0]) - 0xDC00:#x}"
        return [Finding(file, record, "valid_json", said, "save it as UTF-8")]
    try:
        schema = json.loads(text)
        return _faults(record, schema, file=file, in_table=in_table)
    except json.JSONDecodeError as error:
        return [Finding(file, record, "valid_json", f"line {error.lineno}, column {error.colno}: {error.msg}", "correct the JSON")]
    except RecursionError:
        return [Finding(file, record, "valid_avro", "must not be nested as deep as this", "name the inner types, or flatten them")]


def _faults(record: str, schema: Any, *, file: str, in_table: bool) -> list[Finding]:
    named = [
        Finding(file, record, rule, f"must be {wanted}, was {found or 'absent'}", "name it as its file and the registry's subject")
        for rule, wanted, found in _identity(record, schema) if found != wanted
    ]  # fmt: skip
    if named:
        return named
    avro = list(_avro_faults(file, schema))
    return avro or list(_house_faults(file, Types.of(schema), in_table=in_table))


def _identity(record: str, schema: Any) -> Iterator[tuple[str, str, Any]]:
    of = schema if isinstance(schema, dict) else {}
    yield "is_a_record", "record", of.get("type")
    yield "record_name", record, of.get("name")
    yield "namespace", "cdb", of.get("namespace")


def _avro_faults(file: str, schema: Schema) -> Iterator[Finding]:
    """Where Avro itself is broken: its shape, the first that fastavro names, and what that lets pass."""
    instead = "correct the schema: https://avro.apache.org/docs/1.12.0/specification/"
    misshapen = [Finding(file, path, "valid_avro", said, instead) for path, said in shape_faults(schema, schema["name"])]
    if misshapen:
        yield from misshapen
        return
    try:
        parse_schema(schema)
    except (*UNREADABLE, AttributeError) as error:
        # A KeyError names the attribute that is missing, an UnknownType the type.
        said = {KeyError: f"{error} is missing", UnknownType: f"there is no type {error}"}.get(type(error), str(error))
        rule = "name_clash" if "redefined" in str(error) else "valid_avro"
        yield Finding(file, _field_at_fault(schema), rule, said, instead)
        return
    for owner, count in Counter(path for path, _ in fields(Types.of(schema))).items():
        if count > 1:
            yield Finding(file, owner, "name_clash", f"must be one field, was {count}", "give each field a name of its own")
    yield from _endless(file, schema)
    for path, field in fields(Types.of(schema)):
        aliases = field.get("aliases", [])
        if not all(_NAME.fullmatch(name) for name in (field["name"], *aliases)):
            yield Finding(file, path, "valid_avro", f"names must be like {_NAME.pattern}, was {field['name']!r}", instead)
        for branch in field["type"] if isinstance(field["type"], list) else ():
            if isinstance(branch, list):
                yield Finding(file, path, "valid_avro", "a union must not hold a union", "list the branches in one union")


def _endless(file: str, schema: Schema) -> Iterator[Finding]:
    try:
        Types.of(schema).ordinary(schema)
    except RecursionError:
        yield Finding(file, schema["name"], "holds_itself", "a record must not hold itself", "hold the other's event_id")


def _field_at_fault(schema: Schema) -> str:
    """The field that Avro's fault is in, found by asking for each alone; the record's name where it is in none."""
    known: list[dict[str, Any]] = []
    for field in schema.get("fields", ()) if isinstance(schema.get("fields"), list) else ():
        try:
            parse_schema({**schema, "fields": [*known, field]})
        except (*UNREADABLE, AttributeError):
            return f"{schema['name']}.{field.get('name', '?') if isinstance(field, dict) else field}"
        known.append(field)
    return str(schema["name"])


def _house_faults(file: str, types: Types, *, in_table: bool) -> Iterator[Finding]:
    root = types.root
    if not root.get("doc"):
        yield Finding(file, root["name"], "doc_present", "must have a doc, was without", "say in a sentence what a record is")
    yield from _head_faults(file, root)
    beside = {field["name"] for field in root["fields"]} | {"rule"}
    for path, field in fields(types):
        for rule, problem, instead in (
            *_doc_faults(field, beside), *_type_faults(types, field["type"]), *_default_faults(types, field),
            *(_column_faults(types, field) if in_table else ()),
        ):  # fmt: skip
            yield Finding(file, path, rule, problem, instead)


def _head_faults(file: str, root: Schema) -> Iterator[Finding]:
    """`streams.log.head` reads id and time of any version's bytes by their place, without the schema."""
    for at, name in enumerate(Record.__struct_fields__):
        field = root["fields"][at] if at < len(root["fields"]) else {}
        wanted = (name, "long" if name == "time" else "string")
        found = (field.get("name", "nothing"), kind_of(field.get("type", "null")))
        if found != wanted:
            said = f"field {at + 1} must be {wanted[0]} of {wanted[1]}, was {found[0]} of {found[1]}"
            instead = f"begin with {', '.join(Record.__struct_fields__)}, and put new fields at the end"
            yield Finding(file, f"{root['name']}.{found[0]}", "begins_as_every_record", said, instead)
            return


Fault = tuple[str, str, str]


def _doc_faults(field: dict[str, Any], beside: set[str]) -> Iterator[Fault]:
    doc = field.get("doc", "")
    if not words_of(doc).strip():
        yield "doc_present", "must have a doc, was without", "say what the field is, as the fields beside it do"
        return
    meaning = meaning_of(doc)
    if meaning is None and needs_meaning(field["type"]):
        yield "unit_and_sign", f"doc must end with [unit; sign], was {doc!r}", "end it like [quote units; > 0]"
    elif meaning is not None:
        owner = meaning.unit.removeprefix("units of ") if meaning.unit.startswith("units of ") else None
        if meaning.unit not in UNITS or (owner is not None and owner not in beside):
            units = ", ".join(sorted(UNITS))
            yield "unit_and_sign", f"unit must be one of {units}, was {meaning.unit!r}", "take one, or add it in meaning.py"
        if meaning.sign not in RANGES | DIRECTIONS:
            signs = ", ".join(sorted(RANGES | DIRECTIONS))
            yield "unit_and_sign", f"sign must be one of {signs}, was {meaning.sign!r}", "take one, or add it in meaning.py"
        if not needs_meaning(field["type"]):
            yield "unit_and_sign", f"only numbers have unit and sign, was {doc!r}", "leave them out"


def _type_faults(types: Types, schema: Schema) -> Iterator[Fault]:
    """Of a type and those inside it, records apart: their fields are looked at for themselves."""
    kind = kind_of(schema)
    if kind == "union":
        if len(schema) != 2 or schema[0] != "null":
            branches = ", ".join(kind_of(branch) for branch in schema)
            yield "union_is_optional", f"a union must be null and one type, was {branches}: no column takes it", 'write ["null", TYPE]'
        for branch in schema:
            yield from _type_faults(types, branch)
    elif kind in {"array", "map"}:
        yield from _type_faults(types, schema["items" if kind == "array" else "values"])
    elif kind in {"float", "double"}:
        yield "exact_numbers", f"must be decimal(38,12) or long, was {kind}: it cannot hold 0.1", "take the decimal of the fields beside it"
    elif kind == "enum" and "default" not in schema:
        symbols = ", ".join(schema["symbols"])
        yield "enum_default", f"{schema['name']} must have a default among {symbols}, was without", "add one, UNKNOWN or NONE at best"
    logical = logical_of(schema)
    if logical is not None:
        yield from _logical_faults(logical, kind, connect_of(schema))


def _logical_faults(logical: Any, kind: str, connect: dict[str, Any]) -> Iterator[Fault]:
    told = f"decimal({logical[1]},{logical[2]})" if logical[0] == "decimal" else logical[0]
    if (logical, kind) not in ((AMOUNT, "bytes"), (MOMENT, "long")):
        wanted = "decimal(38,12) of bytes or timestamp-micros of long"
        yield "logical_type", f"must be {wanted}, was {told} of {kind}", "take one of the two; every reader knows them"
    elif connect != (CONNECT_TIME if logical == MOMENT else {}):
        wanted, found = CONNECT_TIME["connect.name"] if logical == MOMENT else "absent", connect.get("connect.name", "absent")
        yield "connect_name", f"connect.name of {told} must be {wanted}, was {found}", "write it as in other fields of the kind"


def _default_faults(types: Types, field: dict[str, Any]) -> Iterator[Fault]:
    optional = isinstance(field["type"], list) and field["type"][0] == "null"
    if optional and field.get("default", "absent") is not None:
        told = repr(field["default"]) if "default" in field else "absent"
        yield "optional_default", f"an optional field must default to null, was {told}", 'add "default": null'
    if optional or "default" not in field:
        return
    try:
        alone = {"type": "record", "name": "Alone", "namespace": "cdb", "fields": [{"name": "x", "type": _spelt(types, field["type"])}]}
        encoded(alone, {"x": interpreted(types, field["type"], field["default"])})
    except (*UNREADABLE, AttributeError) as error:
        yield "default_fits", f"default must be a value of its type, was {field['default']!r}: {error}", "correct the default"


def _spelt(types: Types, schema: Schema) -> Schema:
    return types.follow(schema) if isinstance(schema, str) else schema


def _column_faults(types: Types, field: dict[str, Any]) -> Iterator[Fault]:
    kinds = [kind_of(types.follow(each)) for each in (field["type"] if isinstance(field["type"], list) else [field["type"]])]
    nested = [kind for kind in kinds if kind in _NO_COLUMN]
    if nested:
        yield "flat_for_the_sink", f"must be one value, was {nested[0]}: the sink has no column for it", "one field each, or a JSON text"
    if field["name"] in PLACE_COLUMNS or len(field["name"]) > COLUMN_LENGTH_MAX or field["name"] != field["name"].lower():
        rule = f"a column must be lower case, at most {COLUMN_LENGTH_MAX} long and none of {', '.join(sorted(PLACE_COLUMNS))}"
        yield "name_clash", f"{rule}, was {field['name']}", "take another name"
