"""
The memory host: the same workers that run on Kafka, turn by turn in one process, on a log in memory.

A backtest is this and nothing else: same stages, same merge, same transactions; only the log and the waiting differ.
"""

from collections.abc import Iterable

from streams.domain.parameters import SessionSettings
from streams.log.codec import Codec
from streams.log.held import WorkerLimits
from streams.log.interface import Log
from streams.log.worker import JournalledCommands, Worker
from streams.stages.contract import StageFactory

LIMITS = WorkerLimits(
    messages_max=2000, events_max=2000, queue_max=20_000, wait_s=0.0, journal_idle_s=0.0,
    promise_s=0.0, promise_idle_s=0.0,
)

# More than all stages read between two turns of one: each market record is read by two of them.
RECORDS_SHARED_MAX = 8192


def make_workers(
    log: Log, stages: Iterable[StageFactory], settings: SessionSettings, codec: Codec, *, code_version: str,
    commands: JournalledCommands | None = None,
) -> list[Worker]:
    """One worker for each stage, which takes all of its tasks; `commands` as `Worker` has them."""
    shared = codec.shared(RECORDS_SHARED_MAX)
    return [
        Worker(log, stage_of, settings, shared, code_version=code_version, limits=LIMITS, commands=commands)
        for stage_of in stages
    ]  # fmt: skip


def run_turns(workers: list[Worker]) -> int:
    """Gives every worker its turns until nothing moves any more; returns the number of events stepped."""
    events = 0
    moved = True
    while moved:
        moved = False
        for worker in workers:
            turn = worker.receive()
            events += worker.step(turn)
            moved = worker.commit() or bool(turn.messages) or bool(turn.commands) or moved
    return events
