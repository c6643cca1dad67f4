"""The registry: our schemas, their ids, and what it must refuse. On the real one, save where it would have to be broken."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import schemas
from streams.domain import records as r
from streams.log.codec import Codec
from streams.operate.registry import RegistryDown, SchemaRefused, register
from streams.operate.stack import Stack
from streams.operate.stack.settings import free_ports
from tests.contract.samples import SAMPLES, sample
from tests.operate.broken_registry import Answer, broken_registries


@pytest.fixture(scope="module")
def url(run_stack: Stack) -> str:
    run_stack.up(["registry"])
    return run_stack.endpoints().ccompat_url


@pytest.fixture
def broken_registry() -> Iterator[Callable[[Answer], str]]:
    with broken_registries() as start:
        yield start


def propose(url: str, name: str, schema: dict[str, Any]) -> httpx.Response:
    """What the registry says to another version of a record's schema."""
    body = {"schema": json.dumps(schema), "schemaType": "AVRO"}
    return httpx.post(f"{url}/subjects/{schemas.full_name(name)}/versions", json=body, timeout=30, trust_env=False)


def test_registering_again_gives_the_same_ids(url: str) -> None:
    first = register(url)
    assert set(first.ids) == set(r.RECORDS)
    assert len(set(first.ids.values())) == len(r.RECORDS)
    assert register(url) == first


def test_records_go_through_the_registry_s_ids(url: str) -> None:
    ids = register(url)
    codec = Codec(ids)
    for kind, record in SAMPLES.items():
        wire = codec.wire(record)
        assert int.from_bytes(wire[1:5], "big") == ids.ids[kind.__name__]
        assert codec.decode(wire, kind) == record


def test_every_subject_demands_full_transitive_compatibility(url: str) -> None:
    register(url)
    for name in r.RECORDS:
        found = httpx.get(f"{url}/config/{schemas.full_name(name)}", timeout=30, trust_env=False).json()
        assert found == {"compatibilityLevel": "FULL_TRANSITIVE"}, name


@pytest.mark.parametrize("name", r.RECORDS)
def test_dropping_a_field_gets_409(url: str, name: str) -> None:
    register(url)
    schema = schemas.schema(name)
    del schema["fields"][4]
    assert propose(url, name, schema).status_code == 409


def test_new_field_without_default_and_another_type_get_409(url: str) -> None:
    register(url)
    more = schemas.schema("Alert")
    more["fields"].append({"name": "runbook", "type": "string"})
    other = schemas.schema("Alert")
    other["fields"][-1]["type"] = "long"
    assert [propose(url, "Alert", schema).status_code for schema in (more, other)] == [409, 409]


def test_records_of_another_registered_version_decode(url: str) -> None:
    """A newer program added an optional field; what it wrote reads as ours."""
    schema = schemas.schema("Regime")
    schema["fields"].append({"name": "note", "type": ["null", "string"], "default": None})
    number = propose(url, "Regime", schema).json()["id"]
    ids = register(url)
    assert ids.writers[number][0] == "Regime"
    record = sample(r.Regime)
    # The added field stands last; null is the union's first branch: one zero byte.
    wire = b"\x00" + number.to_bytes(4, "big") + Codec(ids).payload(record) + b"\x00"
    assert Codec(ids).decode(wire, r.Regime) == record


def test_registry_that_is_away_is_named_with_its_address() -> None:
    (port,) = free_ports(1)
    with pytest.raises(RegistryDown, match=rf"registry http://127\.0\.0\.1:{port} cannot be reached: ConnectError"):
        register(f"http://127.0.0.1:{port}")


def test_registry_with_a_fault_of_its_own_is_down(broken_registry: Callable[[Answer], str]) -> None:
    with pytest.raises(RegistryDown, match=r"answers PUT /config/cdb\.\w+: 503"):
        register(broken_registry(lambda method, path: (503, {"message": "no storage"})))


def test_breaking_change_of_ours_is_refused_with_the_registry_s_reason(broken_registry: Callable[[Answer], str]) -> None:
    url = broken_registry(lambda method, path: (409, {"message": "field code is gone"}) if method == "POST" else (200, {}))
    with pytest.raises(SchemaRefused, match="field code is gone"):
        register(url)


def test_registry_that_forgets_the_compatibility_is_refused(broken_registry: Callable[[Answer], str]) -> None:
    url = broken_registry(lambda method, path: (200, {"id": 1, "compatibilityLevel": "NONE"}))
    with pytest.raises(SchemaRefused, match=r"compatibility of subject cdb\.\w+ must be FULL_TRANSITIVE, was NONE"):
        register(url)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda schema: schema.update(name="Stranger"), r"subject cdb\.\w+ must hold only schemas of that name, was cdb\.Stranger"),
        (
            lambda schema: schema["fields"].insert(4, {"name": "more", "type": "string", "default": ""}),
            r"must begin with event_id, causation_id, .*, time, was event_id, causation_id, correlation_id, session, more",
        ),
        (
            # The registry lets this pass, and every amount would be 10,000 times too large.
            lambda schema: schema["fields"].append(
                {"name": "x", "type": {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 8}}),
            r"must be decimal\(38,12\) or timestamp-micros, was \('decimal', 38, 8\)",
        ),
    ],
)
def test_foreign_schema_under_our_subject_is_refused(
    broken_registry: Callable[[Answer], str], change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    def answer(method: str, path: str) -> tuple[int, Any]:
        if path.startswith("/config"):
            return 200, {"compatibilityLevel": "FULL_TRANSITIVE"}
        if method == "POST":
            return 200, {"id": 1}
        if path.endswith("/versions"):
            return 200, [1, 2]
        name = path.split("/")[2].removeprefix("cdb.")
        schema = schemas.schema(name)
        if path.endswith("/2"):
            change(schema)
        return 200, {"id": int(path[-1]), "schema": json.dumps(schema)}

    with pytest.raises(SchemaRefused, match=message):
        register(broken_registry(answer))
