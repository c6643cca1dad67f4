"""The gate: every criterion alone turns GO into NO-GO, and every figure is measured from the records it is about."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.cli.__main__ import app, run
from streams.cli.options import Invocation
from streams.domain.records import Mark, OrderResult, ResultStatus
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.memory import MemoryLog
from streams.operate import sessions, topics
from streams.operate.history import CAUSE, RESTART, Entry, record_done
from streams.operate.runtime import STAGES
from streams.replay.recorded.recorded import Recorded
from streams.report.gate.criteria import Evidence, Limits, Sharpe, judge
from streams.report.gate.evidence import Window, _feed_times, _orders, evidence_of, restarts_of
from tests.contract.samples import sample
from tests.golden.corpus import FOLDER, archived

DAY = 86_400_000_000
SECOND = 1_000_000
GOOD = Evidence(
    window=7 * DAY, up=7 * DAY, complete=7 * DAY, compared=1000, divergences=0, rows_compared=1000, rows_wrong=0, restarts=2,
    restarts_unexplained=0, drawdown=Decimal("0.02"), closed=100, filled=100, pnl=Decimal(500), sharpe=Sharpe(Decimal(3), Decimal(1)),
    trades=50,
)  # fmt: skip


def failing(evidence: Evidence, limits: Limits | None = None) -> list[str]:
    return [one.name for one in judge(evidence, limits or Limits()) if not one.holds]


def test_good_evidence_is_go() -> None:
    assert failing(GOOD) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"up": 6 * DAY, "complete": 6 * DAY}, "uptime"),
        ({"complete": 7 * DAY - 400 * SECOND}, "feed completeness"),
        ({"divergences": 1}, "replay identity"),
        ({"compared": 0}, "replay identity"),
        ({"rows_wrong": 1}, "parity"),
        ({"rows_wrong": None, "rows_compared": None}, "parity"),
        ({"rows_compared": 0}, "parity"),
        ({"restarts_unexplained": 1}, "restarts without a recorded cause"),
        ({"drawdown": Decimal("0.0501")}, "worst drawdown"),
        ({"drawdown": None}, "worst drawdown"),
        ({"filled": 89}, "fill rate"),
        ({"closed": 0, "filled": 0}, "fill rate"),
        ({"pnl": Decimal(0)}, "PnL after fees"),
        ({"pnl": None}, "PnL after fees"),
        ({"sharpe": Sharpe(Decimal(1), Decimal(1))}, "Sharpe less its standard error"),
        ({"sharpe": None}, "Sharpe less its standard error"),
        ({"trades": 29}, "trades"),
    ],
)  # fmt: skip
def test_each_criterion_fails_alone(change: dict[str, object], name: str) -> None:
    assert failing(GOOD._replace(**change)) == [name]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "limits"),
    [
        ({"up": 6 * DAY, "complete": 6 * DAY}, {"uptime_min": "0.8"}), ({"drawdown": Decimal("0.06")}, {"drawdown_max": "0.07"}),
        ({"filled": 50}, {"fill_rate_min": "0.5"}), ({"trades": 1}, {"trades_min": 1}), ({"restarts_unexplained": 1}, {"restarts_max": 1}),
        ({"pnl": Decimal(-1)}, {"pnl_min": "-2"}),
    ],
)  # fmt: skip
def test_limits_are_the_users_to_set(change: dict[str, object], limits: dict[str, object]) -> None:
    assert failing(GOOD._replace(**change)) and not failing(GOOD._replace(**change), Limits.model_validate(limits))  # type: ignore[arg-type]


def test_too_few_trades_are_not_enough_evidence() -> None:
    assert judge(GOOD._replace(trades=3), Limits())[-1].measured == "3: not enough evidence"


# What is measured


def recorded(session: str = "golden-spot") -> Recorded:
    log, codec = archived(session)
    return Recorded.of(log, codec, sessions.read(log, codec, session), STAGES)


class Told(Recorded):
    """The golden session with one topic told anew; its end is where the test says."""

    def end(self) -> int:
        return 100 * SECOND


def told(topic: str, *records: Mark | OrderResult) -> Told:
    """Its settings, and a log that holds nothing but these records."""
    found, log, codec = recorded(), MemoryLog(), Codec.offline()
    topics.create_session(log, found.settings.session, feeds=found.settings.partitions, risk=found.settings.risk_tasks)
    writer = log.writer("test")
    writer.begin()
    for one in records:
        writer.append(found.layout.at(topic, 0), key=b"k", value=codec.wire(one), time=one.time)
    writer.commit()
    writer.close()
    as_log: Log = log
    return Told(as_log, codec, found.settings, STAGES)


def mark(symbol: str, second: int, *, down: bool = False, gap: bool = False) -> Mark:
    return sample(Mark, event_id=f"m/{symbol}/{second}", time=second * SECOND, symbol=symbol, feed_down=down, gap=gap)  # type: ignore[return-value]


def test_the_feed_is_up_while_any_symbol_is_and_whole_without_gaps() -> None:
    """A from 0 to 100 s with a gap of 10 s; B down from 40 s on; both silent before 20 s of a window that begins at 0."""
    session = told(
        "marks", mark("A", 20), mark("B", 20), mark("B", 40, down=True, gap=True), mark("A", 50, gap=True), mark("A", 60), mark("A", 61),
    )  # fmt: skip
    # A: 20 to 50 and 60 to 100 whole; B: 20 to 40.
    assert _feed_times(session, Window(0, 100 * SECOND)) == (80 * SECOND, (70 + 20) * SECOND // 2)
    assert _feed_times(session, Window(55 * SECOND, 100 * SECOND)) == (45 * SECOND, 40 * SECOND // 2)
    dead = told("marks", mark("A", 0), mark("A", 30, down=True), mark("A", 70))
    assert _feed_times(dead, Window(0, 100 * SECOND)) == (60 * SECOND, 60 * SECOND)


def result(order: str, second: int, status: str, quantity: int, *, terminal: bool = True) -> OrderResult:
    return sample(  # type: ignore[return-value]
        OrderResult, event_id=f"r/{order}/{second}", order_id=order, time=second * SECOND, status=ResultStatus(status),
        quantity=Decimal(quantity), terminal=terminal,
    )  # fmt: skip


def test_fill_rate_counts_orders_once_and_no_cancelled_ones() -> None:
    session = told(
        "order_results", result("a", 1, "PARTIAL", 1, terminal=False), result("a", 2, "FILLED", 1), result("b", 3, "EXPIRED", 0),
        result("c", 4, "CANCELLED", 0), result("d", 5, "PARTIAL", 1, terminal=False),
    )  # fmt: skip
    assert _orders(session, Window(0, 100 * SECOND)) == (2, 1)


def test_restarts_of_the_session_count_until_someone_says_why() -> None:
    history = [
        Entry(5, RESTART, "done", ["monday: risk-0 ended with -9, started anew"]), Entry(6, CAUSE, "done", ["power"]),
        Entry(7, RESTART, "done", ["monday: feed ended with 1, started anew"]), Entry(8, RESTART, "done", ["tuesday: feed ended with 1"]),
        Entry(99, RESTART, "done", ["monday: later"]),
    ]  # fmt: skip
    assert restarts_of(history, "monday", Window(0, 10)) == (2, 1)


def test_evidence_of_a_session_is_what_its_records_say() -> None:
    session = recorded()
    end = session.end()
    found = evidence_of(session, Window(end - 60 * SECOND, end), report=None, history=[])
    assert found.divergences == 0 and found.compared > 300
    assert found.up < found.window, "the session is shorter than the window"
    assert found.pnl == Decimal("-35.38332323056"), "of the worse account, from what it was made with"
    assert found.rows_wrong is None and found.filled <= found.closed


# The command


def test_the_command_says_no_go_with_a_reason_for_each_line() -> None:
    words = ["gate", "--session", "golden-spot", "--archive", str(FOLDER / "golden-spot"), "--days", "1", "--json"]
    said = CliRunner().invoke(app, words, obj=Invocation({}))
    document = json.loads(said.stdout)
    assert said.exit_code == 1 and document["verdict"] == "NO-GO"
    assert {one["name"] for one in document["criteria"] if one["holds"]} >= {"replay identity", "worst drawdown"}
    assert document["to"] - document["from"] == DAY


def test_wrong_limits_end_with_2_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--limit", "trades_min=none", "--limit", "luck=1", "--limit", "uptime_min=2"]
    assert run(["gate", "--archive", str(FOLDER / "golden-spot"), "--session", "golden-spot", *words], {}) == 2
    said = capsys.readouterr().err
    assert "trades_min=none" in said and "luck=1" in said and "uptime_min=2" in said


def test_a_cause_is_recorded(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    record_done(file, RESTART, time=1, told="live: feed ended with 1")
    assert run(["gate", "--explain", "power failure"], {"CDB_HISTORY": str(file)}) == 0
    assert '"power failure"' in file.read_text()
