"""
Schemas to the registry, and their ids back: over the Confluent-compatible API (v7), one subject for each record name.

Each subject gets compatibility FULL_TRANSITIVE before its schema, and is asked for it afterwards: a registry that does not keep
the setting would accept a breaking schema in silence. Registering is idempotent; every version a subject ever had is read, so
that old records decode.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx

import schemas
from streams.domain.money import SCALE
from streams.domain.records import RECORDS
from streams.errors import StreamsError
from streams.log.codec import DIGITS_MAX, SchemaIds

COMPATIBILITY = "FULL_TRANSITIVE"
ANSWER_SECONDS_MAX = 10.0
REQUESTS_AT_ONCE = 4

_LOGICAL_TYPES = (("decimal", DIGITS_MAX, SCALE), ("timestamp-micros", None, None))

_CONFLICT = 409
_NOT_AVRO = 422


class RegistryDown(StreamsError):
    """The registry cannot be reached in time or answers with a fault of its own."""

    retriable = True


class SchemaRefused(StreamsError):
    """A subject holds something that our schema cannot stand beside: a breaking change, or somebody else's schema."""


def register(url: str) -> SchemaIds:
    """
    Every record's schema is in the registry when this returns, and these are the ids of all its versions.

    `url` is the base of the API (`…/apis/ccompat/v7`).
    Raises: RegistryDown; SchemaRefused naming the record and the registry's reason.
    """
    with _Registry(url) as registry, ThreadPoolExecutor(max_workers=REQUESTS_AT_ONCE) as pool:
        subjects = list(pool.map(registry.settle, RECORDS))
    ids = {name: number for name, number, _ in subjects}
    writers = {number: (name, text) for name, _, texts in subjects for number, text in texts.items()}
    return SchemaIds(ids, writers)


class _Registry:
    """The few calls that are needed, with the registry's faults turned to ours."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        # The environment's proxies are for the world outside, not for a registry of ours.
        self._client = httpx.Client(timeout=ANSWER_SECONDS_MAX, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def settle(self, name: str) -> tuple[str, int, dict[int, str]]:
        """A record's subject as it must be: its name, the id of our schema, and every id with its schema text."""
        subject = schemas.full_name(name)
        self._ask("PUT", f"/config/{subject}", {"compatibility": COMPATIBILITY})
        body = {"schema": schemas.schema_text(name), "schemaType": "AVRO"}
        ours = int(self._ask("POST", f"/subjects/{subject}/versions", body)["id"])
        found = self._ask("GET", f"/config/{subject}").get("compatibilityLevel")
        if found != COMPATIBILITY:
            raise SchemaRefused(f"compatibility of subject {subject} must be {COMPATIBILITY}, was {found}")
        numbers = self._ask("GET", f"/subjects/{subject}/versions")
        if len(numbers) == 1:
            return name, ours, {ours: schemas.schema_text(name)}
        return name, ours, self._versions(subject, numbers)

    def _versions(self, subject: str, numbers: list[int]) -> dict[int, str]:
        """Every version of a subject: id to schema text."""
        found = {}
        for number in numbers:
            version = self._ask("GET", f"/subjects/{subject}/versions/{number}")
            fault = _fault_of(subject, json.loads(version["schema"]))
            if fault:
                raise SchemaRefused(f"{fault} in version {number}")
            found[int(version["id"])] = version["schema"]
        return found

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        try:
            response = self._client.request(method, self._url + path, json=body)
        except httpx.HTTPError as error:
            raise RegistryDown(f"registry {self._url} cannot be reached: {type(error).__name__} {error}") from error
        if response.is_success:
            return response.json()
        said = f"{method} {path}: {response.status_code} {response.text[:500]}"
        if response.status_code in (_CONFLICT, _NOT_AVRO):
            raise SchemaRefused(f"registry {self._url} refuses a schema: {said}")
        raise RegistryDown(f"registry {self._url} answers {said}")


def _fault_of(subject: str, written: dict[str, Any]) -> str | None:
    """
    Why we could not read what this schema wrote, or None.

    The registry compares Avro's types and not what they stand for: it lets a decimal change its scale.
    """
    found = f"{written.get('namespace')}.{written.get('name')}"
    if found != subject:
        return f"subject {subject} must hold only schemas of that name, was {found}"
    foreign = [kind for kind in _logical_types(written) if kind not in _LOGICAL_TYPES]
    if foreign:
        return f"logical types in subject {subject} must be decimal(38,12) or timestamp-micros, was {foreign[0]}"
    return None


def _logical_types(node: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every logical type within a schema, with precision and scale."""
    if isinstance(node, dict):
        if "logicalType" in node:
            yield node["logicalType"], node.get("precision"), node.get("scale")
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from _logical_types(child)
