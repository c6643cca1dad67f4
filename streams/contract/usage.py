"""
Who uses a field: readers as declared, the code that writes its record, columns and views, dashboard panels, alert rules, tests; and
who uses a metric: panels, rules, tests.

Panels, rules and tests are found by looking for the name as a word, where the record or its table is named as well: better one too
many than one too few. What of these is not there (an installation without tests) is not looked at.
"""

import ast
import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import schemas
from streams.contract.avro import Types, fields
from streams.contract.columns import columns, views
from streams.contract.readers import readers
from streams.domain.records import RECORDS
from streams.errors import ConfigError
from streams.metrics.catalogue import CATALOGUE

ROOT = schemas.FOLDER.parent
_ALERT = re.compile(r"^\s*- alert:\s*(?P<name>\S+)", re.MULTILINE)


class Use(NamedTuple):
    """`field` as RECORD.FIELD; `kind`: reader, writer, column, view, panel, alert or test; `where` from the project's folder."""

    field: str
    kind: str
    user: str
    where: str


def uses(name: str, root: Path = ROOT) -> list[Use]:
    """
    Every use of `Record.field`, or of `field` in each record that has it, or of a metric of the catalogue. `root`: where streams, deploy
    and tests are looked through.

    Raises: ConfigError where there is no field or metric of that name, or a dashboard is no JSON.
    """
    if name in {metric.name for metric in CATALOGUE}:
        return list(_uses_of_metric(name, root))
    return [use for record, field in _named(name) for use in _uses_of(record, field, root)]


def _named(name: str) -> list[tuple[str, str]]:
    record, _, field = name.partition(".")
    there = {each: [path.partition(".")[2] for path, _ in fields(Types.of(schemas.schema(each)))] for each in RECORDS}
    if record in there:
        if field not in there[record]:
            raise ConfigError(f"field of {record} must be one of {', '.join(there[record])}, was {field or 'not named'}")
        return [(record, field)]
    found = [(each, path) for each, paths in there.items() for path in paths if name in (path, path.rpartition(".")[2])]
    if not found:
        raise ConfigError(f"FIELD must be RECORD.FIELD, a field of some record, or a metric, was {name}")
    return found


def _uses_of_metric(name: str, root: Path) -> Iterator[Use]:
    """Panels and rules name a histogram by what it is made of as well."""
    word = re.compile(rf"\b{re.escape(name)}(?:_bucket|_count|_sum)?\b")
    yield from (Use(name, "panel", title, where) for title, where in _panels(root, word, word))
    yield from (Use(name, "alert", title, where) for title, where in _alerts(root, word, word))
    yield from (Use(name, "test", title, where) for title, where in _tests(root, word, word))


def _uses_of(record: str, field: str, root: Path) -> Iterator[Use]:
    whole, last = f"{record}.{field}", field.rpartition(".")[2]
    for reader in readers():
        if field in reader.reads.get(record, ()) and not reader.name.startswith("table "):
            yield Use(whole, "reader", reader.name, reader.source)
    for where in _lines(root, re.compile(rf"(?<!class )(?<!case )\b{record}\([^)]")):
        yield Use(whole, "writer", f"makes {record} records", where)
    tables = {spec.table for spec in schemas.catalogue().values() if spec.record == record and spec.table}
    for column in columns():
        if column.table in tables and column.name == field:
            yield Use(whole, "column", f"{column.table}.{column.name} {column.kind}", f"{column.file}:{column.line}")
    word = re.compile(rf"\b{re.escape(last)}\b")
    views_of = [view for view in views() if any(re.search(rf"\b{table}\b", view.text) for table in tables)]
    for view in views_of:
        if word.search(view.text) or "*" in view.text:
            yield Use(whole, "view", view.name, f"{view.file}:{view.line}")
    owners = {*tables, *(view.name for view in views_of)}
    if owners:
        owner = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(owners)))})\b")
        yield from (Use(whole, "panel", title, where) for title, where in _panels(root, word, owner))
        yield from (Use(whole, "alert", title, where) for title, where in _alerts(root, word, owner))
    yield from (Use(whole, "test", title, where) for title, where in _tests(root, word, re.compile(rf"\b{record}\b")))


def _lines(root: Path, wanted: re.Pattern[str]) -> Iterator[str]:
    """Where a pattern is met first in each module."""
    for path in sorted((root / "streams").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found = wanted.search(text)
        if found:
            yield f"{path.relative_to(root).as_posix()}:{text.count(chr(10), 0, found.start()) + 1}"


def _panels(root: Path, word: re.Pattern[str], owner: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Panels of Grafana's dashboards whose queries name the field and its table."""
    for path in sorted((root / "deploy").rglob("*.json")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ConfigError(f"{path.relative_to(root).as_posix()} must be JSON: {error}") from error
        for panel in _panels_within(document):
            text = json.dumps(panel.get("targets", []))
            if word.search(text) and owner.search(text):
                yield f"{document.get('title', path.stem)}: {panel.get('title', '?')}", path.relative_to(root).as_posix()


def _panels_within(document: Any) -> Iterator[dict[str, Any]]:
    for panel in document.get("panels", []) if isinstance(document, dict) else []:
        yield panel
        yield from _panels_within(panel)


def _alerts(root: Path, word: re.Pattern[str], owner: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Alert rules of Prometheus, and of Grafana where they are files."""
    for path in sorted([*(root / "deploy").rglob("*.yml"), *(root / "deploy").rglob("*.yaml")]):
        text = path.read_text(encoding="utf-8")
        found = list(_ALERT.finditer(text))
        for one, following in zip_longest(found, found[1:]):
            rule = text[one.start() : following.start() if following else len(text)]
            if word.search(rule) and owner.search(rule):
                yield one["name"], f"{path.relative_to(root).as_posix()}:{text.count(chr(10), 0, one.start()) + 1}"


def _tests(root: Path, word: re.Pattern[str], record: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if not (record.search(text) and word.search(text)):
            continue
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                body = "\n".join(lines[node.lineno - 1 : node.end_lineno])
                if word.search(body):
                    yield node.name, f"{path.relative_to(root).as_posix()}:{node.lineno}"
