"""The risk agent: steps the turns of the risk stage, counts its decisions and alerts."""

from streams.agents.turns import Aged, Turns
from streams.domain.records import Alert, Order, Record
from streams.metrics.catalogue import ALERTS, DECISION_AGE, ORDERS
from streams.metrics.made import Metrics

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


def told(record: Record) -> str:
    """A decision or an alert in words, for the log."""
    if isinstance(record, Alert):
        return f"alert {record.level.value} {record.code} of {record.account}: {record.message}"
    assert isinstance(record, Order)
    asked = f"{record.side.value} {record.symbol} of {record.strategy} for {record.account}"
    if record.approved:
        return f"approved {asked}: {record.quantity} as {record.order_type.value}"
    return f"refused {asked}: {record.rejection_code}, was {record.measured}, limit {record.limit}"


def aged(record: Record) -> Aged | None:
    """A decision, by the time of the market that it was made on."""
    return Aged(DECISION_AGE, record.time) if isinstance(record, Order) else None
