"""The stack for real: up, down, status, repair. Broker and Postgres in a stack of their own, all parts in the run's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from streams.cli.__main__ import app
from streams.cli.options import Invocation
from streams.errors import StackError
from streams.operate.stack import PART_NAMES, PartState, Stack
from streams.operate.stack.process import wait_until
from tests.reaper import PROJECT_FOLDER, reaped_stack

PAIR = ("kafka", "postgres")
MEMORY_BYTES_MAX = 1536 << 20


@pytest.fixture(scope="module")
def pair() -> Iterator[Stack]:
    """Broker and Postgres alone, to be ended and broken; they start in a few seconds."""
    with reaped_stack() as stack:
        stack.up(PAIR)
        yield stack


def states(stack: Stack) -> dict[str, PartState]:
    return {each.name: each.state for each in stack.status()}


def pids(stack: Stack) -> dict[str, int | None]:
    return {each.name: each.pid for each in stack.status()}


def pid_of(stack: Stack, name: str) -> int:
    running = stack.parts[name].running()
    assert running is not None, f"{name} must run here"
    return running.pid


def environment(stack: Stack) -> dict[str, str]:
    """What a user would export to reach this stack from the command line."""
    values = stack.settings.model_dump(mode="json", exclude_none=True)
    return {f"CDB_STACK_{name.upper()}": str(value) for name, value in values.items()}


def cdb(stack: Stack, *words: str) -> Result:
    """A command of a user who chose this stack."""
    return CliRunner().invoke(app, list(words), obj=Invocation(environment(stack)))


def test_second_up_changes_nothing_and_takes_less_than_a_second(pair: Stack) -> None:
    before = pids(pair)
    said: list[str] = []
    began = time.monotonic()
    pair.up(PAIR, report=said.append)
    assert time.monotonic() - began < 1
    assert pids(pair) == before
    assert sorted(said) == [
        f"kafka: was up on port {pair.settings.kafka_port}",
        f"postgres: was up on port {pair.settings.postgres_port}",
    ]


def test_two_ups_at_once_start_each_part_once(pair: Stack) -> None:
    pair.down(PAIR)
    others = [threading.Thread(target=Stack(pair.settings).up, args=(PAIR,)) for _ in range(2)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    found = states(pair)
    assert [found[name] for name in PAIR] == [PartState.HEALTHY, PartState.HEALTHY]


@pytest.mark.parametrize("victim", PAIR)
def test_killed_part_is_reported_and_up_brings_only_it_back(pair: Stack, victim: str) -> None:
    before = pids(pair)
    os.kill(pid_of(pair, victim), signal.SIGKILL)
    assert wait_until(lambda: states(pair)[victim] is PartState.DIED, 5)
    pair.up(PAIR)
    after = pids(pair)
    assert after[victim] not in (None, before[victim])
    assert {name: pid for name, pid in after.items() if name != victim} == {
        name: pid for name, pid in before.items() if name != victim
    }


@pytest.mark.parametrize("victim", PAIR)
def test_half_dead_part_is_named_in_time_and_down_and_up_repair_it(pair: Stack, victim: str) -> None:
    hasty = Stack(pair.settings.model_copy(update={"answer_seconds_max": 0.5, "stop_seconds_max": 2.0}))
    os.kill(pid_of(pair, victim), signal.SIGSTOP)
    began = time.monotonic()
    [status] = [each for each in hasty.status() if each.name == victim]
    assert status.state is PartState.NOT_ANSWERING
    assert status.detail
    with pytest.raises(StackError, match=rf"{victim}: pid {status.pid} runs but does not answer.*cdb down --parts"):
        hasty.up(PAIR)
    assert time.monotonic() - began < 15
    hasty.down([victim])
    pair.up(PAIR)
    assert states(pair)[victim] is PartState.HEALTHY


def test_data_survive_down_and_up(pair: Stack) -> None:
    with psycopg.connect(pair.endpoints().postgres_dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    pair.down()
    assert set(states(pair).values()) == {PartState.STOPPED}
    pair.up(PAIR)
    with psycopg.connect(pair.endpoints().postgres_dsn) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_database_refuses_a_wrong_password_and_listens_on_loopback_only(pair: Stack) -> None:
    endpoints = pair.endpoints()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(endpoints.postgres_dsn, password="wrong")
    with psycopg.connect(endpoints.postgres_dsn) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
    password_file = endpoints.secrets_folder / "postgres_password"
    assert password_file.stat().st_mode & 0o777 == 0o600
    assert endpoints.postgres_password.get_secret_value() not in repr(endpoints)


def test_command_line_shows_starts_and_ends_the_stack(pair: Stack) -> None:
    shown = cdb(pair, "status", "--json")
    assert shown.exit_code == 1, "registry and Connect are not up here"
    found = {each["name"]: each["state"] for each in json.loads(shown.stdout)}
    assert found == {"kafka": "healthy", "postgres": "healthy", "registry": "stopped", "connect": "stopped"}
    assert "postgres: ended" in cdb(pair, "down", "--parts", "postgres").stdout
    started = cdb(pair, "up", "--parts", "kafka,postgres")
    assert started.exit_code == 0, started.output
    assert "postgres: up on port" in started.stdout
    assert "kafka: was up on port" in started.stdout
    assert "healthy" in cdb(pair, "status").stdout


def test_stack_of_a_killed_test_run_is_removed(tmp_path: Path) -> None:
    script = (
        "import os, signal; from tests.reaper import reaped_stack\n"
        "with reaped_stack() as stack:\n"
        "    stack.up(['postgres']); print(stack.settings.data_folder.parent, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT_FOLDER, stdout=subprocess.PIPE, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    folder = Path(killed.stdout.strip())
    assert wait_until(lambda: not folder.exists(), 30)


def test_delete_data_ends_everything_and_leaves_nothing() -> None:
    with reaped_stack() as stack:
        stack.up(["postgres"])
        process = stack.parts["postgres"].running()
        assert process is not None
        stack.down(delete_data=True)
        assert not stack.settings.data_folder.exists()
        assert not process.alive()
        said: list[str] = []
        stack.down(delete_data=True, report=said.append)
        assert said == ["nothing to end: there is no stack here"]


def test_whole_stack_is_healthy_and_small(stack: Stack) -> None:
    found = stack.status()
    assert {each.name: each.state for each in found} == dict.fromkeys(PART_NAMES, PartState.HEALTHY)
    assert sum(each.memory_bytes or 0 for each in found) < MEMORY_BYTES_MAX
    shown = cdb(stack, "status")
    assert shown.exit_code == 0, shown.output


def test_registry_refuses_a_breaking_schema(stack: Stack) -> None:
    url = f"{stack.endpoints().ccompat_url}/subjects/stack-test/versions"
    before = {"type": "record", "name": "Probe", "fields": [{"name": "a", "type": "long"}]}
    after = {"type": "record", "name": "Probe", "fields": [{"name": "a", "type": "string"}]}
    assert httpx.post(url, json={"schema": json.dumps(before)}).status_code == httpx.codes.OK
    assert httpx.post(url, json={"schema": json.dumps(after)}).status_code == httpx.codes.CONFLICT


def test_connect_has_the_sink_the_converter_and_the_watermark_filter(stack: Stack) -> None:
    plugins = httpx.get(f"{stack.endpoints().connect_url}/connector-plugins?connectorsOnly=false").json()
    found = {each["class"] for each in plugins}
    assert {
        "io.debezium.connector.jdbc.JdbcSinkConnector",
        "io.apicurio.registry.utils.converter.AvroConverter",
        "org.apache.kafka.connect.transforms.Filter",
        "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
        "org.apache.kafka.connect.transforms.RegexRouter",
    } <= found


@pytest.mark.parametrize("victim", PART_NAMES)
def test_whole_stack_recovers_from_the_death_of_any_part_with_one_up(stack: Stack, victim: str) -> None:
    before = pids(stack)
    os.kill(pid_of(stack, victim), signal.SIGKILL)
    stack.up()
    assert wait_until(lambda: set(states(stack).values()) == {PartState.HEALTHY}, 60), stack.status()
    changed = {name for name, pid in pids(stack).items() if pid != before[name]}
    assert changed == {victim}
    compatibility = httpx.get(f"{stack.endpoints().ccompat_url}/config", timeout=30).json()
    assert compatibility == {"compatibilityLevel": "FULL_TRANSITIVE"}


def test_part_that_dies_while_up_waits_for_its_answer_is_started_anew(stack: Stack) -> None:
    before = pid_of(stack, "registry")
    os.kill(before, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stack.up, ["registry"])
        os.kill(before, signal.SIGKILL)
        waiting.result()
    assert states(stack)["registry"] is PartState.HEALTHY
    assert pid_of(stack, "registry") != before
