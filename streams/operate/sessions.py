"""
Sessions on a log: made, read back, listed, removed. What a session was made with stands on its own `session` topic.

The newest manifest holds. It carries the settings as canonical JSON, so a worker needs the session's name and nothing else, and names the
version of each schema behind every id, so that a copy of the topics can be read wherever it lies.
"""

from collections.abc import Callable
from typing import NamedTuple

from pydantic import ValidationError

from streams.domain.parameters import SessionSettings
from streams.domain.records import SessionManifest
from streams.errors import ConfigError, DecodeError, Fenced, StackError
from streams.log.archive import ArchiveLog
from streams.log.batch import record_check
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import CHECK_HEADER, Log, Partition, Writer
from streams.log.journal import backwards
from streams.log.schema_ids import SchemaIds, is_covered
from streams.operate import topics

OPEN, ENDED = "OPEN", "ENDED"
WRITERS_MAX = 20  # programs that start at once and find the same manifest too old
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
        return go_on(log, codec, settings.session, schema_ids=schema_ids, code_version=code_version)
    return _write(log, codec, _manifest(settings, schema_ids.text(), code_version, time, number=0))


def go_on(log: Log, codec: Codec, session: str, *, schema_ids: SchemaIds, code_version: str) -> SessionManifest:
    """
    The session's manifest, which names every schema that this program writes with: where a newer version came since, once more on the log.

    For whoever is about to write to the session. Raises: ConfigError as `manifest`; Fenced where others write to it without end.
    """
    for tries_left in reversed(range(WRITERS_MAX)):
        found = manifest(log, codec, session)
        if found.status == ENDED or _is_covered(schema_ids, found):
            return found
        # Fence first, then read again: of several programs that start at once, one writes it.
        writer = log.writer(_writer_name(session))
        try:
            found, number = manifest(log, codec, session), _count(log, session)
            if found.status == ENDED or _is_covered(schema_ids, found):
                return found
            settings = SessionSettings.model_validate_json(found.settings)
            return _append(writer, codec, _manifest(settings, schema_ids.text(), code_version, found.time, number=number))
        except Fenced:
            if not tries_left:
                raise
        finally:
            writer.close()
    raise AssertionError("the last try returns or raises")


def end(log: Log, codec: Codec, session: str, *, time: int) -> SessionManifest:
    """Says on the log that the session has ended; what is there stays. Raises: ConfigError where there is no such session."""
    found = manifest(log, codec, session)
    if found.status == ENDED:
        return found
    settings = SessionSettings.model_validate_json(found.settings)
    number = _count(log, session)
    ended = _manifest(settings, found.schema_ids, found.code_version, max(time, found.time), number=number, status=ENDED)
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
    The codec of a session whose registry is not at hand: the archive says with which schemas its records were written, else its manifest.

    Raises: ConfigError where there is no manifest, or none that can be read.
    """
    if isinstance(log, ArchiveLog) and log.about is not None and log.about.session == session:
        return Codec(log.about.written())
    place = Partition(topics.topic_name(session, "session"), 0)
    if place.topic not in log.topics():
        raise ConfigError(f"session must be one of {', '.join(topics.sessions(log)) or 'none yet'}, was {session}")
    for message in backwards(log, place):
        try:
            return Codec(SchemaIds.of_text(_first_read(message.value or b"").schema_ids))
        except (DecodeError, ValueError) as fault:
            raise ConfigError(f"{place.topic}/0 offset {message.offset} must hold the session's manifest: {fault}") from fault
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
    # Only here: the client of Postgres takes a while to import, and who reads a session needs none.
    from streams.operate.migrate import DatabaseError  # noqa: PLC0415 (see above)
    from streams.operate.rows import delete_rows  # noqa: PLC0415 (see above)

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


def _first_read(value: bytes) -> SessionManifest:
    """A manifest, whose own schema's id is not known before it is read: of the versions there are, the one by which it names that id."""
    offline = SchemaIds.offline()
    codec, own = Codec(offline), int.from_bytes(value[1:HEADER_LENGTH], "big")
    fault = DecodeError("it names none of the schemas of a manifest")
    for number, (name, _) in offline.writers.items():
        if name == SessionManifest.__name__:
            try:
                record = codec.decode(b"\x00" + number.to_bytes(HEADER_LENGTH - 1, "big") + value[HEADER_LENGTH:], SessionManifest)
            except DecodeError as error:
                fault = error
                continue
            assert isinstance(record, SessionManifest)
            if SchemaIds.of_text(record.schema_ids).writers.get(own) == offline.writers[number]:
                return record
    raise fault


def _is_covered(schema_ids: SchemaIds, found: SessionManifest) -> bool:
    try:
        return is_covered(schema_ids, found.schema_ids)
    except ValueError as fault:
        raise ConfigError(f"manifest of session {found.session} must name its schemas: {fault}") from fault


def _count(log: Log, session: str) -> int:
    """How many manifests there are."""
    return sum(message.value is not None for message in backwards(log, Partition(topics.topic_name(session, "session"), 0)))


def _manifest(
    settings: SessionSettings, schema_ids: str, code_version: str, time: int, *, number: int, status: str = OPEN
) -> SessionManifest:
    name = f"{settings.session}/session/{number}"
    return SessionManifest(
        event_id=name, causation_id=name, correlation_id=name, session=settings.session, time=time, status=status,
        settings=settings.canonical(), settings_digest=settings.digest(),
        schema_ids=schema_ids, code_version=code_version,
    )  # fmt: skip


def _write(log: Log, codec: Codec, record: SessionManifest) -> SessionManifest:
    writer = log.writer(_writer_name(record.session))
    try:
        return _append(writer, codec, record)
    finally:
        writer.close()


def _append(writer: Writer, codec: Codec, record: SessionManifest) -> SessionManifest:
    key, value = record.session.encode(), codec.wire(record)
    writer.begin()
    writer.append(
        Partition(topics.topic_name(record.session, "session"), 0), key=key, value=value,
        headers=((CHECK_HEADER, record_check(key, value)),), time=max(record.time, EARLIEST_TIME),
    )  # fmt: skip
    writer.commit()
    return record


def _writer_name(session: str) -> str:
    return f"{session}-session"
