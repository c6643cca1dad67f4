"""Rows against records: every kind of difference is found, counted and named; repair brings back what is missing."""

import json
from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import schemas
from streams.cli.data import as_document, faults, verdict
from streams.domain import records as r
from streams.errors import LogError
from streams.log.codec import Codec
from streams.log.interface import Partition, watermark_headers
from streams.log.memory import MemoryLog
from streams.operate.migrate import DatabaseError, migrate
from streams.operate.reconcile import EXAMPLES_MAX, Report, TableReport, reconcile
from streams.operate.sink import SINK_GROUP
from streams.operate.stack import Stack
from streams.operate.topics import create_session, topic_name
from tests.contract.samples import NOON, sample
from tests.operate.databases import fresh_database

CODEC = Codec.offline()
SESSION = "june"


@pytest.fixture(scope="module")
def database(run_stack: Stack) -> Iterator[str]:
    with fresh_database(run_stack) as dsn:
        migrate(dsn)
        yield dsn


@pytest.fixture
def dsn(database: str) -> str:
    with psycopg.connect(database) as connection:
        for spec in schemas.catalogue().values():
            if spec.table:
                connection.execute(f"DELETE FROM {spec.table}")
    return database


@pytest.fixture
def log() -> MemoryLog:
    """A session with two records on each topic that has a table, watermarks between them."""
    log = MemoryLog()
    create_session(log, SESSION, feeds=1, risk=1)
    for spec in schemas.catalogue().values():
        if spec.table:
            write(log, spec.name, *(of(r.RECORDS[spec.record], number) for number in range(2)))
    return log


def of(kind: type[r.Record], number: int) -> r.Record:
    return sample(kind, session=SESSION, event_id=f"{SESSION}/{number}")


def write(log: MemoryLog, topic: str, *records: r.Record | bytes) -> None:
    """One transaction with these records, a watermark after each."""
    place = Partition(topic_name(SESSION, topic), 0)
    writer = log.writer("test")
    writer.begin()
    for record in records:
        value = record if isinstance(record, bytes) else CODEC.wire(record)
        writer.append(place, key=b"k", value=value, time=NOON)
        writer.append(place, key=None, value=None, headers=watermark_headers(NOON), time=NOON)
    writer.commit()
    writer.close()


def compare(log: MemoryLog, dsn: str, *, repair: bool = False) -> Report:
    return reconcile(log, CODEC, dsn, SESSION, repair=repair, sink_seconds_max=0)


def table(report: Report, name: str) -> TableReport:
    (found,) = [each for each in report.tables if each.table == name]
    return found


def test_empty_tables_miss_every_record_and_repair_inserts_them_exactly(log: MemoryLog, dsn: str) -> None:
    report = compare(log, dsn)
    assert not report.equal
    assert not report.sink_at_end
    assert {each.missing for each in report.tables} == {2}
    repaired = compare(log, dsn, repair=True)
    assert repaired.equal
    assert {each.repaired for each in repaired.tables} == {2}
    again = compare(log, dsn)
    assert again.equal
    assert {(each.records, each.rows, each.repaired) for each in again.tables} == {(2, 2, 0)}


def test_smallest_difference_is_named_with_both_values(log: MemoryLog, dsn: str) -> None:
    compare(log, dsn, repair=True)
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "UPDATE signals SET confidence = confidence + 0.000000000001, time = time + interval '1 microsecond',"
            """ indicators = '{"change_pct":"3.3"}', reason = reason || ' ' WHERE event_id = 'june/1'"""
        )
    found = table(compare(log, dsn), "signals")
    assert (found.missing, found.extra, found.different) == (0, 0, 1)
    assert [(each.event_id, each.field) for each in found.differences] == [
        ("june/1", field) for field in ("time", "confidence", "reason", "indicators")
    ]
    assert found.differences[1][2:] == ("Decimal('0.32')", "Decimal('0.320000000001')")


def test_row_without_a_record_is_extra(log: MemoryLog, dsn: str) -> None:
    compare(log, dsn, repair=True)
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE alerts SET event_id = 'june/other' WHERE event_id = 'june/0'")
    found = table(compare(log, dsn), "alerts")
    assert (found.missing_ids, found.extra_ids) == (("june/0",), ("june/other",))


def test_repair_leaves_rows_that_say_something_else(log: MemoryLog, dsn: str) -> None:
    compare(log, dsn, repair=True)
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE orders SET quantity = 0 WHERE event_id = 'june/0'")
        connection.execute("DELETE FROM orders WHERE event_id = 'june/1'")
    found = table(compare(log, dsn, repair=True), "orders")
    assert (found.repaired, found.missing, found.different) == (1, 0, 1)


