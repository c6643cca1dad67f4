"""
A backup as it lies in its folder, whether it is good, and which ones may go.

    cdb_backup_2026-01-31_0100.sql            the database, by pg_dump
    cdb_backup_2026-01-31_0100.topics/<session>/   each session that was on the log, as `cdb replay export` leaves it
    cdb_backup_2026-01-31_0100.json           the manifest: digests of both, written last and only once they were read back

Without its manifest a backup was cut short and does not count. Names hold UTC.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from streams.errors import ConfigError, LogError, StackError
from streams.log.archive import MANIFEST, read_manifest
from streams.operate.dump import contents
from streams.replay.checkpoints.checkpoint import damages

NAME = re.compile(r"cdb_backup_(\d{4}-\d{2}-\d{2}_\d{4})")
DAY = 86_400_000_000
SECOND = 1_000_000


class SessionCopy(msgspec.Struct, frozen=True):
    """
    One session's archive: its records, the root of its checkpoint, and the sha256 of its own manifest, which digests every file.

    `is_of_one_moment`: all its topics were copied as they stood at one moment, so that a session that was running can go on from them.
    """

    session: str
    records: int
    root: str
    manifest_sha256: str
    is_of_one_moment: bool


class Manifest(msgspec.Struct, frozen=True):
    """What a backup must be. `time`: µs, from when on what came is not in it. `left_out`: sessions that could not be copied, and why."""

    name: str
    time: int
    code_version: str
    sha256: str
    size: int
    rows: dict[str, int]
    row_sessions: list[str]
    sessions: list[SessionCopy]
    version: int = 1
    left_out: dict[str, str] = {}


class Backup(NamedTuple):
    """Where a backup's three parts lie; some may be missing."""

    folder: Path
    name: str

    @property
    def sql(self) -> Path:
        return self.folder / f"{self.name}.sql"

    @property
    def topics(self) -> Path:
        return self.folder / f"{self.name}.topics"

    @property
    def manifest_file(self) -> Path:
        return self.folder / f"{self.name}.json"

    @property
    def time(self) -> int:
        """µs, to the minute, by the name."""
        match = NAME.fullmatch(self.name)
        assert match is not None, self.name
        return int(datetime.strptime(match[1], "%Y-%m-%d_%H%M").replace(tzinfo=UTC).timestamp()) * SECOND

    def manifest(self) -> Manifest:
        """Raises: StackError where there is none, or none of ours."""
        try:
            found = msgspec.json.decode(self.manifest_file.read_bytes(), type=Manifest)
        except OSError as error:
            raise StackError(f"backup {self.name} must have its manifest, has none: it was cut short") from error
        except msgspec.DecodeError as error:
            raise StackError(f"manifest {self.manifest_file} is corrupt: {error}") from error
        if (found.version, found.name) != (1, self.name):
            raise StackError(f"manifest {self.manifest_file} must be version 1 of {self.name}, was {found.version} of {found.name}")
        return found

    def remove(self) -> None:
        """The manifest goes first: what is left of a removal that is cut short is no backup."""
        self.manifest_file.unlink(missing_ok=True)
        self.sql.unlink(missing_ok=True)
        shutil.rmtree(self.topics, ignore_errors=True)


def named(folder: Path, time: int) -> Backup:
    """The backup of that moment, µs."""
    return Backup(folder, datetime.fromtimestamp(time / 1e6, UTC).strftime("cdb_backup_%Y-%m-%d_%H%M"))


def listing(folder: Path) -> list[Backup]:
    """Every backup and remains of one, the oldest first."""
    names = {path.name.partition(".")[0] for path in folder.iterdir()} if folder.is_dir() else set()
    return [Backup(folder, name) for name in sorted(names) if NAME.fullmatch(name)]


def chosen(folder: Path, name: str | None) -> Backup:
    """The backup of that name, the newest with a manifest by default. Raises: ConfigError where there is none."""
    found = listing(folder)
    if name is None:
        whole = [one for one in found if one.manifest_file.exists()]
        if not whole:
            raise ConfigError(f"{folder} must hold a backup, holds none: cdb backup makes one")
        return whole[-1]
    wanted = name.removesuffix(".sql").removesuffix(".json")
    for one in found:
        if one.name == wanted:
            return one
    raise ConfigError(f"backup must be one of {', '.join(one.name for one in found) or 'none yet'} in {folder}, was {name}")


def faults(backup: Backup) -> list[str]:
    """What is not as the manifest says; everything is read. Empty for a good backup."""
    try:
        manifest = backup.manifest()
        found = contents(backup.sql)
    except StackError as fault:
        return [str(fault)]
    said = []
    if (found.sha256, found.size) != (manifest.sha256, manifest.size):
        said.append(f"{backup.sql.name} must have sha256 {manifest.sha256[:12]}… and {manifest.size} bytes, has {found.sha256[:12]}… "
                    f"and {found.size}")  # fmt: skip
    elif not found.is_whole:
        said.append(f"{backup.sql.name} must end as a whole dump does, does not")
    for copy in manifest.sessions:
        said += _session_faults(backup.topics / copy.session, copy)
    return said


def _session_faults(folder: Path, copy: SessionCopy) -> list[str]:
    try:
        if file_digest(folder / MANIFEST) != copy.manifest_sha256:
            return [f"archive of {copy.session} must have the manifest it was made with, has another"]
        about = read_manifest(folder).about
        if about is None or about.root != copy.root:
            return [f"archive of {copy.session} must have root {copy.root[:12]}…"]
        return [f"archive of {copy.session}: {one}" for one in damages(folder, copy.session)]
    except (LogError, OSError) as fault:
        return [f"archive of {copy.session}: {fault}"]


def file_digest(path: Path) -> str:
    """sha256 of a file, hex. Raises: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def newest_time(folder: Path) -> int | None:
    """When the newest backup that was read back was taken, µs; None where there is none."""
    whole = [one for one in listing(folder) if one.manifest_file.exists()]
    return whole[-1].manifest().time if whole else None


def prune(folder: Path, *, now: int, keep_days: int) -> list[str]:
    """
    Removes what is older than `keep_days`, and returns the names; nothing without a newer good backup, so the last good one stays.

    Backups are read until one is good, the newest first.
    """
    found = listing(folder)
    good = next((one for one in reversed(found) if not faults(one)), None)
    if good is None:
        return []
    old = [one for one in found if one.time < good.time and now - one.time > keep_days * DAY]
    for one in old:
        one.remove()
    return [one.name for one in old]
