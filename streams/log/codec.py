"""
Records to bytes and back: Avro by fastavro behind the 5-byte Confluent header (magic 0, schema id big-endian).

The schemas in `schemas/` carry logical types for Connect and for people. Here they are stripped before fastavro sees them:
the bytes are the same, times stay whole microseconds, and decimals are turned to bytes and back by two cached functions, which
is several times faster than fastavro's own and exact or an error. A decoded decimal has no trailing zeros and no exponent
above 0, whatever the writer's had, so a value has one form after it has been on the log.

Rules that semantics ask for (prices above zero and so on) are `streams.domain.rules`; `Codec.valid` applies both.
"""

import json
from collections.abc import Callable, Mapping
from copy import copy
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import Enum
from functools import lru_cache, partial
from io import BytesIO
from types import NoneType
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError

import schemas
from streams.domain.money import SCALE, UNIT
from streams.domain.records import RECORDS, Record
from streams.domain.rules import broken_rule
from streams.errors import DecodeError
from streams.log import compiled

HEADER_LENGTH = 5
VERSION_STEP = 1000
DIGITS_MAX = 38

# Inexact and InvalidOperation are trapped, so `quantize` refuses a 13th decimal place and a 39th digit instead of rounding.
_STRICT = Context(prec=DIGITS_MAX, traps=[Inexact, InvalidOperation])
_PLACES = Decimal(SCALE)
_UNITS_IN_ONE = 10**SCALE
_UNSCALED_END = 10**DIGITS_MAX

_NOT_FOR_FASTAVRO = frozenset({"logicalType", "precision", "scale", "connect.name", "doc"})

# Everything fastavro and the conversions raise on bytes that are no such record (found by flipping and cutting bytes).
_UNDECODABLE = (
    EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, SchemaResolutionError,
)

Convert = Callable[[Any], Any]


class SchemaIds(NamedTuple):
    """Which id stands in the header for each record, and what every id was written with."""

    ids: Mapping[str, int]  # record name -> id that we write
    writers: Mapping[int, tuple[str, str]]  # id -> (record name, writer's schema as JSON text), older versions included

    @classmethod
    def offline(cls) -> "SchemaIds":
        """
        Ids for logs that no registry knows (memory, simulation): 1..n in the order of `RECORDS`, and as many thousands more as a
        version has before it.
        """
        ids, writers = {}, {}
        for place, name in enumerate(RECORDS, start=1):
            for version in schemas.released(name):
                ids[name] = place + (version.number - 1) * VERSION_STEP
                writers[ids[name]] = (name, version.text)
        return cls(ids, writers)


