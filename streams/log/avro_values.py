"""
Values of structs as plain Avro has them, and back: decimals as bytes, times as whole microseconds, lists of structs as lists of dicts.
"""

from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import Enum
from functools import lru_cache, partial
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from schemas import NAMESPACE
from streams.domain.money import SCALE, UNIT

DIGITS_MAX = 38

# Inexact and InvalidOperation are trapped, so `quantize` refuses a 13th decimal place and a 39th digit instead of rounding.
_STRICT = Context(prec=DIGITS_MAX, traps=[Inexact, InvalidOperation])
_PLACES = Decimal(SCALE)
_UNITS_IN_ONE = 10**SCALE
_UNSCALED_END = 10**DIGITS_MAX

_NOT_FOR_FASTAVRO = frozenset({"logicalType", "precision", "scale", "connect.name", "doc"})

Convert = Callable[[Any], Any]


def bare(schema: Any) -> Any:
    """A schema without what fastavro would interpret: the same bytes, plain values."""
    if isinstance(schema, dict):
        return {name: bare(value) for name, value in schema.items() if name not in _NOT_FOR_FASTAVRO}
    if isinstance(schema, list):
        return [bare(item) for item in schema]
    return schema


def conversions(kind: type, conversion: Callable[[Any], Convert | None]) -> tuple[tuple[str, Convert], ...]:
    """The fields of a struct whose values differ between struct and Avro, each with its conversion."""
    found = ((name, conversion(hint)) for name, hint in get_type_hints(kind).items())
    return tuple((name, convert) for name, convert in found if convert is not None)


def encoded(hint: Any) -> Convert | None:
    """From a struct's value to Avro's; None where they are the same."""
    if hint is Decimal or _optional(hint) is Decimal:
        return decimal_bytes
    if get_origin(hint) is list:
        (item,) = get_args(hint)
        return partial(_plain_items, converted=conversions(item, encoded))
    # Enum members are strings, times are ints: fastavro takes both as they are.
    return None


def decoded(hint: Any) -> Convert | None:
    """From Avro's value to a struct's; None where they are the same."""
    if hint is Decimal or _optional(hint) is Decimal:
        return decimal_value
    if get_origin(hint) is list:
        (item,) = get_args(hint)
        return partial(_struct_items, item=item, converted=conversions(item, decoded))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {member.value: member for member in hint}.__getitem__
    return None


def in_terms_of(schema: Any, value: Any, found: Any) -> Any:
    """
    A plain value as `schema`, a parsed one without logical types, can say it.

    Fields that the value lacks come from `found`, a value of that schema, else from their defaults; a symbol that it does not know
    becomes the enum's default.
    """
    return _said(schema, value, found, {})


def _said(schema: Any, value: Any, found: Any, named: dict[str, Any]) -> Any:
    if isinstance(schema, str) and schema in named:
        schema = named[schema]
    if isinstance(schema, list):
        return None if value is None else _said(next(each for each in schema if each != "null"), value, found, named)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind in {"record", "enum"}:
        named[schema["name"]] = named[f"{NAMESPACE}.{schema['name']}"] = schema
    if kind == "record":
        known = found if isinstance(found, dict) else {}
        return {
            field["name"]: _said(field["type"], value[field["name"]], known.get(field["name"]), named)
            if field["name"] in value else known.get(field["name"], _default(field))
            for field in schema["fields"]
        }  # fmt: skip
    if kind == "enum":
        return value if value in schema["symbols"] else schema["default"]
    if kind == "array":
        beside = found if isinstance(found, list) and len(found) == len(value) else [None] * len(value)
        return [_said(schema["items"], one, other, named) for one, other in zip(value, beside, strict=True)]
    return value


def _default(field: dict[str, Any]) -> Any:
    """A field's default; of bytes it stands in the schema as text, one character for each byte."""
    default = field["default"]
    return default.encode("latin-1") if isinstance(default, str) and _kind_of(field["type"]) == "bytes" else default


def _kind_of(schema: Any) -> Any:
    """The Avro type; of a union that of its first branch, which a default is of."""
    schema = schema[0] if isinstance(schema, list) else schema
    return schema["type"] if isinstance(schema, dict) else schema


def _optional(hint: Any) -> Any:
    """X of `X | None`, else None."""
    kinds = get_args(hint)
    return next(kind for kind in kinds if kind is not NoneType) if NoneType in kinds else None


def _plain_items(items: list[Any], converted: tuple[tuple[str, Convert], ...]) -> list[dict[str, Any]]:
    if not items:
        return items
    plain = []
    for item in items:
        values = msgspec.structs.asdict(item)
        for field, convert in converted:
            values[field] = convert(values[field])
        plain.append(values)
    return plain


def _struct_items(items: list[dict[str, Any]], item: Any, converted: tuple[tuple[str, Convert], ...]) -> list[Any]:
    if not items:
        return items
    for values in items:
        for field, convert in converted:
            values[field] = convert(values[field])
    return [item(**values) for values in items]


# For the plain way; compiled code keeps what it has turned in caches of its own, which answer most without entering Python code.
@lru_cache(maxsize=1 << 17)
def decimal_bytes(value: Decimal | None) -> bytes | None:
    """The unscaled number at 12 places as the shortest two's complement, big-endian; null stays null."""
    if value is None:
        return None
    unscaled = int(_STRICT.scaleb(_STRICT.quantize(value, UNIT), _PLACES))
    magnitude = unscaled if unscaled >= 0 else ~unscaled
    return unscaled.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)


@lru_cache(maxsize=1 << 17)
def decimal_value(raw: bytes | None) -> Decimal | None:
    """The inverse of `decimal_bytes`, without trailing zeros. Raises: ValueError for more than 38 digits."""
    if raw is None:
        return None
    unscaled = int.from_bytes(raw, "big", signed=True)
    if not -_UNSCALED_END < unscaled < _UNSCALED_END:
        raise ValueError(f"decimal must have at most {DIGITS_MAX} digits, was of {len(raw)} bytes")
    if unscaled % _UNITS_IN_ONE == 0:
        return Decimal(unscaled // _UNITS_IN_ONE)
    # By the unit rather than by its exponent, which takes twice the time.
    return _STRICT.normalize(_STRICT.multiply(Decimal(unscaled), UNIT))
