"""Each way in which the stack cannot start gives one clear message within a bounded time. Few of these start anything."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import ConfigError, StackError
from streams.operate.stack import PartState, Stack, StackSettings
from streams.operate.stack.part import Part
from streams.operate.stack.postgres import default_folder
from streams.operate.stack.settings import free_ports, port_is_free
from tests.reaper import reaped_stack


class Shell(Part):
    """A part that is a line of shell and never healthy, unless it is told so."""

    name = "shell"
    line = "sleep 60"
    answers = False

    @property
    def ports(self) -> dict[str, int]:
        return {"connect_port": self.settings.connect_port}

    def check(self) -> None:
        """Needs nothing."""

    def prepare(self) -> None:
        """Has no data."""

    def command(self) -> list[str]:
        return ["/bin/sh", "-c", self.line]

    def fault(self, seconds: float) -> str | None:
        return None if self.answers else "does not answer the shell's question"


@pytest.fixture
def settings() -> Iterator[StackSettings]:
    # Not pytest's own folder: closed to others, it would move Postgres out of the data folder where we are root.
    with tempfile.TemporaryDirectory(prefix="cdb-test-") as folder:
        Path(folder).chmod(0o711)
        yield StackSettings.for_test(Path(folder) / "data").model_copy(update={"start_seconds_max": 1.0})


@pytest.fixture
def shell(settings: StackSettings) -> Iterator[Shell]:
    for name in ("logs", "run", "tmp"):
        (settings.data_folder / name).mkdir(parents=True)
    part = Shell(settings)
    yield part
    part.stop(kill=True)


def test_busy_port_is_named_with_the_process_that_holds_it(settings: StackSettings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.kafka_port))
        other.listen()
        with pytest.raises(
            StackError, match=rf"port {settings.kafka_port} is held by pid {os.getpid()} \(.*KAFKA_PORT"
        ):
            Stack(settings).up(["kafka"])
        [status] = [each for each in Stack(settings).status() if each.name == "kafka"]
    assert status.state is PartState.STOPPED
    assert f"held by pid {os.getpid()}" in status.detail


def test_part_that_ends_at_start_is_reported_with_its_last_words(shell: Shell) -> None:
    shell.line = "echo the disk is on fire; exit 3"
    with pytest.raises(StackError, match=r"(?s)exit code 3.*the disk is on fire"):
        shell.start(threading.Event())
    assert shell.running() is None
    assert not shell.pid_file.exists()


def test_part_that_never_answers_is_ended_after_its_time(shell: Shell) -> None:
    began = time.monotonic()
    with pytest.raises(StackError, match="does not answer the shell's question, after 1 s"):
        shell.start(threading.Event())
    assert time.monotonic() - began < 10
    assert shell.running() is None


def test_interrupted_start_leaves_no_process(shell: Shell) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(StackError, match="the start was interrupted"):
        shell.start(cancelled)
    assert shell.running() is None


def test_part_that_answered_once_and_no_longer_does_is_left_running_and_named(shell: Shell) -> None:
    shell.answers = True
    assert shell.start(threading.Event())
    before = shell.running()
    shell.answers = False
    slow = Shell(shell.settings.model_copy(update={"start_seconds_max": 600.0, "answer_seconds_max": 0.2}))
    with pytest.raises(StackError, match=r"pid \d+ runs but does not answer.*cdb down --parts shell"):
        slow.start(threading.Event())
    assert before is not None
    assert shell.running() == before


def test_pid_of_somebody_else_in_a_stale_pid_file_is_not_taken_for_the_part(shell: Shell) -> None:
    shell.pid_file.write_text(json.dumps({"pid": os.getpid(), "started_ticks": 1, "boot_id": "x", "ports": []}))
    assert shell.running() is None
    assert shell.status().state is PartState.DIED
    assert not shell.stop(), "nothing of ours to end"


def test_damaged_pid_file_counts_as_no_process(shell: Shell) -> None:
    shell.pid_file.write_text("{")
    assert shell.running() is None


def test_running_part_on_other_ports_than_the_settings_say_is_named(shell: Shell) -> None:
    shell.answers = True
    shell.start(threading.Event())
    moved = Shell(shell.settings.model_copy(update={"connect_port": free_ports(1)[0]}))
    with pytest.raises(StackError, match="the settings say"):
        moved.start(threading.Event())


def test_part_that_ignores_the_signal_is_killed_with_its_children_after_its_time(shell: Shell) -> None:
    shell.line = "trap '' TERM INT; sleep 60 & wait; sleep 60"
    shell.answers = True
    shell.start(threading.Event())
    impatient = Shell(shell.settings.model_copy(update={"stop_seconds_max": 0.3}))
    assert impatient.stop()
    assert impatient.running() is None


def test_too_little_room_is_named_before_anything_is_made(settings: StackSettings) -> None:
    greedy = settings.model_copy(update={"free_bytes_min": 1 << 60})
    with pytest.raises(StackError, match=r"data folder .*: \d+ MiB free on its disk, \d+ MiB needed"):
        Stack(greedy).up()
    assert not greedy.data_folder.exists()


def test_disk_that_fills_up_while_starting_is_named() -> None:
    with reaped_stack(free_bytes_min=0) as stack:
        disk = stack.settings.data_folder
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)]
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
        try:
            with pytest.raises(StackError, match="No space left on device"):
                stack.up(["postgres"])
            assert not (disk / "postgres").exists(), "a half-made database must not count as one"
        finally:
            stack.down()
            subprocess.run(["umount", disk], check=True)


def test_folder_of_somebody_else_is_neither_used_nor_removed(settings: StackSettings) -> None:
    settings.data_folder.mkdir()
    (settings.data_folder / "thesis.txt").write_text("years of work")
    with pytest.raises(StackError, match=r"holds files but no stack\.json"):
        Stack(settings).up()
    with pytest.raises(StackError, match=r"holds files but no stack\.json"):
        Stack(settings).down(delete_data=True)
    assert os.listdir(settings.data_folder) == ["thesis.txt"]


def test_data_of_another_version_are_named_with_the_way_to_remove_them(settings: StackSettings) -> None:
    settings.data_folder.mkdir()
    manifest = {"format": 99, "cluster_id": "x", "postgres_folder": "x"}
    (settings.data_folder / "stack.json").write_text(json.dumps(manifest))
    with pytest.raises(StackError, match="format must be 1, was 99: `cdb down --delete-data` removes"):
        Stack(settings).up()
    with pytest.raises(StackError, match=r"stack\.json: cannot be read"):
        (settings.data_folder / "stack.json").write_text("{")
        Stack(settings).up()
    Stack(settings).down(delete_data=True)
    assert not settings.data_folder.exists()


def test_topics_of_another_cluster_are_named(settings: StackSettings) -> None:
    _write_manifest(settings)
    (settings.data_folder / "kafka").mkdir()
    (settings.data_folder / "kafka" / "meta.properties").write_text("version=1\ncluster.id=another\n")
    with pytest.raises(StackError, match=r"cluster\.id must be ours, .* was another"):
        Stack(settings).up(["kafka"])


def test_database_of_another_postgres_is_named(settings: StackSettings) -> None:
    _write_manifest(settings)
    (settings.data_folder / "postgres").mkdir()
    (settings.data_folder / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StackError, match=r"PG_VERSION: major version must be \d+, .* was 9: install Postgres 9, or"):
        Stack(settings).up(["postgres"])


def test_missing_java_parts_say_how_to_get_them(settings: StackSettings, tmp_path: Path) -> None:
    bare = settings.model_copy(update={"parts_folder": tmp_path / "nowhere"})
    with pytest.raises(StackError, match=r"nowhere/libs is missing or empty: run `make setup`"):
        Stack(bare).up(["kafka"])


def test_missing_postgres_says_what_to_install(settings: StackSettings, tmp_path: Path) -> None:
    bare = settings.model_copy(update={"postgres_programs_folder": tmp_path})
    with pytest.raises(StackError, match="Postgres 15 or later is not installed: run `make setup`"):
        Stack(bare).up(["postgres"])


def test_what_needs_a_failed_part_says_so(settings: StackSettings, tmp_path: Path) -> None:
    bare = settings.model_copy(update={"parts_folder": tmp_path / "nowhere"})
    with pytest.raises(StackError, match=r"(?s)kafka: |libs is missing.*connect: not started, because what it needs"):
        Stack(bare).up(["connect"])


def test_endpoints_before_the_first_start_say_what_to_do(settings: StackSettings) -> None:
    with pytest.raises(StackError, match="run `cdb up` first"):
        Stack(settings).endpoints()


@pytest.mark.parametrize("parts", [[], ["kafka", "zookeeper"]])
def test_unknown_parts_are_refused(settings: StackSettings, parts: list[str]) -> None:
    with pytest.raises(ConfigError, match="parts must be of kafka, postgres, registry, connect, alerts, alertmanager, prometheus, was"):
        Stack(settings).up(parts)


def test_every_fault_of_the_settings_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        StackSettings.from_environment({"CDB_STACK_KAFKA_PORT": "80", "CDB_STACK_COLOUR": "red", "HOME": "x"})
    assert "CDB_STACK_KAFKA_PORT: " in str(raised.value)
    assert "was '80'" in str(raised.value)
    assert "CDB_STACK_COLOUR: " in str(raised.value)


def test_chosen_ports_are_taken_from_the_environment() -> None:
    assert StackSettings.from_environment({"CDB_STACK_KAFKA_PORT": "29092"}).kafka_port == 29092


def test_free_ports_differ_and_are_free() -> None:
    found = free_ports(20)
    assert len(set(found)) == 20
    assert all(port_is_free(port) for port in found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs Postgres as another user")
def test_database_lies_outside_of_a_folder_that_its_user_cannot_enter(settings: StackSettings) -> None:
    assert default_folder(settings) == settings.data_folder / "postgres"
    settings.data_folder.parent.chmod(0o700)
    outside = default_folder(settings)
    assert not outside.is_relative_to(settings.data_folder)
    assert outside != default_folder(settings.model_copy(update={"data_folder": settings.data_folder / "other"}))


def _write_manifest(settings: StackSettings) -> None:
    settings.data_folder.mkdir()
    manifest = {"format": 1, "cluster_id": "ours", "postgres_folder": str(settings.data_folder / "postgres")}
    (settings.data_folder / "stack.json").write_text(json.dumps(manifest))
