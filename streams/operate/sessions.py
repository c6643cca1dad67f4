"""
Sessions on a log: made, read back, listed, removed. What a session was made with stands on its own `session` topic.

The newest manifest holds. It carries the settings as canonical JSON, so a worker needs the session's name and nothing else.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

from pydantic import ValidationError

import schemas
from streams.domain.parameters import SessionSettings
from streams.domain.records import SessionManifest
from streams.errors import ConfigError, DecodeError, StackError
from streams.log.codec import HEADER_LENGTH, Codec, SchemaIds
from streams.log.interface import Log, Partition
from streams.log.journal import backwards
from streams.operate import topics
from streams.operate.migrate import DatabaseError
from streams.operate.rows import delete_rows

OPEN, ENDED = "OPEN", "ENDED"
EARLIEST_TIME = 1000  # µs; Kafka keeps whole milliseconds above zero


class SessionOnLog(NamedTuple):
    """A session's name and its newest manifest; None where its making was cut short, or where it cannot be read: `fault` says why."""

    name: str
    manifest: SessionManifest | None
    fault: str = ""


def create(
    log: Log, codec: Codec, settings: SessionSettings, *, schema_ids: SchemaIds, code_version: str, time: int
) -> SessionManifest:
    """
    The session's topics exist and its manifest stands on the log when this returns; `time` is the wall clock's, µs.

    A session made with the same settings stays as it is. Raises: ConfigError where it was made with others.
    """
    topics.create_session(log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
    found = _newest(log, codec, settings.session)
    if found is not None:
        if found.settings != settings.canonical():
            raise ConfigError(
                f"session {settings.session} must go on with the settings it was made with "
                f"({found.settings_digest[:12]}), was given {settings.digest()[:12]}; remove it or choose another name"
            )
        return found
    return _write(log, codec, _manifest(settings, schema_ids, code_version, time, number=0))


def end(log: Log, codec: Codec, session: str, *, time: int) -> SessionManifest:
    """Says on the log that the session has ended; what is there stays. Raises: ConfigError where there is no such session."""
    found = manifest(log, codec, session)
    if found.status == ENDED:
        return found
    settings = SessionSettings.model_validate_json(found.settings)
    ids = SchemaIds(json.loads(found.schema_ids), {})
    ended = _manifest(settings, ids, found.code_version, max(time, found.time), number=1, status=ENDED)
    return _write(log, codec, ended)


def find(log: Log, codec: Codec, session: str) -> SessionManifest | None:
    """The session's newest manifest; None where there is no such session. Raises: ConfigError where it cannot be read."""
    return _newest(log, codec, session) if topics.topic_name(session, "session") in log.topics() else None


def manifest(log: Log, codec: Codec, session: str) -> SessionManifest:
    """The session's newest manifest. Raises: ConfigError naming the sessions there are, or where it cannot be read."""
    found = find(log, codec, session)
    if found is None:
        raise ConfigError(f"session must be one of {', '.join(topics.sessions(log)) or 'none yet'}, was {session}")
    return found


def read(log: Log, codec: Codec, session: str) -> SessionSettings:
    """
    What the session was made with.

    Raises: ConfigError where there is no such session, or this program cannot run its settings.
    """
    found = manifest(log, codec, session)
    try:
        return SessionSettings.model_validate_json(found.settings)
    except ValidationError as error:
        raise ConfigError(f"settings of session {session} must be this version's, were made by {found.code_version}: {error}") from error


def codec_of(log: Log, session: str) -> Codec:
    """
    The codec of a session whose registry is not at hand (an archive): its manifest names the ids its records were written with.

    Raises: ConfigError where there is no manifest.
    """
    offline = SchemaIds.offline()
    header = b"\x00" + offline.ids[SessionManifest.__name__].to_bytes(HEADER_LENGTH - 1, "big")
    place = Partition(topics.topic_name(session, "session"), 0)
    if place.topic not in log.topics():
        raise ConfigError(f"session must be one of {', '.join(topics.sessions(log)) or 'none yet'}, was {session}")
    for message in backwards(log, place):
        record = Codec(offline).decode(header + (message.value or b"")[HEADER_LENGTH:], SessionManifest)
        assert isinstance(record, SessionManifest)
        ids: dict[str, int] = json.loads(record.schema_ids)
        return Codec(SchemaIds(ids, {number: (name, schemas.schema_text(name)) for name, number in ids.items()}))
    raise ConfigError(f"{place.topic} must hold the session's manifest, is empty")


def listing(log: Log, codec: Codec) -> list[SessionOnLog]:
    """Every session with its manifest, sorted by name. One that cannot be read hides none of the others."""
    return [_on_log(log, codec, name) for name in topics.sessions(log)]


def _on_log(log: Log, codec: Codec, name: str) -> SessionOnLog:
    try:
        return SessionOnLog(name, find(log, codec, name))
    except ConfigError as fault:
        return SessionOnLog(name, None, str(fault))


class Removed(NamedTuple):
    """What is no more of a session; `fault` says why rows stay, where Postgres cannot be asked."""

    topics: list[str]
    rows: int
    fault: str = ""


def remove(log: Log, session: str, database: Callable[[], str]) -> Removed:
    """
    Removes a session's topics, with them its groups' offsets, then its rows; `database` gives the address of Postgres.

    What the sink had still in hand comes after: a second call removes it. Raises: ConfigError where there was nothing at all.
    """
    removed = Removed(topics.delete_session(log, session), 0)
    try:
        removed = removed._replace(rows=delete_rows(database(), session))
    except (DatabaseError, StackError) as fault:
        removed = removed._replace(fault=str(fault))
    if not removed.topics and not removed.rows:
        raise ConfigError(f"session must be one of {', '.join(topics.sessions(log)) or 'none yet'}, was {session}")
    return removed


def _newest(log: Log, codec: Codec, session: str) -> SessionManifest | None:
    place = Partition(topics.topic_name(session, "session"), 0)
    for message in backwards(log, place):
        try:
            record = codec.decode(message.value or b"", SessionManifest)
        except DecodeError as fault:
            raise ConfigError(
                f"{place.topic}/0 offset {message.offset} must hold the session's manifest in this registry's schemas: {fault}"
            ) from fault
        assert isinstance(record, SessionManifest)
        return record
    return None


def _manifest(
    settings: SessionSettings, schema_ids: SchemaIds, code_version: str, time: int, *, number: int, status: str = OPEN
) -> SessionManifest:
    name = f"{settings.session}/session/{number}"
    return SessionManifest(
        event_id=name, causation_id=name, correlation_id=name, session=settings.session, time=time, status=status,
        settings=settings.canonical(), settings_digest=settings.digest(),
        schema_ids=json.dumps(dict(schema_ids.ids), sort_keys=True, separators=(",", ":")), code_version=code_version,
    )  # fmt: skip


def _write(log: Log, codec: Codec, record: SessionManifest) -> SessionManifest:
    writer = log.writer(f"{record.session}-session")
    try:
        writer.begin()
        writer.append(
            Partition(topics.topic_name(record.session, "session"), 0), key=record.session.encode(), value=codec.wire(record),
            time=max(record.time, EARLIEST_TIME),
        )  # fmt: skip
        writer.commit()
    finally:
        writer.close()
    return record
