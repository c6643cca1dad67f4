"""The execution agent: steps the turns of the execution stage, counts its answers to orders."""

from streams.agents.metrics import FILLS, RESULTS, Metrics
from streams.agents.turns import Turns
from streams.domain.records import OrderResult, Record

PORT = 8003
COUNTED = ("order_results",)


async def agent(turns: Turns) -> None:
    async for work in turns:
        work.step()


def count(metrics: Metrics, record: Record) -> None:
    """Counts one committed record of the topics in `COUNTED`."""
    assert isinstance(record, OrderResult)
    metrics.count(RESULTS, record.status.value)
    if record.quantity > 0:
        metrics.count(FILLS)
