"""
Rows of a session's tables from two places: Postgres, and the records themselves (a broker's topics or an archive).

Both give the same rows in the same order, by (time, event id): texts for enums, whole µs for times, exact decimals without needless
zeros. Everything that is asked of a session is computed from these rows, so no question knows where they came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple, Protocol

import psycopg

import schemas
from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.layout import Layout
from streams.operate.migrate import CONNECT_SECONDS_MAX, DatabaseError
from streams.operate.rows import Table
from streams.replay.summary import records_of
from streams.replay.verification.part import Part

Value = Decimal | int | str | bool | None
Row = dict[str, Value]


class Asked(NamedTuple):
    """Which rows: from `start` on and before `end` (µs), of an account, of a strategy; None for all."""

    start: int | None = None
    end: int | None = None
    account: str | None = None
    strategy: str | None = None

    def equal(self, fields: Sequence[str]) -> dict[str, str]:
        """What fields must be, of those that a table has."""
        wanted = {"account": self.account, "strategy": self.strategy}
        return {name: value for name, value in wanted.items() if value is not None and name in fields}


class Source(Protocol):
    """One session's rows."""

    session: str

    def rows(self, topic: str, fields: Sequence[str], asked: Asked) -> list[Row]:
        """The fields of each record of a topic that has a table."""


class RecordSource:
    """From a log or an archive."""

    def __init__(self, log: Log, codec: Codec, settings: SessionSettings) -> None:
        self.session = settings.session
        self._log, self._codec, self._layout = log, codec, Layout.of(settings)

    def rows(self, topic: str, fields: Sequence[str], asked: Asked) -> list[Row]:
        equal = asked.equal(_table(topic).fields)
        part = Part(asked.start, None if asked.end is None else asked.end - 1)
        found = [
            [_plain(getattr(record, field)) for field in ("time", "event_id", *fields)]
            for record in records_of(self._log, self._layout, self._codec, topic, part)
            if all(getattr(record, name) == value for name, value in equal.items())
        ]
        return _ordered(found, fields)


class PostgresSource:
    """From the tables that the sink fills. `dsn` for psycopg."""

    def __init__(self, connection: psycopg.Connection, session: str) -> None:
        self.session = session
        self._connection = connection

    def rows(self, topic: str, fields: Sequence[str], asked: Asked) -> list[Row]:
        table = _table(topic)
        try:
            found = table.select(
                self._connection, self.session, ("time", "event_id", *fields), start=asked.start, end=asked.end,
                equal=asked.equal(table.fields),
            )  # fmt: skip
        except psycopg.Error as error:
            raise DatabaseError(f"rows of {table.name} cannot be read: {str(error).strip().partition(chr(10))[0]}") from error
        return _ordered([[_plain(value) for value in row] for row in found], fields)


@contextmanager
def postgres_source(dsn: str, session: str) -> Iterator[PostgresSource]:
    """The session's rows in Postgres. Raises: DatabaseError; ConfigError where there is no such session."""
    try:
        connection = psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS_MAX)
    except psycopg.Error as error:
        raise DatabaseError(f"Postgres cannot be reached: {str(error).strip().partition(chr(10))[0]}") from error
    with connection:
        names = [name for (name,) in connection.execute("SELECT DISTINCT session FROM journal ORDER BY session")]
        if session not in names:
            raise ConfigError(f"session must be one of {', '.join(names) or 'none yet'} in Postgres, was {session}")
        yield PostgresSource(connection, session)


def _table(topic: str) -> Table:
    spec = schemas.catalogue()[topic]
    assert spec.table is not None, topic
    return Table(spec.table, schemas.schema(spec.record))


def _plain(value: Any) -> Value:
    if isinstance(value, Decimal):
        # 1E+2 and 100.000 are one amount, and must look the same.
        return Decimal(f"{value.normalize():f}")
    return str(value.value) if isinstance(value, Enum) else value


def _ordered(found: list[list[Any]], fields: Sequence[str]) -> list[Row]:
    found.sort(key=lambda row: (row[0], row[1]))
    return [dict(zip(fields, row[2:], strict=True)) for row in found]


def rows_by(rows: Sequence[Row], *names: str) -> Mapping[tuple[Value, ...], list[Row]]:
    """The rows of each value of some fields, in the order in which these first come."""
    groups: dict[tuple[Value, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups
