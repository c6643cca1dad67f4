"""
Which schemas are released, and that they stay what they were: `schemas/released/<record>/<n>.avsc` under `schemas/released.toml`.

The lock holds one fingerprint for each version: SHA-256 over the schema as canonical JSON (keys sorted, no spaces) with everything that
a decoder, a converter or a reader goes by: names, order of fields and symbols, types, defaults, aliases, logical types with precision
and scale, `connect.*`, and each number's unit and sign. Only the words of a `doc` are left out, since they may be bettered.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import schemas
from streams.contract.meaning import meaning_of
from streams.domain.records import RECORDS
from streams.errors import ConfigError

FILE = "released.toml"

_HEADING = """\
# Fingerprints of the released schemas in schemas/released/<record>/<version>.avsc; `streams/contract/lock.py` says what they cover.
# Written by `cdb schemas release RECORD`, never by hand: a released version stays as it is, a change is a new version.
"""


def fingerprint(text: str) -> str:
    """What two schemas have in common exactly when no program can tell them apart; `sha256:` and 64 hex digits."""
    content = json.dumps(_essence(json.loads(text)), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"


def locked(folder: Path = schemas.FOLDER) -> dict[str, dict[int, str]]:
    """Record name to version number to fingerprint, as the lock file says. Raises: ConfigError where it is no TOML."""
    file = folder / FILE
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    except ValueError as error:
        raise ConfigError(f"schemas/{FILE} must be TOML as `cdb schemas release` writes it: {error}") from error
    return {record: {int(number): print_ for number, print_ in versions.items()} for record, versions in entries.items()}


def is_released(record: str, folder: Path = schemas.FOLDER) -> bool:
    """Whether the record's schema is its newest released version, words apart."""
    versions = schemas.released(record, folder)
    return bool(versions) and fingerprint(versions[-1].text) == fingerprint(_text(folder, record))


def release(record: str, folder: Path = schemas.FOLDER) -> schemas.Release:
    """
    Makes the record's schema as it stands its next version, and locks it.

    Raises: ConfigError where it is no other than the newest version. Whether it may follow is for the caller to check.
    """
    versions = schemas.released(record, folder)
    if is_released(record, folder):
        raise ConfigError(f"schemas/{record}.avsc must differ from version {versions[-1].number} to be released, was the same")
    made = schemas.Release(record, len(versions) + 1, _text(folder, record))
    path = folder / "released" / record / f"{made.number}.avsc"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.text, encoding="utf-8")
    entries = locked(folder)
    entries.setdefault(record, {})[made.number] = fingerprint(made.text)
    (folder / FILE).write_text(_lock_text(entries), encoding="utf-8")
    return made


def _text(folder: Path, record: str) -> str:
    return (folder / f"{record}.avsc").read_text(encoding="utf-8", errors="surrogateescape")


def _lock_text(entries: Mapping[str, Mapping[int, str]]) -> str:
    tables = []
    for record in (name for name in RECORDS if name in entries):
        lines = [f'{number} = "{print_}"' for number, print_ in sorted(entries[record].items())]
        tables.append("\n".join([f"[{record}]", *lines, ""]))
    return "\n".join([_HEADING, *tables])


def _essence(node: Any) -> Any:
    """A schema with the words of its docs left out."""
    if isinstance(node, list):
        return [_essence(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {name: _essence(value) for name, value in node.items() if name != "doc"}
    meaning = meaning_of(str(node.get("doc", "")))
    if meaning is not None:
        kept["meaning"] = list(meaning)
    return kept
