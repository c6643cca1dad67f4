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

Encode = Callable[[Any], bytes]
Decode = Callable[[bytes, int], Any]
DecimalBytes = Callable[[Decimal], bytes | None]
DecimalValue = Callable[[bytes], Decimal | None]

# How the branch that is not null begins.
PRESENT = 2

# What the generated code raises where the plain way must say what is wrong.
UNUSUAL = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)

_UNSIGNED_END = 1 << 64
# Every second group of 7 bits, then of 14, then of 28: where an eight-byte number's parts lie while they are moved together.
_SEVENS, _FOURTEENS, _TWENTY_EIGHTS = 0x007F007F007F007F, 0x00003FFF00003FFF, 0x000000000FFFFFFF
_CONTINUED, _ENDS_IN_EIGHTH = 0x8080808080808080, 0x0080808080808080


def _groups(number: int) -> bytes:
    """A number from 0 as groups of seven bits, the lowest first, all but the last marked."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


# Whole numbers of 14 bits, and 14 bits with more to follow.
_WHOLE = [_groups(number) for number in range(1 << 14)]
# How many bytes a decimal takes with its length, by the first of them; the longest has 16.
_SIZES = [1 + (first >> 1) if first <= 32 and first & 1 == 0 else None for first in range(256)]
_MARKED = [bytes((low & 0x7F | 0x80, low >> 7 | 0x80)) for low in range(1 << 14)]


def long_bytes(value: int) -> bytes:
    """A 64-bit number as Avro writes it. Raises: OverflowError outside of that; TypeError for anything but an int."""
    if 0 <= value < 8192:
        return _WHOLE[value << 1]
    unsigned = value << 1 if value >= 0 else ~(value << 1)
    if unsigned >= _UNSIGNED_END:
        raise OverflowError(value)
    if 1 << 42 <= unsigned < 1 << 56:
        low, middle, high = _MARKED[unsigned & 0x3FFF], _MARKED[unsigned >> 14 & 0x3FFF], _MARKED[unsigned >> 28 & 0x3FFF]
        return low + middle + high + _WHOLE[unsigned >> 42]
    return _groups(unsigned)


def long_at(raw: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at` and where it ends. Raises: IndexError, ValueError where none does."""
    word = int.from_bytes(raw[at : at + 8], "little")
    if word & _CONTINUED == _ENDS_IN_EIGHTH:
        # Eight bytes: every time in microseconds from 1979 to 3111.
        word &= 0x7F7F7F7F7F7F7F7F
        word = word & _SEVENS | (word >> 1) & (_SEVENS << 7)
        word = word & _FOURTEENS | (word >> 2) & (_FOURTEENS << 14)
        word = word & _TWENTY_EIGHTS | (word >> 4) & (_TWENTY_EIGHTS << 28)
        return (word >> 1) ^ -(word & 1), at + 8
    unsigned = shift = 0
    while True:
        byte = raw[at]
        at += 1
        unsigned |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise ValueError("a number has ten bytes at most")
    if unsigned >= _UNSIGNED_END:
        raise ValueError("a number has 64 bits")
    return (unsigned >> 1) ^ -(unsigned & 1), at


def text_bytes(text: str) -> bytes:
    """A text with its length."""
    raw = text.encode()
    return long_bytes(len(raw)) + raw


def bytes_bytes(raw: bytes) -> bytes:
    """Bytes with their length."""
    return long_bytes(len(raw)) + raw


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
        "long": long_bytes, "text": text_bytes, "blob": bytes_bytes, "decimal": decimal, "join": b"".join,
        "flags": {False: b"\0", True: b"\1"},
    })  # fmt: skip
    source.add(1, f"return join(({', '.join(_encoded_record(source, schema, kind, 'record', {}))},))")
    return source.function("def made(record):", f"{kind.__name__} to Avro")  # type: ignore[no-any-return]


def _encoded_record(source: _Source, schema: Any, kind: type, name: str, known: dict[str, Any]) -> list[str]:
    """Expressions whose bytes, one after the other, are the record called `name`."""
    hints = get_type_hints(kind)
    return [_encoded(source, field["type"], hints[field["name"]], f"{name}.{field['name']}", known) for field in schema["fields"]]


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
    call = _decoded_record(source, 1, schema, kind, {})
    # A cut text or decimal shows here: slices do not say that they were short.
    source.add(1, "if at != len(raw):", "    return None", f"return {call}")
    return source.function("def made(raw, at):", f"{kind.__name__} from Avro")  # type: ignore[no-any-return]


def _decoded_record(source: _Source, depth: int, schema: Any, kind: type, known: dict[str, Any]) -> str:
    """Adds the lines that read the fields; returns the expression that makes the struct of them."""
    hints = get_type_hints(kind)
    names = []
    for field in schema["fields"]:
        target = source.fresh("v")
        _decode(source, depth, field["type"], hints[field["name"]], target, known)
        names.append(target if not issubclass(kind, Record) else f"{field['name']}={target}")
    return f"{source.name('kind', kind)}({', '.join(names)})"


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
            "else:", f"    {target}, at = long_at(raw, at)",
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
