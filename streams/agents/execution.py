"""The execution agent: steps the turns of the execution stage, counts its answers to orders."""

from streams.agents.turns import Aged, Turns
from streams.domain.records import OrderResult, Record
from streams.metrics.catalogue import FILL_AGE, FILLS, RESULTS
from streams.metrics.made import Metrics

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


def told(record: Record) -> str:
    """An answer to an order in words, for the log."""
    assert isinstance(record, OrderResult)
    what = f"{record.status.value} {record.side.value} {record.symbol} for {record.account}, order {record.order_id}"
    return f"{what}: {record.quantity} at {record.price}" if record.quantity > 0 else f"{what}: {record.reason or 'nothing filled'}"


def aged(record: Record) -> Aged | None:
    """A fill, by the time of the market record on which the order was decided."""
    assert isinstance(record, OrderResult)
    return Aged(FILL_AGE, record.fill_time - record.latency_us) if record.quantity > 0 else None
