"""
Schemas to the registry, and their ids back: over the Confluent-compatible API (v7), one subject for each record name.

Each subject gets compatibility FULL_TRANSITIVE before its schemas, and is asked for it afterwards: a registry that does not keep
the setting would accept a breaking schema in silence. What is registered are the released versions, oldest first, so that every
registry has the same ones. Registering is idempotent; every version a subject ever had is read, so that old records decode.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx

import schemas
from streams.contract.lock import is_released
from streams.domain.money import SCALE
from streams.domain.records import RECORDS, Record
from streams.errors import ConfigError, StreamsError
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
    Raises: RegistryDown; SchemaRefused naming the record and the registry's reason; ConfigError where a schema is not released.
    """
    changed = [name for name in RECORDS if not is_released(name)]
    if changed:
        # Its records would stand under the id of a schema that they were not written with.
        commands = "\n".join(f"schemas/{name}.avsc must be its newest released version: cdb schemas release {name}" for name in changed)
        raise ConfigError(commands)
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
        released = [version.text for version in schemas.released(name)]
        ours = {self._number(subject, text): text for text in released}
        found = self._told("compatibilityLevel", "GET", f"/config/{subject}")
        if found != COMPATIBILITY:
            raise SchemaRefused(f"compatibility of subject {subject} must be {COMPATIBILITY}, was {found}")
        numbers = self._ask("GET", f"/subjects/{subject}/versions")
        texts = ours if len(numbers) == len(released) else self._versions(subject, numbers)
        return name, list(ours)[-1], texts

    def _number(self, subject: str, text: str) -> int:
        """The id of a schema of ours, registered with that if it was not."""
        return int(self._told("id", "POST", f"/subjects/{subject}/versions", {"schema": text, "schemaType": "AVRO"}))

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

    def _told(self, name: str, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        """One value of an answer."""
        answer = self._ask(method, path, body)
        if not isinstance(answer, dict) or name not in answer:
            raise RegistryDown(f"registry {self._url} must answer with {name}, was {str(answer)[:80]} to {method} {path}")
        return answer[name]

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        try:
            response = self._client.request(method, self._url + path, json=body)
        except httpx.HTTPError as error:
            raise RegistryDown(f"registry {self._url} cannot be reached: {type(error).__name__} {error}") from error
        if response.is_success:
            try:
                return response.json()
            except ValueError as error:
                raise RegistryDown(f"registry {self._url} must answer in JSON, was {response.text[:80]!r} to {method} {path}") from error
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
    begins = tuple(field["name"] for field in written["fields"][: len(Record.__struct_fields__)])
    if begins != Record.__struct_fields__:
        return f"records in subject {subject} must begin with {', '.join(Record.__struct_fields__)}, was {', '.join(begins)}"
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
