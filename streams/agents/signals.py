"""The signals agent: steps the turns of the signals stage, counts its signals."""

from streams.agents.metrics import SIGNALS, Metrics
from streams.agents.turns import Turns
from streams.domain.records import Record, Signal

PORT = 8001
COUNTED = ("signals",)


async def agent(turns: Turns) -> None:
    async for work in turns:
        work.step()


def count(metrics: Metrics, record: Record) -> None:
    """Counts one committed record of the topics in `COUNTED`."""
    assert isinstance(record, Signal)
    metrics.count(SIGNALS, record.strategy, record.side.value)
