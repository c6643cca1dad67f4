"""The page of an incident: what stands on the topics of its part, counted once, and the answers to what was asked."""

import json
import os
import re
import shutil
import subprocess
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest

from streams.cli.__main__ import run
from streams.domain.records import Order, Signal
from streams.domain.vocabulary import Side
from streams.log.archive import ArchiveLog
from streams.operate import sessions
from streams.operate.runtime import STAGES
from streams.replay.questions.moments import Span, span_of
from streams.replay.recorded.recorded import Recorded
from streams.replay.summary import records_of
from streams.replay.verification.part import Part
from streams.report.gather import material_of
from streams.report.incident.gather import Incident, incident_of
from streams.report.incident.page import incident_page
from streams.report.incident.timeline import BAD, PLAIN, WARN, Moment, Timeline, shortened
from tests.golden.corpus import FOLDER
from tests.report.test_report import Page

HALTS, CRASH = "golden-halts", "golden-crash"
CHROMIUM = shutil.which("chromium")


def of(session: str) -> list[str]:
    return ["--session", session, "--archive", str(FOLDER / session)]


@cache
def recorded(session: str) -> Recorded:
    log = ArchiveLog(FOLDER / session)
    codec = sessions.codec_of(log, session)
    return Recorded.of(log, codec, sessions.read(log, codec, session), STAGES)


def records(session: str, topic: str, part: Part = Part()) -> list[Any]:
    one = recorded(session)
    return sorted(records_of(one.log, one.layout, one.codec, topic, part), key=lambda record: record.time)


@cache
def whole(session: str) -> Incident:
    span: Span = span_of(recorded(session))
    return incident_of(recorded(session), *span, span.end, None)


@pytest.fixture(scope="module")
def refused() -> Order:
    return next(one for one in records(CRASH, "orders") if not one.approved)


def counted(incident: Incident, lane: str) -> int:
    return sum(one.times for one in incident.moments if one.lane == lane)


@pytest.mark.parametrize("session", [HALTS, CRASH])
def test_every_decision_fill_alert_and_dead_letter_is_on_the_timeline_once(session: str) -> None:
    found = whole(session)
    orders, results = records(session, "orders"), records(session, "order_results")
    assert counted(found, "signals") == len(records(session, "signals"))
    assert counted(found, "refused") == sum(not one.approved for one in orders) > 0
    assert counted(found, "orders") == sum(one.approved for one in orders) + sum(not one.quantity for one in results)
    assert counted(found, "fills") == sum(one.quantity > 0 for one in results) > 0
    assert counted(found, "alerts") == len(records(session, "alerts")) > 0
    assert counted(found, "dead letters") == len(records(session, "dead_letters"))
    assert [one.time for one in found.moments] == sorted(one.time for one in found.moments)


def test_command_stands_where_risk_took_it() -> None:
    taken = {one.event_id: one.time for one in whole(HALTS).moments if one.lane == "commands"}
    alerts = [one for one in records(HALTS, "alerts") if one.code.startswith("COMMAND_")]
    assert len(taken) == len({one.causation_id for one in alerts}) > 3
    for alert in alerts:
        [time] = [time for event_id, time in taken.items() if alert.causation_id.endswith(event_id)]
        assert time <= alert.time


