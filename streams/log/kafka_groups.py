"""
What Kafka's own tool tells of consumer groups: committed offsets, also while a transaction is pending on them, and the ends of partitions
with what is not committed yet.

Nothing here reads a record. Every request is bounded by `timeout_s`, after which it raises `LogError`.
"""

from collections.abc import Iterable, Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from streams.log.credentials import Credentials
from streams.log.interface import Partition
from streams.log.kafka_client import LOGGER, Endpoint, client_settings, is_unknown, kafka_error, log_error

POLL_INTERVAL_S = 120.0


class KafkaGroups:
    """The groups of one broker or cluster."""

    def __init__(
        self, bootstrap: str, *, client_id: str = "cdb-lag", timeout_s: float = 20.0, credentials: Credentials | None = None
    ) -> None:
        self._bootstrap, self._timeout_s = bootstrap, timeout_s
        endpoint = Endpoint(bootstrap, client_id, timeout_s, POLL_INTERVAL_S, credentials)
        self._admin = AdminClient(client_settings(endpoint), logger=LOGGER)

    def names(self) -> list[str]:
        """Every group that has members or offsets, sorted."""
        try:
            found = self._admin.list_consumer_groups(request_timeout=self._timeout_s).result()
        except KafkaException as failure:
            raise log_error(failure, f"listing groups on {self._bootstrap}") from failure
        if found.errors:
            raise log_error(found.errors[0], f"listing groups on {self._bootstrap}")
        return sorted(one.group_id for one in found.valid)

    def committed(self, groups: Sequence[str]) -> dict[str, dict[Partition, int]]:
        """By group the offset of each partition it has committed one for; empty for a group that is not there."""
        # The client takes one group a request.
        asked = {
            group: self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], require_stable=False, request_timeout=self._timeout_s
            )[group]
            for group in groups
        }
        found: dict[str, dict[Partition, int]] = {}
        for group, answer in asked.items():
            try:
                places = answer.result().topic_partitions or []
            except KafkaException as failure:
                raise log_error(failure, f"offsets of group {group} on {self._bootstrap}") from failure
            found[group] = {Partition(one.topic, one.partition): one.offset for one in places if one.error is None and one.offset >= 0}
        return found

    def ends(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The offset after the last record of each, committed or not; without those that are gone."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        places = {TopicPartition(*one): latest for one in set(partitions)}
        if not places:
            return {}
        answers = self._admin.list_offsets(
            places, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=self._timeout_s
        )
        found: dict[Partition, int] = {}
        for place, answer in answers.items():
            try:
                found[Partition(place.topic, place.partition)] = answer.result().offset
            except KafkaException as failure:
                # A session may be deleted meanwhile.
                if not is_unknown(kafka_error(failure)):
                    raise log_error(failure, f"end of {place.topic}-{place.partition} on {self._bootstrap}") from failure
        return found
