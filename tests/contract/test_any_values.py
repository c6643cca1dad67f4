"""
Any values of each record, in batches as the deployed path has them: fastavro, Avro for Java, Connect's converter, the sink, Postgres.

No value may change in silence: what each of them gives is what was written, to the last digit. Records with a table hold values that
break no rule, since only those must be rows; the others hold anything. Hypothesis draws them; what fails is told as it was drawn.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from typing import Any, NamedTuple

import fastavro
import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

import schemas
from streams.contract.avro import Types
from streams.contract.decoding import interpreted
from streams.contract.decoding import plain as without_logical_types
from streams.domain.records import RECORDS, Record
from streams.log.codec import HEADER_LENGTH
from streams.log.interface import Partition
from streams.operate.rows import Table
from streams.operate.stack import Stack
from streams.operate.topics import create_session
from tests.contract.java_decoders import JavaDecoders
from tests.contract.samples import NOON
from tests.contract.strategies import VALUES, ValuesAsked, records, valid_records
from tests.contract.test_converter import moments, plain
from tests.kafka.story import until
from tests.operate.site import Site

TOPICS = {spec.record: spec for spec in schemas.catalogue().values()}
AT_ONCE = 500
SECONDS_MAX = 300


@pytest.fixture(scope="module")
def site(stack: Stack) -> Iterator[Site]:
    made = Site(stack)
    with closing(made.log):
        yield made


@pytest.fixture(scope="module")
def session(site: Site) -> str:
    """One for all records: the sink finds new topics only every few seconds."""
    name = f"any-values-{secrets.token_hex(3)}"
    create_session(site.log, name, feeds=1, risk=1)
    return name


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> ValuesAsked:
    """How many values of each record, and where they come from."""
    return request.config.stash.get(VALUES, ValuesAsked(60, 0))


def drawn(kind: type[Record], session: str, asked: ValuesAsked) -> list[Record]:
    """That many records, each under an id of its own in the session."""
    found: list[Record] = []
    strategy = valid_records(kind) if TOPICS[kind.__name__].table else records(kind)

    @seed(asked.seed)
    @settings(
        max_examples=asked.count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def take(record: Record) -> None:
        found.append(msgspec.structs.replace(record, session=session, event_id=f"{session}/{kind.__name__}/{len(found)}"))

    take()
    assert len(found) == asked.count
    return found


class Decoders(NamedTuple):
    """One record's schema before everyone who reads it."""

    site: Site
    converter: JavaDecoders
    name: str

    def check(self, batch: list[Record]) -> list[bytes]:
        """The wire bytes, from which each reads what was written."""
        schema = schemas.schema(self.name)
        types, bare = Types.of(schema), fastavro.parse_schema(without_logical_types(schema))
        wires = [self.site.codec.wire(record) for record in batch]
        by_python = [fastavro.schemaless_reader(BytesIO(wire[HEADER_LENGTH:]), bare, None) for wire in wires]
        by_java = self.converter.read(schema, schema, [wire[HEADER_LENGTH:] for wire in wires])
        by_connect, _ = self.converter.convert(f"any.{self.name}", wires)
        for record, wire, python, java, connect in zip(batch, wires, by_python, by_java, by_connect, strict=True):
            written = plain(record)
            assert self.site.codec.decode(wire) == record
            assert moments(interpreted(types, schema, python)) == written
            # What Java read is what Python read, value for value and type for type, before any meaning is put on it.
            assert java == python, written
            assert connect == written
        return wires


@pytest.mark.values
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", RECORDS)
def test_any_values_come_through_fastavro_java_connect_and_postgres(
    site: Site, session: str, converter: JavaDecoders, asked: ValuesAsked, name: str, record_property: Callable[[str, Any], None]
) -> None:
    spec, decoders = TOPICS[name], Decoders(site, converter, name)
    values = drawn(RECORDS[name], session, asked)
    place = Partition(f"{session}.{spec.name}", 0)
    with closing(site.log.writer(f"{session}-any")) as writer:
        for start in range(0, len(values), AT_ONCE):
            wires = decoders.check(values[start : start + AT_ONCE])
            if spec.table:
                writer.begin()
                for wire in wires:
                    writer.append(place, key=b"k", value=wire, time=NOON)
                writer.commit()
    if spec.table:
        _compare_rows(site, session, Table(spec.table, schemas.schema(name)), values)
        assert site.dead_letters(session) == []
    record_property("values", len(values))
    record_property(f"values of {name}", len(values))


def _compare_rows(site: Site, session: str, table: Table, values: list[Record]) -> None:
    with psycopg.connect(site.endpoints.postgres_dsn, autocommit=True) as connection:
        # One partition, so the last one written is the last one stored.
        last = values[-1].event_id
        until(lambda: bool(table.rows(connection, session, [last])), f"{last} in {table.name}", seconds=SECONDS_MAX)
        for start in range(0, len(values), AT_ONCE):
            batch = values[start : start + AT_ONCE]
            rows = table.rows(connection, session, [record.event_id for record in batch])
            for record in batch:
                assert rows.get(record.event_id) == table.values(record), record
