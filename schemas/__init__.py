"""
The one place that says what stands on which topic: an Avro schema for each record and the catalogue of topics.

Loads as a package so that every process finds the same files. Knows neither Kafka nor fastavro: it hands out texts and counts.
"""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

FOLDER = Path(__file__).parent
NAMESPACE = "cdb"

PartitionRule = Literal["feeds", "risk", "one", "tasks"]


class Release(NamedTuple):
    """A version of a record's schema as it was released: numbers count from 1, and a released text never changes."""

    record: str
    number: int
    text: str

    @property
    def file(self) -> str:
        """Where it stands, from the project's folder."""
        return f"schemas/released/{self.record}/{self.number}.avsc"


class TopicSpec(NamedTuple):
    """One topic of a session; `name` is without the session prefix."""

    name: str
    key: str
    record: str
    partitions: PartitionRule
    merged: bool
    retention_ms: int
    cleanup: str
    table: str | None
    doc: str
    message_bytes_max: int

    @property
    def config(self) -> dict[str, str]:
        """Kafka's settings of the topic, as texts."""
        return {
            "retention.ms": str(self.retention_ms),
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.message_bytes_max),
            # The broker refuses records dated more than an hour ahead of its clock by default; logical time may be any time.
            "message.timestamp.after.max.ms": str(2**63 - 1),
        }


@cache
def catalogue() -> dict[str, TopicSpec]:
    """Every topic of a session by its name without the session, in the order of the file."""
    document = tomllib.loads((FOLDER / "catalogue.toml").read_text(encoding="utf-8"))
    specs = {}
    for name, entry in document["topics"].items():
        spec = TopicSpec(name=name, **{"table": None, **document["defaults"], **entry})
        assert spec.partitions in get_args(PartitionRule), f"{name}: partitions was {spec.partitions}"
        specs[name] = spec
    return specs


def merged_topics() -> tuple[str, ...]:
    """The topics that carry watermarks."""
    return tuple(name for name, spec in catalogue().items() if spec.merged)


def partitions_of(topic: str, *, feeds: int, risk: int) -> int:
    """How many partitions `topic` has in a session of `feeds` feed partitions and `risk` risk tasks (each ≥ 1)."""
    match catalogue()[topic].partitions:
        case "feeds":
            return feeds
        case "risk":
            return risk
        case "one":
            return 1
        case "tasks":
            return 3 * feeds + risk


def task_partition(stage: str, task: int, *, feeds: int, risk: int) -> int:
    """The partition of journal and snapshots that belongs to a task: feeds first, then signals, risk, execution."""
    first = {"feed": 0, "signals": feeds, "risk": 2 * feeds, "execution": 2 * feeds + risk}[stage]
    assert 0 <= task < (risk if stage == "risk" else feeds), f"{stage} has no task {task}"
    return first + task


@cache
def schema_text(record: str) -> str:
    """The Avro schema of a record (by its struct's name) as it stands in its file."""
    return (FOLDER / f"{record}.avsc").read_text(encoding="utf-8")


def schema(record: str) -> dict[str, Any]:
    """The Avro schema of a record, parsed anew, so that the caller may change it."""
    parsed: dict[str, Any] = json.loads(schema_text(record))
    return parsed


def full_name(record: str) -> str:
    """The registry subject and Avro name of a record: RecordNameStrategy."""
    return f"{NAMESPACE}.{record}"


def released(record: str, folder: Path = FOLDER) -> tuple[Release, ...]:
    """Every released version of a record's schema, oldest first; empty where there is none yet. `folder` is one like this one."""
    files = sorted((folder / "released" / record).glob("*.avsc"), key=lambda file: int(file.stem))
    # Bytes that are no UTF-8 are for the checks to name, not to fail on.
    return tuple(Release(record, int(file.stem), file.read_text(encoding="utf-8", errors="surrogateescape")) for file in files)
