"""Connect's converter, with the worker's classes and settings: every version of every record, and any value, as Python reads it."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import schemas
from streams.contract.avro import Types
from streams.contract.decoding import Time, as_reader, encoded, interpreted
from streams.domain.records import RECORDS, Record
from streams.log.codec import Codec
from streams.operate.registry import register
from streams.operate.stack import Stack
from tests.contract.java_decoders import JavaDecoders
from tests.contract.next_versions import versions
from tests.contract.registering import header, register_apart
from tests.contract.strategies import records

EVERY_RECORD = pytest.mark.parametrize("record", RECORDS)


@pytest.fixture(scope="module")
def url(converter: JavaDecoders, run_stack: Stack) -> str:
    """The registry that the converter asks."""
    return run_stack.endpoints().ccompat_url


@pytest.fixture(scope="module")
def codec(url: str) -> Codec:
    return Codec(register(url))


def moments(node: Any) -> Any:
    """Times as the number of microseconds, which is how Connect hands them on under their `connect.name`."""
    if isinstance(node, Time):
        return node.microseconds
    if isinstance(node, dict):
        return {name: moments(value) for name, value in node.items()}
    return [moments(item) for item in node] if isinstance(node, list) else node


def plain(record: Record) -> dict[str, Any]:
    """A record as dicts and lists."""
    return {
        name: [msgspec.structs.asdict(item) for item in value] if isinstance(value, list) else value
        for name, value in msgspec.structs.asdict(record).items()
    }


@EVERY_RECORD
def test_every_version_is_converted_to_the_values_that_python_reads(converter: JavaDecoders, url: str, record: str) -> None:
    for number, version in enumerate(versions(record)):
        known = register_apart(url, f"{record}-{number}", version.schema)
        raw = encoded(version.schema, Types.of(version.schema).ordinary(version.schema))
        (found,), told = converter.convert(f"any.{record}", [header(known) + raw])
        assert found == moments(as_reader(raw, version.schema, version.schema)), version.name
        for field in version.schema["fields"]:
            # The sink has an insert without the column, or a null, only where this says so.
            assert told["fields"][field["name"]]["optional"] == isinstance(field["type"], list), (version.name, field["name"])


@EVERY_RECORD
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_record_is_the_same_in_python_java_and_connect(converter: JavaDecoders, codec: Codec, record: str, data: st.DataObject) -> None:
    value, schema = data.draw(records(RECORDS[record])), schemas.schema(record)
    wire = codec.wire(value)
    assert moments(interpreted(Types.of(schema), schema, converter.decode(wire[5:], schema, schema))) == plain(value)
    (converted,), _ = converter.convert(f"any.{record}", [wire])
    assert converted == plain(value)


def test_what_is_no_record_is_refused_by_the_converter(converter: JavaDecoders, codec: Codec) -> None:
    (found,), _ = converter.convert("any.topic", [b"\x01\x00\x00\x00\x01"])
    assert isinstance(found, Exception)
