"""The generated code and fastavro agree: on every byte written, on every record read, and on what is no record."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain import records as r
from streams.errors import DecodeError
from streams.log.codec import HEADER_LENGTH, Codec, SchemaIds
from streams.log.compiled import UNUSUAL
from streams.log.varint import long_at, long_bytes
from tests.contract.strategies import records

EVERY_KIND = pytest.mark.parametrize("kind", r.RECORDS.values(), ids=r.RECORDS)
CODEC = Codec.offline()
NUMBERS = SchemaIds.offline().ids


@EVERY_KIND
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_both_write_the_same_bytes_and_read_the_same_record(kind: type[r.Record], data: st.DataObject) -> None:
    record = data.draw(records(kind))
    writer, reader = CODEC._writers[kind], CODEC._readers[NUMBERS[kind.__name__]]
    assert reader._compiled is not None
    payload = writer._compiled(record)
    assert writer.header + payload == writer._plain_bytes_of(record, writer.header)
    assert reader._compiled(payload, 0) == record
    assert reader._plain_record_of(writer.header + payload) == record


@EVERY_KIND
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_the_generated_code_makes_of_damaged_bytes_fastavro_makes_too(kind: type[r.Record], data: st.DataObject) -> None:
    reader = CODEC._readers[NUMBERS[kind.__name__]]
    assert reader._compiled is not None
    wire = bytearray(CODEC.wire(data.draw(records(kind))))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(HEADER_LENGTH, len(wire) - 1))
        # Neighbours of an ordinary byte are the likelier faults: another length, a sign, one group more.
        wire[place] = data.draw(st.sampled_from([wire[place] ^ 1, wire[place] ^ 128, 0, 1, 2, 3, 127, 255]))
    damaged = bytes(wire[: data.draw(st.integers(len(wire) - 3, len(wire)))])
    try:
        found = reader._compiled(damaged, HEADER_LENGTH)
    except UNUSUAL:
        found = None
    if found is not None:
        assert reader._plain_record_of(damaged) == found
    try:
        plain = reader._plain_record_of(damaged)
    except DecodeError:
        assert found is None
    else:
        assert CODEC.decode(damaged) == plain


@given(
    st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([bound + by for bits in range(63) for bound in (2**bits, -(2**bits)) for by in (-1, 0, 1)])
)
def test_a_number_comes_back_from_between_others(number: int) -> None:
    raw = b"\xff" + long_bytes(number) + b"\xff" * 8
    assert long_at(raw, 1) == (number, len(raw) - 8)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1])
def test_a_number_of_more_than_64_bits_is_refused(number: int) -> None:
    with pytest.raises(OverflowError):
        long_bytes(number)
