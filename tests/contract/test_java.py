"""Avro for Java reads across every kind of change as the table says, and so do its own check and the registry."""

import json
from typing import Any

import httpx
import pytest

from streams.contract.avro import Schema, Types
from streams.contract.breaks import Outcome
from streams.contract.decoding import interpreted, reading
from streams.operate.registry import COMPATIBILITY
from streams.operate.stack import Stack
from tests.contract.decoders import JAVA_CHECK_REFUSES, Direction, expected, registry_refuses
from tests.contract.java_decoders import JavaDecoders
from tests.contract.schema_changes import BASE, CHANGES, Change
from tests.contract.test_compatibility import BOTH_WAYS, EVERY_CHANGE, across


def test_java_reads_what_fastavro_wrote(java: JavaDecoders) -> None:
    def decode(raw: bytes, writer: Schema, reader: Schema) -> Any:
        return interpreted(Types.of(reader), reader, java.decode(raw, writer, reader))

    value = Types.of(BASE).ordinary(BASE)
    assert reading(BASE, BASE, value, decode).got == reading(BASE, BASE, value).got


@EVERY_CHANGE
@BOTH_WAYS
def test_verdict_is_what_java_does(java: JavaDecoders, change: Change, direction: Direction) -> None:
    def decode(raw: bytes, writer: Schema, reader: Schema) -> Any:
        return interpreted(Types.of(reader), reader, java.decode(raw, writer, reader))

    writer, reader, found = across(change, direction)
    for value in [problem.value for problem in found] or [Types.of(writer).ordinary(writer)]:
        assert reading(writer, reader, value, decode).outcome == expected(change, direction, "java")


@EVERY_CHANGE
@BOTH_WAYS
def test_java_s_own_check_says_what_java_s_reader_does_save_for_names(java: JavaDecoders, change: Change, direction: Direction) -> None:
    writer, reader, _ = across(change, direction)
    refused = expected(change, direction, "java") is Outcome.FAILS or (change.name, direction) in JAVA_CHECK_REFUSES
    assert java.is_compatible(writer, reader) == (not refused)


@pytest.fixture(scope="module")
def judged(run_stack: Stack) -> str:
    """The address where the real registry judges versions that would follow `BASE`."""
    run_stack.up(["registry"])
    url, subject = run_stack.endpoints().ccompat_url, "judged.Entry"
    with httpx.Client(timeout=30, trust_env=False) as client:
        client.put(f"{url}/config/{subject}", json={"compatibility": COMPATIBILITY}).raise_for_status()
        client.post(f"{url}/subjects/{subject}/versions", json={"schema": json.dumps(BASE)}).raise_for_status()
    return f"{url}/compatibility/subjects/{subject}/versions"


def test_registry_s_verdict_on_every_change_is_the_table_s(judged: str) -> None:
    with httpx.Client(timeout=30, trust_env=False) as client:
        answers = {
            change.name: client.post(judged, json={"schema": json.dumps(change.after)}).raise_for_status().json() for change in CHANGES
        }
    refused = {name for name, answer in answers.items() if not answer["is_compatible"]}
    assert refused == {change.name for change in CHANGES if registry_refuses(change)}
