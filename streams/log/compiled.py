"""
Straight-line code that turns the records of one schema to Avro bytes and back, generated from the schema and the struct.

fastavro walks the schema for every record, tries the branches of each union and builds a dict that then becomes a struct. The code
made here has all that decided: on recorded market data it takes 40 % of the CPU time to encode and 55 % to decode. It covers what our
schemas use (text, 64-bit number, boolean, bytes, decimal as bytes, enum, array of records, null or one of these), and only bytes in
their ordinary form. Whatever is unusual (a broken length, bytes missing or left over, a value of another type) makes it return None
or raise, and the codec asks fastavro, whose word on bytes and errors stays the only one. A property test holds both to the same
bytes and the same records.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from types import NoneType
from typing import Any, get_args, get_type_hints

from streams.domain.records import Record
from streams.log.varint import bytes_bytes, long_at, long_bytes, text_bytes

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes, int], Any]
DecimalBytes = Callable[[Decimal], bytes | None]
DecimalValue = Callable[[bytes], Decimal | None]

# How the branch that is not null begins.
PRESENT = 2

# Fields that often hold what the one before them holds: a market record's three ids are one.
REPEATED = frozenset({"causation_id", "correlation_id"})
# Fields with few different values in a session.
NAMES = frozenset({"session", "exchange", "symbol", "account", "strategy"})

# What the generated code raises where the plain way must say what is wrong.
UNUSUAL = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)

# How many bytes a decimal takes with its length, by the first of them; the longest has 16.
_SIZES = [1 + (first >> 1) if first <= 32 and first & 1 == 0 else None for first in range(256)]

_name_bytes = lru_cache(maxsize=1 << 12)(text_bytes)


class _Source:
    """Lines of one function, and the names that it may use."""

    def __init__(self, named: Mapping[str, Any]) -> None:
        self.named = dict(named)
        self.lines: list[str] = []
        self._count = 0

    def add(self, depth: int, *lines: str) -> None:
        self.lines += ["    " * depth + line for line in lines]

    def fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def name(self, prefix: str, value: Any) -> str:
        """A name by which the code reaches `value`."""
        name = self.fresh(prefix)
        self.named[name] = value
        return name

    def function(self, heading: str, title: str) -> Any:
        """`title` stands in tracebacks and profiles."""
        code = compile("\n".join([heading, *self.lines]), f"<{title}>", "exec")
        exec(code, self.named)  # noqa: S102 (our own text, made from our own schemas)
        return self.named["made"]


def encoder(schema: Mapping[str, Any], kind: type, decimal_bytes: DecimalBytes) -> Encode:
    """Encodes a struct of `kind` by a parsed schema without logical types. The code raises one of `UNUSUAL` where it will not."""

    @lru_cache(maxsize=1 << 17)
    def decimal(value: Decimal) -> bytes:
        unscaled = decimal_bytes(value)
        if unscaled is None:
            raise TypeError("only an optional decimal may be null")
        return bytes_bytes(unscaled)

    source = _Source({
        "long": long_bytes, "text": text_bytes, "name": _name_bytes, "blob": bytes_bytes, "decimal": decimal, "join": b"".join,
        "flags": {False: b"\0", True: b"\1"},
    })  # fmt: skip
    source.add(1, f"return join(({', '.join(_encoded_record(source, schema, kind, 'record', {}))},))")
    return source.function("def made(record):", f"{kind.__name__} to Avro")  # type: ignore[no-any-return]


def _encoded_record(source: _Source, schema: Any, kind: type, name: str, known: dict[str, Any]) -> list[str]:
    """Expressions whose bytes, one after the other, are the record called `name`."""
    hints = get_type_hints(kind)
    parts: list[str] = []
    before = kept = ""
    for field in schema["fields"]:
        value = f"{name}.{field['name']}"
        if field["name"] in NAMES and field["type"] == "string":
            part = f"name({value})"
        else:
            part = _encoded(source, field["type"], hints[field["name"]], value, known)
        if field["name"] in REPEATED | {"event_id"}:
            part = f"{kept} if {value} == {before} else {part}" if kept else part
            before, kept = value, source.fresh("kept")
            part = f"({kept} := {part})"
        parts.append(part)
    return parts


def _encoded(source: _Source, schema: Any, hint: Any, value: str, known: dict[str, Any]) -> str:
    """An expression for the bytes of `value`."""
    schema = _resolved(schema, known)
    if isinstance(schema, list):
        held = source.fresh("held")
        inner = _encoded(source, schema[1], _required(hint), held, known)
        return f"(b'\\0' if ({held} := {value}) is None else b'\\2' + {inner})"
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "array":
        (item,) = get_args(hint)
        inner_parts = _encoded_record(source, _resolved(schema["items"], known), item, "item", known)
        items = source.fresh("items")
        one = f"join(({', '.join(inner_parts)},))"
        return f"(long(len({items})) + b''.join([{one} for item in {items}]) + b'\\0' if ({items} := {value}) else b'\\0')"
    if kind == "enum":
        numbers = {member: long_bytes(schema["symbols"].index(member.value)) for member in hint}
        return f"{source.name('members', numbers)}[{value}]"
    if kind == "bytes":
        return f"{'decimal' if hint is Decimal else 'blob'}({value})"
    return {"string": f"text({value})", "long": f"long({value})", "boolean": f"flags[{value}]"}[kind]


def decoder(schema: Mapping[str, Any], kind: type, decimal_value: DecimalValue) -> Decode:
    """
    Decodes bytes from an offset to their end into a struct of `kind`, by a parsed schema without logical types.

    The code returns None, or raises one of `UNUSUAL`, where the bytes are not in their ordinary form.
    """

    @lru_cache(maxsize=1 << 17)
    def decimal(raw: bytes) -> Decimal | None:
        """By its bytes with the length before them."""
        return decimal_value(raw[1:])

    @lru_cache(maxsize=1 << 17)
    def optional_decimal(raw: bytes) -> Decimal | None:
        """By its bytes with branch and length before them."""
        if raw[0] != PRESENT:
            raise ValueError("the branches are 0 and 2")
        return decimal_value(raw[2:])

    source = _Source({
        "long_at": long_at, "decimal": decimal, "optional_decimal": optional_decimal, "sizes": _SIZES, "flags": (False, True),
    })  # fmt: skip
    source.add(1, "size = len(raw)")
    call = _decoded_record(source, 1, schema, kind, {}, ends=True)
    # A cut text or decimal shows here: slices do not say that they were short.
    source.add(1, "if at != size:", "    return None", f"return {call}")
    return source.function("def made(raw, at):", f"{kind.__name__} from Avro")  # type: ignore[no-any-return]


def _decoded_record(source: _Source, depth: int, schema: Any, kind: type, known: dict[str, Any], *, ends: bool = False) -> str:
    """Adds the lines that read the fields; returns the expression that makes the struct of them. `ends`: nothing comes after it."""
    hints = get_type_hints(kind)
    fields = [(field["name"], field["type"], source.fresh("v")) for field in schema["fields"]]
    maker = source.name("kind", kind)

    def call(empty: int) -> str:
        """The struct whose last `empty` fields hold nothing."""
        values = [target for _, _, target in fields[: len(fields) - empty]]
        values += [_nothing(written, known) or "" for _, written, _ in fields[len(fields) - empty :]]
        if not issubclass(kind, Record):
            return f"{maker}({', '.join(values)})"
        return f"{maker}({', '.join(f'{one[0]}={value}' for one, value in zip(fields, values, strict=True))})"

    last = next((place for place, one in enumerate(reversed(fields)) if _nothing(one[1], known) is None), len(fields))
    for place, (name, written, target) in enumerate(fields):
        left = len(fields) - place
        around_array = any("array" in _kind_of(one[1]) for one in fields[max(place - 1, 0) : place + 1])
        if ends and left <= last and around_array:
            # Most records end in a row of fields that hold nothing, each of them a zero.
            zeros = source.name("zeros", bytes(left))
            source.add(depth, f"if at + {left} == size and raw.endswith({zeros}):", f"    return {call(left)}")
        if name in REPEATED:
            source.add(depth, "if raw.startswith(kept, at):", f"    {target} = {fields[place - 1][2]}", "    at += len(kept)", "else:")
            source.add(depth + 1, "began = at")
            _decode(source, depth + 1, written, hints[name], target, known)
            source.add(depth + 1, "kept = raw[began:at]")
            continue
        if name == "event_id":
            source.add(depth, "began = at")
        _decode(source, depth, written, hints[name], target, known)
        if name == "event_id":
            source.add(depth, "kept = raw[began:at]")
    return call(0)


def _kind_of(schema: Any) -> str:
    return str(schema["type"]) if isinstance(schema, dict) else str(schema)


def _nothing(schema: Any, known: dict[str, Any]) -> str | None:
    """What a field of one zero byte holds: null, no items, false; None for the fields that always hold something."""
    schema = _resolved(schema, known)
    if isinstance(schema, list):
        return "None"
    return {"array": "[]", "boolean": "False"}.get(_kind_of(schema))


def _decode(source: _Source, depth: int, schema: Any, hint: Any, target: str, known: dict[str, Any]) -> None:
    """Adds the lines that put the value at `at` into `target` and move `at` behind it."""
    schema = _resolved(schema, known)
    if isinstance(schema, list):
        required = _required(hint)
        source.add(depth, "if raw[at]:")
        if required is Decimal:
            source.add(depth + 1, "end = at + 1 + sizes[raw[at + 1]]", f"{target} = optional_decimal(raw[at:end])", "at = end")
        else:
            source.add(depth + 1, f"if raw[at] != {PRESENT}:", "    return None", "at += 1")
            _decode(source, depth + 1, schema[1], required, target, known)
        source.add(depth, "else:", f"    {target} = None", "    at += 1")
        return
    kind = schema if isinstance(schema, str) else schema["type"]
    if kind == "array":
        _decode_array(source, depth, schema, hint, target, known)
    elif kind == "bytes" and hint is Decimal:
        source.add(depth, "end = at + sizes[raw[at]]", f"{target} = decimal(raw[at:end])", "at = end")
    elif kind in {"string", "bytes"}:
        source.add(
            depth, "end = raw[at]", "if end & 129:", "    end, at = long_at(raw, at)", "    if end < 0:", "        return None",
            "else:", "    at += 1", "    end >>= 1", "end += at",
            f"{target} = raw[at:end]{'.decode()' if kind == 'string' else ''}", "at = end",
        )  # fmt: skip
    elif kind in {"enum", "boolean"}:
        values = "flags"
        if kind == "enum":
            values = source.name("members", {number << 1: hint(symbol) for number, symbol in enumerate(schema["symbols"])})
        source.add(depth, f"{target} = {values}[raw[at]]", "at += 1")
    else:
        assert kind == "long", f"no code for the Avro type {kind}"
        source.add(
            depth, f"{target} = raw[at]", f"if {target} < 128:", f"    {target} = {target} >> 1 ^ -({target} & 1)", "    at += 1",
            "elif raw[at + 1] < 128:", f"    {target} = {target} & 127 | raw[at + 1] << 7",
            f"    {target} = {target} >> 1 ^ -({target} & 1)", "    at += 2", "else:", f"    {target}, at = long_at(raw, at)",
        )  # fmt: skip


def _decode_array(source: _Source, depth: int, schema: Any, hint: Any, target: str, known: dict[str, Any]) -> None:
    (item,) = get_args(hint)
    source.add(depth, f"{target} = []", "if raw[at]:")
    source.add(depth + 1, "count, at = long_at(raw, at)", "if count < 0:", "    return None", f"add = {target}.append")
    source.add(depth + 1, "for _ in range(count):")
    call = _decoded_record(source, depth + 2, _resolved(schema["items"], known), item, known)
    source.add(depth + 2, f"add({call})")
    source.add(depth + 1, "if raw[at]:", "    return None")
    source.add(depth, "at += 1")


def _resolved(schema: Any, known: dict[str, Any]) -> Any:
    """A schema with a name that was defined before in its place; notes the names it meets."""
    if isinstance(schema, dict) and "name" in schema:
        known[schema["name"].rpartition(".")[2]] = schema
    if isinstance(schema, str) and schema not in {"string", "long", "boolean", "bytes", "null"}:
        return known[schema.rpartition(".")[2]]
    return schema


def _required(hint: Any) -> Any:
    """X of `X | None`."""
    return next(kind for kind in get_args(hint) if kind is not NoneType)
