"""Structs, schemas and the catalogue say the same."""

from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

import schemas
from streams.domain.records import RECORDS, Record

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 12}
TIME = {"type": "long", "logicalType": "timestamp-micros", "connect.name": "io.debezium.time.MicroTimestamp"}
PLAIN = {str: "string", bool: "boolean", bytes: "bytes"}


def enum_schema(kind: type[Enum], seen: set[str]) -> Any:
    """What an enum must look like: defined where it first appears, named afterwards; its first member stands for unknown ones."""
    if kind.__name__ in seen:
        return kind.__name__
    seen.add(kind.__name__)
    symbols = [member.value for member in kind]
    return {"type": "enum", "name": kind.__name__, "symbols": symbols, "default": symbols[0]}


def check_type(hint: Any, found: Any, seen: set[str], path: str) -> None:
    """Fails unless the Avro type says what the struct's annotation says."""
    if get_origin(hint) is UnionType:
        (inner,) = [each for each in get_args(hint) if each is not NoneType]
        assert isinstance(found, list), path
        assert found[0] == "null", path
        assert len(found) == 2, path
        check_type(inner, found[1], seen, path)
    elif get_origin(hint) is list:
        (item,) = get_args(hint)
        if item.__name__ in seen:
            assert found == {"type": "array", "items": item.__name__}, path
        else:
            seen.add(item.__name__)
            assert found["type"] == "array", path
            check_record(item, found["items"], seen)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        bare = {name: value for name, value in found.items() if name != "doc"} if isinstance(found, dict) else found
        assert bare == enum_schema(hint, seen), path
    elif hint is Decimal:
        assert found == DECIMAL, path
    elif hint is int:
        assert found in ("long", TIME), path
    else:
        assert found == PLAIN[hint], path


def check_record(kind: type, schema: dict[str, Any], seen: set[str]) -> None:
    """Fails unless names, order, types and nullability are the struct's, and every field is explained."""
    hints = get_type_hints(kind)
    assert schema["name"] == kind.__name__
    assert [field["name"] for field in schema["fields"]] == list(hints)
    for field in schema["fields"]:
        path = f"{kind.__name__}.{field['name']}"
        assert field.get("doc"), f"{path} has no doc"
        check_type(hints[field["name"]], field["type"], seen, path)
        if isinstance(field["type"], list):
            assert field.get("default", "none") is None, f"{path} must default to null"
        else:
            assert "default" not in field, path


@pytest.mark.parametrize("kind", RECORDS.values(), ids=RECORDS)
def test_schema_is_the_struct_field_by_field(kind: type[Record]) -> None:
    schema = schemas.schema(kind.__name__)
    assert schema["namespace"] == "cdb"
    check_record(kind, schema, set())


@pytest.mark.parametrize("kind", RECORDS.values(), ids=RECORDS)
def test_a_time_says_that_it_is_one_and_nothing_else_does(kind: type[Record]) -> None:
    """Connect and people see a time only by its logical type; the journal's bounds may lie outside all time."""
    for field in schemas.schema(kind.__name__)["fields"]:
        is_time = TIME in (field["type"], *(field["type"] if isinstance(field["type"], list) else ()))
        is_plain = "plain number" in field["doc"]
        assert ("µs since 1970" in field["doc"]) == (is_time or is_plain), field["name"]


def test_every_schema_file_is_of_a_record() -> None:
    assert {path.stem for path in schemas.FOLDER.glob("*.avsc")} == set(RECORDS)


def test_every_record_stands_on_exactly_one_topic() -> None:
    assert sorted(spec.record for spec in schemas.catalogue().values()) == sorted(RECORDS)


def test_merged_topics_are_those_of_the_design() -> None:
    assert set(schemas.merged_topics()) == {
        "market_data", "instruments", "funding", "regimes", "marks", "signals", "orders", "order_results",
    }


def test_partition_counts_follow_feeds_and_risk_tasks() -> None:
    counts = {name: schemas.partitions_of(name, feeds=5, risk=2) for name in schemas.catalogue()}
    assert {name for name, count in counts.items() if count == 2} == {
        "orders", "ledger_entries", "allocations", "positions", "portfolio_snapshots", "alerts", "commands",
    }
    assert {name for name, count in counts.items() if count == 1} == {"dead_letters", "session"}
    # Three rows of five and one of two.
    assert counts["journal"] == counts["snapshots"] == 17
    assert counts["market_data"] == counts["order_results"] == counts["candles"] == 5


def test_every_task_has_a_journal_partition_of_its_own() -> None:
    tasks = [("feed", 5), ("signals", 5), ("risk", 2), ("execution", 5)]
    found = [schemas.task_partition(stage, task, feeds=5, risk=2) for stage, count in tasks for task in range(count)]
    assert found == list(range(17))


def test_topics_keep_old_records_and_take_future_ones() -> None:
    """Record time is event time: a recording of 2024 must not expire today, nor a simulated future be refused."""
    for spec in schemas.catalogue().values():
        assert spec.config["retention.ms"] == "-1"
        assert spec.config["cleanup.policy"] == "delete"
        assert spec.config["message.timestamp.after.max.ms"] == "9223372036854775807"


def test_a_dead_letter_holds_the_largest_record_of_any_topic() -> None:
    catalogue = schemas.catalogue()
    others = max(spec.message_bytes_max for name, spec in catalogue.items() if name != "dead_letters")
    assert catalogue["dead_letters"].message_bytes_max >= 2 * others
