"""A session's topics: by the catalogue, apart from everything else on the log."""

from collections.abc import Callable
from contextlib import closing

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

import schemas
from streams.errors import LogError
from streams.log.interface import Partition
from streams.log.kafka import KafkaLog
from streams.log.memory import MemoryLog
from streams.operate.stack import Endpoints
from streams.operate.topics import create_session, delete_session, sessions, topic_name

YEAR = 366 * 86_400 * 1_000_000


def test_session_has_every_topic_with_its_partitions() -> None:
    log = MemoryLog()
    create_session(log, "june", feeds=3, risk=2)
    assert log.topics() == {
        f"june.{name}": schemas.partitions_of(name, feeds=3, risk=2) for name in schemas.catalogue()
    }


def test_creating_again_changes_nothing_and_other_counts_are_refused() -> None:
    log = MemoryLog()
    create_session(log, "june", feeds=1, risk=1)
    create_session(log, "june", feeds=1, risk=1)
    with pytest.raises(LogError):
        create_session(log, "june", feeds=2, risk=1)


def test_sessions_stand_side_by_side_and_other_topics_are_none() -> None:
    log = MemoryLog()
    log.create({"connect_dead_letters": 1, "_connect_configs": 1, "some.other": 1})
    create_session(log, "june", feeds=1, risk=1)
    create_session(log, "june.2", feeds=1, risk=1)
    assert sessions(log) == ["june", "june.2"]


def test_deleting_a_session_leaves_all_others() -> None:
    log = MemoryLog()
    log.create({"connect_dead_letters": 1})
    create_session(log, "june", feeds=1, risk=1)
    create_session(log, "june.2", feeds=1, risk=1)
    assert len(delete_session(log, "june")) == len(schemas.catalogue())
    assert delete_session(log, "june") == []
    assert sessions(log) == ["june.2"]
    assert "connect_dead_letters" in log.topics()


def test_half_deleted_session_is_still_listed_so_that_it_can_be_deleted() -> None:
    log = MemoryLog()
    create_session(log, "june", feeds=1, risk=1)
    log.delete([topic_name("june", "orders")])
    assert sessions(log) == ["june"]
    delete_session(log, "june")
    assert log.topics() == {}


def test_broker_keeps_records_of_any_time_for_ever(kafka: Endpoints, fresh_session: Callable[[], str]) -> None:
    """A recording is years old; a simulated market may run ahead of the clock, which Kafka 4 refuses by default."""
    session = fresh_session()
    name = topic_name(session, "signals")
    with KafkaLog(kafka.bootstrap) as log:
        create_session(log, session, feeds=1, risk=1)
        writer = log.writer(f"{session}-test")
        writer.begin()
        for time in (YEAR, 100 * YEAR):
            writer.append(Partition(name, 0), key=b"k", value=b"v", time=time)
        writer.commit()
        writer.close()
        with closing(log.reader({Partition(name, 0): 0})) as reader:
            records = reader.poll(2, 20.0)
            records += reader.poll(1, 20.0) if len(records) < 2 else []
        assert [record.time for record in records] == [YEAR, 100 * YEAR]
        resource = ConfigResource(ResourceType.TOPIC, name)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        found = admin.describe_configs([resource])[resource].result(10)
        assert {each: found[each].value for each in schemas.catalogue()["signals"].config} == schemas.catalogue()["signals"].config
        delete_session(log, session)
        assert session not in sessions(log)
