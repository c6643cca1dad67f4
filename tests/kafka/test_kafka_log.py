"""The Kafka log against the contract on a real broker, and what only it promises."""

import socket
import time as clock
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.errors import Fenced, LogError
from streams.log.interface import Log, Partition, Writer
from streams.log.kafka import KafkaLog
from streams.log.kafka_client import Endpoint
from streams.log.kafka_reader import KafkaReader
from tests.log.contract import (
    T0,
    GroupContract,
    ReadingContract,
    WritingContract,
    append,
    new_topic,
    poll_until,
    put,
    read_to_end,
    values,
)


class KafkaWorld:
    """A log on the broker; every name is new, and the topics are gone in the end."""

    def __init__(self, bootstrap: str, readers_kept: int = 0) -> None:
        self.bootstrap = bootstrap
        self.log = KafkaLog(bootstrap, client_id="contract", readers_kept=readers_kept)
        self._prefix = f"contract-{uuid4().hex[:12]}"
        self._numbers = count(1)
        self._others: list[KafkaLog] = []
        self._uncommitted = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": self._prefix, "isolation.level": "read_uncommitted"}
        )

    def name(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    def reading(self) -> Log:
        return self.log

    def impatient(self) -> Log:
        self._others.append(KafkaLog(self.bootstrap, client_id="impatient", timeout_s=1.0))
        return self._others[-1]

    def settle(self, *partitions: Partition) -> None:
        """The last stable offset has come up with the log's end, which only a reader of uncommitted records sees."""
        for partition in partitions:
            poll_until(partial(self._is_settled, partition))

    def _is_settled(self, partition: Partition) -> bool:
        place = TopicPartition(partition.topic, partition.number)
        _, end = self._uncommitted.get_watermark_offsets(place, timeout=10, cached=False)
        return self.log.end_offset(partition) == end

    def delivered(self, writer: Writer) -> None:
        """The records of another's open transaction cannot be seen, so librdkafka's own queue is asked."""
        poll_until(lambda: len(writer._producer) == 0, lambda: writer._producer.poll(0.01))  # type: ignore[attr-defined]

    def close(self) -> None:
        left = [topic for topic in self.log.topics() if topic.startswith(self._prefix)]
        self.log.delete(left)
        for log in (self.log, *self._others):
            log.close()
        self._uncommitted.close()


@pytest.fixture
def world(kafka: Any) -> Iterator[KafkaWorld]:
    made = KafkaWorld(kafka.bootstrap)
    yield made
    made.close()


class TestReading(ReadingContract):
    pass


class TestReadingByReadersThatAreKept(ReadingContract):
    @pytest.fixture
    def world(self, kafka: Any) -> Iterator[KafkaWorld]:
        made = KafkaWorld(kafka.bootstrap, readers_kept=2)
        yield made
        made.close()

    def test_kept_reader_reads_as_a_new_one_wherever_it_starts(self, world: KafkaWorld) -> None:
        one, other = Partition(new_topic(world), 0), Partition(new_topic(world), 0)
        put(world, one, *map(str, range(50)))
        put(world, other, "x", "y")
        for place, start, expected in ((one, 40, 10), (one, 0, 50), (other, 1, 1), (one, 7, 43), (one, 51, 0), (other, 0, 2)):
            reader = world.log.reader({place: start})
            assert reader.position(place) == start
            found: list[Any] = []
            end = world.log.end_offset(place)
            poll_until(lambda: reader.position(place) >= end, lambda: found.extend(reader.poll(7, 0.05)))  # noqa: B023 (polled here)
            assert (len(found), {m.topic for m in found}) == (expected, {place.topic} if expected else set())
            reader.close()


class TestWriting(WritingContract):
    pass


class TestGroups(GroupContract):
    pass


def test_time_is_kept_to_the_millisecond_and_found_from_it(world: KafkaWorld) -> None:
    partition = Partition(new_topic(world), 0)
    put(world, partition, "x", time=T0 + 1_999)
    assert [m.time for m in read_to_end(world.log, partition)] == [T0 + 1_000]
    assert world.log.offset_at(partition, T0 + 1_999) == 0


def test_record_of_a_far_future_and_of_a_far_past_are_taken(world: KafkaWorld) -> None:
    partition = Partition(new_topic(world), 0)
    put(world, partition, "past", time=1_000_000)
    put(world, partition, "future", time=4_000_000_000_000_000)
    assert values(read_to_end(world.log, partition)) == ["past", "future"]


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a port that is held, so nobody else listens there either."""
    with socket.socket() as placeholder:
        placeholder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{placeholder.getsockname()[1]}"


def test_every_request_without_a_broker_says_so_in_the_time_it_was_given(nobody: str) -> None:
    log = KafkaLog(nobody, timeout_s=1.0)
    for ask in (log.topics, lambda: log.writer("w"), lambda: log.create({"t": 1}), lambda: log.delete(["t"]),
                lambda: log.end_offset(Partition("t", 0)), lambda: log.committed("g", Partition("t", 0))):
        began = clock.monotonic()
        with pytest.raises(LogError, match=nobody):
            ask()
        assert clock.monotonic() - began < 5
    log.close()


def test_reader_whose_broker_is_away_keeps_trying_for_its_time_and_then_says_so(nobody: str) -> None:
    reader = KafkaReader(Endpoint(nobody, "reader", timeout_s=1.5, poll_interval_max_s=60), {Partition("t", 0): 0})
    began = clock.monotonic()
    with pytest.raises(LogError, match=rf"broker {nobody} must answer within 1.5 s"):
        poll_until(lambda: False, lambda: reader.poll(1, 0.1))
    assert 1.5 <= clock.monotonic() - began < 10
    reader.close()


def test_transaction_left_open_beyond_its_time_out_is_an_error_but_no_fencing(world: KafkaWorld) -> None:
    partition = Partition(new_topic(world), 0)
    writer = world.log.writer(world.name())
    writer.begin()
    append(writer, partition, "slow")
    world.delivered(writer)
    # The broker aborts it after 5 s; the marker shows that it has.
    poll_until(lambda: world.log.end_offset(partition) == 2)
    with pytest.raises(LogError, match="must end within 5000 ms") as caught:
        writer.commit()
    assert not isinstance(caught.value, Fenced)
    assert read_to_end(world.log, partition) == []
    writer.close()


def test_transaction_of_many_records_is_committed_whole(world: KafkaWorld) -> None:
    partition = Partition(new_topic(world), 0)
    writer = world.log.writer(world.name())
    sent = [str(n) for n in range(50_000)]
    writer.begin()
    append(writer, partition, *sent)
    writer.commit()
    world.settle(partition)
    assert values(read_to_end(world.log, partition)) == sent
