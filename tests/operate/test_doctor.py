"""The doctor on the real stack: go where all is well, and each thing that is not found by its name; nothing is changed by looking."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

import schemas
from streams.cli.__main__ import app, run
from streams.cli.options import Invocation
from streams.operate import sessions, topics
from streams.operate.connection import Connection
from streams.operate.doctor.clock import Offset, clock_finding
from streams.operate.doctor.machine import container_finding, disk_finding, port_findings
from streams.operate.doctor.services import connect_finding, database_findings, health_finding, registry_findings
from streams.operate.findings import Finding, Level
from streams.operate.migrate import migrate
from streams.operate.plan import Ask, settings_of
from streams.operate.prepare import prepare
from streams.operate.runtime import Runtime, open_runtime
from streams.operate.sink import Sink
from streams.operate.stack import Endpoints, Stack
from streams.operate.stack.settings import free_ports
from tests.kafka.story import environment_of, until
from tests.operate.databases import fresh_database
from tests.reaper import reaped_stack

pytestmark = pytest.mark.timeout(300)


def levels(found: list[Finding]) -> dict[str, Level]:
    return {f"{one.check} {one.subject}": one.level for one in found}


# Of the machine alone


@pytest.mark.parametrize(
    ("seconds", "uncertainty", "level"),
    [(0.2, 0, Level.OK), (-0.3, 0, Level.WARN), (1.1, 0, Level.FAIL), (-1.1, 0.01, Level.FAIL), (1.1, 1.0, Level.OK)],
)
def test_a_clock_that_is_off_by_more_than_a_second_is_no_go_both_ways(seconds: float, uncertainty: float, level: Level) -> None:
    assert clock_finding("x", Offset(seconds, uncertainty)).level is level


@pytest.mark.parametrize(
    ("state", "status", "level"),
    [
        ("running", "Up 3 minutes (healthy)", Level.OK), ("running", "Up 3 minutes", Level.OK),
        ("running", "Up 3 minutes (unhealthy)", Level.FAIL), ("running", "Up 2 seconds (health: starting)", Level.FAIL),
        ("exited", "Exited (0) 2 minutes ago", Level.OK), ("exited", "Exited (1) 2 minutes ago", Level.FAIL),
        ("restarting", "Restarting (70) 1 second ago", Level.FAIL),
    ],
)  # fmt: skip
def test_a_container_is_well_where_it_runs_healthy_or_has_done_its_work(state: str, status: str, level: Level) -> None:
    assert container_finding({"Names": "cdb_core", "State": state, "Status": status}).level is level


def test_a_disk_without_the_room_that_is_asked_for_is_no_go(tmp_path: Path) -> None:
    assert disk_finding(tmp_path / "not" / "there", 0).level is not Level.FAIL
    assert disk_finding(tmp_path, 1 << 62).level is Level.FAIL


def test_a_start_is_refused_at_once_by_a_port_that_another_holds_and_by_a_wrong_secret() -> None:
    with reaped_stack() as stack, socket.socket() as other:
        other.bind(("127.0.0.1", stack.settings.postgres_port))
        other.listen()
        assert levels(list(port_findings(stack.parts.values())))[f"ports {stack.settings.postgres_port}"] is Level.FAIL
        environment = environment_of(stack)
        began = time.monotonic()
        said = CliRunner().invoke(app, ["up"], obj=Invocation(environment))
        assert time.monotonic() - began < 10
        assert "NO-GO, nothing was started" in str(said.exception) and f"ports {stack.settings.postgres_port}" in str(said.exception)
        assert not stack.settings.data_folder.exists()
        assert run(["up"], {**environment, "CDB_POSTGRES_PASSWORD": "short"}) == 2
        assert run(["paper", "--duration", "1"], environment) == 1


# Of the stack


@pytest.fixture(scope="module")
def ready(stack: Stack) -> Endpoints:
    endpoints = stack.endpoints()
    prepare(endpoints, lambda _: None)
    return endpoints


@pytest.fixture
def runtime(ready: Endpoints) -> Iterator[Runtime]:
    with open_runtime(Connection(bootstrap=ready.bootstrap, registry=ready.ccompat_url)) as opened:
        yield opened


@pytest.fixture
def session(runtime: Runtime, fresh_session: Callable[[], str]) -> str:
    settings = settings_of(Ask(session=fresh_session(), start_time=1, partitions=2))
    sessions.create(runtime.log, runtime.codec, settings, schema_ids=runtime.schema_ids, code_version="test", time=1)
    return settings.session


def doctor(stack: Stack, *words: str) -> tuple[Result, dict[str, Level]]:
    said = CliRunner().invoke(app, ["doctor", "--json", *words], obj=Invocation(environment_of(stack)))
    found = json.loads(said.stdout)["findings"]
    return said, {f"{one['check']} {one['subject']}": Level(one["level"]) for one in found}


def test_a_stack_that_is_ready_is_go_and_its_verdict_can_be_kept(stack: Stack, session: str, tmp_path: Path) -> None:
    history = {**environment_of(stack), "CDB_HISTORY": str(tmp_path / "history.jsonl")}
    said = CliRunner().invoke(app, ["doctor", "--json", "--record", "--session", session], obj=Invocation(history))
    document = json.loads(said.stdout)
    assert (said.exit_code, document["verdict"]) == (0, "GO"), [one for one in document["findings"] if one["level"] == "fail"]
    looked_at = {one["check"] for one in document["findings"]}
    assert {"processes", "topics", "kafka", "schemas", "connectors", "tables", "disk", "clock"} <= looked_at
    shown = CliRunner().invoke(app, ["status"], obj=Invocation(history))
    assert "last doctor: GO at 2" in shown.stdout


def test_a_topic_that_is_missing_and_a_session_that_is_not_there_are_no_go(stack: Stack, runtime: Runtime, session: str) -> None:
    runtime.log.delete([topics.topic_name(session, "orders")])
    until(lambda: topics.topic_name(session, "orders") not in runtime.log.topics(), "the topic gone")
    said, found = doctor(stack, "--session", session, "--session", "nobody")
    assert said.exit_code == 1
    assert found[f"topics {session}"] is Level.FAIL and found["topics nobody"] is Level.FAIL
    # Another session's fault is told, and stops nobody.
    said, found = doctor(stack)
    assert found[f"topics {session}"] is Level.WARN
    topics.delete_session(runtime.log, session)


def test_a_subject_whose_compatibility_is_loose_is_no_go(ready: Endpoints) -> None:
    where = f"{ready.ccompat_url}/config/{schemas.full_name('Alert')}"
    httpx.put(where, json={"compatibility": "NONE"}, trust_env=False).raise_for_status()
    try:
        assert levels(list(registry_findings(ready.ccompat_url)))["schemas compatibility"] is Level.FAIL
    finally:
        httpx.put(where, json={"compatibility": "FULL_TRANSITIVE"}, trust_env=False).raise_for_status()
    assert Level.FAIL not in levels(list(registry_findings(ready.ccompat_url))).values()


def test_a_sink_that_is_paused_is_no_go(ready: Endpoints) -> None:
    sink = Sink(ready.connect_url)
    sink.pause()
    try:
        sink.await_status(lambda status: status.state == "PAUSED", 30)
        assert connect_finding(ready.connect_url).level is Level.FAIL
    finally:
        sink.resume()
        sink.await_status(lambda status: status.running, 30)
    assert connect_finding(ready.connect_url).level is Level.OK


def test_a_table_that_is_gone_is_no_go_and_an_empty_database_is_told(stack: Stack) -> None:
    with fresh_database(stack) as dsn:
        assert levels(list(database_findings(dsn)))["tables migrations"] is Level.WARN
        migrate(dsn)
        assert set(levels(list(database_findings(dsn))).values()) == {Level.OK}
        with psycopg.connect(dsn) as connection:
            connection.execute("DROP TABLE alerts")
        assert levels(list(database_findings(dsn)))["tables tables"] is Level.FAIL


def test_parts_that_cannot_be_asked_are_one_finding_each() -> None:
    [port] = free_ports(1)
    nowhere = f"http://127.0.0.1:{port}"
    assert [one.level for one in registry_findings(nowhere)] == [Level.FAIL]
    assert [one.level for one in database_findings(f"postgresql://claire@127.0.0.1:{port}/x")] == [Level.FAIL]
    assert connect_finding(nowhere).level is Level.FAIL and health_finding(nowhere).level is Level.FAIL
