"""
The composition root below the command line: connection settings become a log, a codec and a session's stages.

Nothing here decides anything; it only says which implementation stands behind which interface.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import schemas
import streams
from streams.domain.parameters import SessionSettings
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.kafka import KafkaLog
from streams.log.kafka_groups import KafkaGroups
from streams.log.schema_ids import SchemaIds
from streams.operate import sessions
from streams.operate.connection import OFFLINE, Connection
from streams.stages.contract import StageFactory
from streams.stages.execution import ExecutionStage
from streams.stages.risk import RiskStage
from streams.stages.signals import SignalsStage

STAGES: dict[str, StageFactory] = {"signals": SignalsStage, "risk": RiskStage, "execution": ExecutionStage}

# Sources whose change can change a byte of what is decided or written.
_DECIDING = ("domain", "stages", "log", "exchange")


class Runtime(NamedTuple):
    """What every process of the house works with."""

    log: Log
    codec: Codec
    schema_ids: SchemaIds
    code_version: str


@contextmanager
def open_log(connection: Connection, *, client_id: str = "cdb", readers_kept: int = 0) -> Iterator[Log]:
    """The log of a connection, closed at the end. `readers_kept` as `KafkaLog` has it."""
    with KafkaLog(
        connection.bootstrap, client_id=client_id, timeout_s=connection.timeout_seconds, readers_kept=readers_kept,
        credentials=connection.credentials(),
    ) as log:
        yield log


def open_groups(connection: Connection, *, client_id: str) -> KafkaGroups:
    """The consumer groups of a connection."""
    return KafkaGroups(
        connection.bootstrap, client_id=client_id, timeout_s=connection.timeout_seconds, credentials=connection.credentials()
    )


@contextmanager
def open_runtime(connection: Connection, *, client_id: str = "cdb", readers_kept: int = 0) -> Iterator[Runtime]:
    """
    Log and codec of a connection, closed at the end. `readers_kept` as `KafkaLog` has it.

    Raises: RegistryDown, SchemaRefused; LogError once the log is asked for something and cannot be reached.
    """
    schema_ids = SchemaIds.offline() if connection.registry == OFFLINE else _registered(connection.registry)
    with open_log(connection, client_id=client_id, readers_kept=readers_kept) as log:
        yield Runtime(log, Codec(schema_ids), schema_ids, code_version())


def _registered(url: str) -> SchemaIds:
    # Only here: a client of HTTP takes a while to import, and who reads a session by its own manifest needs none.
    from streams.operate import registry  # noqa: PLC0415 (see above)

    return registry.register(url)


def session_settings(runtime: Runtime, session: str) -> SessionSettings:
    """What a session on the log was made with. Raises: ConfigError where there is none of that name."""
    return sessions.read(runtime.log, runtime.codec, session)


def joined_session(runtime: Runtime, session: str) -> SessionSettings:
    """
    As `session_settings`, for who is about to write: the session's manifest names the schemas that this program writes with.

    Raises: as `session_settings`; Fenced where others start to write to it without end.
    """
    sessions.go_on(runtime.log, runtime.codec, session, schema_ids=runtime.schema_ids, code_version=runtime.code_version)
    return session_settings(runtime, session)


@cache
def code_version() -> str:
    """The package's version and 12 hex digits over the sources that decide bytes: two programs that may differ have two names."""
    digest = hashlib.sha256()
    folder = Path(streams.__file__).parent
    files = [path for part in _DECIDING for path in (folder / part).rglob("*.py")]
    for path in sorted([*files, *schemas.FOLDER.glob("*.avsc")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{metadata.version('claire-de-binare')}+{digest.hexdigest()[:12]}"
