"""
Whether the sink leaves rows out: each record of a topic with a table is looked for in the table once the sink has read past it.

`cdb reconcile` compares every field of every record; this only counts what is missing, as it goes on, so it can stand on a dashboard.
It begins at the session's beginning and reads a bounded number of records a turn. What cannot be decoded or breaks a rule belongs in no
table.
"""

from collections.abc import Iterator

import psycopg

import schemas
from streams.domain.parameters import SessionSettings
from streams.domain.rules import broken_rule
from streams.errors import DecodeError
from streams.log.codec import Codec
from streams.log.head import head_of
from streams.log.interface import Log, Partition
from streams.log.layout import Layout
from streams.metrics import catalogue as m
from streams.metrics.catalogue import Metric
from streams.operate.lag.follow import Follower
from streams.operate.lag.measured import Groups
from streams.operate.migrate import CONNECT_SECONDS_MAX, DatabaseError
from streams.operate.sink import SINK_GROUP

RECORDS_MAX = 5000


class Parity:
    """Of one session. Raises from `turn`: LogError, DatabaseError; it goes on with the next turn."""

    def __init__(self, log: Log, codec: Codec, settings: SessionSettings, groups: Groups, dsn: str) -> None:
        self._codec, self._groups, self._dsn, self._session = codec, groups, dsn, settings.session
        self._layout = Layout.of(settings)
        self._tables = {spec.name: spec.table for spec in schemas.catalogue().values() if spec.table}
        places = [self._layout.at(topic, n) for topic in self._tables for n in range(self._layout.count(topic))]
        self._follower = Follower(log, {place: log.start_offset(place) for place in places})
        # By topic without session and event id: where the record stands, and its bytes.
        self._open: dict[str, dict[str, tuple[Partition, int, bytes]]] = {topic: {} for topic in self._tables}
        self.missing: dict[str, int] = {}

    def turn(self) -> None:
        # Before what is read now: the sink has not passed what came after.
        sunk = self._groups.committed([SINK_GROUP]).get(SINK_GROUP, {})
        for message in self._follower.messages(RECORDS_MAX):
            if message.value is not None:
                self._take(Partition(message.topic, message.partition), message.offset, message.value)
        try:
            with psycopg.connect(self._dsn, connect_timeout=CONNECT_SECONDS_MAX, autocommit=True) as connection:
                for topic, table in self._tables.items():
                    self._look(connection, topic, table)
        except psycopg.Error as error:
            raise DatabaseError(f"rows of session {self._session} cannot be counted: {error}") from error
        self.missing = {
            table: sum(self._is_missing(topic, *one, sunk) for one in self._open[topic].values()) for topic, table in self._tables.items()
        }

    def values(self) -> Iterator[tuple[Metric, dict[tuple[str, ...], float]]]:
        """Each metric with its values by labels."""
        yield m.ROWS_MISSING, {(self._session, table): float(count) for table, count in self.missing.items()}

    def close(self) -> None:
        self._follower.close()

    def _take(self, place: Partition, offset: int, value: bytes) -> None:
        try:
            self._open[self._layout.short(place).partition("/")[0]][head_of(value).event_id] = place, offset, value
        except DecodeError:
            return

    def _look(self, connection: psycopg.Connection, topic: str, table: str) -> None:
        """Lets go of what has a row."""
        waiting = self._open[topic]
        if not waiting:
            return
        query = psycopg.sql.SQL("SELECT event_id FROM {} WHERE session = %s AND event_id = ANY(%s)").format(psycopg.sql.Identifier(table))
        for (event_id,) in connection.execute(query, (self._session, list(waiting))).fetchall():
            waiting.pop(event_id, None)

    def _is_missing(self, topic: str, place: Partition, offset: int, value: bytes, sunk: dict[Partition, int]) -> bool:
        if offset >= sunk.get(place, 0):
            return False
        try:
            return broken_rule(self._codec.decode(value, self._layout.record_of(topic))) is None
        except DecodeError:
            return False
