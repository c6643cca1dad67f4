"""Backups as files: whole or none, damage found by name, and old ones that go only while a newer good one stays."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from streams.errors import ConfigError, StackError
from streams.log.archive import MANIFEST, ArchiveLog, read_manifest
from streams.log.interface import Log, Partition
from streams.log.memory import MemoryLog
from streams.operate.dump import contents
from streams.replay.backup.moment import moment_of
from streams.replay.backup.sets import DAY, Backup, Manifest, SessionCopy, chosen, faults, file_digest, listing, named, newest_time, prune
from tests.golden.corpus import FOLDER, goldens

NOON = 1_767_268_800_000_000  # 2026-01-01 12:00 UTC
DUMP = b"""--
COPY public.signals (event_id, causation_id, session, "time") FROM stdin;
s/1\tx\tmonday\t2026-01-01
s/2\tx\ttuesday\t2026-01-01
\\.

COPY public.schema_migrations (number, name) FROM stdin;
1\ttables
\\.

--
-- PostgreSQL database dump complete
--
"""
SESSION = next(iter(goldens()))


def made(folder: Path, time: int, *, dump: bytes = DUMP, session: str | None = None) -> Backup:
    """A backup as the command leaves it, of a dump of a few lines and at most one small session."""
    backup = named(folder, time)
    backup.sql.write_bytes(dump)
    copies = []
    if session is not None:
        archive = backup.topics / session
        shutil.copytree(FOLDER / session, archive)
        about = read_manifest(archive).about
        assert about is not None
        copies = [SessionCopy(session, ArchiveLog(archive).records(), about.root, file_digest(archive / MANIFEST), True)]
    held = contents(backup.sql)
    manifest = Manifest(backup.name, time, "test", held.sha256, held.size, held.rows, held.sessions, copies)
    backup.manifest_file.write_bytes(msgspec.json.encode(manifest))
    return backup


def test_a_dump_is_counted_as_it_is_read(tmp_path: Path) -> None:
    found = contents(made(tmp_path, NOON).sql)
    assert found.rows == {"signals": 2, "schema_migrations": 1}
    assert (found.sessions, found.size, found.is_whole) == (["monday", "tuesday"], len(DUMP), True)


def test_a_backup_is_named_by_its_minute_in_utc_and_is_good_as_it_was_made(tmp_path: Path) -> None:
    backup = made(tmp_path, NOON, session=SESSION)
    assert backup.name == "cdb_backup_2026-01-01_1200" and backup.time == NOON
    assert faults(backup) == []
    assert newest_time(tmp_path) == NOON


@pytest.mark.parametrize("part", ["dump", "cut dump", "archive", "archive's manifest", "no manifest"])
def test_whatever_is_altered_is_named(tmp_path: Path, part: str) -> None:
    backup = made(tmp_path, NOON, session=SESSION, dump=DUMP[:-60] if part == "cut dump" else DUMP)
    match part:
        case "dump":
            backup.sql.write_bytes(DUMP.replace(b"monday", b"sunday"))
            wanted = r"sql must have sha256"
        case "cut dump":
            wanted = "must end as a whole dump does"
        case "archive":
            file = max((backup.topics / SESSION).rglob("*.avro"), key=lambda path: path.stat().st_size)
            file.write_bytes(file.read_bytes()[:-1] + b"!")
            wanted = f"archive of {SESSION}"
        case "archive's manifest":
            file = backup.topics / SESSION / MANIFEST
            file.write_bytes(file.read_bytes() + b" ")
            wanted = "must have the manifest it was made with"
        case _:
            backup.manifest_file.unlink()
            wanted = "it was cut short"
    said = faults(backup)
    assert said and wanted in said[0]


def test_old_backups_go_while_a_newer_good_one_stays(tmp_path: Path) -> None:
    days = [20, 15, 13, 1]
    old = [made(tmp_path, NOON - day * DAY) for day in days]
    assert prune(tmp_path, now=NOON, keep_days=14) == [old[0].name, old[1].name]
    assert listing(tmp_path) == old[2:]


def test_the_last_good_one_is_never_removed_however_old(tmp_path: Path) -> None:
    good = made(tmp_path, NOON - 90 * DAY)
    older = made(tmp_path, NOON - 91 * DAY)
    damaged = made(tmp_path, NOON - 1 * DAY)
    damaged.sql.write_bytes(b"gone")
    assert prune(tmp_path, now=NOON, keep_days=14) == [older.name]
    assert listing(tmp_path) == [good, damaged]
    # Where none is good, nothing goes: of what is left something may still be read.
    good.sql.write_bytes(b"gone")
    assert prune(tmp_path, now=NOON, keep_days=14) == []


def test_remains_of_a_backup_that_was_cut_short_are_none_and_go_with_time(tmp_path: Path) -> None:
    remains = made(tmp_path, NOON - 30 * DAY)
    remains.manifest_file.unlink()
    whole = made(tmp_path, NOON - DAY)
    assert chosen(tmp_path, None) == whole
    with pytest.raises(StackError, match="cut short"):
        remains.manifest()
    assert prune(tmp_path, now=NOON, keep_days=14) == [remains.name]
    assert not remains.sql.exists()


def test_a_name_that_is_no_backup_is_told_which_there_are(tmp_path: Path) -> None:
    made(tmp_path, NOON)
    with pytest.raises(ConfigError, match="must be one of cdb_backup_2026-01-01_1200 in .*, was monday"):
        chosen(tmp_path, "monday")
    assert chosen(tmp_path, "cdb_backup_2026-01-01_1200.sql").time == NOON
    with pytest.raises(ConfigError, match="must hold a backup"):
        chosen(tmp_path / "none", None)


class Restless:
    """A log whose ends are told as a test says; None while a transaction is open."""

    def __init__(self, log: Log, told: list[int | None]) -> None:
        self._log, self._told = log, told

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    def settled_ends(self, partitions: list[Partition]) -> Mapping[Partition, int] | None:
        end = self._told.pop(0) if len(self._told) > 1 else self._told[0]
        return None if end is None else dict.fromkeys(partitions, end)


def monday() -> MemoryLog:
    log = MemoryLog()
    log.create({"monday.orders": 1})
    return log


@pytest.mark.parametrize(("told", "end"), [([1, None, 2, None, 3, 3, 9], 3), ([4, 4, 9], 4), ([None, None, 5, 5, 9], 5)])
def test_a_moment_is_where_two_answers_are_the_same_with_no_transaction_open(told: list[int | None], end: int) -> None:
    moment = moment_of(Restless(monday(), told), "monday")  # type: ignore[arg-type]
    assert moment is not None and moment.end_offset(Partition("monday.orders", 0)) == end


def test_a_session_that_never_rests_has_no_moment() -> None:
    assert moment_of(Restless(monday(), [None]), "monday", seconds_max=0) is None  # type: ignore[arg-type]
