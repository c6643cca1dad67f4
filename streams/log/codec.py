"""
Records to bytes and back: Avro by fastavro behind the 5-byte Confluent header (magic 0, schema id big-endian).

The schemas in `schemas/` carry logical types for Connect and for people. Here they are stripped before fastavro sees them:
the bytes are the same, times stay whole microseconds, and decimals are turned to bytes and back by two cached functions, which
is several times faster than fastavro's own and exact or an error. A decoded decimal has no trailing zeros and no exponent
above 0, whatever the writer's had, so a value has one form after it has been on the log.

Rules that semantics ask for (prices above zero and so on) are `streams.domain.rules`; `Codec.valid` applies both.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import copy
from decimal import Inexact, InvalidOperation
from functools import lru_cache
from io import BytesIO
from typing import Any

import msgspec
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.read import SchemaResolutionError

import schemas
from streams.domain.money import SCALE
from streams.domain.records import RECORDS, Record
from streams.domain.rules import broken_rule
from streams.errors import DecodeError
from streams.log import compiled
from streams.log.avro_values import DIGITS_MAX, bare, conversions, decimal_bytes, decimal_value, decoded, encoded, in_terms_of
from streams.log.schema_ids import SchemaIds, identity, newest_text

__all__ = ["DIGITS_MAX", "HEADER_LENGTH", "Codec", "SchemaIds"]

HEADER_LENGTH = 5

# Everything fastavro and the conversions raise on bytes that are no such record (found by flipping and cutting bytes).
_UNDECODABLE = (
    EOFError, ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError, SchemaResolutionError,
)


class Codec:
    """Encodes each record with the schema that its id stands for; decodes every version that `SchemaIds` names."""

    def __init__(self, ids: SchemaIds) -> None:
        missing = RECORDS.keys() - ids.ids.keys()
        assert not missing, f"no schema id for {sorted(missing)}"
        self._texts = dict(ids.writers)
        self._writers = {
            RECORDS[name]: _Writer(name, number, ids.writers.get(number, ("", ""))[1] or newest_text(name))
            for name, number in ids.ids.items() if name in RECORDS
        }  # fmt: skip
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

    def schema_of(self, raw: bytes) -> str | None:
        """The `identity` of the schema that the header says this was written with; None where it says none of ours."""
        written = self._texts.get(int.from_bytes(raw[1:HEADER_LENGTH], "big")) if raw[:1] == b"\x00" else None
        return identity(*written) if written is not None and written[0] in RECORDS else None

    def has_versions(self, kind: type[Record]) -> bool:
        """Whether a record of this type may stand on the log in more versions than the one that is written."""
        return sum(name == kind.__name__ for name, _ in self._texts.values()) > 1

    def as_written(self, found: Mapping[type[Record], Iterator[bytes]]) -> "Codec":
        """
        The same for a task that is run again: each record of these types is written in the version of the next bytes that were `found`
        of its type. What they hold in fields that this program has no more is taken over. After the last of them, as this writes.
        """
        again = copy(self)
        writers: dict[bytes, _Writer] = {}

        def wire(record: Record) -> bytes:
            kind = type(record)
            newest, raw = self._writers[kind], next(found.get(kind, iter(())), b"")
            header = raw[:HEADER_LENGTH]
            name, text = self._texts.get(int.from_bytes(header[1:], "big"), ("", "")) if header[:1] == b"\x00" else ("", "")
            if header == newest.header or name != kind.__name__:
                return newest.bytes_of(record, newest.header)
            if header not in writers:
                writers[header] = _Writer(name, int.from_bytes(header[1:], "big"), text)
            return writers[header].bytes_of(record, header, raw)

        again.wire = wire  # type: ignore[method-assign]
        return again

    def restated(self, payload: bytes, written: str, wanted: str) -> bytes | None:
        """
        A payload of one version in another, both by their `identity`; None where these ids know no such version.

        Raises: DecodeError as `decode`.
        """
        numbers = {identity(*schema): number for number, schema in self._texts.items() if schema[0] in RECORDS}
        if not {written, wanted} <= numbers.keys():
            return None
        header = b"\x00" + numbers[written].to_bytes(HEADER_LENGTH - 1, "big")
        name, text = self._texts[numbers[wanted]]
        return _Writer(name, 0, text).bytes_of(self.decode(header + payload, RECORDS[name]), b"")


class _Writer:
    """Turns the records of one type to the bytes of one version."""

    def __init__(self, name: str, number: int, text: str) -> None:
        self.header = b"\x00" + number.to_bytes(HEADER_LENGTH - 1, "big")
        self._name = name
        self._bare = bare(json.loads(text))
        self._schema = parse_schema(self._bare)
        self._conversions = conversions(RECORDS[name], encoded)
        self._compiled: compiled.Encode | None = None
        # A version with a field or symbol that this program has no more has no straight way.
        with suppress(KeyError, ValueError, StopIteration):
            self._compiled = compiled.encoder(self._bare, RECORDS[name], decimal_bytes.__wrapped__)

    def bytes_of(self, record: Record, prefix: bytes, found: bytes | None = None) -> bytes:
        """`found`: wire bytes of a record of this version, whose fields count where the struct has none of that name."""
        if self._compiled is None:
            return self._plain_bytes_of(record, prefix, found)
        try:
            return prefix + self._compiled(record)
        except compiled.UNUSUAL:
            return self._plain_bytes_of(record, prefix, found)

    def _plain_bytes_of(self, record: Record, prefix: bytes, found: bytes | None = None) -> bytes:
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
        if self._compiled is None:
            values = in_terms_of(self._bare, values, self._values_of(found) if found else {})
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


    def _values_of(self, found: bytes) -> dict[str, Any]:
        try:
            values: Any = schemaless_reader(BytesIO(found[HEADER_LENGTH:]), self._schema, None)
        except _UNDECODABLE:
            return {}
        return dict(values)


class _Reader:
    """Turns bytes that one schema (the newest or an older one) wrote to records of today's struct."""

    def __init__(self, name: str, writer_text: str) -> None:
        self.kind = RECORDS[name]
        self._conversions = conversions(self.kind, decoded)
        newest = bare(schemas.schema(name))
        written = bare(json.loads(writer_text))
        self._written = parse_schema(written)
        # Resolution costs time, and the newest schema needs none.
        self._newest = None if written == newest else parse_schema(newest)
        self._compiled = compiled.decoder(newest, self.kind, decimal_value.__wrapped__) if written == newest else None

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
