"""Rows that the sink left out: counted once it has read past their records, and no longer once they are there."""

from collections.abc import Iterator

import psycopg
import pytest

import schemas
from streams.domain import records as r
from streams.domain.parameters import SessionSettings
from streams.errors import LogError
from streams.log.codec import Codec
from streams.log.interface import Partition
from streams.log.memory import MemoryLog
from streams.operate.lag.parity import Parity
from streams.operate.migrate import DatabaseError, migrate
from streams.operate.reconcile import reconcile
from streams.operate.sink import SINK_GROUP
from streams.operate.stack import Stack
from streams.operate.topics import create_session, topic_name
from tests.contract.samples import NOON, sample
from tests.operate.databases import fresh_database

CODEC = Codec.offline()
SETTINGS = SessionSettings(session="june")
PLACE = Partition(topic_name("june", "orders"), 0)


@pytest.fixture(scope="module")
def dsn(run_stack: Stack) -> Iterator[str]:
    with fresh_database(run_stack) as found:
        migrate(found)
        yield found


class SinkAt:
    """The sink's group, standing where it is put."""

    def __init__(self) -> None:
        self.offset: int | None = None

    def names(self) -> list[str]:
        return [SINK_GROUP]

    def committed(self, groups: list[str]) -> dict[str, dict[Partition, int]]:
        assert groups == [SINK_GROUP]
        return {} if self.offset is None else {SINK_GROUP: {PLACE: self.offset}}

    def ends(self, partitions: object) -> dict[Partition, int]:
        raise AssertionError("parity asks for no ends")


def write(log: MemoryLog, *values: bytes) -> None:
    writer = log.writer("test")
    writer.begin()
    for value in values:
        writer.append(PLACE, key=b"k", value=value, time=NOON)
    writer.commit()
    writer.close()


def order(number: int, **changes: object) -> bytes:
    return CODEC.wire(sample(r.Order, session="june", event_id=f"june/{number}", **changes))


def test_record_without_a_row_is_missing_once_the_sink_has_passed_it(dsn: str) -> None:
    log, sink = MemoryLog(), SinkAt()
    create_session(log, "june", feeds=1, risk=1)
    parity = Parity(log, CODEC, SETTINGS, sink, dsn)
    write(log, order(1), order(2), b"no record")
    parity.turn()
    assert parity.missing["orders"] == 0
    sink.offset = 1
    parity.turn()
    assert parity.missing["orders"] == 1
    sink.offset = 3
    parity.turn()
    # Bytes that are no record belong in no table.
    assert parity.missing["orders"] == 2
    assert {labels: count for _, found in parity.values() for labels, count in found.items()}["june", "orders"] == 2
    assert set(parity.missing) == {spec.table for spec in schemas.catalogue().values() if spec.table}
    # What brings the rows back ends it.
    assert not reconcile(log, CODEC, dsn, "june", repair=True, sink_seconds_max=0).tables[0].missing
    parity.turn()
    assert parity.missing["orders"] == 0
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (2,)
    parity.close()


def test_database_that_is_away_is_a_fault_that_passes_and_loses_no_record(dsn: str) -> None:
    log, sink = MemoryLog(), SinkAt()
    create_session(log, "june", feeds=1, risk=1)
    parity = Parity(log, CODEC, SETTINGS, sink, "postgresql://nobody@127.0.0.1:9/none")
    write(log, order(77))
    sink.offset = 1
    with pytest.raises(DatabaseError) as fault:
        parity.turn()
    assert fault.value.retriable and not isinstance(fault.value, LogError)
    parity._dsn = dsn
    parity.turn()
    assert parity.missing["orders"] == 1
    parity.close()
