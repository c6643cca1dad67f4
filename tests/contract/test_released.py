"""Released schemas stay what they were, and a number says what it counts."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import schemas
from streams.contract import lock
from streams.contract.meaning import DIRECTIONS, RANGES, UNITS, meaning_of, needs_meaning, words_of
from streams.domain.records import RECORDS

EVERY_RECORD = pytest.mark.parametrize("record", RECORDS)


def fields(record: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a record schema with its path, those of nested records included."""
    for field in record["fields"]:
        path = f"{record['name']}.{field['name']}"
        yield path, field
        items = field["type"].get("items") if isinstance(field["type"], dict) else None
        if isinstance(items, dict):
            yield from fields(items)


@EVERY_RECORD
def test_schema_is_its_newest_released_version(record: str) -> None:
    assert lock.is_released(record), f"schemas/{record}.avsc has changed: cdb schemas release {record}"


@EVERY_RECORD
def test_released_versions_are_those_of_the_lock(record: str) -> None:
    found = {version.number: lock.fingerprint(version.text) for version in schemas.released(record)}
    assert found == lock.locked()[record]
    assert sorted(found) == list(range(1, len(found) + 1))


def test_nothing_else_is_released() -> None:
    assert set(lock.locked()) == set(RECORDS)
    assert {folder.name for folder in (schemas.FOLDER / "released").iterdir()} == set(RECORDS)


@EVERY_RECORD
def test_every_number_says_its_unit_and_sign_and_nothing_else_does(record: str) -> None:
    schema = schemas.schema(record)
    names = {field["name"] for field in schema["fields"]} | {"rule"}
    for path, field in fields(schema):
        meaning = meaning_of(field["doc"])
        assert (meaning is not None) == needs_meaning(field["type"]), path
        assert words_of(field["doc"]), path
        if meaning is not None:
            assert meaning.unit in UNITS, path
            assert meaning.sign in RANGES | DIRECTIONS, path
            beside = re.fullmatch(r"units of (\w+)", meaning.unit)
            assert beside is None or beside[1] in names, path


def test_fingerprint_sees_what_a_program_sees() -> None:
    def of(**changes: Any) -> str:
        field = {"name": "fee", "type": "long", "doc": "Fee [quote units; paid is positive]", **changes}
        return lock.fingerprint(json.dumps({"type": "record", "name": "X", "doc": "Any.", "fields": [field]}))

    first = of()
    assert of(doc="What it costs [quote units; paid is positive]") == first
    for change in (
        {"doc": "Fee [base units; paid is positive]"}, {"doc": "Fee [quote units; received is positive]"}, {"doc": "Fee"},
        {"default": 0}, {"aliases": ["cost"]}, {"type": "int"}, {"name": "fees"},
        {"type": {"type": "long", "logicalType": "timestamp-micros"}}, {"type": {"type": "long", "connect.name": "x"}},
    ):
        assert of(**change) != first, change


def test_fingerprint_does_not_see_how_a_file_is_laid_out() -> None:
    text = schemas.schema_text("Order")
    schema = json.loads(text)
    turned = json.dumps(dict(reversed(schema.items())), indent=8)
    assert lock.fingerprint(turned) == lock.fingerprint(text)
