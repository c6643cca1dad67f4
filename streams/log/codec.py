"""
Records to bytes and back: Avro by fastavro behind the 5-byte Confluent header (magic 0, schema id big-endian).

PLACEHOLDER of the interface; the schemas colleague owns and fills this module.
"""

from typing import Protocol

from streams.domain.records import Record


class CodecInterface(Protocol):
    def payload(self, record: Record) -> bytes:
        """Avro bytes without the header: what digests and byte-equality are about."""

    def wire(self, record: Record) -> bytes:
        """Header and payload, as on the topic."""

    def decode(self, raw: bytes, expected: type[Record] | None = None) -> Record:
        """
        The record of these wire bytes, read with the newest schema.

        Raises: DecodeError for anything else (no header, unknown schema id, undecodable, another record than `expected`).
        """
