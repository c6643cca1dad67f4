"""The checker's verdict on every kind of change is what decoders really do."""

from collections import Counter
from typing import Any

import pytest

from streams.contract.avro import Types
from streams.contract.breaks import BREAKS, Outcome
from streams.contract.compatibility import Problem, problems
from streams.contract.decoding import as_fastavro, as_reader, reading
from tests.contract.decoders import EXCEPTIONS, ROWS, Direction, expected
from tests.contract.schema_changes import BASE, CHANGES, Change

EVERY_CHANGE = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name.replace(" ", "_"))
BOTH_WAYS = pytest.mark.parametrize("direction", ["forward", "backward"])


def across(change: Change, direction: Direction) -> tuple[Any, Any, list[Problem]]:
    """Writer, reader, and what the checker says of them."""
    writer, reader = (change.after, change.before) if direction == "forward" else (change.before, change.after)
    return writer, reader, problems(writer, reader, reader_is_newer=direction == "backward")


def sparse(schema: Any) -> dict[str, Any]:
    """An ordinary record with nothing where there can be nothing, and the second symbol of each enum that has one."""
    value: dict[str, Any] = Types.of(schema).ordinary(schema)
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, list) and "null" in kind:
            value[field["name"]] = None
        elif isinstance(kind, dict) and kind["type"] in {"array", "map"}:
            value[field["name"]] = [] if kind["type"] == "array" else {}
        elif isinstance(kind, dict) and kind["type"] == "enum":
            value[field["name"]] = kind["symbols"][:2][-1]
    return value


@EVERY_CHANGE
@BOTH_WAYS
def test_checker_names_the_rule_and_the_field(change: Change, direction: Direction) -> None:
    _, _, found = across(change, direction)
    rule = change.forward if direction == "forward" else change.backward
    assert {problem.rule for problem in found} == ({rule} if rule else set())
    assert all(problem.field.startswith(change.field) for problem in found), [problem.field for problem in found]


@EVERY_CHANGE
@BOTH_WAYS
def test_verdict_is_what_decoders_do(change: Change, direction: Direction) -> None:
    writer, reader, found = across(change, direction)
    # Each problem brings a value that shows it; without any, an ordinary record must come through.
    values = [problem.value for problem in found] or [Types.of(writer).ordinary(writer), sparse(writer)]
    for value in values:
        assert reading(writer, reader, value, as_reader).outcome == expected(change, direction, "codec")
        assert reading(writer, reader, value, as_fastavro).outcome == expected(change, direction, "fastavro")


def test_there_are_at_least_sixty_kinds_of_change() -> None:
    assert len(CHANGES) >= 60
    assert len({change.name for change in CHANGES}) == len(CHANGES)
    assert all(change.before != change.after for change in CHANGES)


def test_every_rule_is_shown_by_a_change_and_has_its_row() -> None:
    shown = Counter(rule for change in CHANGES for rule in (change.forward, change.backward) if rule)
    assert set(shown) == set(BREAKS) == set(ROWS)


def test_checker_is_never_milder_than_a_decoder() -> None:
    order = (Outcome.READS, Outcome.ALTERS, Outcome.FAILS)
    for rule, row in ROWS.items():
        worst = max((row.codec, row.fastavro, row.java), key=order.index)
        assert order.index(BREAKS[rule].outcome) >= order.index(worst), rule


def test_every_exception_is_of_a_change_that_there_is() -> None:
    assert {name for name, _, _ in EXCEPTIONS} <= {change.name for change in CHANGES}


def test_a_schema_reads_itself() -> None:
    assert problems(BASE, BASE, reader_is_newer=True) == []
    assert reading(BASE, BASE, Types.of(BASE).ordinary(BASE)).outcome is Outcome.READS
