"""The command line as a program sees it: exit codes, messages, JSON; on the real stack where a command needs it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.domain.records import Command, CommandKind
from streams.log.archive import export
from streams.log.layout import Layout
from streams.operate import sessions
from streams.operate.paper import PaperSession
from streams.operate.plan import Ask, settings_of
from streams.operate.stack import Stack
from streams.operate.stack.settings import PROJECT_FOLDER
from tests.exchange.sessions import small_recording, write_lines
from tests.kafka.story import Theatre, environment_of, theatre_on, until

pytestmark = pytest.mark.timeout(600)
COMMAND_SECONDS_MAX = 400


class Said(str):
    """What a command wrote, both ways; `code` it ended with, `out` of it on standard output."""

    code: int
    out: str

    def document(self) -> Any:
        return json.loads(self.out)


def cdb(*words: str | Path, environment: dict[str, str] | None = None) -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *map(str, words)], cwd=PROJECT_FOLDER, env={**os.environ, **(environment or {})},
        capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False,
    )  # fmt: skip
    said = Said(done.stdout + done.stderr)
    said.code, said.out = done.returncode, done.stdout
    return said


# Without a stack


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["papper"], "No such command 'papper'"),
        (["paper", "--sped", "max"], "No such option"),
        (["paper", "--partitions", "65"], "cdb: PARTITIONS must be a whole number 1..64, was 65"),
        (["paper", "--duration", "-5"], "cdb: FEED.DURATION_SECONDS must be at least 1, was -5"),
        (["paper", "--speed", "fast"], "cdb: SPEED must be max or 1x..1000x, was 'fast'"),
        (["paper", "--equity", "lots"], "cdb: ACCOUNT main: INITIAL_EQUITY must be"),
        (["backtest", "--duration", "0"], "cdb: DURATION must be above 0 for a backtest of the simulated feed, which has no end, was 0"),
        (["backtest", "--against", "s", "--equity", "5", "--duration", "3"], "cdb: --duration, --equity must not be given with --against"),
        (["backtest", "--feed", "mexc"], "cdb: FEED must be simulated, recorded or candles where nothing is live, was mexc"),
    ],
)  # fmt: skip
def test_wrong_words_end_with_2_and_name_what_is_wrong(words: list[str], fault: str) -> None:
    said = cdb(*words, environment={"COLUMNS": "200"})
    assert said.code == 2 and fault in said and "Traceback" not in said


def test_wrong_settings_of_the_environment_end_with_2_all_at_once() -> None:
    said = cdb("sessions", environment={"CDB_BOOTSTRAP": "nowhere", "CDB_LOG_LEVEL": "LOUD", "CDB_COLOUR": "red"})
    assert said.code == 2
    assert [line.split()[1] for line in said.splitlines() if line.startswith("cdb: ")] == ["CDB_BOOTSTRAP", "CDB_LOG_LEVEL", "CDB_COLOUR"]


def test_all_faults_of_an_ask_are_said_at_once() -> None:
    said = cdb("backtest", "--session", "bad name!", "--equity", "-1", "--strategies", "/nowhere.toml")
    faults = [line for line in said.splitlines() if line.startswith("cdb: ")]
    assert said.code == 2 and len(faults) == 3


def test_backtest_of_seconds_says_what_it_did_as_json() -> None:
    said = cdb("backtest", "--duration", "20", "--equity", "5000", "--json")
    assert said.code == 0
    found = said.document()
    assert found["session"] == "backtest" and found["records"]["market_data and instruments"] > 1000
    [account] = found["accounts"]
    assert account["account"] == "main" and float(account["equity"]) > 4000
    assert account["statistics"]["sharpe"] is None, "nothing of a year is measured in seconds"


def test_backtest_of_a_corrupt_recording_shows_its_summary_and_ends_with_1_and_the_line(tmp_path: Path) -> None:
    lines = small_recording()
    path = write_lines(tmp_path / "a.jsonl", [*lines[:5], "12 {broken", *lines[5:]])
    said = cdb("backtest", path)
    assert said.code == 1 and "a.jsonl line 6" in said and "session backtest" in said and "Traceback" not in said


def test_verification_of_what_is_no_archive_says_so(tmp_path: Path) -> None:
    said = cdb("replay", "verify", "--archive", tmp_path / "none", "--session", "s")
    assert said.code in {1, 2} and str(tmp_path / "none") in said and "Traceback" not in said


# On the real stack


@pytest.fixture(scope="module")
def theatre(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    with theatre_on(stack, tmp_path_factory.mktemp("cli")) as ready:
        yield ready


@pytest.fixture
def environment(stack: Stack) -> dict[str, str]:
    endpoints = stack.endpoints()
    return {**environment_of(stack), "CDB_BOOTSTRAP": endpoints.bootstrap, "CDB_REGISTRY": endpoints.ccompat_url}


def test_paper_of_a_recording_proves_itself_is_listed_verified_archived_and_removed(
    theatre: Theatre, environment: dict[str, str], fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    session = fresh_session()
    path = write_lines(tmp_path / "a.jsonl", small_recording())
    said = cdb("paper", path, "--speed", "max", "--session", session, "--json", environment=environment)
    assert said.code == 0, said
    found = said.document()
    assert set(found) == {"summary", "replay", "reconcile", "ended", "error"}
    assert found["ended"] and found["error"] is None and found["replay"]["equal"] and found["reconcile"]["equal"]
    assert found["replay"]["records"]["market_data"] == 9

    again = cdb("paper", "--session", session, environment=environment)
    assert again.code == 2 and f"was {session}, which has ended" in again

    [row] = [one for one in cdb("sessions", "--json", environment=environment).document() if one["session"] == session]
    assert (row["status"], row["feed"], row["records"]) == ("ENDED", "recorded", 10)

    verified = cdb("replay", "verify", "--session", session, "--json", environment=environment)
    assert verified.code == 0 and verified.document()["equal"]
    log, layout = theatre.runtime.log, Layout.of(sessions.read(theatre.runtime.log, theatre.runtime.codec, session))
    export(log, tmp_path / "archive", [topic for topic in log.topics() if topic.startswith(f"{session}.")])
    archived = cdb("replay", "verify", "--archive", tmp_path / "archive", "--session", session, "--json")
    assert archived.code == 0 and archived.document()["compared"] == verified.document()["compared"]

    compared = cdb("backtest", "--against", session, "--json", environment=environment)
    assert compared.code == 0 and compared.document()["against"] == {"session": session, "equal": True, "commands": 0, "differences": []}

    removed = cdb("sessions", "rm", session, environment=environment)
    assert removed.code == 0 and f"removed {session}: " in removed
    assert not any(topic.startswith(layout.full("")) for topic in log.topics())
    gone = cdb("sessions", "rm", session, environment=environment)
    assert gone.code == 2 and "session must be one of" in gone


def test_session_that_lost_a_topic_is_listed_as_incomplete_beside_the_others(
    theatre: Theatre, environment: dict[str, str], fresh_session: Callable[[], str]
) -> None:
    whole, damaged = (settings_of(Ask(session=fresh_session(), duration_seconds=10)) for _ in range(2))
    for settings in (whole, damaged):
        theatre.session(settings, speed="max")
    theatre.runtime.log.delete([Layout.of(damaged).full("journal")])
    rows = {row["session"]: row["status"] for row in cdb("sessions", "--json", environment=environment).document()}
    assert (rows[whole.session], rows[damaged.session]) == ("OPEN", "INCOMPLETE")


def test_ctrl_c_ends_in_order_with_a_summary_and_the_session_goes_on(
    theatre: Theatre, environment: dict[str, str], fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    """The simulated market at 3x; what is on the log is whole at every halt, and equal to one run in memory."""
    session, log_file = fresh_session(), tmp_path / "paper.log"
    words = ["paper", "--session", session, "--speed", "3x"]
    with log_file.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *words, "--duration", "150", "--seed", "3"], cwd=PROJECT_FOLDER, stdout=out,
            stderr=subprocess.STDOUT, env=environment,
        )  # fmt: skip
    try:
        until(lambda: "fills 1" in log_file.read_text() or process.poll() is not None, "a first fill", seconds=120)
        process.send_signal(signal.SIGINT)
        code = process.wait(240)
    finally:
        process.kill()
    said = log_file.read_text()
    assert code == 0, said
    assert "ending the session in order" in said and f"session {session}" in said and "replay equal" in said
    assert f"the session stays open: cdb paper --session {session} goes on with it" in said and "Traceback" not in said
    assert sessions.manifest(theatre.runtime.log, theatre.runtime.codec, session).status == sessions.OPEN

    halfway = cdb("backtest", "--against", session, "--json", environment=environment)
    assert halfway.code == 0, halfway
    other = cdb(*words, "--seed", "4", environment=environment)
    assert other.code == 2 and f"FEED.SEED must be 3 as session {session} was made, was 4" in other
    rest = cdb("paper", "--session", session, "--speed", "max", "--json", environment=environment)
    assert rest.code == 0 and rest.document()["ended"], rest
    whole = cdb("backtest", "--against", session, "--json", environment=environment)
    assert whole.code == 0 and whole.document()["against"]["equal"], whole


def test_backtest_of_a_session_with_commands_takes_them_where_its_journal_has_them(
    theatre: Theatre, environment: dict[str, str], fresh_session: Callable[[], str]
) -> None:
    settings = settings_of(Ask(session=fresh_session(), seed=3, duration_seconds=90))
    running = theatre.session(settings, speed="10x")
    running.start()
    try:
        for kind in (CommandKind.FLATTEN, CommandKind.HALT, CommandKind.RESUME_REQUEST, CommandKind.RESUME_CONFIRM):
            stepped = running.progress().frontiers["risk-0"]
            until(lambda at=stepped: running.progress().frontiers["risk-0"] > max(at, 0), "risk having stepped", seconds=120)
            command(running, kind)
        until(lambda: (running.check(), running.progress().settled)[1], "the session being at its end", seconds=180)
    finally:
        running.end(time.time_ns() // 1000)
    said = cdb("backtest", "--against", settings.session, "--json", environment=environment)
    assert said.code == 0, said
    assert said.document()["against"] == {"session": settings.session, "equal": True, "commands": 4, "differences": []}
    theatre.must_replay_and_reconcile(settings)


def command(running: PaperSession, kind: CommandKind) -> None:
    session, (log, codec, *_) = running.settings.session, running.runtime
    name = f"{session}/command/{kind.value}"
    record = Command(
        event_id=name, causation_id=name, correlation_id=name, session=session, time=1000, account="*", kind=kind, symbol=None,
        operator="ada", justification="a drill",
    )  # fmt: skip
    writer = log.writer(f"{session}-operator")
    writer.begin()
    writer.append(Layout.of(running.settings).at("commands", 0), key=b"*", value=codec.wire(record), time=1000)
    writer.commit()
    writer.close()
