"""
Where a session's records stand: full topic names, partition counts, and which partitions a task reads.

Counts are fixed for a session. A task of signals or execution owns the symbols of the market_data partition with its number and
reads only that one of the topics a feed writes; of internal topics every task reads all partitions and its stage drops foreign keys.
"""

from typing import NamedTuple

import schemas
from streams.domain.parameters import SessionSettings
from streams.domain.records import RECORDS, Record
from streams.log.interface import Partition
from streams.stages.contract import Stage

FEED_TOPICS = ("market_data", "instruments", "funding")
# Written by more than this project's stages: a record there that breaks a rule is bad input, not a bug of ours.
OUTSIDE_TOPICS = frozenset((*FEED_TOPICS, "commands"))


class Layout(NamedTuple):
    """A session's name, its market_data partitions and its risk tasks."""

    session: str
    partitions: int
    risk_tasks: int

    @classmethod
    def of(cls, settings: SessionSettings) -> "Layout":
        return cls(settings.session, settings.partitions, settings.risk_tasks)

    def full(self, topic: str) -> str:
        """A topic's name on the log."""
        return f"{self.session}.{topic}"

    def at(self, topic: str, number: int) -> Partition:
        """A partition on the log."""
        return Partition(f"{self.session}.{topic}", number)

    def short(self, partition: Partition) -> str:
        """A partition of this session as text: topic without session, a stroke, its number."""
        return f"{partition.topic[len(self.session) + 1 :]}/{partition.number}"

    def count(self, topic: str) -> int:
        """How many partitions a topic has."""
        return schemas.partitions_of(topic, feeds=self.partitions, risk=self.risk_tasks)

    def is_merged(self, topic: str) -> bool:
        """Whether the topic carries watermarks."""
        return schemas.catalogue()[topic].merged

    def record_of(self, topic: str) -> type[Record]:
        """What stands on a topic."""
        return RECORDS[schemas.catalogue()[topic].record]

    def tasks(self, stage: Stage) -> int:
        """How many tasks a stage has."""
        return self.risk_tasks if stage.takes_commands else self.partitions

    def group_topic(self, stage: Stage) -> str:
        """The topic whose partition names the task: the consumer group's."""
        return "commands" if stage.takes_commands else "market_data"

    def partitions_read(self, stage: Stage, topic: str, number: int) -> range:
        """The partition numbers of `topic` that task `number` merges."""
        if topic in FEED_TOPICS and not stage.takes_commands:
            return range(number, number + 1)
        return range(self.count(topic))

    def journal(self, stage: str, task: int) -> Partition:
        """Where a task (or "feed" 0) keeps its journal."""
        return self.at("journal", schemas.task_partition(stage, task, feeds=self.partitions, risk=self.risk_tasks))

    def snapshots(self, stage: str, task: int) -> Partition:
        """Where a task keeps its snapshots."""
        return self.at("snapshots", self.journal(stage, task).number)

    def group(self, stage: str) -> str:
        """The consumer group of a stage."""
        return f"{self.session}-{stage}"
