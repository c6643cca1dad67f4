"""
Programs of others read our topics with what they have: confluent-kafka's own deserializer, and kcat.

A watermark breaks neither: it has no key, no value and the header `cdb-watermark`. The deserializer gives None for it, kcat shows an
empty value (-1 bytes), and whoever filters by the header never sees it.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

import schemas
from streams.domain import records as r
from streams.log.codec import Codec
from streams.log.interface import Partition, watermark_headers
from streams.log.kafka import KafkaLog
from streams.operate.registry import register
from streams.operate.stack import Endpoints, Stack
from streams.operate.topics import create_session, delete_session, topic_name
from tests.contract.samples import NOON, SAMPLES
from tests.contract.test_converter import plain

KEY = "BTCUSDT"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def endpoints(run_stack: Stack) -> Endpoints:
    run_stack.up(["kafka", "registry"])
    return run_stack.endpoints()


@pytest.fixture(scope="module")
def codec(endpoints: Endpoints) -> Codec:
    return Codec(register(endpoints.ccompat_url))


@pytest.fixture
def session(endpoints: Endpoints, codec: Codec, fresh_session: Callable[[], str]) -> Iterator[str]:
    """A session in which each topic holds a watermark, its record's sample and a watermark."""
    name = fresh_session()
    with KafkaLog(endpoints.bootstrap) as log:
        create_session(log, name, feeds=1, risk=1)
        writer = log.writer(f"{name}-test")
        writer.begin()
        for spec in schemas.catalogue().values():
            place, record = Partition(topic_name(name, spec.name), 0), SAMPLES[r.RECORDS[spec.record]]
            mark: dict[str, Any] = {"key": None, "value": None, "headers": watermark_headers(NOON), "time": NOON}
            writer.append(place, **mark)
            writer.append(place, key=KEY.encode(), value=codec.wire(record), headers=(("origin", b"test"),), time=NOON)
            writer.append(place, **mark)
        writer.commit()
        writer.close()
        yield name
        # Its own topic holds a watermark too, which the one of a real session never does.
        delete_session(log, name)


def test_confluent_s_deserializer_reads_every_record_and_passes_over_watermarks(endpoints: Endpoints, session: str) -> None:
    read = AvroDeserializer(SchemaRegistryClient({"url": endpoints.ccompat_url}))
    consumer = Consumer({"bootstrap.servers": endpoints.bootstrap, "group.id": session, "isolation.level": "read_committed"})
    places = {topic_name(session, spec.name): SAMPLES[r.RECORDS[spec.record]] for spec in schemas.catalogue().values()}
    with closing(consumer):
        consumer.assign([TopicPartition(topic, 0, 0) for topic in places])
        messages = consumer.consume(3 * len(places), 60)
    for topic, record in places.items():
        before, found, after = (message for message in messages if message.topic() == topic)
        context = SerializationContext(topic, MessageField.VALUE)
        assert [read(message.value(), context) for message in (before, after)] == [None, None]
        assert [[name for name, _ in message.headers() or ()] for message in (before, found, after)] == [
            ["cdb-watermark"], ["origin"], ["cdb-watermark"],
        ]  # fmt: skip
        assert found.key() == KEY.encode()
        # With fastavro's own logical types: amounts as Decimal, times as datetime.
        assert _moments(read(found.value(), context)) == plain(record), topic


def _moments(node: Any) -> Any:
    if isinstance(node, dict):
        return {name: _moments(value) for name, value in node.items()}
    if isinstance(node, list):
        return [_moments(item) for item in node]
    return (node - EPOCH) // timedelta(microseconds=1) if isinstance(node, datetime) else node


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed: `make setup` as root or with sudo installs it")
def test_kcat_shows_key_headers_and_the_prefix_and_passes_over_watermarks(endpoints: Endpoints, codec: Codec, session: str) -> None:
    wire = codec.wire(SAMPLES[r.Regime])
    asked = [
        "kcat", "-C", "-b", endpoints.bootstrap, "-t", topic_name(session, "regimes"), "-o", "beginning", "-c", "3", "-q",
        "-X", "isolation.level=read_committed",
    ]  # fmt: skip
    lines = _run([*asked, "-f", "%K %k %S %h\n"]).decode().splitlines()
    mark = f"-1  -1 cdb-watermark={dict(watermark_headers(NOON))['cdb-watermark'].decode()}"
    assert lines == [mark, f"{len(KEY)} {KEY} {len(wire)} origin=test", mark]
    # Confluent's own form: a zero byte, the schema's id in four, then Avro.
    assert _run([*asked, "-f", "%s"]) == wire
    number = register(endpoints.ccompat_url).ids["Regime"]
    assert wire == b"\x00" + number.to_bytes(4, "big") + codec.payload(SAMPLES[r.Regime])


def _run(command: list[str]) -> bytes:
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
