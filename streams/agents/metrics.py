"""
What a stage's process counts and measures: the catalogue, with kind, unit and meaning beside each name.

Domain code counts nothing: the agents count what steps returned, once the transaction that holds it is committed. Counters start
at zero with the process.
"""

from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

Kind = Literal["counter", "gauge", "histogram"]


class Metric(NamedTuple):
    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()


TURNS = Metric("streams_turns_total", "counter", "turns", "Turns taken: received, stepped, committed or found empty.")
EVENTS = Metric("streams_events_total", "counter", "events", "Events stepped, timers and commands included.")
TRANSACTIONS = Metric("streams_transactions_total", "counter", "transactions", "Transactions committed.")
OUTPUTS = Metric("streams_outputs_total", "counter", "records", "Data records written, by topic without session.", ("topic",))
SIGNALS = Metric("streams_signals_total", "counter", "signals", "Signals of strategies.", ("strategy", "side"))
ORDERS = Metric(
    "streams_orders_total", "counter", "decisions", "Risk's decisions; code is empty where approved.", ("decision", "code")
)
RESULTS = Metric("streams_order_results_total", "counter", "results", "Answers to orders by status.", ("status",))
FILLS = Metric("streams_fills_total", "counter", "fills", "Answers that filled some quantity, partial ones included.")
ALERTS = Metric("streams_alerts_total", "counter", "alerts", "Alerts by level and code.", ("level", "code"))
DEAD_LETTERS = Metric(
    "streams_dead_letters_total", "counter", "records", "Records put aside, by source topic and broken rule.", ("topic", "rule")
)
TASKS = Metric("streams_tasks", "gauge", "tasks", "Tasks this process holds.")
FRONTIER = Metric("streams_frontier_seconds", "gauge", "s", "Event time up to which all is stepped, since 1970 UTC.", ("task",))
QUEUE = Metric("streams_queue_records", "gauge", "records", "Records read and not yet stepped.", ("task", "topic", "partition"))
LAG = Metric(
    "streams_lag_records", "gauge", "records", "What waits: in the queue, and on the log.", ("task", "topic", "partition")
)
TURN_TIME = Metric("streams_turn_seconds", "histogram", "s", "From receiving something to its committed transaction.")
OUTPUT_AGE = Metric(
    "streams_output_age_seconds", "histogram", "s",
    "Wall time of the commit minus the time of the event that made the output; only within a minute, so only in live sessions.",
)  # fmt: skip

CATALOGUE = (
    TURNS, EVENTS, TRANSACTIONS, OUTPUTS, SIGNALS, ORDERS, RESULTS, FILLS, ALERTS, DEAD_LETTERS, TASKS, FRONTIER, QUEUE, LAG,
    TURN_TIME, OUTPUT_AGE,
)  # fmt: skip

BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.045, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)


class Metrics:
    """The catalogue's metrics of one stage, in a registry of their own: several stages can share a process."""

    def __init__(self, stage: str) -> None:
        self.registry = CollectorRegistry()
        self._stage = stage
        self._made: dict[str, MetricWrapperBase] = {}
        for metric in CATALOGUE:
            made = self._make(metric)
            if not metric.labels:
                made.labels(stage)  # Shown as zero from the start.

    def _make(self, metric: Metric) -> MetricWrapperBase:
        labels = ("stage", *metric.labels)
        text = f"{metric.meaning} Unit: {metric.unit}."
        made: MetricWrapperBase
        match metric.kind:
            case "counter":
                made = Counter(metric.name, text, labels, registry=self.registry)
            case "gauge":
                made = Gauge(metric.name, text, labels, registry=self.registry)
            case "histogram":
                made = Histogram(metric.name, text, labels, registry=self.registry, buckets=BUCKETS_S)
        self._made[metric.name] = made
        return made

    def count(self, metric: Metric, *labels: str, by: int = 1) -> None:
        """Adds to a counter."""
        counter = self._made[metric.name].labels(self._stage, *labels)
        assert isinstance(counter, Counter), metric.name
        counter.inc(by)

    def set(self, metric: Metric, *labels: str, value: float) -> None:
        """Sets a gauge."""
        gauge = self._made[metric.name].labels(self._stage, *labels)
        assert isinstance(gauge, Gauge), metric.name
        gauge.set(value)

    def forget(self, metric: Metric) -> None:
        """Drops every labelled value of a gauge: of tasks that have moved away."""
        self._made[metric.name].clear()

    def observe(self, metric: Metric, seconds: float) -> None:
        """Adds to a histogram."""
        histogram = self._made[metric.name].labels(self._stage)
        assert isinstance(histogram, Histogram), metric.name
        histogram.observe(seconds)
