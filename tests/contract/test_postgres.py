"""
Topics to Postgres by the real sink: no record stops it, and what is a row equals its record to the last digit (`test_any_values.py`).

What the sink may do with records of other versions than its table's: fields without a column are passed over, optional ones that are
not written are null. A symbol stands in its column as it was written, also one that this program reads as UNKNOWN.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import schemas
from streams.contract.avro import Types
from streams.contract.decoding import encoded
from streams.domain import records as r
from streams.domain.rules import EVENT_ID_LENGTH_MAX, SESSION_LENGTH_MAX, broken_rule
from streams.log.codec import Codec
from streams.operate.registry import register
from streams.operate.rows import JSON_FIELDS, Table
from streams.operate.stack import Stack
from streams.operate.topics import create_session
from tests.contract.next_versions import versions
from tests.contract.registering import header, register_apart, with_writer
from tests.contract.samples import sample
from tests.contract.strategies import records
from tests.kafka.story import until
from tests.operate.site import Site

WITH_TABLE = {r.RECORDS[spec.record]: spec for spec in schemas.catalogue().values() if spec.table}
EVERY_TABLE = pytest.mark.parametrize("kind", WITH_TABLE, ids=lambda kind: kind.__name__)
AT_ONCE = 400
SECONDS_MAX = 90


@pytest.fixture(scope="module")
def site(stack: Stack) -> Iterator[Site]:
    site = Site(stack)
    yield site
    site.log.close()


class Batch:
    """Records that go to their topic together and are compared with their rows together: a round for each would take a second."""

    def __init__(self, site: Site, session: str) -> None:
        self._site, self._session, self._count = site, session, 0
        self._waiting: dict[type[r.Record], list[r.Record]] = {}

    def add(self, record: r.Record) -> None:
        """Takes the record under an id and the session of the batch; compares when enough have come together."""
        self._count += 1
        name = f"{self._session}/{self._count}"
        waiting = self._waiting.setdefault(type(record), [])
        waiting.append(msgspec.structs.replace(record, session=self._session, event_id=name))
        if len(waiting) >= AT_ONCE:
            self.compare()

    def compare(self) -> None:
        """Every record that breaks no rule has its row, and every row says what its record says."""
        for kind, waiting in self._waiting.items():
            # The last one that is written is the last one that is stored.
            end = sample(kind, session=self._session, event_id=f"{self._session}/last-{self._count}")
            self._site.write(self._session, WITH_TABLE[kind].name, *waiting, end)
        for kind, waiting in self._waiting.items():
            table = Table(str(WITH_TABLE[kind].table), schemas.schema(kind.__name__))
            self._await(table, f"{self._session}/last-{self._count}")
            rows = self._rows(table, [record.event_id for record in waiting])
            for record in waiting:
                row = rows.get(record.event_id)
                assert row == table.values(record) if row or broken_rule(record) is None else True, (record, row)
        self._waiting.clear()

    def _await(self, table: Table, name: str) -> None:
        until(lambda: bool(self._rows(table, [name])), f"{name} in {table.name}", seconds=SECONDS_MAX)

    def _rows(self, table: Table, ids: list[str]) -> dict[str, tuple[Any, ...]]:
        with psycopg.connect(self._site.endpoints.postgres_dsn) as connection:
            return table.rows(connection, self._session, ids)


@pytest.fixture(scope="module")
def batch(site: Site) -> Iterator[Batch]:
    """Its rest is compared when the module's tests are done."""
    session = f"any-record-{id(site):x}"
    create_session(site.log, session, feeds=1, risk=1)
    made = Batch(site, session)
    yield made
    made.compare()


@EVERY_TABLE
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_record_at_all_stops_the_sink(batch: Batch, kind: type[r.Record], data: st.DataObject) -> None:
    batch.add(data.draw(records(kind)))


@pytest.fixture
def session(site: Site, fresh_session: Callable[[], str]) -> str:
    name = fresh_session()
    create_session(site.log, name, feeds=1, risk=1)
    return name


UNSTORABLE: list[tuple[str, dict[str, Any], str]] = [
    ("text", {"message": "a\0b"}, "alerts.message must hold no NUL, had one at character 2"),
    ("key", {"account": "x" * 129}, "alerts.account must have at most 128 characters, had 129"),
    ("id", {"event_id": "x" * (EVENT_ID_LENGTH_MAX + 1)}, "alerts.event_id must have at most 512 characters, had 513"),
    ("session", {"session": "x" * (SESSION_LENGTH_MAX + 1)}, "alerts.session must have at most 64 characters, had 65"),
    ("time", {"time": 2**63 - 1}, "alerts.time must be from 0 to 253402300799999999 µs, was 9223372036854775807"),
]


