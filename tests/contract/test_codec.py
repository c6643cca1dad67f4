"""Bytes on the topics: what we write, what we read, and what we refuse to read."""

import json
from contextlib import suppress
from decimal import Decimal as D
from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from streams.domain import records as r
from streams.errors import DecodeError
from streams.log.codec import Codec, SchemaIds
from tests.contract.golden import golden
from tests.contract.samples import NOON, SAMPLES, sample
from tests.contract.strategies import records

EVERY_KIND = pytest.mark.parametrize("kind", r.RECORDS.values(), ids=r.RECORDS)
CODEC = Codec.offline()


def with_version(name: str, number: int, schema: dict[str, Any]) -> Codec:
    """A codec that also knows id `number`, written with another version of a record's schema."""
    ids = SchemaIds.offline()
    return Codec(SchemaIds(ids.ids, {**ids.writers, number: (name, json.dumps(schema))}))


def written(schema: dict[str, Any], number: int, values: dict[str, Any]) -> bytes:
    """Wire bytes as another program with that schema writes them, by fastavro alone."""
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), values)
    return b"\x00" + number.to_bytes(4, "big") + out.getvalue()


def plain(record: r.Record) -> dict[str, Any]:
    """A record as the dicts that fastavro takes."""
    return {
        name: [msgspec.structs.asdict(item) for item in value] if isinstance(value, list) else value
        for name, value in msgspec.structs.asdict(record).items()
    }


def change_field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """The field of that name, to be changed in place."""
    (found,) = [field for field in schema["fields"] if field["name"] == name]
    return found


@EVERY_KIND
def test_wire_bytes_are_the_committed_ones(kind: type[r.Record]) -> None:
    assert CODEC.wire(SAMPLES[kind]) == golden(kind)
    assert CODEC.decode(golden(kind), kind) == SAMPLES[kind]


@EVERY_KIND
def test_bytes_are_those_of_fastavro_with_the_whole_schema(kind: type[r.Record]) -> None:
    """Stripping logical types and converting decimals ourselves must not show."""
    record = SAMPLES[kind]
    number = SchemaIds.offline().ids[kind.__name__]
    assert CODEC.wire(record) == written(schemas.schema(kind.__name__), number, plain(record))


@EVERY_KIND
def test_payload_is_the_wire_without_its_header(kind: type[r.Record]) -> None:
    record = SAMPLES[kind]
    assert CODEC.wire(record)[5:] == CODEC.payload(record)


@EVERY_KIND
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_record_comes_back_as_it_was(kind: type[r.Record], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    wire = CODEC.wire(record)
    again = CODEC.decode(wire, kind)
    assert again == record
    assert CODEC.wire(again) == wire


@settings(max_examples=60, deadline=None)
@given(record=records(r.MarketData), data=st.data())
def test_damaged_bytes_are_a_decode_error_or_a_record_and_nothing_else(record: r.Record, data: st.DataObject) -> None:
    wire = bytearray(CODEC.wire(record))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(5, len(wire) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(wire)))
    for damaged in (bytes(wire), bytes(wire[:cut])):
        with suppress(DecodeError):
            assert isinstance(CODEC.decode(damaged, r.MarketData), r.MarketData)


@settings(max_examples=60, deadline=None)
@given(raw=st.binary(max_size=200), number=st.integers(1, len(r.RECORDS)))
def test_foreign_bytes_never_raise_anything_but_a_decode_error(raw: bytes, number: int) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(b"\x00" + number.to_bytes(4, "big") + raw + b"\x00" * 2_000)


def test_decimal_has_one_form_after_the_log() -> None:
    """Texts in checks and states must not show how the writer happened to spell a number."""
    for value in ("100000", "1E+5", "100000.000000000000"):
        record = sample(r.LedgerEntry, amount=D(value))
        assert str(CODEC.decode(CODEC.wire(record)).amount) == "100000"  # type: ignore[attr-defined]
    assert str(CODEC.decode(CODEC.wire(sample(r.LedgerEntry, amount=D("-0.10")))).amount) == "-0.1"  # type: ignore[attr-defined]


def test_decimal_holds_38_digits_to_both_sides() -> None:
    for text in ("99999999999999999999999999.999999999999", "-99999999999999999999999999.999999999999", "-0.000000000001"):
        record = sample(r.LedgerEntry, amount=D(text))
        assert CODEC.decode(CODEC.wire(record)) == record


@pytest.mark.parametrize("amount", ["0.0000000000001", "100000000000000000000000000", "NaN", "sNaN", "Infinity", "-Infinity"])
def test_decimal_that_does_not_fit_is_refused_with_its_field(amount: str) -> None:
    with pytest.raises(ValueError, match=r"LedgerEntry\.amount must hold at most 12 places and 38 digits, was Decimal"):
        CODEC.payload(sample(r.LedgerEntry, amount=D(amount)))


