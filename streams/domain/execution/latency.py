"""
How long an order takes to the market and its answer back, in µs of logical time. Constant in this model.

`order` is also the delay with which execution merges orders and `report` the one of its results, both at least 1 ms, so that the
loop of risk and execution always moves time forward.
"""

from typing import NamedTuple

from streams.domain.parameters import ExecutionParameters


class Latency(NamedTuple):
    order: int
    report: int


def latency_of(settings: ExecutionParameters) -> Latency:
    """From the settings' milliseconds, which are at least 1 each."""
    return Latency(settings.order_latency_ms * 1000, settings.report_latency_ms * 1000)
