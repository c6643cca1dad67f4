"""Columns of Postgres as the migrations make them, read from their SQL: `CREATE TABLE` and `ADD COLUMN`, one column a line."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parents[2] / "connectors" / "migrations"

# What the sink adds to each row: where its record stands.
PLACE = frozenset({"log_partition", "log_offset"})

_TABLE = re.compile(r"^\s*CREATE TABLE (?:IF NOT EXISTS )?(\w+) \($")
_ALTERED = re.compile(r"^\s*ALTER TABLE (?:ONLY )?(\w+)\b")
_COLUMN = re.compile(r'^\s+"?(\w+)"? ([a-z]\w*(?:\(\d+(?:,\s*\d+)?\))?)( NOT NULL)?.*?,?$')
_ADDED = re.compile(r'ADD COLUMN (?:IF NOT EXISTS )?"?(\w+)"? ([a-z]\w*(?:\(\d+(?:,\s*\d+)?\))?)( NOT NULL)?')
_VIEW = re.compile(r"CREATE (?:OR REPLACE )?(?:MATERIALIZED )?VIEW (\w+)[^;]*?;", re.DOTALL)


class Column(NamedTuple):
    """One column; `file` from the project's folder."""

    table: str
    name: str
    kind: str
    mandatory: bool
    file: str
    line: int

    @property
    def of_the_sink(self) -> bool:
        """Whether it holds where the record stands, not a field of it."""
        return self.name in PLACE


class View(NamedTuple):
    """One view with its SQL."""

    name: str
    text: str
    file: str
    line: int


@cache
def columns() -> tuple[Column, ...]:
    """Every column of every table, in the order of the migrations."""
    found = []
    for path in sorted(FOLDER.glob("*.sql")):
        table = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            opened, altered = _TABLE.match(line), _ALTERED.match(line)
            if opened:
                table = opened[1]
                continue
            if line.startswith(")"):
                table = ""
            owner, column = (altered[1], _ADDED.search(line)) if altered else (table, _COLUMN.match(line))
            if owner and column and column[1].upper() not in {"PRIMARY", "UNIQUE", "CHECK", "CONSTRAINT", "FOREIGN"}:
                found.append(Column(owner, column[1], column[2], bool(column[3]), f"connectors/migrations/{path.name}", number))
    return tuple(found)


@cache
def views() -> tuple[View, ...]:
    """Every view."""
    found = []
    for path in sorted(FOLDER.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        found += [
            View(one[1], one[0], f"connectors/migrations/{path.name}", text.count("\n", 0, one.start()) + 1) for one in _VIEW.finditer(text)
        ]
    return tuple(found)