def test_level_that_does_not_fit_is_refused_with_its_list() -> None:
    with pytest.raises(ValueError, match=r"MarketData\.bids must hold"):
        CODEC.payload(sample(r.MarketData, bids=[r.Level(D(1), D("1E-13"))]))


def test_number_beyond_64_bits_is_refused_with_its_field() -> None:
    with pytest.raises(ValueError, match=r"MarketData\.update_id must be within 64 bits"):
        CODEC.payload(sample(r.MarketData, update_id=2**63))


def test_longer_decimal_than_ours_is_undecodable() -> None:
    schema = schemas.schema("LedgerEntry")
    change_field(schema, "amount")["type"] = "bytes"
    number = SchemaIds.offline().ids["LedgerEntry"]
    raw = written(schema, number, {**plain(sample(r.LedgerEntry)), "amount": (10**38).to_bytes(16, "big")})
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(raw)
    assert caught.value.rule == "decodable"


@pytest.mark.parametrize(
    ("raw", "rule", "message"),
    [
        (b"", "wire_header", "value must begin with byte 0 and a schema id, was ''"),
        (b"\x00\x00\x00", "wire_header", "was '00 00 00'"),
        (b'{"a":1}', "wire_header", "was '7b 22 61 22 3a'"),
        (b"\x00\x00\x00\xff\xffabc", "schema_id", "schema id must be one of 21 registered ones, was 65535"),
        (b"\x00\x00\x00\x00\x01\xff", "decodable", "bytes must be a MarketData"),
        (golden(r.Funding) + b"!", "trailing_bytes", "Funding must end with its last field, was followed by 1 bytes"),
        (golden(r.Funding)[:-1], "decodable", "bytes must be a Funding"),
        (golden(r.Signal), "record_type", "record must be Funding, was Signal"),
    ],
)
def test_what_is_no_record_of_ours_names_the_rule_it_breaks(raw: bytes, rule: str, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(raw, r.Funding if rule == "record_type" else None)
    assert caught.value.rule == rule
    assert message in str(caught.value)


def test_cause_of_a_decode_error_can_stand_in_a_text_column() -> None:
    """The bytes' own text goes into dead letters, and Postgres refuses NUL."""
    schema = schemas.schema("Signal")
    change_field(schema, "side")["type"]["symbols"] = ["BUY", "SELL", "HOLD"]
    raw = written(schema, 7, {**plain(sample(r.Signal)), "side": "HOLD", "reason": "\x00"})
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(raw)
    assert "\x00" not in str(caught.value)


def test_older_version_without_an_optional_field_decodes_with_none() -> None:
    schema = schemas.schema("Alert")
    schema["fields"].remove(change_field(schema, "limit"))
    old = plain(sample(r.Alert))
    del old["limit"]
    raw = written(schema, 77, old)
    assert with_version("Alert", 77, schema).decode(raw, r.Alert) == sample(r.Alert, limit=None)


def test_newer_version_with_one_more_field_decodes_without_it() -> None:
    schema = schemas.schema("Alert")
    schema["fields"].insert(3, {"name": "runbook", "type": ["null", "string"], "default": None})
    raw = written(schema, 77, {**plain(sample(r.Alert)), "runbook": "stale-data.md"})
    assert with_version("Alert", 77, schema).decode(raw, r.Alert) == sample(r.Alert)


def test_symbol_of_a_newer_version_decodes_as_the_default() -> None:
    schema = schemas.schema("Command")
    change_field(schema, "kind")["type"]["symbols"].append("SELL_EVERYTHING")
    raw = written(schema, 77, {**plain(sample(r.Command)), "kind": "SELL_EVERYTHING"})
    found = with_version("Command", 77, schema).decode(raw, r.Command)
    assert found == sample(r.Command, kind=r.CommandKind.UNKNOWN)


def test_version_that_changed_only_its_words_decodes_alike() -> None:
    schema = schemas.schema("Order")
    schema["doc"] = "in other words"
    for field in schema["fields"]:
        field["doc"] = "in other words"
    codec = with_version("Order", 77, schema)
    assert codec.decode(b"\x00\x00\x00\x00\x4d" + CODEC.payload(sample(r.Order))) == sample(r.Order)


def test_readers_that_share_get_one_record_and_each_its_own_fault() -> None:
    shared = CODEC.shared(2)
    marks = [CODEC.wire(sample(r.Mark, time=NOON + later)) for later in (1, 2, 3)]
    first = shared.valid(marks[0], r.Mark)
    assert shared.valid(bytes(marks[0]), r.Mark) is first == CODEC.valid(marks[0], r.Mark)
    for raw in marks[1:]:
        shared.valid(raw, r.Mark)
    assert shared.valid(marks[0], r.Mark) is not first, "only the newest are kept"
    for raw, kind, rule in (
        (marks[0], r.Order, "record_type"), (CODEC.wire(sample(r.Mark, session="")), r.Mark, "session_is_named"),
    ):  # fmt: skip
        for _ in range(2):
            with pytest.raises(DecodeError) as fault:
                shared.valid(raw, kind)
            assert fault.value.rule == rule
