"""
Readers of Kafka partitions: assigned by hand, or by membership of a group.

librdkafka fetches in the background and keeps retrying while a broker is away; a reader gives it `timeout_s` from the moment
it reports that no broker answers, then asks once itself and raises `LogError` if that fails too.
"""

import time as clock
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_STORED, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as RawMessage

from streams.errors import LogError, PartitionsLost
from streams.log.interface import Message, Partition
from streams.log.kafka_client import LOGGER, Endpoint, consumer_settings, kafka_error, log_error, member_settings

_message = tuple.__new__

# How often a poll that still waits for its first message looks whether the broker is away, in seconds.
_WAIT_SLICE_S = 1.0
LOOK_WAIT_MS = 2


class KafkaReader:
    """
    Partitions assigned by hand; see `Reader`. No group ever hears of it.

    `keep` is asked when it is closed, and may keep it with its connection, to be started again elsewhere.
    """

    _keep: "Callable[[KafkaReader], bool] | None" = None

    def __init__(
        self, endpoint: Endpoint, positions: Mapping[Partition, int], keep: "Callable[[KafkaReader], bool] | None" = None
    ) -> None:
        self._keep = keep
        settings = consumer_settings(endpoint, f"{endpoint.client_id}-reader")
        if keep is not None:
            # What it asks at its next place waits for the answer of the last one, which has nothing more to say.
            settings["fetch.wait.max.ms"] = LOOK_WAIT_MS
        self._open(endpoint, settings)
        if keep is not None:
            self._learn_topics()
        self._assign(positions)

    def _open(self, endpoint: Endpoint, settings: dict[str, Any]) -> None:
        self._endpoint = endpoint
        self._away_since: float | None = None
        self._starts: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._epoch = 0
        self._consumer = Consumer({**settings, "error_cb": self._on_error}, logger=LOGGER)

    def _assign(self, positions: Mapping[Partition, int]) -> None:
        """Starts reading `positions` anew, and nothing else."""
        self._starts = dict(positions)
        self._consumer.assign([TopicPartition(p.topic, p.number, offset) for p, offset in positions.items()])
        self._paused &= positions.keys()
        if self._paused:
            self._consumer.pause([TopicPartition(p.topic, p.number) for p in self._paused])

    def _learn_topics(self) -> None:
        """Where every topic stands: asked for one by one, as they are assigned, librdkafka takes a second for each."""
        try:
            self._consumer.list_topics(timeout=self._endpoint.timeout_s)
        except KafkaException as failure:
            raise log_error(failure, f"listing topics on {self._endpoint.bootstrap}") from failure

    def start_again(self, positions: Mapping[Partition, int]) -> None:
        """Reads these after it was kept, as a new one would."""
        self._away_since = None
        self._paused.clear()
        self._assign(positions)

    def end(self) -> None:
        """Ends the connection, kept or not."""
        self._consumer.close()

    def poll(self, count_max: int, timeout_s: float) -> list[Message]:
        self._check_away()
        deadline = clock.monotonic() + timeout_s
        first = self._consumer.poll(min(timeout_s, _WAIT_SLICE_S))
        while first is None and (left := deadline - clock.monotonic()) > 0:
            self._check_away()
            first = self._consumer.poll(min(left, _WAIT_SLICE_S))
        if first is None:
            return []
        if count_max == 1:
            return self._messages([first])
        epoch = self._epoch
        # `consume` with a time-out would wait for all of them; without one it takes what is there.
        rest = self._consumer.consume(count_max - 1, 0)
        # A rebalance between the two took the first message's partition away, and `consume` drops only its own.
        return self._messages([first, *rest] if self._epoch == epoch else rest)

    def _messages(self, raw: list[RawMessage]) -> list[Message]:
        """What librdkafka returned, as ours. The hot path of every reader: one tuple for each record, nothing else."""
        found: list[Message] = []
        add = found.append
        for record in raw:
            if record.error() is not None:
                self._on_record_error(record)
                continue
            headers = record.headers()
            add(_message(Message, (
                record.topic(), record.partition(), record.offset(), record.key(), record.value(),
                tuple(headers) if headers else (), record.timestamp()[1] * 1000,
            )))
        if found:
            self._away_since = None
        return found

    def pause(self, partitions: Sequence[Partition]) -> None:
        self._paused.update(partitions)
        self._consumer.pause([TopicPartition(p.topic, p.number) for p in self._own(partitions)])

    def resume(self, partitions: Sequence[Partition]) -> None:
        self._paused.difference_update(partitions)
        self._consumer.resume([TopicPartition(p.topic, p.number) for p in self._own(partitions)])

    def position(self, partition: Partition) -> int:
        self._own((partition,))
        return self._place(partition)

    def _place(self, partition: Partition) -> int:
        """The next offset to read; below zero where a member neither read nor sought."""
        offset: int = self._consumer.position([TopicPartition(partition.topic, partition.number)])[0].offset
        # Negative until something was read: then it is where we began.
        return offset if offset >= 0 else self._starts[partition]

    def close(self) -> None:
        if self._keep is not None and self._keep(self):
            self._consumer.unassign()
        else:
            self.end()

    def _own(self, partitions: Sequence[Partition]) -> Sequence[Partition]:
        for partition in partitions:
            assert partition in self._starts, f"{partition} is not among this reader's partitions"
        return partitions

    def _on_error(self, error: KafkaError) -> None:
        """librdkafka's word on its connections; it goes on by itself, so only how long that lasts is noted."""
        LOGGER.info("kafka client %s: %s", self._endpoint.client_id, error.str())
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self._away_since is None:
            self._away_since = clock.monotonic()

    def _check_away(self) -> None:
        if self._away_since is None or clock.monotonic() - self._away_since < self._endpoint.timeout_s:
            return
        try:
            # Nothing tells that a broker is back as long as no record comes, so ask.
            self._consumer.list_topics(timeout=1.0)
        except KafkaException as failure:
            away_s = clock.monotonic() - self._away_since
            raise LogError(
                f"broker {self._endpoint.bootstrap} must answer within {self._endpoint.timeout_s} s, "
                f"was away for {away_s:.1f} s ({kafka_error(failure).name()})"
            ) from failure
        self._away_since = None

    def _on_record_error(self, record: RawMessage) -> None:
        error = record.error()
        assert error is not None
        if error.code() == KafkaError._ALL_BROKERS_DOWN or error.retriable():
            self._on_error(error)
            return
        where = f"{record.topic()}-{record.partition()}"
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise LogError(f"offset of {where} must be on the log, was {record.offset()}: {error.str()}")
        raise log_error(error, f"reading {where}")


