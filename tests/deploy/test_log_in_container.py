"""The Kafka log keeps its contract on a broker in a container."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from streams.operate.stack import Endpoints
from tests.kafka.test_kafka_log import KafkaWorld
from tests.log.contract import GroupContract, ReadingContract, WritingContract


@pytest.fixture
def world(endpoints: Endpoints) -> Iterator[KafkaWorld]:
    made = KafkaWorld(endpoints.bootstrap)
    yield made
    made.close()


class TestReading(ReadingContract):
    pass


class TestWriting(WritingContract):
    pass


class TestGroups(GroupContract):
    pass
