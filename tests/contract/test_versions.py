"""Every version reads what every other one wrote, by fastavro and by Java, to the same values; every golden byte still decodes."""

import json
from decimal import Decimal as D
from typing import Any

import pytest

import schemas
from streams.contract.avro import Schema, Types, kind_of
from streams.contract.breaks import Outcome
from streams.contract.compatibility import problems
from streams.contract.decoding import as_reader, encoded, interpreted, plain, reading
from streams.domain.records import RECORDS
from streams.domain.rules import broken_rule
from streams.log.codec import HEADER_LENGTH, Codec, SchemaIds
from tests.contract.golden import RELEASES, golden_file, golden_of
from tests.contract.java_decoders import JavaDecoders
from tests.contract.next_versions import versions
from tests.contract.samples import SAMPLES

EVERY_RECORD = pytest.mark.parametrize("record", RECORDS)
EVERY_RELEASE = pytest.mark.parametrize("release", RELEASES, ids=lambda release: f"{release.record}-{release.number}")


def values_of(schema: Schema) -> list[Any]:
    """A record with every field filled, and one with nothing where nothing may be: null, empty lists and texts, the last symbol."""
    return [Types.of(schema).ordinary(schema), _bare(Types.of(schema), schema)]


def _bare(types: Types, schema: Schema) -> Any:
    schema = types.follow(schema)
    match kind_of(schema):
        case "union":
            return None
        case "record":
            return {field["name"]: _bare(types, field["type"]) for field in schema["fields"]}
        case "enum":
            return schema["symbols"][-1]
        case "array":
            return []
        case "string":
            return ""
        case _:
            return types.ordinary(schema)


@EVERY_RECORD
def test_versions_to_come_are_such_as_the_contract_allows(record: str) -> None:
    found = versions(record)
    for number, older in enumerate(found):
        for newer in found[number + 1 :]:
            assert problems(older.schema, newer.schema, reader_is_newer=True) == []
            assert problems(newer.schema, older.schema, reader_is_newer=False) == []


@EVERY_RECORD
def test_every_version_reads_every_version_alike_in_python_and_java(java: JavaDecoders, record: str) -> None:
    found = versions(record)
    for writer in found:
        raw = [encoded(writer.schema, value) for value in values_of(writer.schema)]
        for reader in found:
            by_java = [
                interpreted(Types.of(reader.schema), reader.schema, each) for each in java.read(writer.schema, reader.schema, raw)
            ]
            assert by_java == [as_reader(each, writer.schema, reader.schema) for each in raw], (writer.name, reader.name)
            # Also that what is read is what was written; the last symbols are among those that an older reader knows.
            outcomes = [reading(writer.schema, reader.schema, value).outcome for value in values_of(writer.schema)]
            assert outcomes == [Outcome.READS] * 2, (writer.name, reader.name)


def test_defaults_come_as_what_they_stand_for(java: JavaDecoders) -> None:
    first, more, *_ = versions("Regime")
    raw = encoded(first.schema, Types.of(first.schema).ordinary(first.schema))
    found = interpreted(Types.of(more.schema), more.schema, java.decode(raw, first.schema, more.schema))
    assert found == as_reader(raw, first.schema, more.schema)
    assert {name: value for name, value in found.items() if name.startswith("later_")} == {
        "later_note": None, "later_rate": None, "later_word": "none", "later_share": D("-0.05"), "later_bytes": b"\x00\xff",
        "later_time": (1_723_032_000_000_001, False), "later_count": -7, "later_kind": "TWO",
    }  # fmt: skip


def test_symbol_to_come_is_read_as_the_default_by_both(java: JavaDecoders) -> None:
    first, _, other, _ = versions("Command")
    written = {**Types.of(other.schema).ordinary(other.schema), "kind": "LATER"}
    raw = encoded(other.schema, written)
    assert java.decode(raw, other.schema, first.schema)["kind"] == as_reader(raw, other.schema, first.schema)["kind"] == "UNKNOWN"


@EVERY_RELEASE
def test_every_release_has_its_golden_bytes(release: schemas.Release) -> None:
    assert golden_file(release).exists(), "python -m tests.contract.golden"
    raw = golden_of(release)
    number = int.from_bytes(raw[1:HEADER_LENGTH], "big")
    assert raw[0] == 0 and SchemaIds.offline().writers[number] == (release.record, release.text)


@EVERY_RELEASE
def test_golden_bytes_ever_released_decode_to_the_same_in_python_and_java(java: JavaDecoders, release: schemas.Release) -> None:
    raw, writer, newest = golden_of(release), json.loads(release.text), schemas.schema(release.record)
    record = Codec.offline().decode(raw, RECORDS[release.record])
    assert broken_rule(record) is None
    by_java = interpreted(Types.of(newest), newest, java.decode(raw[HEADER_LENGTH:], writer, newest))
    assert by_java == as_reader(raw[HEADER_LENGTH:], writer, newest)
    assert by_java["event_id"] == record.event_id and by_java["time"] == (record.time, False)
    # Nothing is lost on the way: what Java read by the version itself gives the bytes that were released.
    assert encoded(plain(writer), java.decode(raw[HEADER_LENGTH:], writer, writer)) == raw[HEADER_LENGTH:]


def test_every_record_shows_a_golden_sample() -> None:
    assert {release.record for release in RELEASES} == set(RECORDS) == {kind.__name__ for kind in SAMPLES}
