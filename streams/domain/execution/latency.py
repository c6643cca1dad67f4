"""
How long an order takes to the market and its answer back, in µs of logical time.

A model has a least order latency, which is the delay with which execution merges orders, the report latency, which is the one of
its results, both at least 1 ms, so that the loop of risk and execution always moves time forward; and what an order takes beyond
the least, which the execution stage waits out with a timer. A cancellation is an order here. An answer never takes longer than the
report latency, so the answers to one order keep their order.

`constant`: every order takes the least. `spread`: an order takes up to `order_latency_spread_ms` more, evenly spread; how much is
drawn from its id alone, so a replay draws the same, whatever the session's name and whoever else trades.
"""

import hashlib
from typing import NamedTuple, Protocol

from streams.domain.ids import cause_of
from streams.domain.parameters import ExecutionParameters


class LatencyModel(Protocol):
    @property
    def order(self) -> int:
        """The least order latency, µs."""

    @property
    def report(self) -> int:
        """From the fill to the result, µs."""

    def beyond_least(self, order_id: str) -> int:
        """What this order takes beyond `order`, µs, 0 or more; the same each time it is asked."""


class Latency(NamedTuple):
    """The constant model."""

    order: int
    report: int

    def beyond_least(self, order_id: str) -> int:
        return 0


class SpreadLatency(NamedTuple):
    """`spread`: the most beyond the least."""

    order: int
    report: int
    spread: int

    def beyond_least(self, order_id: str) -> int:
        drawn = hashlib.sha256(cause_of(order_id).encode()).digest()
        return int.from_bytes(drawn[:8], "big") % (self.spread + 1)


def latency_of(settings: ExecutionParameters) -> LatencyModel:
    """The model that the settings name; their milliseconds are at least 1 each."""
    order, report = settings.order_latency_ms * 1000, settings.report_latency_ms * 1000
    if settings.latency_model == "spread":
        return SpreadLatency(order, report, settings.order_latency_spread_ms * 1000)
    return Latency(order, report)