@pytest.mark.parametrize("topic", ["orders", "order_results", "alerts", "portfolio_snapshots", "signals", "marks"])
def test_part_of_a_topic_is_what_the_whole_has_between_two_moments(topic: str) -> None:
    everything = records(HALTS, topic)
    times = sorted({one.time for one in everything})
    beyond = times[-1] + 1
    for first, last in ((times[0], times[-1]), (times[len(times) // 3], times[len(times) // 2]), (times[1], times[1]), (beyond, beyond)):
        expected = [one for one in everything if first <= one.time <= last]
        assert records(HALTS, topic, Part(first, last)) == expected


def test_material_of_a_part_ends_with_it() -> None:
    one, span = recorded(HALTS), span_of(recorded(HALTS))
    middle = (span.start + span.end) // 2
    found = material_of(one.log, one.codec, one.settings, (), Part(span.start, middle))
    assert found.last_time == middle and found.reasons == {}
    assert all(record.time <= middle for record in [*found.alerts, *found.results, *found.positions])


def test_page_is_one_file_that_loads_nothing_and_its_charts_are_what_plotly_takes() -> None:
    text = incident_page(whole(HALTS))
    page = Page(text)
    assert not page.open and "default-src 'none'" in page.policy
    assert all(address.startswith("#") for address in page.addresses)
    charts = page.charts
    for figure in (charts["timeline"], charts["lag"], charts["performance"], *charts["prices"].values()):
        go.Figure(figure)
    assert incident_page(whole(HALTS)) == text


def test_refused_orders_are_crosses_on_their_symbols_price() -> None:
    charts = Page(incident_page(whole(HALTS))).charts
    drawn = [x for figure in charts["prices"].values() for trace in figure["data"] if trace.get("name") == "refused" for x in trace["x"]]
    due = [one.time // 1000 for one in records(HALTS, "orders") if not one.approved and one.decision_mark is not None]
    assert sorted(drawn) == due


def test_refused_order_comes_with_its_causes_its_checks_and_what_would_have_let_it_pass(refused: Order, tmp_path: Path) -> None:
    out = tmp_path / "incident.html"
    asked = ["replay", "report", "--html", str(out), "--event", refused.event_id, "--archive", str(FOLDER / CRASH)]
    assert run(asked, {}) == 0
    text = out.read_text(encoding="utf-8")
    chain = text[text.index('<ul class="chain">') : text.index("Why not")]
    assert chain.index(refused.correlation_id) < chain.index(f"<code>{refused.event_id}</code>")
    assert 'class="asked"' in chain and 'class="cause"' in chain
    checks = text[text.index("Why not") :]
    assert all(one["code"] in checks for one in json.loads(refused.checks))
    assert "No setting within its range" in checks or "Proven" in checks


def test_around_an_event_five_minutes_before_and_one_after_are_drawn_as_far_as_the_session_goes(
    refused: Order, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "incident.html")
    assert run(["replay", "report", "--html", out, *of(CRASH), "--at", "+8", "--to", "+10"], {}) == 0
    said = capsys.readouterr().err
    assert "22:59:50.000000 to 2023-11-14 23:00:00.000000" in said.replace("\n", "")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--at", "+5", "--event", f"{CRASH}/x"], "--at and --event must not both be given"),
        (["--at", "+500"], "--at must be"),
        (["--at", "+5", "--from", "+8"], "the moment it is about must be from"),
        (["--from", "+8", "--to", "+5"], "--from must be before --to"),
        (["--event", f"{CRASH}/risk/feed/simulated/BTC_USDT/1/whole/0"], "ID must be that of a record"),
    ],
)
def test_wrong_part_moment_or_event_is_refused_and_nothing_is_written(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", "report", "--html", str(tmp_path / "a.html"), *of(CRASH), *options], {}) == 2
    assert words in capsys.readouterr().err and not list(tmp_path.iterdir())


def signal(time: int, side: Side, symbol: str = "BTCUSDT") -> Signal:
    return Signal(
        event_id=f"s/{time}", causation_id="c", correlation_id="c", session="s", time=time, account="main", strategy="fast", symbol=symbol,
        side=side, strength=Decimal(1), confidence=Decimal(1), price=Decimal(1), reason=f"at {time}", indicators="{}",
    )  # fmt: skip


def test_signals_that_say_the_same_are_one_moment_with_a_count_until_another_is_said() -> None:
    line = Timeline()
    for one in (signal(1, Side.BUY), signal(2, Side.BUY, "ETHUSDT"), signal(3, Side.BUY), signal(4, Side.SELL), signal(5, Side.BUY)):
        line.signal(one)
    found = [(one.time, one.times, one.until, one.about.split()[-1]) for one in line.ordered()]
    assert found == [(1, 2, 3, "BTCUSDT"), (2, 1, 2, "ETHUSDT"), (4, 1, 4, "BTCUSDT"), (5, 1, 5, "BTCUSDT")]


def test_too_many_moments_keep_what_is_bad_then_what_warns() -> None:
    tones = [PLAIN, WARN, PLAIN, BAD, PLAIN, WARN, PLAIN, PLAIN]
    moments = [Moment(time, "alerts", tone, "", "", "", 1, time) for time, tone in enumerate(tones)]
    assert [one.time for one in shortened(moments, 3)] == [1, 3, 5]
    assert [one.time for one in shortened(moments, 5)] == [0, 1, 3, 5, 6]
    assert shortened(moments, 8) == moments


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
def test_browser_draws_every_chart_of_an_incident_and_logs_no_error(tmp_path: Path) -> None:
    file = tmp_path / "incident.html"
    assert run(["replay", "report", "--html", str(file), *of(HALTS)], dict(os.environ)) == 0
    assert CHROMIUM is not None
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
         "--virtual-time-budget=20000", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    assert not re.findall(r"CONSOLE.*(?:rror|efused).*", done.stderr)
    # What happened, prices, performance, lag.
    assert len(re.findall(r'class="chart js-plotly-plot"', done.stdout)) == 4
