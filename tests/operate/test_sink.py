"""Topics to Postgres through the real Connect: exact rows, exactly once, whatever a valid record holds."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal as D
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import psycopg
import pytest

import schemas
from streams.domain import records as r
from streams.domain.rules import EVENT_ID_LENGTH_MAX, NAME_LENGTH_MAX, SESSION_LENGTH_MAX, TIME_MAX, broken_rule
from streams.errors import LogError
from streams.log.codec import Codec
from streams.log.interface import Partition
from streams.operate.reconcile import reconcile
from streams.operate.registry import register
from streams.operate.sink import SINK_GROUP, ConnectDown, Sink, SinkRefused
from streams.operate.stack import Stack
from streams.operate.stack.settings import free_ports
from streams.operate.topics import create_session, topic_name
from tests.contract.samples import NOON, sample
from tests.operate.site import Site

WITH_TABLE = {name: r.RECORDS[spec.record] for name, spec in schemas.catalogue().items() if spec.table}
# Four bytes in UTF-8, so that a text of the longest length is also of the most bytes.
WIDE = "😀"


@pytest.fixture(scope="module")
def site(stack: Stack) -> Iterator[Site]:
    site = Site(stack)
    yield site
    site.log.close()


@pytest.fixture
def session(site: Site, fresh_session: Callable[[], str]) -> str:
    name = fresh_session()
    create_session(site.log, name, feeds=2, risk=1)
    return name


def extremes(hint: Any, field: str) -> list[Any]:
    """The values of a type that a database is most likely to refuse or to change."""
    if get_origin(hint) is UnionType:
        return [None, *extremes(next(each for each in get_args(hint) if each is not NoneType), field)]
    if hint is D:
        largest = D("99999999999999999999999999.999999999999")
        return [largest, largest.copy_negate(), D("0.000000000001"), D("-0.000000000001"), D(0), D("0.1")]
    if hint is str:
        length = {"event_id": EVENT_ID_LENGTH_MAX, "session": SESSION_LENGTH_MAX}.get(field, NAME_LENGTH_MAX)
        json_texts = ['{"a": [1.10, 1e-9, 12345678901234567890.123], "ü\\n": null}', '["\\ud83d\\ude00", true]', "[]", "{}"]
        return ["", " ", WIDE * length, "a'b\"c\\d\n\t\r%s$1?", "\x01\x7f\u2028\uffff", "null", "NaN", *json_texts]
    if hint is int:
        return [0, 1, -1, TIME_MAX, NOON + 1, 2**63 - 1, -(2**63)]
    if hint is bytes:
        return [b"", bytes(range(256)) * 40]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return list(hint)
    assert hint is bool, hint
    return [True, False]


def extreme_records(kind: type[r.Record], session: str) -> Iterator[r.Record]:
    """Ordinary records with one field at an extreme, as far as the rules let it pass; each under an id of its own."""
    count = 0
    for field, hint in get_type_hints(kind).items():
        # The session is the topic's own.
        for value in extremes(hint, field) if field != "session" else ():
            count += 1
            changes = {"session": session, "event_id": f"{session}/{count}", field: value}
            if field == "event_id":
                changes[field] = f"{session}/{count}/{value}"[:EVENT_ID_LENGTH_MAX]
            record = sample(kind, **changes)
            if broken_rule(record) is None:
                yield record


def test_every_valid_extreme_reaches_postgres_exactly(site: Site, session: str) -> None:
    """Postgres refusing one valid row would stop the sink for all."""
    counts = {}
    for topic, kind in WITH_TABLE.items():
        records = list(extreme_records(kind, session))
        counts[topic] = len(records)
        site.write(session, topic, None, *records, None)
    report = site.reconcile(session, sink_seconds_max=120)
    assert report.equal, report
    assert {each.topic: each.rows for each in report.tables} == counts
    assert min(counts.values()) > 30
    assert site.dead_letters(session) == []
    status = site.sink.status()
    assert status is not None
    assert status.running


def test_same_record_twice_is_one_row_also_across_batches_and_partitions(site: Site, session: str) -> None:
    record = sample(r.OrderResult, session=session, event_id=f"{session}/0")
    site.write(session, "order_results", record, record)
    site.write(session, "order_results", record, number=1)
    report = site.reconcile(session)
    assert report.equal, report
    assert site.rows("SELECT count(*) FROM order_results WHERE session = %s", session) == [(1,)]


def test_aborted_transaction_never_reaches_a_row(site: Site, session: str) -> None:
    writer = site.log.writer(f"{session}-test")
    writer.begin()
    value = site.codec.wire(sample(r.Alert, session=session, event_id=f"{session}/aborted"))
    place = Partition(topic_name(session, "alerts"), 0)
    writer.append(place, key=b"k", value=value, time=NOON)
    deadline = time.monotonic() + 30
    while not (written := site.written(place)) and time.monotonic() < deadline:
        continue
    assert written
    # On a slow machine the broker may have aborted it for us.
    with suppress(LogError):
        writer.abort()
    writer.close()
    site.write(session, "alerts", sample(r.Alert, session=session, event_id=f"{session}/kept"))
    assert site.reconcile(session).equal
    assert site.rows("SELECT event_id FROM alerts WHERE session = %s", session) == [(f"{session}/kept",)]


def test_undecodable_bytes_go_to_connect_dead_letters_and_the_rest_goes_on(site: Site, session: str) -> None:
    before, after = (sample(r.Signal, session=session, event_id=f"{session}/{number}") for number in range(2))
    site.write(session, "signals", before, b"\x00\x00\x00\x00\x07garbage", after)
    report = site.reconcile(session)
    assert report.equal, report
    deadline = time.monotonic() + 30
    while not (found := site.dead_letters(session)) and time.monotonic() < deadline:
        continue
    assert found == [b"\x00\x00\x00\x00\x07garbage"]


def test_newest_position_is_the_last_written_also_at_the_same_time(site: Site, session: str) -> None:
    """Ten is after nine, whatever texts say."""
    steps = [
        sample(r.Position, session=session, event_id=f"{session}/risk/x/{index}", quantity=D(index)) for index in range(11)
    ]
    site.write(session, "positions", *steps)
    site.write(session, "positions", sample(r.Position, session=session, event_id=f"{session}/a", symbol="ETHUSDT"))
    assert site.reconcile(session).equal
    found = site.rows("SELECT symbol, quantity FROM positions WHERE session = %s ORDER BY symbol", session)
    assert found == [("BTCUSDT", D(10)), ("ETHUSDT", D("-0.175"))]


def test_trades_are_the_results_in_which_something_filled(site: Site, session: str) -> None:
    fill = sample(r.OrderResult, session=session, event_id=f"{session}/0")
    expired = sample(
        r.OrderResult, session=session, event_id=f"{session}/1", status=r.ResultStatus.EXPIRED, quantity=D(0), price=None,
        notional=D(0), fee=D(0), reason="EXPIRED", liquidity=r.Liquidity.NONE, market_event_id=None, slippage_bps=None,
    )
    site.write(session, "order_results", fill, expired)
    assert site.reconcile(session).equal
    assert site.rows("SELECT event_id, quantity, price FROM trades WHERE session = %s", session) == [
        (f"{session}/0", D("0.175"), D("57124.1"))
    ]


def test_record_of_an_older_schema_has_null_in_the_new_column(site: Site, session: str) -> None:
    """The sink reads by the writer's schema; a column that it lacks is left alone."""
    from tests.operate.test_registry import propose

    schema = schemas.schema("Allocation")
    (gone,) = [field for field in schema["fields"] if field["name"] == "cooldown_until"]
    schema["fields"].remove(gone)
    number = propose(site.endpoints.ccompat_url, "Allocation", schema).json()["id"]
    record = sample(r.Allocation, session=session, event_id=f"{session}/0", cooldown_until=None)
    # Without the last field, whose null is one zero byte.
    payload = site.codec.payload(record)
    assert payload.endswith(b"\x00")
    site.write(session, "allocations", b"\x00" + number.to_bytes(4, "big") + payload[:-1])
    newer = Codec(register(site.endpoints.ccompat_url))
    report = reconcile(site.log, newer, site.endpoints.postgres_dsn, session)
    assert report.equal, report
    assert site.rows("SELECT cooldown_until FROM allocations WHERE session = %s", session) == [(None,)]


