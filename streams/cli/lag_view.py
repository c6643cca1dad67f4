"""The lag of groups as a table: one line for each partition, with how it went over the last rounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from rich.table import Table

from streams.operate.lag.measured import Behind, Consumer

SPARKS = "▁▂▃▄▅▆▇█"
ROUNDS_SHOWN = 30
LATE_S = 2.0


class History:
    """The lag of each consumer over the last rounds."""

    def __init__(self) -> None:
        self._by_consumer: dict[Consumer, deque[int]] = {}

    def add(self, found: Iterable[Behind]) -> None:
        """One round."""
        for one in found:
            self._by_consumer.setdefault(one.consumer, deque(maxlen=ROUNDS_SHOWN)).append(one.lag)

    def sparkline(self, consumer: Consumer) -> str:
        """A column for each round, the highest of them as high as the largest lag seen."""
        return sparkline(list(self._by_consumer.get(consumer, ())))


def sparkline(values: list[int]) -> str:
    """Columns from nothing to the largest; empty for less than two values."""
    if len(values) < 2:
        return ""
    top = max(*values, 1)
    return "".join(SPARKS[round(value / top * (len(SPARKS) - 1))] for value in values)


def lag_table(found: list[Behind], history: History) -> Table:
    """Groups in order, each partition with whose offset it is."""
    table = Table(pad_edge=False, box=None)
    for header, justify in (
        ("group", "left"), ("topic", "left"), ("part", "right"), ("offset of", "left"), ("current", "right"), ("end", "right"),
        ("lag", "right"), ("seconds", "right"), ("over the last rounds", "left"),
    ):  # fmt: skip
        table.add_column(header, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    before = ""
    for one in found:
        consumer = one.consumer
        whose = "group" if consumer.source == "group" else f"journal of task {consumer.task}"
        style = "red" if one.seconds >= LATE_S else ""
        table.add_row(
            consumer.group if consumer.group != before else "", consumer.topic, str(consumer.partition), whose,
            str(one.current), str(one.end), str(one.lag), f"{one.seconds:.3f}", history.sparkline(consumer), style=style,
        )  # fmt: skip
        before = consumer.group
    return table
