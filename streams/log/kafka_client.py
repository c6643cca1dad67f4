"""
How this project talks to a Kafka broker: the settings of its clients, and its errors in the house's own words.

Settings are those that `architecture.md` measured, with reasons beside them. Times in settings are milliseconds, as librdkafka
has them. Logs of librdkafka go to the logger `streams.log.kafka`.
"""

import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException

from streams.errors import Fenced, LogError, PartitionsLost
from streams.log.credentials import Credentials

LOGGER = logging.getLogger("streams.log.kafka")
# Where nobody set logging up, librdkafka's remarks on its retries must not land on stderr.
LOGGER.addHandler(logging.NullHandler())

TRANSACTION_TIMEOUT_MS = 5_000
# A broker that has just been started anew does not know its topics at once.
BELIEVED_UNKNOWN_S = 3.0
# A 512 KiB snapshot chunk with its headers and a batch of them; the broker's own limit for a batch is 1 MiB.
MESSAGE_BYTES_MAX = 1_000_000


class Endpoint(NamedTuple):
    """
    A broker, and how long any one request to it may take before it counts as away.

    `poll_interval_max_s`: a member that does not poll for so long is put out of its group. `credentials`: None in plain text.
    """

    bootstrap: str
    client_id: str
    timeout_s: float
    poll_interval_max_s: float
    credentials: Credentials | None = None


def client_settings(endpoint: Endpoint) -> dict[str, Any]:
    """What every client shares; enough for an administrator."""
    return {
        "bootstrap.servers": endpoint.bootstrap,
        "client.id": endpoint.client_id,
        "socket.nagle.disable": True,
        "socket.timeout.ms": 10_000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
        # An unknown topic is believed to be unknown after so long, not after 30 s.
        "topic.metadata.propagation.max.ms": int(BELIEVED_UNKNOWN_S * 1_000),
        "log.connection.close": False,
        **({} if endpoint.credentials is None else _secured(endpoint.credentials)),
    }


def _secured(credentials: Credentials) -> dict[str, Any]:
    """TLS with the host's name checked, which is librdkafka's default, and SCRAM inside it."""
    return {
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(credentials.authorities),
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": credentials.username,
        "sasl.password": credentials.password,
    }


def consumer_settings(endpoint: Endpoint, group: str) -> dict[str, Any]:
    """A consumer that sees committed records only and never commits by itself."""
    return {
        **client_settings(endpoint),
        "group.id": group,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # A range that is gone is an error to name, never a silent jump.
        "auto.offset.reset": "error",
        # The broker answers at once when something is committed; this is only how often it is asked where nothing is. Eight
        # idle readers cost it 0.15 to 0.2 cores with 10 ms and 0.03 to 0.08 with 100, while hops took no longer.
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 50,
        # With the default of 1 s a reader that is behind stops for a second each time its queue was full.
        "fetch.queue.backoff.ms": 5,
        "queued.max.messages.kbytes": 32_768,
        "retry.backoff.ms": 10,
        "retry.backoff.max.ms": 100,
    }


def member_settings(endpoint: Endpoint, group: str) -> dict[str, Any]:
    """A consumer in a group with the classic protocol and eager rebalancing."""
    return {
        **consumer_settings(endpoint, group),
        # A group without a committed offset begins at the beginning.
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 6_000,
        "heartbeat.interval.ms": 1_000,
        "max.poll.interval.ms": max(6_000, int(endpoint.poll_interval_max_s * 1_000)),
    }


def producer_settings(endpoint: Endpoint, name: str) -> dict[str, Any]:
    """A transactional producer under the name `name`."""
    return {
        **client_settings(endpoint),
        "transactional.id": name,
        "enable.idempotence": True,
        "max.in.flight.requests.per.connection": 5,
        "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
        # librdkafka demands it: a request must fail before its transaction does.
        "socket.timeout.ms": TRANSACTION_TIMEOUT_MS,
        "linger.ms": 0,
        # Each new transaction waits for the last one's markers by retrying: the default of 100 ms would be its duration.
        "retry.backoff.ms": 1,
        "retry.backoff.max.ms": 2,
        "message.max.bytes": MESSAGE_BYTES_MAX,
        "batch.size": MESSAGE_BYTES_MAX,
        "batch.num.messages": 10_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 262_144,
        # Successes need no report: the commit fails if any delivery did.
        "delivery.report.only.error": True,
    }


# The group's word on a member, not the broker's on a writer.
_PARTITIONS_LOST = frozenset({KafkaError.FENCED_INSTANCE_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID})
_FENCED = frozenset({
    KafkaError._FENCED,
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.INVALID_PRODUCER_ID_MAPPING,
})
_PASSING = frozenset({
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    # A broker that is being started anew: the client finds it again by itself.
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
})
_UNKNOWN_TOPIC = frozenset({
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
})


def kafka_error(failure: KafkaException | KafkaError) -> KafkaError:
    """The error inside an exception of confluent-kafka."""
    error = failure.args[0] if isinstance(failure, KafkaException) else failure
    assert isinstance(error, KafkaError), f"confluent-kafka raised {failure!r}"
    return error


def is_fencing(error: KafkaError) -> bool:
    """Whether the error says that somebody else has this writer's name."""
    return error.code() in _FENCED


def is_unknown(error: KafkaError) -> bool:
    """Whether the error says that there is no such topic or partition."""
    return error.code() in _UNKNOWN_TOPIC


def passes_by_itself(error: KafkaError) -> bool:
    """Whether asking again may help: a broker or a leader is being found, or the client says so itself."""
    return error.code() in _PASSING or error.retriable()


def log_error(failure: KafkaException | KafkaError, what: str) -> LogError:
    """The error as this house names it. `what` says what was asked, with topic and partition."""
    error = kafka_error(failure)
    if error.code() in _PARTITIONS_LOST:
        return PartitionsLost(f"{what}: {error.str()} ({error.name()})")
    if is_fencing(error):
        return Fenced(f"{what}: {error.str()} ({error.name()})")
    if is_unknown(error):
        return LogError(f"{what}: topic or partition must exist, does not ({error.name()})")
    return LogError(f"{what}: {error.str()} ({error.name()})")


def topic_settings(config: Mapping[str, str]) -> dict[str, str]:
    """
    A new topic's settings, with what a log of logical times needs unless `config` says otherwise.

    The time of a record is when it acts in its session, not now: the broker must neither refuse a record of a simulated
    future nor delete the recording of a past year for its age.
    """
    return {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str((1 << 63) - 1),
            "retention.ms": "-1", **config}
