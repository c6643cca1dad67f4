"""The live screen as text, from a session's real records: what it tells, and that it fits the terminal."""

import threading
from functools import cache
from io import StringIO

import pytest
from rich.console import Console

from streams.cli.live_view import headline, screen
from streams.cli.summary_view import print_summary
from streams.domain.parameters import FeedParameters, SessionSettings
from streams.exchange.wall import SystemWall
from streams.operate.live_model import LiveModel
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES
from streams.operate.topics import create_session
from streams.replay.backtest import Backtest, backtest
from streams.replay.summary import summary_of

SIZES = [(120, 40), (80, 24), (200, 60)]


@cache
def session() -> Backtest:
    """A minute of the simulated market, which trades."""
    asked = settings_of(Ask(session="shown", duration_seconds=60, start_time=1_700_000_000_000_000))
    settings = asked.model_copy(update={"feed": FeedParameters.model_validate({**asked.feed.model_dump(), "rate_per_second": 10})})
    return backtest(settings, tuple(STAGES.values()), SystemWall(threading.Event()), code_version="test")


def model_of(done: Backtest) -> LiveModel:
    model = LiveModel(done.log, done.codec, done.settings)
    while model.poll(0):
        pass
    return model


def text_of(model: LiveModel, width: int, height: int, notes: list[str]) -> str:
    console = Console(record=True, width=width, height=height, force_terminal=True, file=StringIO())
    console.print(screen(model, rate=120.4, notes=notes, width=width, height=height))
    return console.export_text()


def test_model_holds_the_newest_of_each_kind_and_counts_them_all() -> None:
    done = session()
    model, summary = model_of(done), summary_of(done.log, done.settings, done.codec, tuple(STAGES.values()))
    assert set(model.marks) == set(done.settings.feed.symbols)
    assert model.counts["approved"] == summary.approved > 0
    assert model.counts["refused"] == sum(summary.refused.values()) > 0
    assert model.counts["fills"] == summary.fills > 0
    assert model.feed_records == summary.records["market_data and instruments"]
    assert model.equity() == summary.accounts[0].snapshot.equity
    assert {task: model.lag_seconds(task) for task in model.frontiers} == {"signals-0": 0.0, "risk-0": 0.0, "execution-0": 0.0}


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_screen_fits_the_terminal_and_tells_everything(width: int, height: int) -> None:
    model = model_of(session())
    shown = text_of(model, width, height, ["feed ended with -9, started anew"] * 3)
    lines = shown.rstrip("\n").split("\n")
    assert len(lines) <= height and max(map(len, lines)) <= width
    assert lines[0].startswith("shown  market time 22:14:") and "120/s" in lines[0]
    for words in ("equity 100,", "prices", "BTCUSDT", "stages", "signals-0", "0.00 s", "accounts", "RUNNING", "decisions", "approved",
                  "refused POSITION_ALREADY_OPEN", "fills", "FILLED", "feed ended with -9, started anew"):  # fmt: skip
        assert words in shown, f"{words} must be on the screen"


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_screen_before_the_first_record_is_as_calm(width: int, height: int) -> None:
    settings = SessionSettings(session="empty")
    done = session()
    if "empty.marks" not in done.log.topics():
        create_session(done.log, "empty", feeds=1, risk=1)
    shown = text_of(LiveModel(done.log, done.codec, settings), width, height, [])
    assert shown.startswith("empty  market time -  0 records  120/s")


def test_headline_is_one_line() -> None:
    line = headline(model_of(session()), rate=3.0)
    assert "\n" not in line and "fills" in line and "approved" in line


def test_summary_measures_no_year_in_a_minute_and_rounds_for_people() -> None:
    done = session()
    console = Console(record=True, width=120, file=StringIO())
    print_summary(summary_of(done.log, done.settings, done.codec, tuple(STAGES.values())), console)
    shown = console.export_text()
    assert "not measured under a day" in shown and "volatility a year" not in shown
    assert not any(len(word.partition(".")[2]) > 8 for word in shown.split() if word.replace(".", "").isdecimal())
    assert "round trips BTCUSDT" in shown
