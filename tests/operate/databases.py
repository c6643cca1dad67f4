"""A database of its own for a test, on the run's Postgres."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from streams.operate.stack import Stack


@contextmanager
def fresh_database(stack: Stack) -> Iterator[str]:
    """The DSN of an empty database, gone afterwards; starts Postgres where it is not up."""
    stack.up(["postgres"])
    owner = stack.endpoints().postgres_dsn
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_conninfo(owner, dbname=name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
