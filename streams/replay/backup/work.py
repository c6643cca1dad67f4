"""
Making a backup and bringing it back.

The database is dumped before the topics are copied, so what it holds stands on the topics too, and the sink brings the rest after a
restore. A restore changes nothing until it knows that it will overwrite nothing, and said again it goes on where it was cut short.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from streams.errors import ConfigError, StackError
from streams.log.archive import MANIFEST, ArchiveLog
from streams.log.interface import Log, Partition
from streams.operate import dump, sessions, topics
from streams.operate.laying import bring
from streams.operate.runtime import Runtime
from streams.operate.stack.settings import StackSettings
from streams.replay.archive.session_archive import export_session
from streams.replay.backup.moment import moment_of
from streams.replay.backup.sets import Backup, Manifest, SessionCopy, faults, file_digest, named

Say = Callable[[str], None]


def make(runtime: Runtime, dsn: str, settings: StackSettings, folder: Path, *, now: int, say: Say = lambda _: None) -> Backup:
    """
    The backup of now, read back and good. `now`: µs, names it.

    Raises: StackError, DatabaseError, LogError; ConfigError where there is one of this minute already. What was begun is removed then.
    """
    backup = named(folder, now)
    if backup.manifest_file.exists():
        raise ConfigError(f"backup {backup.name} must not be there yet, is: wait for the next minute")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        backup.remove()
        manifest = _written(runtime, dsn, settings, backup, now, say)
        draft = backup.manifest_file.with_suffix(".new")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
        draft.replace(backup.manifest_file)
        say("reading it back")
        if found := faults(backup):
            raise StackError(f"backup {backup.name} must be good, is not: {found[0]}")
    except OSError as error:
        backup.remove()
        raise StackError(f"backup {backup.name} cannot be written: {error}") from error
    except BaseException:
        backup.remove()
        raise
    return backup


def _written(runtime: Runtime, dsn: str, settings: StackSettings, backup: Backup, now: int, say: Say) -> Manifest:
    say("dumping the database")
    dump.dump(dsn, backup.sql, settings)
    held = dump.contents(backup.sql)
    backup.topics.mkdir(mode=0o700)
    copies, left_out = [], {}
    for one in sessions.listing(runtime.log, runtime.codec):
        missing = topics.missing(runtime.log, one.name)
        if one.manifest is None or missing:
            # One that is damaged must not keep the others from being backed up.
            left_out[one.name] = f"topic {missing[0]} is not there" if missing else one.fault or "it has no manifest"
            say(f"leaving out {one.name}: {left_out[one.name]}")
            continue
        folder = backup.topics / one.name
        say(f"copying {one.name}")
        moment = moment_of(runtime.log, one.name)
        about = export_session(
            runtime.log if moment is None else moment, one.manifest, runtime.schema_ids, folder, code_version=runtime.code_version,
            told=lambda what, count: say(f"{what}: {count:,} records"),
        )  # fmt: skip
        copies.append(SessionCopy(
            one.name, ArchiveLog(folder).records(), about.root, file_digest(folder / MANIFEST), is_of_one_moment=moment is not None
        ))
    return Manifest(backup.name, now, runtime.code_version, held.sha256, held.size, held.rows, held.sessions, copies, left_out=left_out)


def restore(runtime: Runtime, dsn: str, settings: StackSettings, backup: Backup, *, say: Say = lambda _: None) -> Manifest:
    """
    Database and topics are as they were at the backup. Sessions that stand on the log exactly so already are left as they are.

    Raises: ConfigError where the backup is not good, or something of this machine would be lost; then nothing was changed.
    """
    say("reading the backup")
    if found := faults(backup):
        raise ConfigError(f"backup {backup.name} must be good, is not: {found[0]}")
    manifest = backup.manifest()
    for copy in manifest.sessions:
        if not copy.is_of_one_moment:
            say(f"session {copy.session} never stood still while it was copied: it can be read and verified, not gone on with")
    archives = {copy.session: ArchiveLog(backup.topics / copy.session) for copy in manifest.sessions}
    waiting = [name for name, archive in archives.items() if not _is_laid(runtime.log, name, archive)]
    _, present = dump.rows_of(dsn)
    if foreign := sorted(present - set(manifest.row_sessions) - set(archives)):
        raise ConfigError(f"the database must hold no rows of other sessions than the backup's, holds rows of {', '.join(foreign)}")
    say("loading the database")
    dump.load(dsn, backup.sql, settings)
    rows, _ = dump.rows_of(dsn)
    # The sink may have brought more by now, never less.
    if short := [table for table, count in rows.items() if count < manifest.rows.get(table, 0)]:
        raise StackError(f"table {short[0]} must have {manifest.rows[short[0]]} rows after the load, has {rows[short[0]]}")
    for name in waiting:
        say(f"laying {name}")
        bring(archives[name], runtime.log, runtime.schema_ids, say=say)
    return manifest


def _is_laid(log: Log, session: str, archive: ArchiveLog) -> bool:
    """Whether a session stands on the log to the record as in its archive. Raises: ConfigError where it stands there otherwise."""
    present = log.topics()
    if topics.topic_name(session, "session") not in present:
        return False
    own = Partition(topics.topic_name(session, "session"), 0)
    if not log.end_offset(own):
        # An import that was cut short: the manifest comes last, and `bring` begins it anew.
        return False
    for topic, count in archive.topics().items():
        for number in range(count):
            place = Partition(topic, number)
            if present.get(topic) != count or log.end_offset(place) != archive.end_offset(place):
                raise ConfigError(
                    f"session {session} must not be on this machine, or just as in the backup; differs at {topic}/{number}: "
                    f"cdb sessions rm {session} removes it"
                )  # fmt: skip
    return True