class KafkaMember(KafkaReader):
    """A member of a consumer group on one topic; see `Member`."""

    def __init__(
        self, endpoint: Endpoint, group: str, topic: str, on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition], bool], None],
    ) -> None:
        self._open(endpoint, member_settings(endpoint, group))
        self._group = group
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._assigning = False
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def _assigned(self, _: Consumer, parts: list[TopicPartition]) -> None:
        self._epoch += 1
        self._starts = {Partition(part.topic, part.partition): OFFSET_STORED for part in parts}
        self._assigning = True
        try:
            if parts:
                self._on_assigned(tuple(self._starts))
        finally:
            self._assigning = False
            self._assign(self._starts)

    def _revoked(self, _: Consumer, parts: list[TopicPartition]) -> None:
        self._give_up(parts, lost=False)

    def _lost(self, _: Consumer, parts: list[TopicPartition]) -> None:
        self._give_up(parts, lost=True)

    def _give_up(self, parts: list[TopicPartition], *, lost: bool) -> None:
        self._epoch += 1
        self._starts = {}
        self._paused.clear()
        try:
            if parts:
                self._on_revoked(tuple(Partition(part.topic, part.partition) for part in parts), lost)
        finally:
            self._consumer.unassign()

    def assignment(self) -> tuple[Partition, ...]:
        return tuple(self._starts)

    def seek(self, partition: Partition, offset: int) -> None:
        self._own((partition,))
        if self._assigning:
            self._starts[partition] = offset
            return
        # librdkafka refuses to seek in a partition whose first fetch has not begun; a new assignment always holds. Nobody is asked
        # for the group's offset: after a broker's death it can stay pending, and whoever seeks one partition seeks the others too.
        places = {p: self._place(p) for p in self._starts if p != partition}
        self._epoch += 1
        self._assign({**places, partition: offset})

    def position(self, partition: Partition) -> int:
        offset = super().position(partition)
        if offset >= 0:
            return offset
        # Nothing was read or sought yet, so it stands where the group's offset does, or at the beginning.
        place = TopicPartition(partition.topic, partition.number)
        try:
            committed: int = self._consumer.committed([place], timeout=self._endpoint.timeout_s)[0].offset
            return committed if committed >= 0 else self._consumer.get_watermark_offsets(place, timeout=self._endpoint.timeout_s)[0]
        except KafkaException as failure:
            raise log_error(failure, f"position of group {self._group} on {partition.topic}-{partition.number}") from failure

    def token(self) -> Any:
        """Raises `Fenced` where the member holds nothing: what it read before may not be committed."""
        if not self._starts:
            raise PartitionsLost(f"a member of group {self._group} must hold a partition to commit, holds none")
        return self._consumer.consumer_group_metadata()
