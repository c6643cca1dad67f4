"""
Brings a database to the tables this program needs: plain SQL files of `connectors/migrations`, in the order of their numbers.

Each file runs once, in a transaction of its own, together with the line that remembers it. A file is never changed after it
was applied anywhere: its checksum is kept, and a difference is a fault, not a reason to run it again.
"""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import psycopg

from streams.errors import ConfigError, StreamsError

MIGRATIONS_FOLDER = Path(__file__).resolve().parents[2] / "connectors" / "migrations"
CONNECT_SECONDS_MAX = 10
LOCK_SECONDS_MAX = 60

# Any number that no other program of this database takes: "cdb" and a version.
_LOCK = 0x636462_01

_HISTORY = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class DatabaseError(StreamsError):
    """Postgres cannot be reached, refuses a statement, or is not as the migrations left it."""

    retriable = True


class Migration(NamedTuple):
    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """sha256 of the text, hex."""
        return sha256(self.text.encode()).hexdigest()


def migrations(folder: Path = MIGRATIONS_FOLDER) -> list[Migration]:
    """
    The files `<number>_<name>.sql` of a folder in the order of their numbers.

    Raises: ConfigError where there are none, or a name or number is not as it must be.
    """
    found = []
    for path in sorted(folder.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        if not number.isdecimal() or not name:
            raise ConfigError(f"a migration must be named <number>_<name>.sql, was {path.name}")
        found.append(Migration(int(number), name, path.read_text(encoding="utf-8")))
    numbers = [each.number for each in found]
    if numbers != list(range(1, len(found) + 1)) or not found:
        raise ConfigError(f"migrations in {folder} must be numbered 1, 2, 3 … without a gap, was {numbers}")
    return found


def migrate(dsn: str, folder: Path = MIGRATIONS_FOLDER) -> list[str]:
    """
    The database has every migration when this returns; the names of those that were applied now.

    Several may run this at once: one does the work, the others wait for it. Raises: DatabaseError naming the migration;
    ConfigError where the database's history is not a part of the folder's.
    """
    known = migrations(folder)
    try:
        with psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS_MAX, autocommit=True) as connection:
            # The lock belongs to the connection and ends with it, also where this process is killed.
            connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{LOCK_SECONDS_MAX}s",))
            connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            connection.execute(_HISTORY)
            applied = _applied(connection, known)
            return [_apply(connection, each) for each in known[applied:]]
    except psycopg.Error as error:
        raise DatabaseError(f"database cannot be migrated: {_reason(error)}") from error


def pending(dsn: str, folder: Path = MIGRATIONS_FOLDER) -> list[str]:
    """The names of the migrations that `migrate` would apply; changes nothing. Raises: as `migrate`."""
    known = migrations(folder)
    try:
        with psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS_MAX) as connection:
            row = connection.execute("SELECT to_regclass('schema_migrations')").fetchone()
            applied = _applied(connection, known) if row is not None and row[0] is not None else 0
    except psycopg.Error as error:
        raise DatabaseError(f"database cannot be asked for its migrations: {_reason(error)}") from error
    return [f"{each.number:04}_{each.name}" for each in known[applied:]]


def _applied(connection: psycopg.Connection, known: list[Migration]) -> int:
    """How many of the known migrations the database has, after checking that they are the same ones."""
    rows = connection.execute("SELECT number, name, checksum FROM schema_migrations ORDER BY number").fetchall()
    for index, (number, name, checksum) in enumerate(rows):
        if index >= len(known):
            raise ConfigError(f"migration {number:04}_{name} is in the database but not in this program: update the program")
        ours = known[index]
        if (ours.number, ours.checksum) != (number, checksum):
            raise ConfigError(
                f"migration {ours.number:04}_{ours.name} must be as it was applied (sha256 {checksum[:12]}…), "
                f"was {ours.checksum[:12]}…: put the file back, and write a new one for the change"
            )
    return len(rows)


def _apply(connection: psycopg.Connection, migration: Migration) -> str:
    name = f"{migration.number:04}_{migration.name}"
    try:
        with connection.transaction():
            # The text is a file of this repository, not input.
            connection.execute(migration.text)
            connection.execute(
                "INSERT INTO schema_migrations (number, name, checksum) VALUES (%s, %s, %s)",
                (migration.number, migration.name, migration.checksum),
            )
    except psycopg.Error as error:
        raise DatabaseError(f"migration {name} failed: {_reason(error)}") from error
    return name


def _reason(error: psycopg.Error) -> str:
    """The first line of what Postgres said, without the connection's secrets."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
