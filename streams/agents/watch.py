"""
What can be seen of a running worker from outside: the status page's content, and the rule for being healthy.

The service refreshes it between turns, so that no page looks at a task while it is stepped. Wall and monotonic times in seconds,
event times in microseconds.
"""

from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from streams.errors import LogError
from streams.log.held import HeldTask
from streams.log.interface import Partition
from streams.log.worker import Worker

MICROSECONDS = 1_000_000


class Phase(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FENCED = "fenced"
    FAILED = "failed"


class HealthLimits(NamedTuple):
    """Wall seconds. `behind_s_max` is for sessions whose time is the wall clock's; None for all others."""

    stalled_s_max: float = 30.0
    behind_s_max: float | None = None


class Health(NamedTuple):
    healthy: bool
    reason: str


class InputSeen(msgspec.Struct):
    """One input partition: records read and not stepped, the place reached, and what waits in all (None: not known)."""

    topic: str
    partition: int
    queue: int
    offset: int
    lag: int | None


class TaskSeen(msgspec.Struct):
    """One held task."""

    task: int
    frontier: int
    watermark: int
    sequence: int
    outputs: int
    inputs: list[InputSeen]
    moved_at: float  # monotonic: when its frontier was last seen to move

    @property
    def lag(self) -> int:
        return sum(one.lag or 0 for one in self.inputs)


class Watch:
    """A worker as it was after its last turn."""

    def __init__(self, session: str, stage: str, limits: HealthLimits) -> None:
        self.session = session
        self.stage = stage
        self.phase = Phase.STARTING
        self.fault = ""
        self.turned_at: float | None = None
        self.turns = 0
        self.events = 0
        self.transactions = 0
        self.tasks: dict[int, TaskSeen] = {}
        self._limits = limits
        # By task and partition: offsets between what was read and the log's end.
        self._waiting: dict[tuple[int, Partition], int] = {}

    def turned(self, worker: Worker, monotonic: float) -> None:
        """Notes that a turn is over."""
        self.turned_at = monotonic
        self.turns += 1
        self.events, self.transactions = worker.events, worker.transactions

    def look(self, worker: Worker, monotonic: float) -> None:
        """Takes the tasks' places down."""
        before = self.tasks
        self.tasks = {number: self._seen(held, before.get(number), monotonic) for number, held in worker.tasks.items()}

    def _seen(self, held: HeldTask, before: TaskSeen | None, monotonic: float) -> TaskSeen:
        task = held.task
        moved = before is None or before.frontier != task.frontier
        inputs = [self._input(task.number, one.partition, len(one.queue), one.place()[0]) for one in task.merge.inputs]
        if task.stage.takes_commands:
            own = Partition("commands", task.number)
            inputs.append(self._input(task.number, own, len(held.commands_waiting), task.commands_offset))
        return TaskSeen(
            task.number, task.frontier, held.watermark, held.sequence, task.outputs_count, inputs,
            monotonic if before is None or moved else before.moved_at,
        )  # fmt: skip

    def _input(self, task: int, partition: Partition, queue: int, offset: int) -> InputSeen:
        waiting = self._waiting.get((task, partition))
        return InputSeen(partition.topic, partition.number, queue, offset, None if waiting is None else waiting + queue)

    def measure(self, worker: Worker) -> None:
        """Asks the log how much waits to be read. In the worker's thread: it takes a millisecond or two for each partition."""
        waiting: dict[tuple[int, Partition], int] = {}
        try:
            for number, held in worker.tasks.items():
                for partition in _partitions(held):
                    place = worker.layout.at(*partition)
                    waiting[number, partition] = max(0, worker.log.end_offset(place) - worker.position(held, place))
        except LogError:
            # A broker that is away shows in the worker's own requests; here it only leaves the lag unknown.
            waiting = {}
        self._waiting = waiting

    def health(self, *, monotonic: float, wall: float) -> Health:
        """Whether this worker does its work, and if not, why."""
        if self.phase is not Phase.RUNNING or self.turned_at is None:
            return Health(False, f"{self.phase}{': ' if self.fault else ''}{self.fault}")
        limits = self._limits
        still = monotonic - self.turned_at
        if still > limits.stalled_s_max:
            return Health(False, f"stalled: no turn for {still:.0f} s, at most {limits.stalled_s_max:.0f} s are healthy")
        for seen in self.tasks.values():
            still = monotonic - seen.moved_at
            if seen.lag > 0 and still > limits.stalled_s_max:
                return Health(
                    False, f"stalled: task {seen.task} stands at {seen.frontier} for {still:.0f} s while {seen.lag} offsets wait"
                )
            behind = wall - seen.frontier / MICROSECONDS
            if limits.behind_s_max is not None and seen.frontier > 0 and behind > limits.behind_s_max:
                return Health(False, f"behind: task {seen.task} is {behind:.1f} s behind, at most {limits.behind_s_max:g} s are healthy")
        return Health(True, "healthy" if self.tasks else "healthy: no task assigned")

    def status(self, *, monotonic: float, wall: float) -> dict[str, Any]:
        """The status page, ready for JSON."""
        health = self.health(monotonic=monotonic, wall=wall)
        return {
            "session": self.session,
            "stage": self.stage,
            "phase": self.phase.value,
            "healthy": health.healthy,
            "reason": health.reason,
            "turns": self.turns,
            "events": self.events,
            "transactions": self.transactions,
            "assignment": sorted(self.tasks),
            "tasks": [
                {
                    "task": seen.task, "frontier": seen.frontier, "watermark": seen.watermark, "sequence": seen.sequence,
                    "outputs": seen.outputs, "lag": seen.lag, "inputs": msgspec.to_builtins(seen.inputs),
                }
                for _, seen in sorted(self.tasks.items())
            ],
        }  # fmt: skip


def _partitions(held: HeldTask) -> list[Partition]:
    """What a task reads, topics without session."""
    commands = [Partition("commands", held.task.number)] if held.task.stage.takes_commands else []
    return [one.partition for one in held.task.merge.inputs] + commands
