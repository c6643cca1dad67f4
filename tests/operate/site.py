"""The run's stack as the sink's tests meet it."""

import time
from contextlib import closing
from typing import Any

import psycopg
from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.domain import records as r
from streams.log.codec import Codec
from streams.log.interface import Message, Partition, Writer, watermark_headers
from streams.log.kafka import KafkaLog
from streams.operate.migrate import migrate
from streams.operate.reconcile import Report, reconcile
from streams.operate.registry import register
from streams.operate.sink import Sink, configuration
from streams.operate.stack import Stack
from streams.operate.topics import topic_name
from tests.contract.samples import NOON


class Site:
    """The run's stack with schemas, tables and the sink in place, and the ways to ask it."""

    def __init__(self, stack: Stack) -> None:
        self.endpoints = stack.endpoints()
        self.codec = Codec(register(self.endpoints.ccompat_url))
        migrate(self.endpoints.postgres_dsn)
        self.sink = Sink(self.endpoints.connect_url)
        self.applied = self.sink.apply(self.configuration())
        self.log = KafkaLog(self.endpoints.bootstrap)

    def configuration(self) -> dict[str, str]:
        return configuration(
            jdbc_url=self.endpoints.jdbc_url, user=self.endpoints.postgres_user, secrets_folder=str(self.endpoints.secrets_folder)
        )

    def reconcile(self, session: str, **options: Any) -> Report:
        return reconcile(self.log, self.codec, self.endpoints.postgres_dsn, session, **options)

    def write(self, session: str, topic: str, *records: r.Record | bytes | None, number: int = 0) -> None:
        """One transaction; None is a watermark."""
        writer = self.log.writer(f"{session}-test")
        writer.begin()
        for record in records:
            self._append(writer, Partition(topic_name(session, topic), number), record)
        writer.commit()
        writer.close()

    def _append(self, writer: Writer, place: Partition, record: r.Record | bytes | None) -> None:
        if record is None:
            writer.append(place, key=None, value=None, headers=watermark_headers(NOON), time=NOON)
        else:
            writer.append(place, key=b"k", value=record if isinstance(record, bytes) else self.codec.wire(record), time=NOON)

    def written(self, place: Partition) -> int:
        """The offset after the last record, also of transactions that are still open; 0 where the broker does not say yet."""
        consumer = Consumer({"bootstrap.servers": self.endpoints.bootstrap, "group.id": "sink-test"})
        with closing(consumer):
            try:
                _, high = consumer.get_watermark_offsets(TopicPartition(place.topic, place.number), timeout=10)
            except KafkaException:
                return 0
        return int(high)

    def dead_letters(self, session: str) -> list[bytes | None]:
        """What Connect has put aside of a session's topics so far."""
        return [letter.value for letter in self._put_aside(session)]

    def reasons(self, session: str, topic: str) -> list[str]:
        """Why, of each of one topic, in its order: between topics Connect keeps none."""
        headers = [dict(letter.headers) for letter in self._put_aside(session)]
        of_topic = [each for each in headers if each["__connect.errors.topic"] == f"{session}.{topic}".encode()]
        return [each["__connect.errors.exception.message"].decode() for each in of_topic]

    def _put_aside(self, session: str) -> list[Message]:
        place = Partition("connect_dead_letters", 0)
        if place.topic not in self.log.topics():
            return []
        end, found = self.log.end_offset(place), list[Message]()
        with closing(self.log.reader({place: self.log.start_offset(place)})) as reader:
            deadline = time.monotonic() + 30
            while reader.position(place) < end and time.monotonic() < deadline:
                found += [
                    each for each in reader.poll(100, 1.0)
                    if dict(each.headers)["__connect.errors.topic"].startswith(f"{session}.".encode())
                ]
        return found

    def rows(self, query: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.endpoints.postgres_dsn) as connection:
            return connection.execute(query, values).fetchall()
