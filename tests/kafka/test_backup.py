"""A machine that is lost while a session runs, and an empty one on which it goes on from the backup as if nothing had been."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from streams.cli.__main__ import app
from streams.cli.options import Invocation
from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.log.layout import Layout
from streams.operate.paper import PaperSession, Place
from streams.operate.plan import Ask, settings_of
from streams.operate.stack import Stack
from streams.replay.backup.sets import chosen
from tests.kafka.story import Theatre, environment_of, theatre_on, undisturbed, until
from tests.reaper import reaped_stack

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

SECONDS = 120
SPEED = "1x"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A machine of its own: a backup holds every session, and the run's stack those of all other tests."""
    with reaped_stack() as found:
        found.up()
        yield found


def cdb(stack: Stack, folder: Path, *words: str) -> Result:
    places = {"CDB_BACKUPS": str(folder / "backups"), "CDB_HISTORY": str(folder / "history.jsonl")}
    return CliRunner().invoke(app, list(words), obj=Invocation({**environment_of(stack), **places}))


def backed_up_and_lost(theatre: Theatre, settings: SessionSettings, folder: Path) -> None:
    """Runs the session, backs it up on the way while it trades, and ends the machine's processes as a failure of power does."""
    running = theatre.session(settings, speed=SPEED)
    running.start()
    try:
        until(lambda: running.progress().feed_records > 200, "a session on its way", seconds=120)
        said = cdb(theatre.stack, folder, "backup", "--json")
        assert said.exit_code == 0, said.output + str(said.exception)
        assert not running.progress().settled, "must be backed up while it runs"
    finally:
        for one in running.supervisor.processes.values():
            os.kill(one.pid, signal.SIGKILL)
        running.supervisor.stop()
    held = json.loads(said.stdout)["sessions"]
    assert held[settings.session] > 0


def gone_on(theatre: Theatre, settings: SessionSettings, folder: Path) -> None:
    """
    Until it has settled. Without a watchdog: its timekeeper would tell of a dead feed while the feed starts, and the session would be
    another one.
    """
    endpoints = theatre.stack.endpoints()
    place = Place(endpoints.bootstrap, endpoints.ccompat_url, folder / "second", local=False)
    running = PaperSession(theatre.runtime, settings, place, speed="max", environment=environment_of(theatre.stack))
    running.create(time.time_ns() // 1000)
    running.start()
    try:
        until(lambda: running.check() or running.progress().settled, "the session gone on to its end", seconds=240)  # type: ignore[func-returns-value]
    finally:
        running.supervisor.stop()
    running.end(time.time_ns() // 1000)


def test_a_session_goes_on_from_its_backup_on_an_empty_machine_byte_for_byte(
    stack: Stack, tmp_path: Path, fresh_session: Callable[[], str]
) -> None:
    settings = settings_of(Ask(session=fresh_session(), duration_seconds=SECONDS, start_time=time.time_ns() // 1000))
    with theatre_on(stack, tmp_path / "first") as first:
        backed_up_and_lost(first, settings, tmp_path)
    [copy] = [one for one in chosen(tmp_path / "backups", None).manifest().sessions if one.session == settings.session]
    assert copy.is_of_one_moment
    assert cdb(stack, tmp_path, "backup", "verify").exit_code == 0
    with reaped_stack() as empty:
        empty.up()
        said = cdb(empty, tmp_path, "restore", "--json")
        assert said.exit_code == 0, said.output + str(said.exception)
        assert json.loads(said.stdout)["sessions"][settings.session] == copy.records
        # Said again it finds everything in its place.
        assert cdb(empty, tmp_path, "restore").exit_code == 0
        with theatre_on(empty, tmp_path / "second") as second:
            gone_on(second, settings, tmp_path)
            second.must_equal(settings, undisturbed(settings))
            second.must_replay_and_reconcile(settings)
        # A session that has gone on is not overwritten.
        refused = cdb(empty, tmp_path, "restore")
        assert isinstance(refused.exception, ConfigError) and "differs at" in str(refused.exception)
    shown = cdb(stack, tmp_path, "status", "--history", "--json")
    assert [one["kind"] for one in json.loads(shown.stdout)] == ["backup", "restore", "restore"]


def test_damaged_session_is_left_out_by_name_and_rows_of_others_are_not_overwritten(
    stack: Stack, tmp_path: Path, fresh_session: Callable[[], str]
) -> None:
    with theatre_on(stack, tmp_path) as theatre:
        damaged = settings_of(Ask(session=fresh_session(), duration_seconds=10))
        theatre.session(damaged, speed="max")
        lost = Layout.of(damaged).full("journal")
        theatre.runtime.log.delete([lost])
        said = cdb(stack, tmp_path, "backup", "--json")
        assert said.exit_code == 0, said.output + str(said.exception)
        assert json.loads(said.stdout)["left_out"] == {damaged.session: f"topic {lost} is not there"}
        other = fresh_session()
        with psycopg.connect(stack.endpoints().postgres_dsn) as connection:
            connection.execute(
                "INSERT INTO commands VALUES ('a', 'a', 'a', %s, now(), 'main', 'HALT', NULL, 'ada', '', 0, 0)", (other,)
            )
        refused = cdb(stack, tmp_path, "restore")
        assert isinstance(refused.exception, ConfigError) and other in str(refused.exception)
        with psycopg.connect(stack.endpoints().postgres_dsn) as connection:
            assert connection.execute("DELETE FROM commands WHERE session = %s", (other,)).rowcount == 1
