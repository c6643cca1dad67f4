"""Every query to Prometheus, of every panel, on a real one that holds a session's course: what it returns is worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from streams.metrics import catalogue as c
from streams.metrics.made import Metrics
from tests.operate.grafana import Target, targets
from tests.operate.prometheus import KNOWN, STEP_S, Asked, Course, in_promql, metric_names, prometheus_of, two_hours_ago

TARGETS = targets("prometheus")
START = two_hours_ago()
LENGTH_S = 4200
END = START + LENGTH_S
DAY_S = 86_400


def course() -> Course:
    """An hour and ten minutes of a live session in which everything goes on evenly, so that each rate is a number known beforehand."""
    stages = {name: Metrics(c.served_by("stage"), {"session": "live", "stage": name}) for name in ("signals", "risk", "execution")}
    feed, lag = Metrics(c.served_by("feed"), {"session": "live"}), Metrics(c.served_by("lag"))
    machine = Metrics(c.served_by("operate"))
    own = CollectorRegistry()
    up, firing = Gauge("up", "-", ["job", "instance"], registry=own), Gauge("ALERTS", "-", ["alertname", "alertstate"], registry=own)
    up.labels("risk", "cdb_risk:8002").set(1)
    up.labels("feed", "cdb_ws:8000").set(0)
    firing.labels("FeedSilent", "firing").set(1)
    firing.labels("PartDown", "pending").set(1)
    made = Course()
    for at in range(START, END + 1, STEP_S):
        for stage in stages.values():
            _turned(stage, at)
        _traded(stages["signals"], stages["risk"], stages["execution"])
        _fed(feed, at)
        _lagged(lag, at)
        _ran(machine)
        for registry in (*(stage.registry for stage in stages.values()), feed.registry, lag.registry, machine.registry, own):
            made.take(registry, at)
    return made


def _turned(stage: Metrics, at: int) -> None:
    """A step of ten seconds of any stage: 20 turns and 40 events a second, 5 transactions, each turn 4 ms; 2 s behind."""
    stage.count(c.TURNS, by=20 * STEP_S)
    stage.count(c.EVENTS, by=40 * STEP_S)
    stage.count(c.TRANSACTIONS, by=5 * STEP_S)
    stage.count(c.DEAD_LETTERS, "signals", "decodable", by=1)
    stage.observe(c.TURN_TIME, 0.004)
    stage.set(c.TASKS, value=2)
    stage.set(c.FRONTIER, "0", value=at - 2)
    stage.set(c.FRONTIER, "1", value=at - 1)
    for partition in ("0", "1"):
        stage.set(c.QUEUE, "0", "market_data", partition, value=3)
        stage.set(c.LAG, "0", "market_data", partition, value=4)


def _traded(signals: Metrics, risk: Metrics, execution: Metrics) -> None:
    """Ten signals, a hundred decisions of which two are late, two fills."""
    signals.count(c.OUTPUTS, "marks", by=300)
    signals.count(c.SIGNALS, "momentum", "BUY", by=10)
    signals.set(c.WARM, "momentum", "BTCUSDT", value=1)
    signals.set(c.WARM, "momentum", "ETHUSDT", value=0)
    risk.count(c.ORDERS, "approved", "", by=20)
    risk.count(c.ORDERS, "rejected", "TOTAL_EXPOSURE", by=80)
    risk.count(c.ALERTS, "WARNING", "DATA_STALE", by=1)
    execution.count(c.RESULTS, "FILLED", by=20)
    execution.count(c.FILLS, by=2)
    for metric, stage, observed in (
        (c.SIGNAL_AGE, signals, [0.012] * 9 + [0.2]),
        (c.DECISION_AGE, risk, [0.03] * 98 + [0.3] * 2),
        (c.FILL_AGE, execution, [0.12]),
    ):
        for seconds in observed:
            stage.observe(metric, seconds)


def _fed(feed: Metrics, at: int) -> None:
    """120 records and 25 flushes a second; in ten seconds one gap of 0.1 s and one suspect time."""
    feed.count(c.FEED_RECORDS, by=120 * STEP_S)
    feed.count(c.FEED_FLUSHES, by=25 * STEP_S)
    feed.count(c.FEED_GAPS, by=1)
    feed.count(c.FEED_GAP_TIME, by=0.1)
    feed.count(c.FEED_SUSPECTS, by=1)
    feed.set(c.FEED_HEALTHY, value=1)
    feed.set(c.FEED_LIVE, value=1)
    feed.set(c.FEED_WATERMARK, value=at - 0.25)
    feed.set(c.FEED_FLUSH_AGE, value=0.02)
    feed.set(c.FEED_OFFSET, "mexc", value=0.045)
    feed.set(c.FEED_PRICE, "BTCUSDT", value=61_500.5)


def _lagged(lag: Metrics, at: int) -> None:
    """Risk is 3 s behind on marks, the sink 40 ms; one table lacks two rows; a former start of the registry, 27 minutes."""
    for group, topic, partition, offsets, seconds in (
        ("live-risk", "live.marks", "0", 12, 3.0), ("live-risk", "live.marks", "1", 0, 0.0), ("sink", "live.orders", "0", 5, 0.04),
        ("apicurio-9bb99092", "kafkasql-journal", "0", 441, 1654.0),
    ):  # fmt: skip
        lag.set(c.GROUP_LAG, group, topic, partition, "group", "", value=offsets)
        lag.set(c.GROUP_LAG_TIME, group, topic, partition, "group", "", value=seconds)
        lag.set(c.END_OFFSET, topic, partition, value=(at - START) * 30)
    lag.set(c.GROUP_LAG_SUM, "live-risk", "group", value=12)
    lag.set(c.GROUP_LAG_SUM, "sink", "group", value=5)
    lag.set(c.GROUP_LAG_SUM, "apicurio-9bb99092", "group", value=441)
    lag.set(c.EXPORTER_UP, value=1)
    lag.set(c.EXPORTER_ROUND, value=at - 4)
    lag.set(c.EXPORTER_ROUND_TIME, value=0.3)
    lag.set(c.ROWS_MISSING, "live", "orders", value=2)
    lag.set(c.ROWS_MISSING, "live", "candles", value=0)
    lag.set(c.VERIFIED, "live", value=END - 7200)
    if at == START:
        lag.count(c.DIVERGENCES, "live", by=1)


def _ran(machine: Metrics) -> None:
    machine.set(c.CONNECT_FAILED, "postgres-sink", value=1)
    machine.set(c.DISK_FREE, "/data", value=0.4)
    machine.set(c.CLOCK_OFFSET, value=-0.003)
    machine.set(c.CERTIFICATE, "broker.pem", value=END + 20 * DAY_S)
    machine.set(c.BACKUP, value=END - 3 * 3600)


STAGES = ("execution", "risk", "signals")

# By panel and, where it has several queries, their letter: the newest value, or that of each series by its labels.
EXPECTED: dict[str, float | dict[tuple[str, ...], float]] = {
    # Pipeline. Buckets end at 10, 15, 25, 40, 100, 150, 250, 400 ms; a quantile lies within one by its share of what is there.
    "Tick to signal, p99 A": 0.24,  # 9 of 10 to 15 ms; rank 9.9 is 0.9 of the tenth, in 150..250 ms
    "Tick to decision, p99 A": 0.325,  # 98 of 100 to 40 ms; rank 99 is half of the last two, in 250..400 ms
    "Tick to fill, p99 A": 0.1495,  # all in 100..150 ms
    "Decisions in time A": 0.98,
    "Events A": 120,
    "Fills A": 720,
    "Freshness, median A": 0.01 + 0.005 * 5 / 9,
    "Freshness, median B": 0.025 + 0.015 * 50 / 98,
    "Freshness, median C": 0.125,
    "Freshness, p99 A": 0.24,
    "Freshness, p99 B": 0.325,
    "Freshness, p99 C": 0.1495,
    "Events by stage A": dict.fromkeys([(stage,) for stage in STAGES], 40.0),
    "Transactions by stage A": dict.fromkeys([(stage,) for stage in STAGES], 5.0),
    "Turns by stage A": dict.fromkeys([(stage,) for stage in STAGES], 20.0),
    "Records written A": {("marks",): 30},
    "Signals by strategy A": {("momentum",): 1},
    "Decisions A": {("approved",): 2, ("rejected",): 8},
    "Answers to orders A": {("FILLED",): 2},
    "Turn time, p99 A": dict.fromkeys([(stage,) for stage in STAGES], 0.00498),  # all in 3..5 ms
    "Risk's alerts A": {("WARNING",): 30},
    "Behind the wall clock A": dict.fromkeys([(stage,) for stage in STAGES], 2.0),
    "Waiting on the log and in queues A": dict.fromkeys([(stage, "market_data") for stage in STAGES], 8.0),
    "Waiting in queues A": dict.fromkeys([(stage,) for stage in STAGES], 6.0),
    "Tasks A": dict.fromkeys([(stage,) for stage in STAGES], 2.0),
    "Warm strategies A": {("momentum",): 1},
    # Kafka lag.
    "Groups behind A": 1,
    "Largest lag A": 3,
    "Offsets waiting A": 17,
    "Exporter A": 1,
    "Measured A": 4,
    "A round takes A": 0.3,
    "Lag in time A": {("live-risk",): 3, ("sink",): 0.04},
    "Lag in offsets A": {("live-risk",): 12, ("sink",): 5},
    "Lag in offsets by topic A": {("live.marks",): 12, ("live.orders",): 5},
    "Offsets written A": {("live.marks",): 60, ("live.orders",): 30, ("kafkasql-journal",): 30},
    "Partitions A": {("live-risk", "0", "group", "live.marks"): 12, ("sink", "0", "group", "live.orders"): 5},
    # Feed.
    "Healthy A": 1,
    "Live A": 1,
    "Last flush A": 0.02,
    "Watermark behind A": 0.25,
    "Complete A": 0.99,
    "Suspect times A": 360,
    "Market records A": 120,
    "Flushes A": 25,
    "Missing market time A": 0.01,
    "Gaps A": 30,
    "Delay of the venue A": {("mexc",): 0.045},
    "Prices A": {("BTCUSDT",): 61_500.5},
    # System.
    "Parts down A": 1,
    "Alerts A": 1,
    "Failed connector tasks A": 1,
    "Rows missing A": 2,
    "Replays that differed A": 1,
    "Last backup A": 3 * 3600,
    "Alerts that fire A": {("FeedSilent", "firing"): 1},
    "Parts A": {("cdb_risk:8002", "risk"): 1, ("cdb_ws:8000", "feed"): 0},
    "Disk free A": {("/data",): 0.4},
    "Clock A": -0.003,
    "Certificates end in A": {("broker.pem",): 20 * DAY_S},
    "Rows missing by table A": {("candles",): 0, ("orders",): 2},
    "Verified A": {("live",): 7200},
    "Dead letters A": {("signals",): 90},
}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with prometheus_of(course(), tmp_path_factory.mktemp("prometheus")) as found:
        yield found


def answer(asked: Asked, target: Target) -> dict[tuple[str, ...], float]:
    """The newest value of each series by its labels' values, in the order of the labels' names."""
    query = in_promql(target.text, {"session": "live"})
    if target.ranged:
        found = [(labels, values[-1]) for labels, values in asked.over(query, END - 300, END)]
    else:
        found = asked.at(query, END)
    return {tuple(value for name, value in sorted(labels.items()) if name != "__name__"): value for labels, value in found}


PANELS = [one for one in TARGETS if not one.panel.startswith("variable")]


@pytest.mark.parametrize("target", PANELS, ids=[one.name for one in PANELS])
def test_panel_shows_what_was_worked_out_by_hand(asked: Asked, target: Target) -> None:
    wanted = EXPECTED[f"{target.panel} {target.ref}"]
    expected = wanted if isinstance(wanted, dict) else {(): float(wanted)}
    assert answer(asked, target) == pytest.approx(expected, rel=1e-3)


def test_expectations_name_queries_that_there_are() -> None:
    assert EXPECTED.keys() == {f"{one.panel} {one.ref}" for one in PANELS}


def test_sessions_to_choose_from_are_those_whose_processes_are_asked(asked: Asked) -> None:
    chosen = {one.text for one in TARGETS if one.panel.startswith("variable")}
    assert chosen == {"label_values(streams_turns_total, session)"}
    assert asked.label_values("streams_turns_total", "session", START, END) == ["live"]


@pytest.mark.parametrize("target", PANELS, ids=[one.name for one in PANELS])
def test_panel_asks_for_metrics_of_the_catalogue(target: Target) -> None:
    found = metric_names(target.text)
    assert found
    assert found <= KNOWN
