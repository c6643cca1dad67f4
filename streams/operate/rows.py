"""
Rows of the sink's tables as values that compare with a record's: columns, reading and inserting derived from the schema.

Times are read as whole microseconds (Postgres holds years that Python's datetime does not), JSON columns as parsed values with
exact numbers, amounts as decimals.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

import schemas
from streams.domain.records import Record
from streams.operate.migrate import CONNECT_SECONDS_MAX, DatabaseError

# Texts that hold JSON and stand in jsonb columns; a test holds this together with the migrations.
JSON_FIELDS = frozenset({"checks", "sizing", "indicators", "tiers", "positions", "commands", "balances"})


class Table:
    """One table by the schema of its records."""

    def __init__(self, name: str, schema: Mapping[str, Any]) -> None:
        self.name = name
        self.fields = tuple(field["name"] for field in schema["fields"])
        self._times = {field["name"] for field in schema["fields"] if _is_time(field["type"])}
        self._identifier = sql.Identifier(name)

    def values(self, record: Record) -> tuple[Any, ...]:
        """A record's values in the order of the fields, as `rows` gives them."""
        return tuple(self._comparable(field, getattr(record, field)) for field in self.fields)

    def rows(
        self, connection: psycopg.Connection, session: str, event_ids: Sequence[str]
    ) -> dict[str, tuple[Any, ...]]:
        """The rows of these ids that are there, by id, each in the order of the fields."""
        query = sql.SQL("SELECT {} FROM {} WHERE session = %s AND event_id = ANY(%s)").format(
            sql.SQL(", ").join(map(self._read, self.fields)), self._identifier
        )
        key = self.fields.index("event_id")
        found = connection.execute(query, (session, list(event_ids))).fetchall()
        return {row[key]: tuple(map(self._comparable, self.fields, row)) for row in found}

    def select(
        self, connection: psycopg.Connection, session: str, fields: Sequence[str], *, start: int | None, end: int | None,
        equal: Mapping[str, str],
    ) -> list[tuple[Any, ...]]:
        """These fields of a session's rows from `start` on and before `end` (µs; None: all) whose texts are as `equal` says."""
        time = self._read("time")
        wanted = [sql.SQL("session = %s"), *(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in equal)]
        values: list[Any] = [session, *equal.values()]
        for bound, sign in ((start, ">="), (end, "<")):
            if bound is not None:
                wanted.append(sql.SQL("{} {} %s").format(time, sql.SQL(sign)))
                values.append(bound)
        query = sql.SQL("SELECT {} FROM {} WHERE {}").format(
            sql.SQL(", ").join(map(self._read, fields)), self._identifier, sql.SQL(" AND ").join(wanted)
        )
        return connection.execute(query, values).fetchall()

    def rows_without_record(
        self, connection: psycopg.Connection, session: str, known: Collection[str], ends: Mapping[int, int]
    ) -> tuple[int, list[str]]:
        """How many rows of the session stand below the `ends` of their partitions, and the ids of those not `known`, sorted."""
        query = sql.SQL("SELECT event_id, log_partition, log_offset FROM {} WHERE session = %s").format(self._identifier)
        count, extra = 0, []
        with connection.transaction(), connection.cursor(name="extra") as cursor:
            for event_id, partition, offset in cursor.execute(query, (session,)):
                # A row of a partition that the topic does not have is a fault, so it counts.
                if event_id in known:
                    count += 1
                elif offset < ends.get(partition, offset + 1):
                    count += 1
                    extra.append(event_id)
        return count, sorted(extra)

    def insert(self, connection: psycopg.Connection, record: Record, partition: int, offset: int) -> None:
        """Inserts a record as the sink would; a row that has come meanwhile stays."""
        query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (session, event_id) DO NOTHING").format(
            self._identifier,
            sql.SQL(", ").join(map(sql.Identifier, (*self.fields, "log_partition", "log_offset"))),
            sql.SQL(", ").join([*map(self._write, self.fields), sql.Placeholder("log_partition"), sql.Placeholder("log_offset")]),
        )
        values = {field: getattr(record, field) for field in self.fields}
        connection.execute(query, {**values, "log_partition": partition, "log_offset": offset})

    def _read(self, field: str) -> sql.Composable:
        column = sql.Identifier(field)
        if field in self._times:
            return sql.SQL("(extract(epoch FROM {}) * 1000000)::bigint").format(column)
        return sql.SQL("{}::text").format(column) if field in JSON_FIELDS else column

    def _write(self, field: str) -> sql.Composable:
        value = sql.Placeholder(field)
        if field in self._times:
            # Days and the rest apart: a product with an interval passes through a float of 53 bits.
            return sql.SQL(
                "(timestamp 'epoch' + ({0}::bigint / 86400000000)::int * interval '1 day'"
                " + ({0}::bigint %% 86400000000) * interval '1 microsecond') AT TIME ZONE 'UTC'"
            ).format(value)
        return sql.SQL("{}::jsonb").format(value) if field in JSON_FIELDS else value

    def _comparable(self, field: str, value: Any) -> Any:
        if field in JSON_FIELDS and value is not None:
            return json.loads(value, parse_float=Decimal)
        return value


def _is_time(kind: Any) -> bool:
    if isinstance(kind, list):
        return any(map(_is_time, kind))
    return isinstance(kind, dict) and kind.get("logicalType") == "timestamp-micros"


def delete_rows(dsn: str, session: str) -> int:
    """
    How many rows of the session there were in all tables; none is left of what the sink had brought.

    Raises: DatabaseError where Postgres cannot be reached or refuses: then nothing is removed.
    """
    tables = sorted(spec.table for spec in schemas.catalogue().values() if spec.table)
    try:
        with psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS_MAX) as connection:
            present = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}
            return sum(
                connection.execute(sql.SQL("DELETE FROM {} WHERE session = %s").format(sql.Identifier(table)), (session,)).rowcount
                for table in tables if table in present
            )  # fmt: skip
    except psycopg.Error as error:
        raise DatabaseError(f"rows of session {session} cannot be removed: {error}") from error