class Codec:
    """Encodes with the newest schema of each record; decodes every version that `SchemaIds` names."""

    def __init__(self, ids: SchemaIds) -> None:
        missing = RECORDS.keys() - ids.ids.keys()
        assert not missing, f"no schema id for {sorted(missing)}"
        self._writers = {
            RECORDS[name]: _Writer(name, _header(number)) for name, number in ids.ids.items() if name in RECORDS
        }
        self._readers = {
            number: _Reader(name, text) for number, (name, text) in ids.writers.items() if name in RECORDS
        }

    @classmethod
    def offline(cls) -> "Codec":
        """A codec with the ids of `SchemaIds.offline`."""
        return cls(SchemaIds.offline())

    def payload(self, record: Record) -> bytes:
        """
        Avro bytes without the header: what digests and byte-equality are about.

        Raises: ValueError naming record and field where a decimal needs more than 12 places or 38 digits, or a
        number is not within 64 bits. A record that a step made never does; a feed rounds before.
        """
        return self._writers[type(record)].bytes_of(record, b"")

    def wire(self, record: Record) -> bytes:
        """Header and payload, as on the topic. Raises: as `payload`."""
        writer = self._writers[type(record)]
        return writer.bytes_of(record, writer.header)

    def decode(self, raw: bytes, expected: type[Record] | None = None) -> Record:
        """
        The record of these wire bytes, read with the newest schema.

        Raises: DecodeError with the rule that is broken: wire_header, schema_id, decodable, trailing_bytes, record_type.
        """
        if len(raw) < HEADER_LENGTH or raw[0] != 0:
            raise DecodeError(f"value must begin with byte 0 and a schema id, was {raw[:HEADER_LENGTH].hex(' ')!r}", "wire_header")
        number = int.from_bytes(raw[1:HEADER_LENGTH], "big")
        reader = self._readers.get(number)
        if reader is None:
            raise DecodeError(f"schema id must be one of {len(self._readers)} registered ones, was {number}", "schema_id")
        if expected is not None and reader.kind is not expected:
            raise DecodeError(f"record must be {expected.__name__}, was {reader.kind.__name__}", "record_type")
        return reader.record_of(raw)

    def valid(self, raw: bytes, expected: type[Record]) -> Record:
        """
        The record of these wire bytes, which breaks no rule of `streams.domain.rules`.

        Raises: DecodeError as `decode`, or with the name of the rule.
        """
        record = self.decode(raw, expected)
        rule = broken_rule(record)
        if rule is not None:
            raise DecodeError(f"{expected.__name__} {record.event_id} breaks the rule {rule}", rule)
        return record

    def shared(self, records_max: int) -> "Codec":
        """The same for several readers in one process: of the newest `records_max` records each is made and held against the rules once."""
        shared = copy(self)
        # Records never change, so that readers may have one together. A fault is not kept: it is told to each.
        shared.valid = lru_cache(records_max)(self.valid)  # type: ignore[method-assign]
        return shared

    def name_of(self, raw: bytes) -> str | None:
        """What record the header says this is; None where it says none of ours."""
        reader = self._readers.get(int.from_bytes(raw[1:HEADER_LENGTH], "big")) if raw[:1] == b"\x00" else None
        return None if reader is None else reader.kind.__name__


class _Writer:
    """Turns the records of one type to bytes."""

    def __init__(self, name: str, header: bytes) -> None:
        self.header = header
        self._name = name
        self._schema = parse_schema(_bare(schemas.schema(name)))
        self._conversions = _conversions(RECORDS[name], _encoder)
        self._compiled = compiled.encoder(_bare(schemas.schema(name)), RECORDS[name], _decimal_bytes.__wrapped__)

    def bytes_of(self, record: Record, prefix: bytes) -> bytes:
        try:
            return prefix + self._compiled(record)
        except compiled.UNUSUAL:
            return self._plain_bytes_of(record, prefix)

    def _plain_bytes_of(self, record: Record, prefix: bytes) -> bytes:
        """By fastavro, which says what is wrong."""
        values = msgspec.structs.asdict(record)
        field = ""
        try:
            for field, convert in self._conversions:
                values[field] = convert(values[field])
        except (ValueError, Inexact, InvalidOperation, TypeError) as error:
            raise ValueError(
                f"{self._name}.{field} must hold at most {SCALE} places and {DIGITS_MAX} digits, was {getattr(record, field)!r}"
            ) from error
        out = BytesIO()
        out.write(prefix)
        try:
            schemaless_writer(out, self._schema, values)
        except (OverflowError, ValueError) as error:
            wide = [name for name, value in values.items() if isinstance(value, int) and not -(2**63) <= value < 2**63]
            if not wide:
                raise
            raise ValueError(f"{self._name}.{' '.join(wide)} must be within 64 bits") from error
        return out.getvalue()


class _Reader:
    """Turns bytes that one schema (the newest or an older one) wrote to records of today's struct."""

    def __init__(self, name: str, writer_text: str) -> None:
        self.kind = RECORDS[name]
        self._conversions = _conversions(self.kind, _decoder)
        newest = _bare(schemas.schema(name))
        written = _bare(json.loads(writer_text))
        self._written = parse_schema(written)
        # Resolution costs time, and the newest schema needs none.
        self._newest = None if written == newest else parse_schema(newest)
        self._compiled = compiled.decoder(newest, self.kind, _decimal_value.__wrapped__) if written == newest else None

    def record_of(self, raw: bytes) -> Record:
        if self._compiled is not None:
            try:
                record: Record | None = self._compiled(raw, HEADER_LENGTH)
            except compiled.UNUSUAL:
                record = None
            if record is not None:
                return record
        return self._plain_record_of(raw)

    def _plain_record_of(self, raw: bytes) -> Record:
        """By fastavro, which says what is wrong."""
        source = BytesIO(raw)
        source.seek(HEADER_LENGTH)
        try:
            values: Any = schemaless_reader(source, self._written, self._newest)
            for field, convert in self._conversions:
                values[field] = convert(values[field])
            record = self.kind(**values)
        except _UNDECODABLE as error:
            raise DecodeError(f"bytes must be a {self.kind.__name__}: {type(error).__name__} {str(error)!r}") from error
        rest = len(raw) - source.tell()
        if rest:
            raise DecodeError(f"{self.kind.__name__} must end with its last field, was followed by {rest} bytes", "trailing_bytes")
        return record


