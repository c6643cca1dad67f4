"""The risk agent: steps the turns of the risk stage, counts its decisions and alerts."""

from streams.agents.metrics import ALERTS, ORDERS, Metrics
from streams.agents.turns import Turns
from streams.domain.records import Alert, Order, Record

PORT = 8002
COUNTED = ("orders", "alerts")


async def agent(turns: Turns) -> None:
    async for work in turns:
        work.step()


def count(metrics: Metrics, record: Record) -> None:
    """Counts one committed record of the topics in `COUNTED`."""
    if isinstance(record, Order):
        metrics.count(ORDERS, "approved" if record.approved else "rejected", record.rejection_code or "")
    else:
        assert isinstance(record, Alert)
        metrics.count(ALERTS, record.level.value, record.code)
