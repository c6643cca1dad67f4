"""Grafana's part in a panel's query: what it puts in for variables and macros, and asking the source for the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

from streams.operate.dashboards.written import documents

EVER = ("1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z")


class Target(NamedTuple):
    """One query of one panel, as it stands in the dashboard's file."""

    board: str
    panel: str
    source: str  # prometheus or grafana-postgresql-datasource
    ref: str
    text: str
    ranged: bool = False

    @property
    def name(self) -> str:
        return f"{self.board}: {self.panel} {self.ref}"


def targets(source: str) -> list[Target]:
    """Every query to a source, of every panel and of every variable."""
    found = []
    for text in documents().values():
        board = json.loads(text)
        for panel in board["panels"]:
            for one in panel["targets"]:
                asked = one.get("expr") or one.get("rawSql")
                found.append(
                    Target(board["title"], panel["title"], panel["datasource"]["type"], one["refId"], asked, bool(one.get("range")))
                )
        found += [
            Target(board["title"], f"variable {one['name']}", one["datasource"]["type"], "A", one["query"])
            for one in board["templating"].get("list", [])
        ]
    return [one for one in found if one.source == source]


def in_sql(text: str, values: Mapping[str, str], times: tuple[str, str] = EVER) -> str:
    """A query as Grafana sends it to Postgres. Raises: AssertionError where it would put in something unknown."""
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN '{times[0]}' AND '{times[1]}'", text)
    text = re.sub(r"\$\{(\w+):sqlstring\}", lambda match: "'" + values[match[1]].replace("'", "''") + "'", text)
    assert "$" not in text, text
    return text


def ask_postgres(dsn: str, target: Target, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows that Grafana would get; as the user it would be, who may only read."""
    with psycopg.connect(dsn, row_factory=dict_row, options="-c default_transaction_read_only=on -c timezone=UTC") as connection:
        return connection.execute(in_sql(target.text, values)).fetchall()
