"""
Every metric of the house in one place: name, kind, unit, meaning and labels.

A process makes metrics with `streams.metrics.made`, from this catalogue alone; dashboards and alerts are held against it. Names end
in their unit. Times are seconds since 1970 UTC, ages and delays seconds, fractions of 1, money the account's currency.
Counters start at zero with the process that serves them.
"""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
Room = Literal["stage", "feed", "lag", "operate"]

# Five a decade from 1 ms to 10 s, and the 250 ms that the freshness objective asks for.
DELAY_BUCKETS_S = (
    0.001, 0.0015, 0.0025, 0.004, 0.0065, 0.01, 0.015, 0.025, 0.04, 0.065, 0.1, 0.15, 0.25, 0.4, 0.65, 1.0, 1.5, 2.5, 4.0, 6.5, 10.0,
)  # fmt: skip
TURN_BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.045, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)


class Metric(NamedTuple):
    """`room`: which kind of process serves it. `buckets` of histograms, in the metric's unit."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...]
    room: Room
    buckets: tuple[float, ...] = ()


def _stage(name: str, kind: Kind, unit: str, meaning: str, *labels: str, buckets: tuple[float, ...] = ()) -> Metric:
    return Metric(f"streams_{name}", kind, unit, meaning, ("session", "stage", *labels), "stage", buckets)


def _feed(name: str, kind: Kind, unit: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"streams_feed_{name}", kind, unit, meaning, ("session", *labels), "feed")


def _account(name: str, unit: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"streams_account_{name}", "gauge", unit, meaning, ("session", "account", *labels), "lag")


def _strategy(name: str, unit: str, meaning: str) -> Metric:
    return Metric(f"streams_strategy_{name}", "gauge", unit, meaning, ("session", "account", "strategy"), "lag")


# Stages: signals, risk, execution.
TURNS = _stage("turns_total", "counter", "turns", "Turns taken: received, stepped, committed or found empty.")
EVENTS = _stage("events_total", "counter", "events", "Events stepped, timers and commands included.")
TRANSACTIONS = _stage("transactions_total", "counter", "transactions", "Transactions committed.")
OUTPUTS = _stage("outputs_total", "counter", "records", "Data records written, by topic without session.", "topic")
SIGNALS = _stage("signals_total", "counter", "signals", "Signals of strategies.", "strategy", "side")
ORDERS = _stage("orders_total", "counter", "decisions", "Risk's decisions; code is empty where approved.", "decision", "code")
RESULTS = _stage("order_results_total", "counter", "results", "Answers to orders by status.", "status")
FILLS = _stage("fills_total", "counter", "fills", "Answers that filled some quantity, partial ones included.")
ALERTS = _stage("alerts_total", "counter", "alerts", "Alerts by level and code.", "level", "code")
DEAD_LETTERS = _stage(
    "dead_letters_total", "counter", "records", "Records put aside, by source topic and broken rule.", "topic", "rule"
)
TASKS = _stage("tasks", "gauge", "tasks", "Tasks this process holds.")
FRONTIER = _stage("frontier_seconds", "gauge", "s", "Event time up to which all is stepped, since 1970 UTC.", "task")
QUEUE = _stage("queue_records", "gauge", "records", "Records read and not yet stepped.", "task", "topic", "partition")
LAG = _stage("lag_records", "gauge", "records", "What waits: in the queue, and on the log.", "task", "topic", "partition")
WARM = _stage(
    "strategy_warm", "gauge", "bool", "1 while the strategy has seen enough of the symbol's market to signal, else 0.", "strategy", "symbol"
)
TURN_TIME = _stage(
    "turn_seconds", "histogram", "s", "From receiving something to its committed transaction.", buckets=TURN_BUCKETS_S
)
SIGNAL_AGE = _stage(
    "signal_age_seconds", "histogram", "s",
    "Tick to signal: wall time of the commit minus the time of the market record that began it; live sessions only.",
    buckets=DELAY_BUCKETS_S,
)  # fmt: skip
DECISION_AGE = _stage(
    "decision_age_seconds", "histogram", "s",
    "Decision freshness: how old the market was when risk had decided, wall time of the commit minus the market's; live sessions only.",
    buckets=DELAY_BUCKETS_S,
)  # fmt: skip
FILL_AGE = _stage(
    "fill_age_seconds", "histogram", "s",
    "Tick to fill: wall time of the commit minus the time of the market record that began it, simulated latency included; "
    "live sessions only.",
    buckets=DELAY_BUCKETS_S,
)  # fmt: skip

# The feed.
FEED_RECORDS = _feed("records_total", "counter", "records", "Market records written since the start.")
FEED_FLUSHES = _feed("flushes_total", "counter", "transactions", "Transactions committed since the start.")
FEED_GAPS = _feed("gaps_total", "counter", "records", "Pushes that say something before them is missing.")
FEED_GAP_TIME = _feed("gap_seconds_total", "counter", "s", "Market time that is missing before such pushes, mean over the symbols.")
FEED_SUSPECTS = _feed("time_suspects_total", "counter", "records", "Pushes whose event time was not believed.")
FEED_HEALTHY = _feed("healthy", "gauge", "bool", "1 while the feed is healthy, else 0.")
FEED_LIVE = _feed("live", "gauge", "bool", "1 while a healthy feed's time is the wall clock's, else 0.")
FEED_WATERMARK = _feed("watermark_seconds", "gauge", "s", "Last watermark, since 1970 UTC.")
FEED_FLUSH_AGE = _feed("flush_age_seconds", "gauge", "s", "Since the last flush.")
FEED_OFFSET = _feed("offset_seconds", "gauge", "s", "Smallest receive minus event time.", "venue")
FEED_PRICE = _feed("last_price", "gauge", "quote", "Last trade's price in quote units.", "symbol")

# The lag exporter: groups and partitions. `source` says whose offset it is: `group` for Kafka's own, `journal` for what a task keeps of
# the partitions it reads without its group; `task` is empty with `group`.
_PLACE = ("group", "topic", "partition", "source", "task")
GROUP_LAG = Metric(
    "kafka_consumergroup_lag", "gauge", "offsets", "End offset minus current offset, transaction markers included.", _PLACE, "lag"
)
GROUP_LAG_SUM = Metric("kafka_consumergroup_lag_sum", "gauge", "offsets", "Lag over all partitions of a group.", ("group", "source"), "lag")
GROUP_LAG_TIME = Metric(
    "kafka_consumergroup_lag_seconds", "gauge", "s",
    "Age of the oldest data record that waits; 0 where only watermarks and transaction markers do.", _PLACE, "lag",
)  # fmt: skip
GROUP_OFFSET = Metric("kafka_consumergroup_current_offset", "gauge", "offset", "Offset of the next record to be handled.", _PLACE, "lag")
END_OFFSET = Metric(
    "kafka_topic_partition_end_offset", "gauge", "offset", "Offset after the last record, committed or not.", ("topic", "partition"), "lag"
)
EXPORTER_UP = Metric("streams_lag_exporter_up", "gauge", "bool", "1 where the last round found everything out, else 0.", (), "lag")
EXPORTER_ROUND = Metric(
    "streams_lag_exporter_last_round_time_seconds", "gauge", "s", "When the last whole round ended, since 1970 UTC.", (), "lag"
)
EXPORTER_ROUND_TIME = Metric("streams_lag_exporter_round_seconds", "gauge", "s", "How long the last whole round took.", (), "lag")

# The lag exporter: accounts and strategies, from the newest committed records.
EQUITY = _account("equity", "currency", "Cash and positions at their marks.")
CASH = _account("cash", "currency", "Cash.")
DAILY_PNL = _account("daily_pnl", "currency", "Equity minus equity at 00:00 UTC.")
REALIZED_PNL = _account("realized_pnl", "currency", "Realized since the start.")
UNREALIZED_PNL = _account("unrealized_pnl", "currency", "Of open positions at their marks.")
FEES = _account("fees", "currency", "Paid since the start.")
DRAWDOWN = _account("drawdown_ratio", "1", "Loss from the highest equity.")
DAILY_DRAWDOWN = _account("daily_drawdown_ratio", "1", "Loss since 00:00 UTC.")
EXPOSURE = _account("exposure", "currency", "Sum of quantity without sign times mark.")
EXPOSURE_RATIO = _account("exposure_ratio", "1", "Exposure of equity.")
OPEN_POSITIONS = _account("open_positions", "positions", "Positions that are not flat.")
RISK_MODE = _account("risk_mode", "bool", "1 for the mode of the kill switch that holds, 0 for the others.", "mode")
SNAPSHOT_TIME = _account("snapshot_time_seconds", "s", "Event time of the portfolio snapshot that all this is read from, since 1970 UTC.")
STRATEGY_EXPOSURE = _strategy("exposure", "quote", "Sum of quantity without sign times mark, of the strategy's positions.")
STRATEGY_REALIZED = _strategy("realized_pnl", "quote", "Realized since the start, before fees.")
STRATEGY_UNREALIZED = _strategy("unrealized_pnl", "quote", "Of the strategy's open positions at their marks.")
STRATEGY_POSITIONS = _strategy("open_positions", "positions", "The strategy's positions that are not flat.")
LAST_SIGNAL = Metric(
    "streams_last_signal_time_seconds", "gauge", "s",
    "Event time of the newest signal, since 1970 UTC; the session's first market record where there was none.", ("session",), "lag",
)  # fmt: skip
FAR_FILLS = Metric(
    "streams_fills_far_from_mark_total", "counter", "fills",
    "Fills further from the mark at their time than FILL_MARK_DEVIATION_MAX.", ("session",), "lag",
)  # fmt: skip
FILL_DEVIATION = Metric(
    "streams_fill_mark_deviation_max_ratio", "gauge", "1", "Largest distance of a fill from the mark at its time.", ("session",), "lag"
)
ROWS_MISSING = Metric("streams_sink_rows_missing", "gauge", "rows", "Committed records without a row.", ("session", "table"), "lag")
VERIFIED = Metric(
    "streams_replay_verified_time_seconds", "gauge", "s", "Wall time of the last replay that came out the same, since 1970 UTC.",
    ("session",), "lag",
)  # fmt: skip
VERIFIED_UNTIL = Metric(
    "streams_replay_verified_until_seconds", "gauge", "s", "Event time up to which that replay went, since 1970 UTC.", ("session",), "lag"
)
DIVERGENCES = Metric(
    "streams_replay_divergences_total", "counter", "replays", "Replays that gave other records than the session.", ("session",), "lag"
)

# The machine and its habits.
CONNECT_FAILED = Metric("streams_connect_tasks_failed", "gauge", "tasks", "Failed tasks of a connector.", ("connector",), "operate")
DISK_FREE = Metric("streams_disk_free_ratio", "gauge", "1", "Free part of the disk at a path.", ("path",), "operate")
CLOCK_OFFSET = Metric("streams_clock_offset_seconds", "gauge", "s", "This machine's clock minus the time servers'.", (), "operate")
CERTIFICATE = Metric(
    "streams_certificate_expiry_time_seconds", "gauge", "s", "When a certificate ends, since 1970 UTC.", ("file",), "operate"
)
BACKUP = Metric(
    "streams_backup_last_success_time_seconds", "gauge", "s", "When the last good backup was made, since 1970 UTC.", (), "operate"
)
JOB_FAILURES = Metric(
    "streams_scheduled_failures_total", "counter", "runs", "Daily jobs (report, backup, archive) that failed.", ("job",), "operate"
)

CATALOGUE: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))


def served_by(room: Room) -> tuple[Metric, ...]:
    """The metrics of one kind of process."""
    return tuple(metric for metric in CATALOGUE if metric.room == room)
