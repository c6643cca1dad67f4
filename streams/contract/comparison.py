"""
Two schemas side by side: which fields came, went or changed, and what that does to readers of either.

A schema is named by its record (as it stands), `Record@2` (a released version) or the path of an `.avsc` file.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from fastavro import parse_schema

import schemas
from streams.contract.avro import Schema, Types, fields, kind_of, logical_of
from streams.contract.check import breaks
from streams.contract.decoding import UNREADABLE
from streams.contract.findings import Finding
from streams.contract.meaning import meaning_of, words_of
from streams.domain.records import RECORDS
from streams.errors import ConfigError


class FieldChange(NamedTuple):
    """`what`: added, removed, type, default, aliases, meaning, words or order; `before` and `after` in short."""

    field: str
    what: str
    before: str
    after: str


class Comparison(NamedTuple):
    """`breaks` holds both directions; `same` where no program can tell the two apart."""

    before: str
    after: str
    changes: list[FieldChange]
    breaks: list[Finding]

    @property
    def same(self) -> bool:
        return all(change.what == "words" for change in self.changes)


def compared(before: str, after: str, folder: Path = schemas.FOLDER) -> Comparison:
    """The schema `after` held against `before`, the older one. Raises: ConfigError where one of them is none."""
    old, new = read(before, folder), read(after, folder)
    found = [
        *breaks(new, old, names=(after, before), reader_is_newer=False, file=after),
        *breaks(old, new, names=(before, after), reader_is_newer=True, file=after),
    ]
    return Comparison(before, after, _changes(Types.of(old), Types.of(new)), found)


def read(name: str, folder: Path = schemas.FOLDER) -> Schema:
    """A schema by its name or path. Raises: ConfigError naming what there is."""
    text = _text(name, folder)
    try:
        schema = json.loads(text)
        if not isinstance(schema, dict) or schema.get("type") != "record":
            raise ValueError("it is another type")
        parse_schema(schema)
        Types.of(schema).ordinary(schema)
    except (*UNREADABLE, AttributeError, RecursionError) as error:
        raise ConfigError(f"{name} must hold an Avro record, none that holds itself: {type(error).__name__} {error}") from error
    return schema


def _text(name: str, folder: Path) -> str:
    if name.endswith(".avsc"):
        try:
            return Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{name} must be a file that can be read: {error}") from error
    record, _, number = name.partition("@")
    if record not in RECORDS:
        raise ConfigError(f"record must be one of {', '.join(RECORDS)}, was {record}")
    versions = {str(version.number): version.text for version in schemas.released(record, folder)}
    if number and number not in versions:
        raise ConfigError(f"version of {record} must be one of {', '.join(versions) or 'none yet'}, was {number}")
    return versions[number] if number else (folder / f"{record}.avsc").read_text(encoding="utf-8")


def _changes(before: Types, after: Types) -> list[FieldChange]:
    old, new = _by_path(before), _by_path(after)
    found = [FieldChange(path, "removed", told(old[path]["type"]), "") for path in old if path not in new]
    for path, field in new.items():
        if path not in old:
            found.append(FieldChange(path, "added", "", told(field["type"])))
            continue
        was = old[path]
        pairs = {
            "type": (_bare(was["type"]), _bare(field["type"])),
            "default": (was.get("default", "none"), field.get("default", "none")),
            "aliases": (was.get("aliases", []), field.get("aliases", [])),
            "meaning": (meaning_of(was.get("doc", "")), meaning_of(field.get("doc", ""))),
            "words": (words_of(was.get("doc", "")), words_of(field.get("doc", ""))),
        }
        found += [
            FieldChange(path, what, *(told(each) if what == "type" else str(each) for each in pair))
            for what, pair in pairs.items() if pair[0] != pair[1]
        ]  # fmt: skip
    places = [path for path in new if path in old], [path for path in old if path in new]
    if places[0] != places[1]:
        found.append(FieldChange(after.root["name"], "order", ", ".join(places[1]), ", ".join(places[0])))
    return found


def _by_path(types: Types) -> dict[str, dict[str, Any]]:
    """Fields by their path below the record, so that two names of one record compare."""
    return {path.partition(".")[2]: field for path, field in fields(types)}


def _bare(schema: Any) -> Any:
    """A type without docs, and without the fields of a nested record, which are compared for themselves."""
    if isinstance(schema, dict):
        return {name: _bare(value) for name, value in schema.items() if name not in {"doc", "fields"}}
    return [_bare(item) for item in schema] if isinstance(schema, list) else schema


def told(schema: Schema) -> str:
    """A type in short: `decimal(38,12)?`, `enum Side (BUY, SELL; default BUY)`, `list of Level`."""
    logical = logical_of(schema)
    if logical is not None:
        return f"decimal({logical[1]},{logical[2]})" if logical[0] == "decimal" else str(logical[0])
    match kind_of(schema):
        case "union":
            branches = [told(branch) for branch in schema if branch != "null"]
            return " or ".join(branches) + ("?" if "null" in schema else "")
        case "array":
            return f"list of {told(schema['items'])}"
        case "map":
            return f"map of {told(schema['values'])}"
        case "enum":
            default = f"; default {schema['default']}" if "default" in schema else ""
            return f"enum {schema['name']} ({', '.join(schema['symbols'])}{default})"
        case "record" | "fixed":
            return str(schema["name"])
        case kind:
            return kind
