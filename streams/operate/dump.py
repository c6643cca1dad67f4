"""
Postgres as a file of SQL and back, by Postgres's own programs. The password goes by the environment, never by a command line.

A dump holds everything of the database's own schema, as of one moment; loading it is one transaction: all of it or nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

import schemas
from streams.errors import StackError
from streams.operate.migrate import CONNECT_SECONDS_MAX, DatabaseError
from streams.operate.stack import installation
from streams.operate.stack.settings import StackSettings

WORK_SECONDS_MAX = 4 * 3600
# The last words of every dump that is whole.
END = b"-- PostgreSQL database dump complete"
_TAIL_BYTES = 512
_VARIABLES = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}


class Contents(NamedTuple):
    """What a dump holds: rows by table, the sessions they are of, and the file's sha256 and size."""

    rows: dict[str, int]
    sessions: list[str]
    sha256: str
    size: int
    is_whole: bool


def program(settings: StackSettings, name: str) -> Path:
    """`pg_dump` or `psql`: the local stack's, else the one on the path. Raises: StackError where there is none."""
    try:
        found = installation.postgres_programs(settings) / name
        if found.exists():
            return found
    except StackError:
        pass
    on_path = shutil.which(name)
    if on_path is None:
        raise StackError(f"{name} must be installed for backups, is not: install your system's postgresql-client of the server's version")
    return Path(on_path)


def dump(dsn: str, file: Path, settings: StackSettings) -> None:
    """The database in `file`, for its owner only. Raises: StackError, DatabaseError with what pg_dump said."""
    file.touch(mode=0o600)
    # What is loaded replaces what is there, so that an empty database and one with empty tables end the same.
    options = ["--clean", "--if-exists", "--no-owner", "--no-privileges", "--encoding=UTF8", f"--file={file}"]
    _run(program(settings, "pg_dump"), options, dsn)


def load(dsn: str, file: Path, settings: StackSettings) -> None:
    """The database holds what the dump holds. Raises: as `dump`; then nothing has changed."""
    options = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", f"--file={file}", "--output=/dev/null"]
    _run(program(settings, "psql"), options, dsn)


def contents(file: Path) -> Contents:
    """Reads a dump through. Raises: StackError where it cannot be read."""
    digest, size, rows, sessions = hashlib.sha256(), 0, dict[str, int](), set[bytes]()
    table, place, tail = "", -1, b""
    try:
        with file.open("rb") as lines:
            for line in lines:
                digest.update(line)
                size += len(line)
                tail = (tail + line)[-_TAIL_BYTES:]
                if table:
                    if line == b"\\.\n":
                        table = ""
                        continue
                    rows[table] += 1
                    if place >= 0:
                        sessions.add(line.rstrip(b"\n").split(b"\t", place + 1)[place])
                elif line.startswith(b"COPY ") and line.endswith(b" FROM stdin;\n"):
                    table, place = _copied(line.decode())
                    rows[table] = 0
    except OSError as error:
        raise StackError(f"dump {file} must be readable: {error.strerror}") from error
    return Contents(rows, sorted(one.decode() for one in sessions), digest.hexdigest(), size, END in tail)


def _copied(line: str) -> tuple[str, int]:
    """The table of `COPY public.orders (event_id, …) FROM stdin;`, and where its session stands; −1 where it has none."""
    name, _, columns = line.removeprefix("COPY ").partition(" (")
    names = [one.strip(' "') for one in columns.partition(")")[0].split(",")]
    return name.rpartition(".")[2].strip('"'), names.index("session") if "session" in names else -1


def rows_of(dsn: str) -> tuple[dict[str, int], set[str]]:
    """How many rows each table of the catalogue has that is there, and the sessions they are of. Raises: DatabaseError."""
    rows, sessions = {}, set()
    try:
        with psycopg.connect(dsn, connect_timeout=CONNECT_SECONDS_MAX) as connection:
            present = {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}
            for table in sorted({spec.table for spec in schemas.catalogue().values() if spec.table} & present):
                query = sql.SQL("SELECT session, count(*) FROM {} GROUP BY session").format(sql.Identifier(table))
                found: list[tuple[str, int]] = connection.execute(query).fetchall()
                rows[table] = sum(count for _, count in found)
                sessions |= {session for session, _ in found}
    except psycopg.Error as error:
        raise DatabaseError(f"rows cannot be counted: {str(error).strip().partition(chr(10))[0]}") from error
    return rows, sessions


def _run(command: Path, options: Sequence[str], dsn: str) -> None:
    said = conninfo_to_dict(dsn)
    where = {variable: str(said[name]) for name, variable in _VARIABLES.items() if said.get(name) is not None}
    try:
        done = subprocess.run(
            [command, *options], env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", **where}, capture_output=True, text=True,
            timeout=WORK_SECONDS_MAX, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise DatabaseError(f"{command.name} must end within {WORK_SECONDS_MAX} s, did not") from error
    if done.returncode:
        raise DatabaseError(f"{command.name} failed: {done.stderr.strip()[-500:]}")
