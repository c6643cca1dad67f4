"""
Whether the rows in Postgres are the records on the topics, exactly: every field of every record of a session, in both directions.

Amounts compare as exact decimals, times in microseconds, JSON columns by their values (jsonb keeps neither spaces nor the order
of names). Where a record stands on its topic (log_partition, log_offset) is not compared; it only tells which rows belong to
records that came after the comparison began, and those are left out. Watermarks are no records. Undecodable bytes are counted and
expected in no table; so is a record without a row that breaks a rule: what its table cannot hold, the sink puts aside.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import psycopg

import schemas
from streams.domain.records import RECORDS, Record
from streams.domain.rules import broken_rule
from streams.errors import DecodeError, LogError
from streams.log.codec import Codec
from streams.log.interface import Log, Message, Partition
from streams.operate.migrate import CONNECT_SECONDS_MAX, DatabaseError
from streams.operate.rows import Table
from streams.operate.sink import SINK_GROUP
from streams.operate.topics import topic_name

BATCH = 1000
EXAMPLES_MAX = 10
SINK_SECONDS_MAX = 60.0
READ_SECONDS_MAX = 30.0
_PROBE_EVERY_SECONDS = 0.2
_POLL_SECONDS = 0.1


class Difference(NamedTuple):
    event_id: str
    field: str
    record: str
    row: str


class TableReport(NamedTuple):
    """One topic against its table. Counts are exact; lists hold the first `EXAMPLES_MAX`."""

    table: str
    topic: str
    records: int  # different event ids on the topic
    rows: int
    missing: int  # records without a row
    extra: int  # rows without a record
    different: int  # records whose row says something else
    undecodable: int
    repaired: int
    missing_ids: tuple[str, ...]
    extra_ids: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        """Whether nothing is missing, extra or different."""
        return not (self.missing or self.extra or self.different)


class Report(NamedTuple):
    session: str
    sink_at_end: bool  # whether the sink has read all that was compared
    tables: tuple[TableReport, ...]

    @property
    def equal(self) -> bool:
        """Whether every table equals its topic."""
        return all(table.equal for table in self.tables)


def reconcile(
    log: Log, codec: Codec, dsn: str, session: str, *, repair: bool = False, sink_seconds_max: float = SINK_SECONDS_MAX,
) -> Report:
    """
    Every table of `session` against its topic; where they differ, once more when the sink has read to the end.

    With `repair`, records without a row are inserted then; rows that say something else stay for people to look at.
    Raises: LogError where the session is not on the log or cannot be read; DatabaseError.
    """
    counts = log.topics()
    specs = [spec for spec in schemas.catalogue().values() if spec.table]
    absent = [spec.name for spec in specs if topic_name(session, spec.name) not in counts]
    if absent:
        raise LogError(f"session {session} must have all its topics, was without {', '.join(absent)}")
    partitions = [
        Partition(name, number) for name in (topic_name(session, spec.name) for spec in specs) for number in range(counts[name])
    ]
    try:
        with psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS_MAX, autocommit=True) as connection:
            first = _Pass(log, codec, connection, session, repair=False)
            report = first.run(partitions)
            if report.equal:
                return report
            _await_sink(log, first.last_record, sink_seconds_max)
            return _Pass(log, codec, connection, session, repair=repair).run(partitions)
    except psycopg.Error as error:
        raise DatabaseError(f"tables of session {session} cannot be compared: {error}") from error


def _sink_at_end(log: Log, last_record: Mapping[Partition, int]) -> bool:
    return all((log.committed(SINK_GROUP, partition) or 0) > last for partition, last in last_record.items())


def _await_sink(log: Log, last_record: Mapping[Partition, int], seconds_max: float) -> None:
    """Returns when the sink is at the end or the time is over; the report says which."""
    deadline = time.monotonic() + seconds_max
    while not _sink_at_end(log, last_record) and time.monotonic() < deadline:
        time.sleep(_PROBE_EVERY_SECONDS)


class _Pass:
    """All topics of a session read once, from their beginning to where they end now."""

    def __init__(self, log: Log, codec: Codec, connection: psycopg.Connection, session: str, *, repair: bool) -> None:
        self._log, self._codec, self._session = log, codec, session
        self._topics = {
            topic_name(session, spec.name): _Comparison(connection, spec, session, repair=repair)
            for spec in schemas.catalogue().values() if spec.table
        }
        # Offsets of the last records that the sink can read: it commits neither markers nor what it drops.
        self.last_record: dict[Partition, int] = {}

    def run(self, partitions: Sequence[Partition]) -> Report:
        """The outcome, up to where the topics end now."""
        ends = {partition: self._log.end_offset(partition) for partition in partitions}
        for messages in self._batches(ends):
            decoded: dict[str, list[tuple[Message, Record]]] = {}
            for message in messages:
                comparison = self._topics[message.topic]
                try:
                    record = self._codec.decode(message.value or b"", comparison.kind)
                except DecodeError:
                    comparison.undecodable += 1
                else:
                    decoded.setdefault(message.topic, []).append((message, record))
                    self.last_record[Partition(message.topic, message.partition)] = message.offset
            for topic, records in decoded.items():
                self._topics[topic].add(records)
        reports = tuple(
            comparison.report({each.number: end for each, end in ends.items() if each.topic == topic})
            for topic, comparison in self._topics.items()
        )
        return Report(self._session, _sink_at_end(self._log, self.last_record), reports)

    def _batches(self, ends: Mapping[Partition, int]) -> Iterator[list[Message]]:
        """The data messages below `ends`, each partition in order."""
        starts = {partition: self._log.start_offset(partition) for partition in ends}
        unread = {partition for partition, start in starts.items() if start < ends[partition]}
        if not unread:
            return
        deadline = time.monotonic() + READ_SECONDS_MAX
        with closing(self._log.reader({partition: starts[partition] for partition in unread})) as reader:
            while unread:
                messages = reader.poll(BATCH, _POLL_SECONDS)
                if messages:
                    deadline = time.monotonic() + READ_SECONDS_MAX
                elif time.monotonic() > deadline:
                    raise LogError(f"{min(unread)} must be readable, was silent for {READ_SECONDS_MAX:.0f} s")
                yield [
                    each for each in messages
                    if each.value is not None and each.offset < ends[Partition(each.topic, each.partition)]
                ]
                unread = {each for each in unread if reader.position(each) < ends[each]}


class _Comparison:
    """One topic and its table, compared record by record."""

    def __init__(self, connection: psycopg.Connection, spec: schemas.TopicSpec, session: str, *, repair: bool) -> None:
        assert spec.table is not None
        self._connection, self._topic, self._session, self._repair = connection, spec.name, session, repair
        self._table = Table(spec.table, schemas.schema(spec.record))
        self.kind = RECORDS[spec.record]
        self.undecodable = 0
        self._seen: set[str] = set()
        self._missing: list[str] = []
        self._differences: list[Difference] = []
        self._different = self._repaired = 0

    def add(self, records: list[tuple[Message, Record]]) -> None:
        """Compares these records with their rows; inserts the missing ones where that is asked for."""
        rows = self._table.rows(self._connection, self._session, [record.event_id for _, record in records])
        for message, record in records:
            row = rows.get(record.event_id)
            if row is not None:
                found = self._differing(record, row)
                self._different += bool(found)
                self._differences += found[: EXAMPLES_MAX - len(self._differences)]
            elif broken_rule(record) is not None:
                self.undecodable += 1
                continue
            elif record.event_id not in self._seen and self._repair:
                self._table.insert(self._connection, record, message.partition, message.offset)
                self._repaired += 1
            elif record.event_id not in self._seen:
                self._missing.append(record.event_id)
            # A command for all accounts stands on every partition under one id: one record, one row.
            self._seen.add(record.event_id)

    def report(self, ends: Mapping[int, int]) -> TableReport:
        """The outcome, after looking for rows below the `ends` of their partitions that no record has."""
        rows, extra = self._table.rows_without_record(self._connection, self._session, self._seen, ends)
        return TableReport(
            table=self._table.name, topic=self._topic, records=len(self._seen), rows=rows, missing=len(self._missing),
            extra=len(extra), different=self._different, undecodable=self.undecodable, repaired=self._repaired,
            missing_ids=tuple(self._missing[:EXAMPLES_MAX]), extra_ids=tuple(extra[:EXAMPLES_MAX]),
            differences=tuple(self._differences),
        )

    def _differing(self, record: Record, row: tuple[Any, ...]) -> list[Difference]:
        return [
            Difference(record.event_id, field, repr(ours), repr(theirs))
            for field, ours, theirs in zip(self._table.fields, self._table.values(record), row, strict=True)
            if ours != theirs
        ]