def _header(number: int) -> bytes:
    return b"\x00" + number.to_bytes(HEADER_LENGTH - 1, "big")


def _bare(schema: Any) -> Any:
    """A schema without what fastavro would interpret: the same bytes, plain values."""
    if isinstance(schema, dict):
        return {name: _bare(value) for name, value in schema.items() if name not in _NOT_FOR_FASTAVRO}
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    return schema


def _conversions(kind: type, conversion: Callable[[Any], Convert | None]) -> tuple[tuple[str, Convert], ...]:
    """The fields of a struct whose values differ between struct and Avro, each with its conversion."""
    found = ((name, conversion(hint)) for name, hint in get_type_hints(kind).items())
    return tuple((name, convert) for name, convert in found if convert is not None)


def _encoder(hint: Any) -> Convert | None:
    if hint is Decimal or _optional(hint) is Decimal:
        return _decimal_bytes
    if get_origin(hint) is list:
        (item,) = get_args(hint)
        return partial(_plain_items, conversions=_conversions(item, _encoder))
    # Enum members are strings, times are ints: fastavro takes both as they are.
    return None


def _decoder(hint: Any) -> Convert | None:
    if hint is Decimal or _optional(hint) is Decimal:
        return _decimal_value
    if get_origin(hint) is list:
        (item,) = get_args(hint)
        return partial(_struct_items, item=item, conversions=_conversions(item, _decoder))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {member.value: member for member in hint}.__getitem__
    return None


def _optional(hint: Any) -> Any:
    """X of `X | None`, else None."""
    kinds = get_args(hint)
    return next(kind for kind in kinds if kind is not NoneType) if NoneType in kinds else None


def _plain_items(items: list[Any], conversions: tuple[tuple[str, Convert], ...]) -> list[dict[str, Any]]:
    if not items:
        return items
    plain = []
    for item in items:
        values = msgspec.structs.asdict(item)
        for field, convert in conversions:
            values[field] = convert(values[field])
        plain.append(values)
    return plain


def _struct_items(items: list[dict[str, Any]], item: Any, conversions: tuple[tuple[str, Convert], ...]) -> list[Any]:
    if not items:
        return items
    for values in items:
        for field, convert in conversions:
            values[field] = convert(values[field])
    return [item(**values) for values in items]


# For the plain way; compiled code keeps what it has turned in caches of its own, which answer most without entering Python code.
@lru_cache(maxsize=1 << 17)
def _decimal_bytes(value: Decimal | None) -> bytes | None:
    """The unscaled number at 12 places as the shortest two's complement, big-endian; null stays null."""
    if value is None:
        return None
    unscaled = int(_STRICT.scaleb(_STRICT.quantize(value, UNIT), _PLACES))
    magnitude = unscaled if unscaled >= 0 else ~unscaled
    return unscaled.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)


@lru_cache(maxsize=1 << 17)
def _decimal_value(raw: bytes | None) -> Decimal | None:
    """The inverse of `_decimal_bytes`, without trailing zeros. Raises: ValueError for more than 38 digits."""
    if raw is None:
        return None
    unscaled = int.from_bytes(raw, "big", signed=True)
    if not -_UNSCALED_END < unscaled < _UNSCALED_END:
        raise ValueError(f"decimal must have at most {DIGITS_MAX} digits, was of {len(raw)} bytes")
    if unscaled % _UNITS_IN_ONE == 0:
        return Decimal(unscaled // _UNITS_IN_ONE)
    # By the unit rather than by its exponent, which takes twice the time.
    return _STRICT.normalize(_STRICT.multiply(Decimal(unscaled), UNIT))
