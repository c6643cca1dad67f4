"""
Everything that can be said of the schemas without a registry: each is valid, what is released stays, and what follows it breaks nobody.

A schema that differs from its newest version must be read by, and must read, every version ever released (FULL_TRANSITIVE): archives
and topics hold records of all of them, and programs of all of them may run. Where it does, it only lacks its release.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import schemas
from streams.contract.avro import Schema, Types, kind_of
from streams.contract.breaks import BREAKS
from streams.contract.compatibility import Problem, problems
from streams.contract.decoding import as_reader, encoded, reading
from streams.contract.findings import CrossReading, Finding, value_text
from streams.contract.lock import FILE, fingerprint, is_released, locked
from streams.contract.readers import missing_fields
from streams.contract.validity import faults
from streams.domain.records import RECORDS

_CATALOGUE_KEYS = frozenset({"key", "record", "partitions", "retention_ms", "cleanup", "merged", "message_bytes_max", "table", "doc"})


def findings(folder: Path = schemas.FOLDER) -> list[Finding]:
    """Every fault of the schemas in `folder` (one like this project's own): empty where all is well."""
    found = list(_catalogue_faults(folder))
    tables = {} if found else _tables(folder)
    texts = {file.stem: file.read_text(encoding="utf-8", errors="surrogateescape") for file in sorted(folder.glob("*.avsc"))}
    sound = {}
    for record, text in texts.items():
        own = faults(record, text, file=_file(record), in_table=tables.get(record) is not None)
        found += own
        if not own:
            sound[record] = json.loads(text)
    found += _clashes(sound)
    altered = list(_lock_faults(folder, set(texts)))
    found += altered
    spoilt = {one.field.partition(" ")[0] for one in altered}
    for record, schema in sound.items():
        # Against released files that are not what they were, a verdict would say nothing.
        found += _change_faults(folder, record, schema) if record not in spoilt else ()
        found += missing_fields(record, schema)
    return found


def breaks(writer: Schema, reader: Schema, *, names: tuple[str, str], reader_is_newer: bool, file: str) -> list[Finding]:
    """What goes wrong when `reader` reads what `writer` wrote, each shown by a record; `names` are theirs, in that order."""
    return [
        _broken(problem, writer, reader, names=names, file=file)
        for problem in problems(writer, reader, reader_is_newer=reader_is_newer)
    ]  # fmt: skip


def change_breaks(folder: Path, record: str, schema: Schema) -> list[Finding]:
    """What this schema of a record would break, against every released version and both ways."""
    found = []
    for version in schemas.released(record, folder):
        before, name = json.loads(version.text), f"version {version.number}"
        new = _file(record)
        found += breaks(schema, before, names=(new, name), reader_is_newer=False, file=new)
        found += breaks(before, schema, names=(name, new), reader_is_newer=True, file=new)
    return found


def _broken(problem: Problem, writer: Schema, reader: Schema, *, names: tuple[str, str], file: str) -> Finding:
    rule = BREAKS[problem.rule]
    raw = encoded(writer, problem.value)
    outcome, got = reading(writer, reader, problem.value)
    shown = CrossReading(
        *names, outcome, value_text(as_reader(raw, writer, writer)), got if isinstance(got, str) else value_text(got)
    )
    difference = f" ({problem.difference})" if problem.difference else ""
    said = f"where {names[1]} reads what {names[0]} writes, {rule.problem}{difference}"
    return Finding(file, problem.field, problem.rule, said, rule.instead, shown)


def _change_faults(folder: Path, record: str, schema: Schema) -> Iterator[Finding]:
    if record not in RECORDS:
        yield Finding(_file(record), record, "record_known", "must be a record of streams.domain.records, was none", "add its struct")
        return
    if is_released(record, folder):
        return
    found = change_breaks(folder, record, schema)
    yield from found
    if not found:
        newest = len(schemas.released(record, folder))
        since = f"has changed since version {newest}" if newest else "was never released"
        yield Finding(_file(record), record, "not_released", f"{since}, which breaks nobody", f"cdb schemas release {record}")


def _lock_faults(folder: Path, records: set[str]) -> Iterator[Finding]:
    """Where released files and the lock do not say the same."""
    entries = locked(folder)
    restore = "restore it from version control: what is released never changes"
    for record in sorted({*records, *entries, *RECORDS}):
        if record not in records:
            yield Finding(_file(record), record, "record_missing", "must be there, was absent", restore)
        versions = {version.number: version for version in schemas.released(record, folder)}
        for number, print_ in sorted(entries.get(record, {}).items()):
            version = versions.pop(number, None)
            file = f"schemas/released/{record}/{number}.avsc"
            if version is None:
                yield Finding(file, f"{record} version {number}", "released_missing", f"is in {FILE} and not there", restore)
            elif _print(version.text) != print_:
                problem = f"fingerprint must be {print_}, was {_print(version.text)}"
                yield Finding(file, f"{record} version {number}", "released_altered", problem, restore)
        for number, version in sorted(versions.items()):
            remove = "remove it: cdb schemas release writes both"
            yield Finding(version.file, f"{record} version {number}", "released_unlocked", f"is not in {FILE}", remove)


def _print(text: str) -> str:
    try:
        return fingerprint(text)
    except (ValueError, RecursionError):
        return "no JSON"


def _clashes(sound: dict[str, Schema]) -> Iterator[Finding]:
    """Types of one name that are not one type."""
    known: dict[str, tuple[str, Schema]] = {}
    for record, schema in sound.items():
        for name, kind in Types.of(schema).named.items():
            owner, first = known.setdefault(name, (record, kind))
            if _bare(first) != _bare(kind):
                problem = f"{name} must be the same {kind_of(first)} as in {_file(owner)}, was another {kind_of(kind)}"
                yield Finding(_file(record), f"{record}: {name}", "name_clash", problem, "give one of the two a name of its own")


def _bare(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {name: _bare(value) for name, value in schema.items() if name != "doc"}
    return [_bare(item) for item in schema] if isinstance(schema, list) else schema


def _tables(folder: Path) -> dict[str, str]:
    """Record name to the Postgres table that the sink fills with it."""
    topics = tomllib.loads((folder / "catalogue.toml").read_text(encoding="utf-8"))["topics"]
    return {entry["record"]: entry["table"] for entry in topics.values() if "table" in entry}


def _catalogue_faults(folder: Path) -> Iterator[Finding]:
    """Where the catalogue of topics does not say all of a topic, or says what cannot be."""
    file = "schemas/catalogue.toml"
    try:
        document = tomllib.loads((folder / "catalogue.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield Finding(file, "catalogue", "valid_toml", str(error), "correct the file")
        return
    topics, defaults = document.get("topics"), document.get("defaults", {})
    if not isinstance(topics, dict) or not all(isinstance(one, dict) for one in (defaults, *topics.values())):
        yield Finding(file, "catalogue", "valid_toml", "must hold a table [topics.NAME] for each topic", "restore the file")
        return
    for topic, entry in topics.items():
        whole = {"table": None, **defaults, **entry}
        for name in sorted(_CATALOGUE_KEYS ^ whole.keys()):
            said = "must be given, was absent" if name in _CATALOGUE_KEYS else f"must be one of {', '.join(sorted(_CATALOGUE_KEYS))}"
            yield Finding(file, f"{topic}.{name}", "catalogue_complete", said, "complete it as the topics beside it")
        for name, allowed in (
            ("partitions", get_args(schemas.PartitionRule)), ("cleanup", ("delete", "compact")), ("record", tuple(RECORDS)),
        ):  # fmt: skip
            if name in whole and whole[name] not in allowed:
                said = f"must be one of {', '.join(allowed)}, was {whole[name]}"
                yield Finding(file, f"{topic}.{name}", "catalogue_values", said, "take one of them")
        if whole.get("merged") and whole.get("cleanup") != "delete":
            said = "a merge needs every record: cleanup must be delete, was compact"
            yield Finding(file, f"{topic}.cleanup", "catalogue_values", said, "keep delete")


def _file(record: str) -> str:
    return f"schemas/{record}.avsc"
