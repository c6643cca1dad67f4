"""
The AsyncAPI document is one by the official JSON schema, and says what the catalogue says.

`asyncapi-3.0.0.schema.json.gz` is `schemas/3.0.0-without-$id.json` of the npm package @asyncapi/specs 6.11.1 (Apache-2.0).
"""

import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import schemas
from streams.contract.asyncapi import document

OFFICIAL = Path(__file__).parent / "asyncapi-3.0.0.schema.json.gz"


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema.Draft7Validator(json.loads(gzip.decompress(OFFICIAL.read_bytes())))


def test_document_is_valid(validator: Any) -> None:
    assert [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(json.loads(json.dumps(document())))] == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found.pop("info"),
        lambda found: found["channels"]["orders"].update(address=7),
        lambda found: found["operations"]["read_orders"].update(action="take"),
        lambda found: found["components"]["messages"]["Order"]["payload"]["schema"].update(type="recard"),
        lambda found: found["components"]["messages"]["Order"]["payload"]["schema"]["fields"][0].pop("type"),
        lambda found: found["channels"]["orders"]["bindings"]["kafka"]["topicConfiguration"].update({"retention.ms": "ever"}),
    ],
)
def test_damaged_document_is_refused(validator: Any, damage: Any) -> None:
    """The official schema does look at channels, bindings and Avro payloads."""
    found = json.loads(json.dumps(document()))
    damage(found)
    assert not validator.is_valid(found)


def test_every_topic_is_a_channel_with_its_record_and_readers() -> None:
    found = document()
    assert set(found["channels"]) == set(schemas.catalogue())
    for name, spec in schemas.catalogue().items():
        channel = found["channels"][name]
        assert channel["address"] == "{session}." + name
        assert list(channel["messages"]) == [spec.record]
        assert channel.get("x-postgres-table") == spec.table
        payload = found["components"]["messages"][spec.record]["payload"]["schema"]
        assert payload == json.loads(schemas.released(spec.record)[-1].text)
    assert found["operations"]["read_orders"]["summary"].startswith("Read by execution, ")
