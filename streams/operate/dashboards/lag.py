"""
The board "Kafka lag": how far each consumer group is behind its topics, in time and in offsets, and whether that is still measured.
"""

from streams.operate.dashboards.boards import Board
from streams.operate.dashboards.panels import RATE, RED, YELLOW, Limit, Panel, Prom, line, number, rows

# The objective: 99.9 % of the time below.
LATE_S = 2
# The registry reads its journal under a new group at each start; those of former starts fall behind for ever.
OURS = 'group!~"apicurio-.*"'


def lag() -> Board:
    """Groups, topics, partitions, and the exporter itself."""
    return Board("cdb-lag", "Kafka lag", [], [*_figures(), *_courses()])


def _figures() -> list[Panel]:
    return [
        number("Groups behind", f"Consumer groups that are {LATE_S} s or more behind.",
               Prom(f"count(max by (group) (kafka_consumergroup_lag_seconds{{{OURS}}}) >= {LATE_S}) or vector(0)"), limits=[Limit(1)]),
        number("Largest lag", "Age of the oldest record that any group has still to handle.",
               Prom(f"max(kafka_consumergroup_lag_seconds{{{OURS}}})"), unit="s", limits=[Limit(LATE_S)]),
        number("Offsets waiting", "End offsets minus current offsets, of all groups.", Prom(f"sum(kafka_consumergroup_lag_sum{{{OURS}}})")),
        number("Exporter", "1 where its last round found everything out, else 0.", Prom("min(streams_lag_exporter_up)")),
        number("Measured", "Since the last whole round of the exporter.",
               Prom("time() - max(streams_lag_exporter_last_round_time_seconds)"), unit="s", limits=[Limit(10, YELLOW), Limit(30)]),
        number("A round takes", "How long the exporter's last whole round took.", Prom("max(streams_lag_exporter_round_seconds)"),
               unit="s"),
    ]  # fmt: skip


def _courses() -> list[Panel]:
    return [
        line("Lag in time", "Age of the oldest record that waits, by group.",
             Prom(f"max by (group) (kafka_consumergroup_lag_seconds{{{OURS}}})", "{{group}}"), unit="s", least=0,
             limits=[Limit(LATE_S, RED)]),
        line("Lag in offsets", "End offsets minus current offsets, by group; transaction markers count.",
             Prom(f"sum by (group) (kafka_consumergroup_lag{{{OURS}}})", "{{group}}"), least=0),
        line("Lag in offsets by topic", "Of all groups.",
             Prom(f"sum by (topic) (kafka_consumergroup_lag{{{OURS}}})", "{{topic}}"), least=0),
        line("Offsets written", "A second, by topic; transaction markers count.",
             Prom(f"sum by (topic) (rate(kafka_topic_partition_end_offset[{RATE}]))", "{{topic}}"), unit="cps", least=0),
        rows("Partitions", "Lag in offsets of each group's partitions, where it is not 0.", Prom(f"kafka_consumergroup_lag{{{OURS}}} > 0")),
    ]  # fmt: skip
