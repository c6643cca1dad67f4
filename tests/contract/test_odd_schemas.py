"""Whatever stands where a schema should be is a finding or a schema that can be read: never a traceback."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from streams.cli.__main__ import run
from streams.contract.avro import Types
from streams.contract.breaks import Outcome
from streams.contract.check import change_breaks
from streams.contract.decoding import reading
from streams.contract.validity import faults
from streams.domain.records import RECORDS

# What somebody may leave where it does not belong.
JUNK: list[Any] = [
    None, 1, -1, 1.5, True, "x", "", "é" * 300, "\0", 2**70, [], {}, "long", "string", "decimal", "double", "cdb.Side", ["null"],
    ["null", "null"], ["null", "string"], ["string", "null"], [["null", "long"]],
    {"type": "long"}, {"type": "array"}, {"type": "array", "items": "long"},
    {"type": "map", "values": "bytes"}, {"type": "fixed", "name": "F", "size": -1}, {"type": {"type": {"type": "long"}}}, {"type": "float"},
    {"type": "fixed", "name": "F", "size": 4, "logicalType": "decimal", "precision": 40}, {"type": "enum", "name": "E", "symbols": []},
    {"type": "enum", "name": "E", "symbols": ["A", "A"], "default": "B"}, {"type": "record", "name": "R", "fields": []},
    {"type": "record", "name": "Order", "fields": [{"name": "a", "type": "Order"}]}, {"name": "x", "type": "long"},
    {"type": "bytes", "logicalType": "decimal", "precision": "a", "scale": 12}, {"name": "x", "type": ["null", "long"], "default": None},
]  # fmt: skip
ATTRIBUTES = (
    "logicalType", "default", "aliases", "namespace", "scale", "precision", "name", "doc", "type", "connect.name", "symbols", "items",
    "size", "order", "fields", "values",
)  # fmt: skip


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every object or list within, with a key or index of it."""
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from places(node[key])


def spoilt(data: st.DataObject, schema: Any) -> Any:
    """The schema with something odd in one place."""
    owner, key = data.draw(st.sampled_from(list(places(schema))), label="place")
    junk = copy.deepcopy(data.draw(st.sampled_from(JUNK), label="junk"))
    way = data.draw(st.sampled_from(("put", "remove", "double", "attribute")), label="way")
    if way == "remove":
        del owner[key]
    elif way == "double" and isinstance(owner, list):
        owner.insert(key, copy.deepcopy(owner[key]))
    elif way == "attribute" and isinstance(owner, dict):
        owner[data.draw(st.sampled_from(ATTRIBUTES), label="attribute")] = junk
    else:
        owner[key] = junk
    return schema


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_schema_with_anything_anywhere_is_a_finding_or_one_that_every_released_version_reads(data: st.DataObject) -> None:
    record = data.draw(st.sampled_from(list(RECORDS)))
    schema = spoilt(data, schemas.schema(record))
    found = faults(record, json.dumps(schema), file=f"schemas/{record}.avsc", in_table=True)
    if found or change_breaks(schemas.FOLDER, record, schema):
        return
    for version in schemas.released(record):
        before = json.loads(version.text)
        for writer, reader in ((before, schema), (schema, before)):
            assert reading(writer, reader, Types.of(writer).ordinary(writer)).outcome is Outcome.READS


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("Order.avsc", b'{"doc": "\xff"}', "must be UTF-8, has the byte 0xff"),
        ("Order.avsc", b"", "line 1, column 1: Expecting value"),
        ("Order.avsc", b"[" * 100_000, "must not be nested as deep as this"),
        ("Order.avsc", b"12", "must be record, was absent"),
        ("released/Order/1.avsc", b"\xff", "fingerprint must be sha256:"),
        ("released/Order/1.avsc", b"[" * 100_000, "was no JSON"),
        ("catalogue.toml", b"\xff", "codec can't decode byte 0xff"),
        ("catalogue.toml", b"topics = 3", "must hold a table [topics.NAME]"),
        ("released.toml", b"\xff", "schemas/released.toml must be TOML"),
    ],
)  # fmt: skip
def test_file_that_is_something_else_ends_the_check_with_2_and_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes, said: str
) -> None:
    folder = Path(shutil.copytree(schemas.FOLDER, tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__", "golden")))
    (folder / file).write_bytes(content)
    assert run(["schemas", "check", "--folder", str(folder)], {}) == 2
    told = capsys.readouterr()
    words = "".join((told.out + told.err).split())
    assert "".join(said.split()) in words and file.rpartition("/")[2].partition(".")[0] in words
