"""The database: migrations run once, in order, and the tables are what the schemas say."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

import schemas
from streams.errors import ConfigError
from streams.operate.migrate import MIGRATIONS_FOLDER, DatabaseError, migrate, migrations
from streams.operate.rows import JSON_FIELDS
from streams.operate.stack import Stack
from streams.operate.stack.settings import free_ports
from tests.operate.databases import fresh_database

WITH_TABLE = [spec for spec in schemas.catalogue().values() if spec.table]


@pytest.fixture
def dsn(run_stack: Stack) -> Iterator[str]:
    with fresh_database(run_stack) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_shelf.sql").write_text("CREATE TABLE shelf (n integer);")
    (tmp_path / "0002_book.sql").write_text("CREATE TABLE book (n integer);\nINSERT INTO book VALUES (1);")
    return tmp_path


def column_type(field: dict[str, Any]) -> tuple[str, str]:
    """What information_schema must say of a field's column: type and whether null is allowed."""
    kind = field["type"]
    nullable = "YES" if isinstance(kind, list) else "NO"
    kind = kind[1] if isinstance(kind, list) else kind
    if field["name"] in JSON_FIELDS:
        return "jsonb", nullable
    if isinstance(kind, dict):
        name = kind.get("logicalType", kind["type"])
        return {"decimal": "numeric(38,12)", "timestamp-micros": "timestamp with time zone", "enum": "text"}[name], nullable
    return {"string": "text", "long": "bigint", "boolean": "boolean", "bytes": "bytea"}[kind], nullable


def test_every_table_has_the_columns_of_its_schema(dsn: str) -> None:
    migrate(dsn)
    with psycopg.connect(dsn) as connection:
        for spec in WITH_TABLE:
            found = connection.execute(
                "SELECT a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END"
                " FROM pg_attribute a WHERE a.attrelid = %s::regclass AND a.attnum > 0 ORDER BY a.attnum", (spec.table,),
            ).fetchall()
            wanted = [(field["name"], *column_type(field)) for field in schemas.schema(spec.record)["fields"]]
            place = [("log_partition", "integer", "NO"), ("log_offset", "bigint", "NO")]
            # A field that came later has its column behind the record's place.
            columns = [tuple(row) for row in found]
            assert [column for column in columns if column not in place] == wanted, spec.table
            assert [column for column in columns if column in place] == place, spec.table


def test_session_and_event_id_are_the_only_constraint(dsn: str) -> None:
    """A row that Postgres refuses stops the sink, so nothing else may be able to refuse one."""
    migrate(dsn)
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace AND conrelid <> 'schema_migrations'::regclass"
        ).fetchall()
        unique = connection.execute("SELECT count(*) FROM pg_index WHERE indisunique AND NOT indisprimary"
                                    " AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)").fetchone()
    assert sorted(found) == sorted((str(spec.table), "PRIMARY KEY (session, event_id)") for spec in WITH_TABLE)
    assert unique == (0,)


def test_second_run_applies_nothing(dsn: str) -> None:
    assert migrate(dsn) == [f"{each.number:04}_{each.name}" for each in migrations()]
    assert migrate(dsn) == []


def test_new_file_is_applied_alone(dsn: str, folder: Path) -> None:
    migrate(dsn, folder)
    (folder / "0003_page.sql").write_text("CREATE TABLE page (n integer);")
    assert migrate(dsn, folder) == ["0003_page"]


def test_several_at_once_apply_each_file_once(dsn: str, folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(dsn, folder), range(4)))
    assert sorted(name for names in applied for name in names) == ["0001_shelf", "0002_book"]


def test_changed_file_is_refused_with_its_name(dsn: str, folder: Path) -> None:
    migrate(dsn, folder)
    (folder / "0001_shelf.sql").write_text("CREATE TABLE shelf (n bigint);")
    with pytest.raises(ConfigError, match="migration 0001_shelf must be as it was applied"):
        migrate(dsn, folder)


def test_database_of_a_newer_program_is_refused(dsn: str, folder: Path) -> None:
    migrate(dsn, folder)
    (folder / "0002_book.sql").unlink()
    with pytest.raises(ConfigError, match="migration 0002_book is in the database but not in this program"):
        migrate(dsn, folder)


def test_failing_file_leaves_nothing_and_can_be_mended(dsn: str, folder: Path) -> None:
    (folder / "0003_bad.sql").write_text("CREATE TABLE half (n integer);\nSELECT nonsense;")
    with pytest.raises(DatabaseError, match='migration 0003_bad failed: column "nonsense" does not exist'):
        migrate(dsn, folder)
    (folder / "0003_bad.sql").write_text("CREATE TABLE half (n integer);")
    assert migrate(dsn, folder) == ["0003_bad"]


def test_gap_in_the_numbers_is_refused(folder: Path) -> None:
    (folder / "0004_gap.sql").write_text("SELECT 1;")
    with pytest.raises(ConfigError, match=r"numbered 1, 2, 3 … without a gap, was \[1, 2, 4\]"):
        migrations(folder)


def test_misnamed_file_is_refused(folder: Path) -> None:
    (folder / "notes.sql").write_text("SELECT 1;")
    with pytest.raises(ConfigError, match=r"must be named <number>_<name>\.sql, was notes\.sql"):
        migrations(folder)


def test_database_that_is_away_is_named_without_its_password() -> None:
    (port,) = free_ports(1)
    with pytest.raises(DatabaseError, match="database cannot be migrated") as caught:
        migrate(f"postgresql://claire:hunter2@127.0.0.1:{port}/nowhere", MIGRATIONS_FOLDER)
    assert "hunter2" not in str(caught.value)
