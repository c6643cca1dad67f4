"""
Where a task's outputs stand on the log, and in which versions of their schemas.

A session outlives the program that began it: its first half may be written in one version of a schema and the rest in the next. Who
runs it again compares bytes and digests, so each output is written anew in the version that it stands in.
"""

from collections.abc import Iterator

from streams.errors import DecodeError
from streams.log.codec import Codec
from streams.log.head import head_of
from streams.log.interface import Log, Message
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.log.task import Task

MILLISECOND = 1000


def outputs(log: Log, layout: Layout, task: Task, topic: str) -> Iterator[Message]:
    """The data records that stand in the task's partition of an output topic, from where the task stands."""
    partition = layout.at(topic, task.number)
    start = log.start_offset(partition)
    if task.frontier < 0:
        return (one for one in read_range(log, partition, start, log.end_offset(partition)) if one.value is not None)
    after = task.frontier + (task.stage.output_delay if layout.is_merged(topic) else 0)
    # The log keeps milliseconds of a time, so what shares the last one is passed over by the records' own.
    start = max(start, log.offset_at(partition, after // MILLISECOND * MILLISECOND))
    messages = read_range(log, partition, start, log.end_offset(partition))
    return (one for one in messages if one.value is not None and time_of(one) > after)


def as_written(codec: Codec, log: Log, layout: Layout, task: Task) -> Codec:
    """The codec for a task that is run again from where it stands: it writes each output in the version that stands on the log."""
    topics = [topic for topic in task.stage.outputs if codec.has_versions(layout.record_of(topic))]
    return codec.as_written({layout.record_of(topic): _values(log, layout, task, topic) for topic in topics}) if topics else codec


def time_of(message: Message) -> int:
    """A record's own time; where its bytes hold none, the log's."""
    try:
        return head_of(message.value or b"").time
    except DecodeError:
        return message.time


def _values(log: Log, layout: Layout, task: Task, topic: str) -> Iterator[bytes]:
    return (one.value for one in outputs(log, layout, task, topic) if one.value is not None)
