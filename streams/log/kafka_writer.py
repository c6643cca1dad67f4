"""
The transactional writer on Kafka: what its errors mean for the transaction and for the writer.

Three outcomes of a failed call. An abortable error aborts the transaction and raises `LogError`; the writer lives on.
Fencing raises `Fenced` and so does every later call. Anything fatal else, and a commit whose outcome cannot be learnt
in time, raises `LogError` and ends the writer: who goes on opens a new one, which waits for or aborts what the old one
left.

A commit holds when it returns, but the broker writes the markers that let readers see it a moment later: until then
the last stable offset stays where it was. Who must not miss it asks `Log.committed`, which waits.

Kafka tells a writer whose transaction timed out the same as one that was fenced. So a fencing error is believed only
while the transaction is younger than its time-out; later it is a `LogError`, and who opens the writer again learns the
truth.
"""

import threading
import time as clock
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as RawMessage

from streams.errors import LogError
from streams.log.interface import Headers, Partition
from streams.log.kafka_client import (
    LOGGER,
    TRANSACTION_TIMEOUT_MS,
    Endpoint,
    consumer_settings,
    is_fencing,
    kafka_error,
    log_error,
    producer_settings,
)

_GROUP_ERRORS = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID})


class KafkaWriter:
    """One transaction at a time under a transactional id; see `Writer`. `check` raises for a missing partition."""

    def __init__(self, endpoint: Endpoint, name: str, check: Callable[[Partition], None]) -> None:
        self._endpoint = endpoint
        self._name = name
        self._check = check
        self._known: set[Partition] = set()
        self._groups: dict[str, Any] = {}
        self._began: float | None = None
        self._delivery_failure: LogError | None = None
        self._end: LogError | None = None
        self._closed = False
        self._producer = Producer(
            {**producer_settings(endpoint, name), "on_delivery": self._on_delivery, "error_cb": self._on_error},
            logger=LOGGER,
        )
        self._insist(self._producer.init_transactions, "opening")

    def begin(self) -> None:
        self._check_live()
        assert self._began is None, f"writer {self._name} has a transaction open already"
        self._delivery_failure = None
        try:
            self._producer.begin_transaction()
        except KafkaException as failure:
            raise self._ended(failure, "beginning a transaction") from failure
        self._began = clock.monotonic()

    def append(
        self, partition: Partition, *, key: bytes | None, value: bytes | None, headers: Headers = (), time: int
    ) -> None:
        if self._end is not None or self._began is None:
            self._check_began()
        if partition not in self._known:
            self._check(partition)
            self._known.add(partition)
        # Kafka keeps milliseconds, and librdkafka takes 0 for "now": what is before the first event (a task's first
        # journal entry) stands at 1 ms.
        assert time >= 0, f"time must not be negative, was {time} µs"
        milliseconds = max(time // 1000, 1)
        while True:
            try:
                self._producer.produce(
                    partition[0], value, key, partition[1], timestamp=milliseconds,
                    headers=list(headers) if headers else None,
                )
            except BufferError:
                self._make_room(partition)
            except KafkaException as failure:
                raise self._failed(failure, f"appending to {partition.topic}-{partition.number}") from failure
            else:
                return

    def _make_room(self, partition: Partition) -> None:
        """Waits until librdkafka's queue has room again; deliveries are what makes it."""
        before = len(self._producer)
        deadline = clock.monotonic() + self._endpoint.timeout_s
        while len(self._producer) >= before:
            if clock.monotonic() > deadline:
                raise LogError(
                    f"appending to {partition.topic}-{partition.number}: {before} records must be delivered within "
                    f"{self._endpoint.timeout_s} s, none was"
                )
            try:
                self._producer.poll(0.01)
            except KafkaException as failure:
                raise self._failed(failure, f"appending to {partition.topic}-{partition.number}") from failure

    def offsets(self, group: str, positions: Mapping[Partition, int], token: Any = None) -> None:
        self._check_began()
        places = [TopicPartition(p.topic, p.number, offset) for p, offset in positions.items()]
        metadata = token if token is not None else self._group_without_members(group)
        self._insist(lambda left: self._send_offsets(places, metadata, left), f"offsets of group {group}")

    def _send_offsets(self, places: list[TopicPartition], metadata: Any, left: float) -> None:
        """
        In a thread of its own: librdkafka's call does not keep its time-out, and never returns where the group's coordinator left
        the cluster for a moment (its issues 5456 and 5511). One that hangs keeps its thread; the writer is at its end.
        """
        outcome: Future[None] = Future()

        def send() -> None:
            try:
                self._producer.send_offsets_to_transaction(places, metadata, left)
            except KafkaException as failure:
                outcome.set_exception(failure)
            else:
                outcome.set_result(None)

        threading.Thread(target=send, name=f"{self._name}-offsets", daemon=True).start()
        # Later than this the broker has ended the transaction.
        seconds = min(left, TRANSACTION_TIMEOUT_MS / 1000)
        try:
            outcome.result(seconds)
        except FutureTimeout as late:
            self._began = None
            self._end = LogError(f"{self._doing('offsets')}: must be taken within {seconds:g} s, were not")
            raise self._end from late

    def commit(self) -> None:
        self._check_began()
        self._insist(self._producer.commit_transaction, "committing")
        self._began = None
        # A failed delivery makes librdkafka refuse the commit, so this would be a bug in one of us.
        assert self._delivery_failure is None, str(self._delivery_failure)

    def abort(self) -> None:
        self._check_began()
        self._insist(self._producer.abort_transaction, "aborting")
        self._began = None

    def close(self) -> None:
        """Aborts what is open, where the broker can be reached; it does so by itself when the transaction times out."""
        if self._closed:
            return
        self._closed = True
        if self._end is None and self._began is not None:
            try:
                self._producer.abort_transaction(self._endpoint.timeout_s)
            except KafkaException as failure:
                LOGGER.info("writer %s closed with a transaction open: %s", self._name, kafka_error(failure).str())
        if self._end is None:
            self._end = LogError(f"writer {self._name} must be open, was closed")
        self._began = None
        # Neither `Producer.close` nor `flush`: they have no bound, or raise for a writer that was fenced.
        self._producer.purge()
        del self._producer

    def _group_without_members(self, group: str) -> Any:
        """What lets offsets of a group be committed that nobody has joined."""
        if group not in self._groups:
            consumer = Consumer(consumer_settings(self._endpoint, group), logger=LOGGER)
            self._groups[group] = consumer.consumer_group_metadata()
            consumer.close()
        return self._groups[group]

    def _insist(self, call: Callable[[float], None], what: str) -> None:
        """Makes a call of the transaction protocol, again while its errors ask for that and time is left."""
        deadline = clock.monotonic() + self._endpoint.timeout_s
        while True:
            try:
                call(max(deadline - clock.monotonic(), 0.1))
            except KafkaException as failure:
                if not kafka_error(failure).retriable() or clock.monotonic() >= deadline:
                    raise self._failed(failure, what) from failure
            else:
                return

    def _failed(self, failure: KafkaException, what: str) -> LogError:
        """What to raise for an error, once the transaction is out of the way."""
        error = kafka_error(failure)
        if error.code() in _GROUP_ERRORS and not error.fatal():
            # The member lost its partitions, the writer its right to commit for it; the caller aborts and lives on.
            return log_error(failure, self._doing(what))
        if error.txn_requires_abort():
            cause = self._delivery_failure or log_error(failure, self._doing(what))
            try:
                self._producer.abort_transaction(self._endpoint.timeout_s)
            except KafkaException as second:
                return self._ended(second, f"aborting after: {cause}")
            self._began = None
            return cause
        return self._ended(failure, what)

    def _ended(self, failure: KafkaException, what: str) -> LogError:
        """The error after which this writer does nothing more."""
        error = kafka_error(failure)
        open_s = 0.0 if self._began is None else clock.monotonic() - self._began
        if is_fencing(error) and open_s * 1000 >= TRANSACTION_TIMEOUT_MS:
            self._end = LogError(
                f"{self._doing(what)}: a transaction must end within {TRANSACTION_TIMEOUT_MS} ms, "
                f"was open for {open_s * 1000:.0f} ms ({error.name()})"
            )
        else:
            self._end = log_error(failure, self._doing(what))
        self._began = None
        return self._end

    def _doing(self, what: str) -> str:
        return f"writer {self._name} on {self._endpoint.bootstrap}, {what}"

    def _check_live(self) -> None:
        if self._end is not None:
            raise type(self._end)(str(self._end))

    def _check_began(self) -> None:
        self._check_live()
        assert self._began is not None, f"writer {self._name} has no transaction open"

    def _on_delivery(self, error: KafkaError | None, record: RawMessage) -> None:
        # Records of a transaction that is aborted are reported as purged: that is no failure.
        purged = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)
        if error is not None and error.code() not in purged and self._delivery_failure is None:
            self._delivery_failure = log_error(error, f"appending to {record.topic()}-{record.partition()}")

    def _on_error(self, error: KafkaError) -> None:
        LOGGER.info("kafka writer %s: %s", self._name, error.str())


