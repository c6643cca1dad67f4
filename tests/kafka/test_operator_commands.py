"""`cdb halt` and its kin against a session of real processes: what they say is on the log, and a killed risk stage obeys it still."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.domain.records import Order, PortfolioSnapshot, RiskMode
from streams.log.layout import Layout
from streams.operate.paper import PaperSession
from streams.operate.plan import Ask, settings_of
from streams.operate.stack import Stack
from streams.operate.stack.settings import PROJECT_FOLDER
from streams.replay.summary import records_of
from tests.kafka.story import environment_of, theatre_on, until

pytestmark = pytest.mark.timeout(600)


def cdb(environment: dict[str, str], *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *words], cwd=PROJECT_FOLDER, env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def said(environment: dict[str, str], session: str, *words: str) -> tuple[int, dict[str, Any]]:
    code, out, err = cdb(environment, *words, "--session", session, "--operator", "ada", "--justification", "a drill", "--json")
    assert out, err
    return code, json.loads(out)


def newest_mode(running: PaperSession, since: int) -> RiskMode | None:
    """Of the account, in its snapshots after `since`."""
    found = [one for one in records(running, "portfolio_snapshots") if isinstance(one, PortfolioSnapshot) and one.time > since]
    return found[-1].risk_mode if found else None


def records(running: PaperSession, topic: str) -> list[Any]:
    log, codec, *_ = running.runtime
    return list(records_of(log, Layout.of(running.settings), codec, topic))


def test_halt_is_confirmed_from_the_journal_outlives_a_kill_and_takes_two_steps_to_undo(
    stack: Stack, tmp_path: Path, fresh_session: Callable[[], str]
) -> None:
    environment = environment_of(stack)
    with theatre_on(stack, tmp_path) as theatre:
        settings = settings_of(Ask(session=fresh_session(), seed=3, duration_seconds=600))
        running = theatre.session(settings, speed="5x")
        session = settings.session
        running.start()
        try:
            until(lambda: running.progress().frontiers["risk-0"] > 0, "risk having stepped", seconds=120)
            code, halted = said(environment, session, "halt")
            assert (code, halted["confirmed"], halted["waiting_tasks"]) == (0, True, [])
            assert halted["outcomes"] == [{"account": "main", "taken": True, "message": "HALT by ada: switch HALT_ALL"}]
            at = running.progress().frontiers["risk-0"]

            os.kill(running.supervisor.processes["risk-0"].pid, signal.SIGKILL)
            until(lambda: (running.check(), newest_mode(running, at + 60_000_000))[1] is RiskMode.HALT_ALL, "still halted", seconds=120)
            assert not [one for one in records(running, "orders") if isinstance(one, Order) and one.approved and one.time > at]

            code, refused = said(environment, session, "resume", "--confirm")
            assert code == 1 and "no RESUME_REQUEST came before" in refused["outcomes"][0]["message"]
            assert said(environment, session, "resume")[0] == 0
            assert said(environment, session, "resume", "--confirm")[0] == 0
            assert said(environment, session, "flatten", "--symbol", "BTCUSDT")[0] == 0

            running.supervisor.stop_one("risk-0")
            code, unheard = said(environment, session, "halt", "--wait", "2")
            assert (code, unheard["confirmed"], unheard["waiting_tasks"]) == (1, False, [0])
        finally:
            running.supervisor.stop()
            running.end(time.time_ns() // 1000)


def test_bad_input_ends_with_2_before_anything_is_sent(stack: Stack, tmp_path: Path, fresh_session: Callable[[], str]) -> None:
    environment = environment_of(stack)
    with theatre_on(stack, tmp_path) as theatre:
        settings = settings_of(Ask(session=fresh_session(), duration_seconds=10))
        running = theatre.session(settings, speed="max")
        code, _, err = cdb(environment, "flatten", "--session", settings.session, "--operator", "ada", "--symbol", "DOGE", "--account", "x")
        assert code == 2 and "SYMBOL must be one of" in err and "ACCOUNT must be * or one of main, was x" in err
        code, _, err = cdb(environment, "halt", "--session", "nobody-s", "--operator", "ada")
        assert code == 2 and "session must be one of" in err
        code, _, err = cdb(environment, "reset", "--session", settings.session, "--operator", "ada")
        assert code == 2 and "--justification" in err
        assert not records(running, "commands")
