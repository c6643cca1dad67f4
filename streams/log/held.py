"""What a worker holds between its turns: its tasks, each with its reader and the state of its journal, and the bounds of a turn."""

from typing import NamedTuple

from streams.log.batch import Batch
from streams.log.interface import Message, Partition, Reader
from streams.log.task import Task


class WorkerLimits(NamedTuple):
    """Bounds of one turn. Wall time in seconds; none of them changes what is decided."""

    messages_max: int = 4000
    events_max: int = 4000
    queue_max: int = 20_000
    wait_s: float = 0.005
    journal_idle_s: float = 0.25
    # A promise without records that nobody stands still for is worth a transaction only so often. What is put out carries its own.
    # Less than a feed's flush of 20 ms: a fill waits for the promises of three stages in turn, and each pause would add to it.
    promise_s: float = 0.015
    # Where it is known that nobody waits: as long, and as much of the market's time.
    promise_idle_s: float = 0.25


class Turn(NamedTuple):
    """What was received for one turn: messages by task, and commands by task."""

    messages: dict[int, list[Message]]
    commands: dict[int, list[Message]]


class HeldTask:
    """A task that a worker owns. `reader`: of the partitions that its group membership does not read, None where there are none."""

    def __init__(self, task: Task, sequence: int, previous_digest: str, watermark: int) -> None:
        self.task = task
        self.reader: Reader | None = None
        self.sequence = sequence
        self.previous_digest = previous_digest
        self.watermark = watermark
        self.journalled_at = float("-inf")
        self.promised_at = float("-inf")
        self.unjournalled = False
        self.catch_up: dict[Partition, int] = {}
        self.commands_waiting: list[Message] = []
        self.paused: set[Partition] = set()
        self.batch: Batch | None = None

    def place_in_group(self) -> tuple[Partition, int]:
        """The partition of the group's topic that gives a worker this task, and the offset of its first record not yet taken in."""
        task = self.task
        own = Partition(task.layout.group_topic(task.stage), task.number)
        offset = task.commands_offset if task.stage.takes_commands else task.merge.by_partition[own].place()[0]
        return task.layout.at(*own), offset
