"""
Who reads which fields: `schemas/readers.toml`, and the sink's tables, whose columns are what they read.

A field may go only when nobody reads it any more. Decoders cannot tell that: an optional field that is removed reads as null ever
after, and a stage that needs it decides wrongly without a word. Tests hold the declarations against what readers really do.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import schemas
from streams.contract.avro import Schema, Types, fields
from streams.contract.columns import Column, columns
from streams.contract.findings import Finding
from streams.errors import ConfigError

FILE = "readers.toml"


class Reader(NamedTuple):
    """One program or part that reads records: `reads` holds fields by record, dotted where within a list."""

    name: str
    doc: str
    source: str
    reads: dict[str, frozenset[str]]


@cache
def readers(folder: Path = schemas.FOLDER) -> tuple[Reader, ...]:
    """Every reader: as declared, then the sink's tables."""
    try:
        declared = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
        found = [
            Reader(name, entry["doc"], entry["source"], {record: frozenset(read) for record, read in entry["reads"].items()})
            for name, entry in declared.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"schemas/{FILE} must be TOML with doc, source and reads of each reader: {error}") from error
    tables: dict[str, list[Column]] = {}
    for column in columns():
        tables.setdefault(column.table, []).append(column)
    for spec in schemas.catalogue().values():
        if spec.table:
            own = tables.get(spec.table, [])
            read = frozenset(column.name for column in own if not column.of_the_sink)
            source = own[0].file if own else ""
            found.append(Reader(f"table {spec.table}", f"Postgres, filled by the sink: {spec.doc}", source, {spec.record: read}))
    return tuple(found)


def readers_of(record: str) -> list[str]:
    """The names of all readers of a record."""
    return [reader.name for reader in readers() if record in reader.reads]


def missing_fields(record: str, schema: Schema, folder: Path = schemas.FOLDER) -> list[Finding]:
    """What readers declare to read of a record and its schema does not have."""
    there = {path.partition(".")[2] for path, _ in fields(Types.of(schema))}
    return [
        Finding(
            f"schemas/{record}.avsc", f"{record}.{field}", "read_field_removed",
            f"{reader.name} ({reader.source}) reads it, and it is not there",
            f"keep the field, or let {reader.name} do without it first and take it out of what it declares",
        )
        for reader in readers(folder) for field in sorted(reader.reads.get(record, frozenset()) - there)
    ]  # fmt: skip
