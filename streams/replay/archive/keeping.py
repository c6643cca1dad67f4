"""
The archive duty of one session: copy what is new, read it back, run the copy again, and only then let the topics go.

Nothing leaves the log before its archive holds every record of it, is sound to the last byte, and replays equal. A session that is open
keeps its topics whatever its age; one that has ended keeps them for as long as is asked for after that. Rows in Postgres stay.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from streams.domain.parameters import SessionSettings
from streams.domain.records import SessionManifest
from streams.errors import LogError, ReplayMismatch
from streams.log.archive import ArchiveLog
from streams.log.codec import SchemaIds
from streams.log.interface import Log, Partition
from streams.operate.sessions import ENDED
from streams.operate.topics import delete_session
from streams.replay.archive.session_archive import Told, export_session
from streams.replay.checkpoints.checkpoint import codec_of, damages, topics_of
from streams.replay.recorded.recorded import Recorded
from streams.replay.verification.part import Part
from streams.replay.verification.verify import Progress, Verdict, verify
from streams.stages.contract import StageFactory

VERIFIED = "verified.json"


class Mark(msgspec.Struct, frozen=True):
    """The root that was replayed, by which code, and how many records were compared."""

    root: str
    code_version: str
    compared: int


class Kept(NamedTuple):
    """How a session's duty ended. `fault`: why its topics stay although they could go, or that they are not what they should be."""

    session: str
    records: int
    verified: bool
    expired: bool
    fault: str = ""


class Duty(NamedTuple):
    """What all sessions of a run share. `now`, `keep`: µs; `keep` None: topics never go."""

    log: Log
    schema_ids: SchemaIds
    stages: dict[str, StageFactory]
    code_version: str
    now: int
    keep: int | None
    told: Told = lambda _, __: None
    progress: Callable[[Progress], None] = lambda _: None


def keep(duty: Duty, manifest: SessionManifest, folder: Path) -> Kept:
    """
    Archives a session, verifies the archive and lets its topics go where they may.

    Raises: LogError as `export_session`: a log that is away, a full disk, or an archive whose log has lost what was not archived yet.
    """
    about = export_session(duty.log, manifest, duty.schema_ids, folder, code_version=duty.code_version, told=duty.told)
    archive = ArchiveLog(folder)
    records = archive.records()
    altered = damages(folder, manifest.session)
    if altered:
        return Kept(manifest.session, records, verified=False, expired=False, fault=str(altered[0]))
    if not _is_marked(folder, about.root, duty.code_version):
        try:
            verdict = _verified(duty, archive, manifest, folder)
        except (LogError, ReplayMismatch) as fault:
            return Kept(manifest.session, records, verified=False, expired=False, fault=str(fault))
        if not verdict.equal:
            return Kept(manifest.session, records, verified=False, expired=False, fault=str(verdict.divergences[0]))
        mark = Mark(about.root, duty.code_version, verdict.compared)
        (folder / VERIFIED).write_bytes(msgspec.json.encode(mark))
    if manifest.status != ENDED or duty.keep is None or duty.now - manifest.time < duty.keep:
        return Kept(manifest.session, records, verified=True, expired=False)
    late = _not_archived(duty.log, archive, manifest.session)
    if late is not None:
        return Kept(manifest.session, records, verified=True, expired=False, fault=late)
    delete_session(duty.log, manifest.session)
    return Kept(manifest.session, records, verified=True, expired=True)


def _verified(duty: Duty, archive: ArchiveLog, manifest: SessionManifest, folder: Path) -> Verdict:
    settings = SessionSettings.model_validate_json(manifest.settings)
    recorded = Recorded.of(archive, codec_of(folder), settings, duty.stages)
    # Of a session that goes on, its tasks are not equally far.
    part = Part() if manifest.status == ENDED else Part(None, recorded.end())
    stages = tuple(duty.stages.values())
    return verify(recorded.log, settings, recorded.codec, stages, duty.progress, part=part, code_version=duty.code_version)


def _is_marked(folder: Path, root: str, code_version: str) -> bool:
    try:
        mark = msgspec.json.decode((folder / VERIFIED).read_bytes(), type=Mark)
    except (OSError, msgspec.DecodeError):
        return False
    return (mark.root, mark.code_version) == (root, code_version)


def _not_archived(log: Log, archive: ArchiveLog, session: str) -> str | None:
    """The first partition that has come on since it was copied."""
    counts = log.topics()
    for topic in topics_of(session):
        for number in range(counts[topic]):
            place = Partition(topic, number)
            if log.end_offset(place) != archive.end_offset(place):
                return f"{topic}/{number} ends at {log.end_offset(place)}, its archive at {archive.end_offset(place)}: archive again"
    return None