def test_failed_task_is_seen_and_goes_on_after_a_restart(site: Site, session: str) -> None:
    record = sample(r.LedgerEntry, session=session, event_id=f"{session}/0")
    with psycopg.connect(site.endpoints.postgres_dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE ledger_entries RENAME TO ledger_entries_away")
        try:
            site.write(session, "ledger_entries", record)
            failed = site.sink.await_status(lambda status: status.failed, 90)
            assert failed.tasks[0].trace
        finally:
            connection.execute("ALTER TABLE ledger_entries_away RENAME TO ledger_entries")
    assert site.sink.restart_failed()
    site.sink.await_status(lambda status: status.running, 30)
    assert not site.sink.restart_failed()
    assert site.reconcile(session).equal


def test_paused_sink_reads_nothing_until_it_is_resumed(site: Site, session: str) -> None:
    site.sink.pause()
    site.sink.await_status(lambda status: status.state == "PAUSED" and status.tasks[0].state == "PAUSED", 30)
    site.write(session, "regimes", sample(r.Regime, session=session, event_id=f"{session}/0"))
    assert not site.reconcile(session, sink_seconds_max=1).equal
    site.sink.resume()
    site.sink.await_status(lambda status: status.running, 30)
    assert site.reconcile(session).equal


def test_repair_and_the_sink_do_not_disturb_each_other(site: Site, session: str) -> None:
    site.sink.pause()
    site.sink.await_status(lambda status: status.state == "PAUSED" and status.tasks[0].state == "PAUSED", 30)
    site.write(session, "funding", sample(r.Funding, session=session, event_id=f"{session}/0"))
    assert site.reconcile(session, repair=True, sink_seconds_max=0).equal
    site.sink.resume()
    site.sink.await_status(lambda status: status.running, 30)
    site.write(session, "funding", sample(r.Funding, session=session, event_id=f"{session}/1"))
    report = site.reconcile(session)
    assert report.equal
    assert site.rows("SELECT event_id, log_offset FROM funding WHERE session = %s ORDER BY 2", session)[0] == (f"{session}/0", 0)


def test_applying_again_keeps_the_sink_running(site: Site) -> None:
    assert site.applied.running
    assert site.sink.apply(site.configuration()).running


def test_password_stands_in_no_configuration(site: Site) -> None:
    password = site.endpoints.postgres_password.get_secret_value()
    assert password not in msgspec.json.encode(site.configuration()).decode()


def test_wrong_configuration_is_refused_with_its_reason(site: Site) -> None:
    with pytest.raises(SinkRefused, match=r"tasks\.max"):
        site.sink.apply({**site.configuration(), "tasks.max": "many"})


def test_connect_that_is_away_is_named_with_its_address() -> None:
    (port,) = free_ports(1)
    with pytest.raises(ConnectDown, match=rf"Connect http://127\.0\.0\.1:{port} cannot be reached: ConnectError"):
        Sink(f"http://127.0.0.1:{port}").status()


def test_group_of_the_sink_is_the_one_that_reconciliation_asks_for(site: Site, session: str) -> None:
    site.write(session, "alerts", sample(r.Alert, session=session, event_id=f"{session}/0"))
    deadline = time.monotonic() + 30
    place = Partition(topic_name(session, "alerts"), 0)
    while site.log.committed(SINK_GROUP, place) is None and time.monotonic() < deadline:
        assert site.reconcile(session).equal
    assert site.log.committed(SINK_GROUP, place) == 1