def test_what_a_table_cannot_hold_is_put_aside_with_its_reason_and_the_rest_goes_on(site: Site, session: str) -> None:
    alerts = [sample(r.Alert, **{"session": session, "event_id": f"{session}/{name}", **changes}) for name, changes, _ in UNSTORABLE]
    site.write(session, "alerts", *alerts, sample(r.Alert, session=session, event_id=f"{session}/after"))
    order = sample(r.Order, session=session, event_id=f"{session}/order")
    texts = ["nothing", '{"a":"\\u0000"}', '{"a":1e-20000}', '{"a":"\\ud800"}', "[" * 5000 + "]" * 5000, "{} {}", "", "{"]
    orders = [msgspec.structs.replace(order, event_id=f"{session}/{number}", sizing=text) for number, text in enumerate(texts)]
    # A record of another type on the topic is no order either.
    site.write(session, "orders", *orders, alerts[0], order)
    report = site.reconcile(session)
    assert report.equal, report
    assert site.rows("SELECT event_id FROM alerts WHERE session = %s", session) == [(f"{session}/after",)]
    assert site.rows("SELECT event_id FROM orders WHERE session = %s", session) == [(order.event_id,)]
    until(lambda: len(site.dead_letters(session)) == len(alerts) + len(orders) + 1, "every letter", seconds=SECONDS_MAX)
    assert site.reasons(session, "alerts") == [reason for _, _, reason in UNSTORABLE]
    *of_texts, of_type = site.reasons(session, "orders")
    assert all(reason.startswith("orders.sizing must be ") for reason in of_texts), of_texts
    assert of_type == "orders.strategy must have a value, had none"
    status = site.sink.status()
    assert status is not None and status.running


@EVERY_TABLE
def test_records_of_every_version_reach_the_table_of_this_one(site: Site, session: str, kind: type[r.Record]) -> None:
    """Kafka Connect's converter on the worker, with every writer's schema; the table is the reader."""
    name, spec = kind.__name__, WITH_TABLE[kind]
    ids, wires = register(site.endpoints.ccompat_url), []
    for number, version in enumerate(versions(name)):
        known = register_apart(site.endpoints.ccompat_url, f"{name}-{number}", version.schema)
        ids = with_writer(ids, known, name, version.schema)
        values = {**Types.of(version.schema).ordinary(version.schema), **_ordinary(kind, session, number)}
        values = {field["name"]: values[field["name"]] for field in version.schema["fields"]}
        wires.append(header(known) + encoded(version.schema, values))
    site.write(session, spec.name, *wires)
    codec, table = Codec(ids), Table(str(spec.table), schemas.schema(name))
    wanted = {record.event_id: table.values(record) for record in (codec.decode(wire, kind) for wire in wires)}

    def rows() -> dict[str, tuple[Any, ...]]:
        with psycopg.connect(site.endpoints.postgres_dsn) as connection:
            return table.rows(connection, session, list(wanted))

    until(lambda: len(rows()) == len(wires), "every version's row", seconds=SECONDS_MAX)
    assert rows() == wanted


def _ordinary(kind: type[r.Record], session: str, number: int) -> dict[str, Any]:
    """The sample's values for fastavro, under an id of their own."""
    return msgspec.structs.asdict(sample(kind, session=session, event_id=f"{session}/{number}"))


def test_symbol_to_come_stands_in_its_column_as_it_was_written(site: Site, session: str) -> None:
    schema = versions("LedgerEntry")[2].schema
    number = register_apart(site.endpoints.ccompat_url, "LedgerEntry-later", schema)
    values = {**Types.of(schema).ordinary(schema), **_ordinary(r.LedgerEntry, session, 0), "kind": "LATER"}
    site.write(session, "ledger_entries", header(number) + encoded(schema, values))
    query = "SELECT kind FROM ledger_entries WHERE session = %s"
    until(lambda: bool(site.rows(query, session)), "the row", seconds=SECONDS_MAX)
    assert site.rows(query, session) == [("LATER",)]


def test_no_column_demands_what_a_released_version_does_not_write(site: Site) -> None:
    for kind, spec in WITH_TABLE.items():
        columns = site.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL",
            str(spec.table),
        )
        for release in schemas.released(kind.__name__):
            written = {field["name"] for field in json.loads(release.text)["fields"]} | {"log_partition", "log_offset"}
            assert {name for (name,) in columns} <= written, (spec.table, release.number)


def test_json_columns_are_texts_that_a_rule_holds_to_json() -> None:
    for field in JSON_FIELDS:
        kinds = [kind for kind in WITH_TABLE if field in get_type_hints(kind)]
        assert kinds
        for kind in kinds:
            assert broken_rule(sample(kind, **{field: "no JSON"})) is not None


def test_long_texts_and_times_of_two_centuries_are_rows(site: Site, session: str) -> None:
    long = "Ж" * 1000 + "€\t" * 40_000
    for number, time in enumerate((0, 1, 7_258_118_400_000_001, 4_102_444_799_999_999)):
        alert = sample(r.Alert, session=session, event_id=f"{session}/{number}", time=time, message=long)
        site.write(session, "alerts", alert)
    report = site.reconcile(session)
    assert report.equal, report
    utc = "to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
    found = site.rows(f"SELECT {utc} FROM alerts WHERE session = %s ORDER BY time", session)
    assert [text for (text,) in found] == [
        "1970-01-01 00:00:00.000000", "1970-01-01 00:00:00.000001", "2099-12-31 23:59:59.999999", "2200-01-01 00:00:00.000001",
    ]  # fmt: skip