def test_rows_of_another_session_are_no_concern(log: MemoryLog, dsn: str) -> None:
    compare(log, dsn, repair=True)
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE regimes SET session = 'july' WHERE event_id = 'june/0'")
    found = table(compare(log, dsn), "regimes")
    assert (found.missing, found.extra, found.rows) == (1, 0, 1)


def test_one_id_on_several_partitions_is_one_row(dsn: str) -> None:
    """A command for all accounts stands on every partition of `commands` under one id."""
    log = MemoryLog()
    create_session(log, SESSION, feeds=1, risk=3)
    writer = log.writer("test")
    writer.begin()
    for number in range(3):
        place = Partition(topic_name(SESSION, "commands"), number)
        writer.append(place, key=b"*", value=CODEC.wire(of(r.Command, 0)), time=NOON)
    writer.commit()
    found = table(compare(log, dsn, repair=True), "commands")
    assert (found.records, found.rows, found.repaired) == (1, 1, 1)
    assert compare(log, dsn).equal


def test_undecodable_bytes_are_counted_and_expected_nowhere(log: MemoryLog, dsn: str) -> None:
    write(log, "orders", b"garbage")
    report = compare(log, dsn, repair=True)
    assert report.equal
    assert table(report, "orders").undecodable == 1


def test_row_of_a_record_that_came_after_the_end_is_left_out(log: MemoryLog, dsn: str) -> None:
    """A live session goes on while it is compared: the sink may be ahead of what was read."""
    compare(log, dsn, repair=True)
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE candles SET event_id = 'june/later', log_offset = 1000 WHERE event_id = 'june/1'")
    found = table(compare(log, dsn), "candles")
    assert (found.missing, found.extra) == (1, 0)


def test_sink_is_at_the_end_when_it_passed_the_last_record(log: MemoryLog, dsn: str) -> None:
    """It never commits markers, watermarks or undecodable bytes after it."""
    write(log, "alerts", b"garbage")
    compare(log, dsn, repair=True)
    writer = log.writer("sink")
    writer.begin()
    places = [Partition(topic_name(SESSION, spec.name), 0) for spec in schemas.catalogue().values() if spec.table]
    writer.offsets(SINK_GROUP, dict.fromkeys(places, 3))
    writer.commit()
    assert compare(log, dsn).sink_at_end


def test_examples_are_bounded_and_counts_are_not(dsn: str) -> None:
    log = MemoryLog()
    create_session(log, SESSION, feeds=1, risk=1)
    write(log, "regimes", *(of(r.Regime, number) for number in range(EXAMPLES_MAX + 5)))
    found = table(compare(log, dsn), "regimes")
    assert found.missing == EXAMPLES_MAX + 5
    assert len(found.missing_ids) == EXAMPLES_MAX


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(time=st.integers(0, 253_402_300_799_999_999), number=st.integers(-(10**38) + 1, 10**38 - 1))
def test_any_time_and_amount_are_repaired_exactly(dsn: str, time: int, number: int) -> None:
    log = MemoryLog()
    create_session(log, SESSION, feeds=1, risk=1)
    amount = r.Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -12))
    write(log, "ledger_entries", sample(r.LedgerEntry, session=SESSION, event_id=f"{SESSION}/{time}", time=time, amount=amount))
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM ledger_entries")
    assert table(compare(log, dsn, repair=True), "ledger_entries").repaired == 1
    assert compare(log, dsn).equal


def test_unknown_session_is_refused_with_its_name(dsn: str) -> None:
    with pytest.raises(LogError, match="session june must have all its topics, was without instruments"):
        compare(MemoryLog(), dsn)


def test_database_without_tables_is_named(log: MemoryLog, run_stack: Stack) -> None:
    with fresh_database(run_stack) as empty, pytest.raises(DatabaseError, match=r'relation "\w+" does not exist'):
        compare(log, empty)


def test_report_reads_as_json_and_as_sentences(log: MemoryLog, dsn: str) -> None:
    compare(log, dsn, repair=True)
    equal = compare(log, dsn)
    assert verdict(equal) == "equal: 30 records of session june stand in 15 tables, exactly"
    assert json.loads(json.dumps(as_document(equal)))["equal"] is True
    with psycopg.connect(dsn) as connection:
        connection.execute("DELETE FROM funding WHERE event_id = 'june/0'")
        connection.execute("UPDATE alerts SET level = 'INFO' WHERE event_id = 'june/1'")
    report = compare(log, dsn)
    assert faults(report) == [
        "funding: missing june/0",
        "alerts: level of june/1 must be <AlertLevel.CRITICAL: 'CRITICAL'>, was 'INFO'",
    ]
    assert verdict(report) == "not equal: funding, alerts; the sink has not read to the end yet"
    document = json.loads(json.dumps(as_document(report)))
    assert [each["table"] for each in document["tables"] if not each["equal"]] == ["funding", "alerts"]
