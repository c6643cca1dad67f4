"""The session's own records, which say what it was made with: each must agree with itself."""

import json

from pydantic import ValidationError

from streams.domain.parameters import SessionSettings
from streams.domain.records import RECORDS, SessionManifest
from streams.errors import DecodeError
from streams.log.batch import record_check
from streams.log.codec import Codec
from streams.log.interface import CHECK_HEADER, Log, Message
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.log.schema_ids import SchemaIds
from streams.replay.verification.journal_check import Divergence

_ENDED = "ENDED"


def session_record(log: Log, layout: Layout, codec: Codec) -> Divergence | None:
    """The first of the session's records that does not agree with itself; None also for a session that has none."""
    place = layout.at("session", 0)
    if place.topic not in log.topics():
        return None
    number, ended, schemas_before = 0, False, ""
    for message in read_range(log, place, log.start_offset(place), log.end_offset(place)):
        if message.value is None:
            continue
        try:
            record = codec.decode(message.value, SessionManifest)
        except DecodeError as fault:
            return Divergence.at(message, "the session's record", "whole", fault)
        assert isinstance(record, SessionManifest)
        name = f"{layout.session}/session/{number}"
        # The first says that the session is open; so does one for each program that came to write with other schemas. The last ends it.
        due = _ENDED if record.schema_ids == schemas_before or (number and record.status == _ENDED) else "OPEN"
        due = "none: an ended session has no more records" if ended else due
        for what, expected, found in (
            ("the key", layout.session.encode(), message.key),
            ("the check", *_checks(message)),
            ("the status", due, record.status),
            ("event_id", name, record.event_id),
            ("causation_id", name, record.causation_id),
            ("correlation_id", name, record.correlation_id),
            ("session", layout.session, record.session),
            ("settings_digest", _digest(record.settings), record.settings_digest),
            ("the time in ms", max(record.time, 1000) // 1000, message.time // 1000),
        ):
            if expected != found:
                return Divergence.at(message, f"{what} of the session's record", expected, found)
        if not _names_records(record.schema_ids):
            return Divergence.at(message, "the schema ids of the session's record", "one for each record", record.schema_ids)
        number, ended, schemas_before = number + 1, record.status == _ENDED, record.schema_ids
    return None


def _checks(message: Message) -> tuple[str, str]:
    """Of the record as it stands, and the one that was written with it; a record of before there were any has none to break."""
    check = record_check(message.key or b"", message.value or b"").hex()
    return check, next((written.hex() for name, written in message.headers if name == CHECK_HEADER), check)


def _digest(settings: str) -> str:
    try:
        return SessionSettings.model_validate_json(settings).digest()
    except ValidationError as fault:
        return f"none: no settings of this program's ({fault.error_count()} faults)"


def _names_records(text: str) -> bool:
    try:
        return set(json.loads(text)) <= set(RECORDS) and bool(SchemaIds.of_text(text))
    except (TypeError, ValueError):
        return False
