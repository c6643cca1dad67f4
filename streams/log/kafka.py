"""
The log on Apache Kafka, through confluent-kafka; see `kafka_client` for settings, `kafka_reader` and `kafka_writer`.

Every request is bounded by `timeout_s`, after which it raises `LogError` with what was asked. A message's time is kept in
milliseconds: written as `time // 1000`, read back times 1000. Kafka's internal topics do not exist here.
"""

import time as clock
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # its package does not name it
from confluent_kafka.cimpl import NewTopic

from streams.errors import LogError
from streams.log.credentials import Credentials
from streams.log.interface import Member, Partition, Reader, Writer
from streams.log.kafka_client import (
    BELIEVED_UNKNOWN_S,
    LOGGER,
    Endpoint,
    client_settings,
    consumer_settings,
    is_unknown,
    kafka_error,
    log_error,
    passes_by_itself,
    topic_settings,
)
from streams.log.kafka_reader import KafkaMember, KafkaReader
from streams.log.kafka_writer import KafkaWriter

Answer = TypeVar("Answer")


class KafkaLog:
    """
    The topics of one broker; see `Log`. A context manager; `close` ends its own connections, not its readers' and writers'.

    `timeout_s`: after how long a request raises `LogError`. It must exceed the transaction time-out for `committed` to see the
    end of a dead worker's transaction. `readers_kept`: so many closed readers keep their connections, for who looks here and there.
    """

    def __init__(
        self, bootstrap: str, *, client_id: str = "cdb", timeout_s: float = 30.0, poll_interval_max_s: float = 120.0,
        readers_kept: int = 0, credentials: Credentials | None = None,
    ) -> None:
        self._readers_kept = readers_kept
        self._idle: list[KafkaReader] = []
        self._endpoint = Endpoint(bootstrap, client_id, timeout_s, poll_interval_max_s, credentials)
        self._admin = AdminClient(client_settings(self._endpoint), logger=LOGGER)
        self._consumers: dict[str, Consumer] = {}
        self._counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._readers_kept = 0
        while self._idle:
            self._idle.pop().end()
        for consumer in self._consumers.values():
            consumer.close()
        self._consumers.clear()

    def topics(self) -> dict[str, int]:
        found = self._insist(lambda: self._admin.list_topics(timeout=self._endpoint.timeout_s), "listing topics").topics
        return {
            name: len(topic.partitions)
            for name, topic in found.items()
            if topic.error is None and not name.startswith("__")
        }

    def create(self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None) -> None:
        settings = config or {}
        new = [
            # How many copies there are is the cluster's to say (default.replication.factor).
            NewTopic(name, num_partitions=count, replication_factor=-1, config=topic_settings(settings.get(name, {})))
            for name, count in topics.items()
        ]
        if not new:
            return
        for name, created in self._admin.create_topics(new, request_timeout=self._endpoint.timeout_s).items():
            with self._asking(f"creating topic {name}", but_for=KafkaError.TOPIC_ALREADY_EXISTS):
                created.result()
        self._await(lambda present: topics.keys() <= present.keys(), f"topics {sorted(topics)} must appear")
        present = self.topics()
        for name, count in topics.items():
            if present[name] != count:
                raise LogError(f"topic {name} must have {count} partitions, has {present[name]}")

    def delete(self, topics: Sequence[str]) -> None:
        if not topics:
            return
        for name, deleted in self._admin.delete_topics(list(topics), request_timeout=self._endpoint.timeout_s).items():
            with self._asking(f"deleting topic {name}"):
                deleted.result()
        for name in topics:
            self._counts.pop(name, None)
        self._await(lambda present: not present.keys() & set(topics), f"topics {sorted(topics)} must go")

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        for partition in positions:
            self.check(partition)
        if self._idle:
            reader = self._idle.pop()
            reader.start_again(positions)
            return reader
        return KafkaReader(self._endpoint, positions, self._is_kept if self._readers_kept else None)

    def _is_kept(self, reader: KafkaReader) -> bool:
        if len(self._idle) >= self._readers_kept:
            return False
        self._idle.append(reader)
        return True

    def member(
        self, group: str, topic: str, *, on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition], bool], None],
    ) -> Member:
        self.check(Partition(topic, 0))
        return KafkaMember(self._endpoint, group, topic, on_assigned, on_revoked)

    def writer(self, name: str) -> Writer:
        return KafkaWriter(self._endpoint, name, self.check)

    def start_offset(self, partition: Partition) -> int:
        return self._range(partition)[0]

    def end_offset(self, partition: Partition) -> int:
        return self._range(partition)[1]

    def settled_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int] | None:
        for partition in partitions:
            self.check(partition)
        committed = self._ends(partitions, IsolationLevel.READ_COMMITTED)
        return committed if committed == self._ends(partitions, IsolationLevel.READ_UNCOMMITTED) else None

    def _ends(self, partitions: Sequence[Partition], isolation: IsolationLevel) -> dict[Partition, int]:
        """Of all of them by one request to each broker."""
        places = {TopicPartition(topic, number): OffsetSpec.latest() for topic, number in partitions}  # type: ignore[no-untyped-call]
        asked = self._admin.list_offsets(places, isolation_level=isolation, request_timeout=self._endpoint.timeout_s)
        ends = {}
        for place, answer in asked.items():
            with self._asking(f"end of {place.topic}-{place.partition}"):
                ends[Partition(place.topic, place.partition)] = int(answer.result().offset)
        return ends

    def offset_at(self, partition: Partition, time: int) -> int:
        """
        See `Log`. Holds where times do not fall within the partition, as they must not on a merged topic.

        Kafka's own index of times cannot serve: transaction markers stand in it with the broker's clock, which is later than
        every record of a recording.
        """
        low, high = self._range(partition)
        wanted = time // 1000 * 1000
        # Everything before `low` is earlier than wanted, everything from `high` on is not.
        while low < high:
            middle = (low + high) // 2
            found = self._first_from(partition, middle)
            if found is None or found[1] >= wanted:
                high = middle
            else:
                low = found[0] + 1
        first = self._first_from(partition, low)
        return self.end_offset(partition) if first is None else first[0]

    def _first_from(self, partition: Partition, offset: int) -> tuple[int, int] | None:
        """Offset and time of the first committed record at `offset` or after it; None where only markers follow."""
        end = self.end_offset(partition)
        deadline = clock.monotonic() + self._endpoint.timeout_s
        reader = KafkaReader(self._endpoint, {partition: offset})
        try:
            while reader.position(partition) < end:
                found = reader.poll(1, 0.05)
                if found:
                    return found[0].offset, found[0].time
                if clock.monotonic() > deadline:
                    raise LogError(
                        f"{partition.topic}-{partition.number} must be readable from {offset} to {end} within "
                        f"{self._endpoint.timeout_s} s, was not"
                    )
            return None
        finally:
            reader.close()

    def committed(self, group: str, partition: Partition) -> int | None:
        """Waits for pending transactions, at most `timeout_s`; then raises `LogError`."""
        self.check(partition)
        place = TopicPartition(partition.topic, partition.number)
        places = self._insist(
            lambda: self._consumer(group).committed([place], timeout=self._endpoint.timeout_s),
            f"offset of group {group} on {partition.topic}-{partition.number}",
        )
        if places[0].error is not None:
            raise log_error(places[0].error, f"offset of group {group} on {partition.topic}-{partition.number}")
        offset: int = places[0].offset
        return offset if offset >= 0 else None

    def check(self, partition: Partition) -> None:
        """Raises `LogError` where there is no such topic or partition."""
        topic, number = partition
        if topic not in self._counts:
            self._counts = self.topics()
        count = self._counts.get(topic)
        if count is None:
            raise LogError(f"topic {topic} must exist, does not")
        if not 0 <= number < count:
            raise LogError(f"partition of {topic} must be 0..{count - 1}, was {number}")

    def _range(self, partition: Partition) -> tuple[int, int]:
        self.check(partition)
        where = f"{partition.topic}-{partition.number}"
        consumer = self._consumer(f"{self._endpoint.client_id}-reader")
        place = TopicPartition(partition.topic, partition.number)
        answer: tuple[int, int] | None = self._insist(
            lambda: consumer.get_watermark_offsets(place, timeout=self._endpoint.timeout_s, cached=False),
            f"offsets of {where}", known=True,
        )
        if answer is None:
            raise LogError(f"offsets of {where} must be known within {self._endpoint.timeout_s} s, were not")
        return answer

    def _consumer(self, group: str) -> Consumer:
        """The connection that asks for `group`; kept, as its making costs more than the question."""
        if group not in self._consumers:
            self._consumers[group] = Consumer(consumer_settings(self._endpoint, group), logger=LOGGER)
        return self._consumers[group]

    def _await(self, holds: Callable[[dict[str, int]], bool], what: str) -> None:
        deadline = clock.monotonic() + self._endpoint.timeout_s
        while not holds(self.topics()):
            if clock.monotonic() > deadline:
                raise LogError(f"{what} within {self._endpoint.timeout_s} s, did not")
            clock.sleep(0.02)

    def _insist(self, ask: Callable[[], Answer], what: str, *, known: bool = False) -> Answer:
        """
        Asks again while a broker or a new topic's leader is being found, for `timeout_s` at most.

        `known` says that the topic was there: a broker that was started anew and does not name it yet is asked again for a moment.
        """
        began = clock.monotonic()
        while True:
            try:
                return ask()
            except KafkaException as failure:
                error, since = kafka_error(failure), clock.monotonic() - began
                found = passes_by_itself(error) or (known and is_unknown(error) and since < BELIEVED_UNKNOWN_S)
                if not found or since > self._endpoint.timeout_s:
                    raise log_error(failure, f"{what} on {self._endpoint.bootstrap}") from failure
            clock.sleep(0.02)

    @contextmanager
    def _asking(self, what: str, but_for: int | None = None) -> Iterator[None]:
        """Turns the errors of a request into ours; one with the code `but_for` is as good as success."""
        try:
            yield
        except KafkaException as failure:
            if kafka_error(failure).code() == but_for:
                return
            raise log_error(failure, f"{what} on {self._endpoint.bootstrap}") from failure
