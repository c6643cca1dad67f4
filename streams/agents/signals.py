"""The signals agent: steps the turns of the signals stage, counts its signals."""

from streams.agents.turns import Aged, Turns
from streams.domain.records import Record, Signal
from streams.log.worker import Worker
from streams.metrics.catalogue import SIGNAL_AGE, SIGNALS, WARM
from streams.metrics.made import Metrics
from streams.stages.signals import SignalsStage

PORT = 8001
COUNTED = ("signals",)


async def agent(turns: Turns) -> None:
    async for work in turns:
        work.step()


def count(metrics: Metrics, record: Record) -> None:
    """Counts one committed record of the topics in `COUNTED`."""
    assert isinstance(record, Signal)
    metrics.count(SIGNALS, record.strategy, record.side.value)


def told(record: Record) -> str:
    """A signal in words, for the log."""
    assert isinstance(record, Signal)
    return f"signal {record.side.value} {record.symbol} at {record.price} of {record.strategy} for {record.account}: {record.reason}"


def aged(record: Record) -> Aged | None:
    """A signal, by the time of the market that it was made on."""
    assert isinstance(record, Signal)
    return Aged(SIGNAL_AGE, record.time)


def show(metrics: Metrics, worker: Worker) -> None:
    """Which strategies have seen enough of their symbols' market."""
    metrics.forget(WARM)
    for held in worker.tasks.values():
        stage = held.task.stage
        assert isinstance(stage, SignalsStage)
        for (strategy, symbol), warm in stage.warm(held.task.state).items():
            metrics.set(WARM, strategy, symbol, value=int(warm))
