"""The archive against the contract: what is written goes to a memory log, and is read from an export of it."""

from itertools import count
from pathlib import Path

import fastavro
import pytest

from streams.errors import LogError
from streams.log.archive import ArchiveLog, export, partition_path, read_manifest
from streams.log.interface import Log, Partition, Writer
from streams.log.memory import MemoryLog
from tests.log.contract import T0, ReadingContract, append, next_name, put, read_to_end, values

P0 = Partition("session.market_data", 0)
P1 = Partition("session.market_data", 1)


class ArchiveWorld:
    def __init__(self, folder: Path) -> None:
        self.log = MemoryLog()
        self._folder = folder
        self._exports = count(1)

    def name(self) -> str:
        return next_name()

    def reading(self) -> Log:
        folder = self._folder / str(next(self._exports))
        export(self.log, folder, sorted(self.log.topics()))
        return ArchiveLog(folder)

    def impatient(self) -> Log:
        return self.reading()

    def settle(self, *partitions: Partition) -> None:
        """A commit is seen on a memory log when it returns."""

    def delivered(self, writer: Writer) -> None:
        """An append is on a memory log when it returns."""


@pytest.fixture
def world(tmp_path: Path) -> ArchiveWorld:
    return ArchiveWorld(tmp_path)


class TestReading(ReadingContract):
    pass


@pytest.fixture
def filled(tmp_path: Path) -> tuple[ArchiveWorld, Path]:
    """A log with records in both partitions of one topic, and the folder of its archive."""
    made = ArchiveWorld(tmp_path)
    made.log.create({P0.topic: 2})
    put(made, P0, *[f"a{n}" for n in range(100)])
    put(made, P1, "b")
    folder = tmp_path / "archive"
    export(made.log, folder, [P0.topic])
    return made, folder


def test_stages_cannot_write_to_an_archive(filled: tuple[ArchiveWorld, Path]) -> None:
    log = ArchiveLog(filled[1])
    for call in (
        lambda: log.writer("w"),
        lambda: log.create({"t": 1}),
        lambda: log.delete([P0.topic]),
        lambda: log.member("g", P0.topic, on_assigned=lambda _: None, on_revoked=lambda _, __: None),
    ):
        with pytest.raises(LogError, match="is read-only"):
            call()
    assert values(read_to_end(log, P1)) == ["b"]


def test_manifest_counts_the_records_and_keeps_the_offsets(filled: tuple[ArchiveWorld, Path]) -> None:
    world, folder = filled
    first, second = read_manifest(folder).topics[P0.topic]
    assert first is not None
    assert second is not None
    assert (first.start, first.end, first.count) == (0, 101, 100)
    assert (second.start, second.end, second.count) == (0, 2, 1)
    log = ArchiveLog(folder)
    assert read_to_end(log, P0) == read_to_end(world.log, P0)


def test_files_are_plain_avro_containers(filled: tuple[ArchiveWorld, Path]) -> None:
    with partition_path(filled[1], P1).open("rb") as file:
        assert list(fastavro.reader(file)) == [{"offset": 0, "key": b"k", "value": b"b", "headers": [], "time": T0}]


def test_export_of_a_log_that_has_grown_appends_what_is_new(filled: tuple[ArchiveWorld, Path]) -> None:
    world, folder = filled
    untouched = partition_path(folder, P1).stat().st_mtime_ns
    put(world, P0, "new")
    export(world.log, folder, [P0.topic])
    log = ArchiveLog(folder)
    assert log.end_offset(P0) == 103
    assert read_to_end(log, P0) == read_to_end(world.log, P0)
    assert partition_path(folder, P1).stat().st_mtime_ns == untouched


def test_export_that_was_cut_short_goes_on_with_what_is_missing(filled: tuple[ArchiveWorld, Path]) -> None:
    world, folder = filled
    # As a process leaves it that was killed while it wrote the second partition.
    manifest = read_manifest(folder)
    entries = manifest.topics[P0.topic]
    cut = folder / "manifest.json"
    text = cut.read_text()
    start = text.index("{", text.index("sha256"))
    end = text.index("}", start) + 1
    cut.write_text(text[:start] + "null" + text[end:])
    path = partition_path(folder, P1)
    path.with_name(f"{path.name}.part").write_bytes(path.read_bytes()[:50])
    path.unlink()
    with pytest.raises(LogError, match=r"session\.market_data-1 is not in archive .* export again"):
        ArchiveLog(folder)
    kept = partition_path(folder, P0).stat().st_mtime_ns
    assert export(world.log, folder, [P0.topic]).topics[P0.topic] == entries
    assert partition_path(folder, P0).stat().st_mtime_ns == kept
    assert values(read_to_end(ArchiveLog(folder), P1)) == ["b"]
    assert not list(folder.rglob("*.part"))


def test_second_topic_joins_an_archive(filled: tuple[ArchiveWorld, Path]) -> None:
    world, folder = filled
    world.log.create({"session.orders": 1})
    put(world, Partition("session.orders", 0), "o")
    export(world.log, folder, ["session.orders"])
    assert ArchiveLog(folder).topics() == {P0.topic: 2, "session.orders": 1}


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (lambda raw: raw[:-7], r"size must be \d+ bytes, was \d+"),
        (lambda raw: raw[:200] + bytes([raw[200] ^ 1]) + raw[201:], "sha256 must be"),
        (lambda raw: b"", "size must be .* was 0"),
    ],
    ids=["truncated", "flipped bit", "emptied"],
)
def test_damaged_file_is_named_before_anything_of_it_is_read(filled: tuple[ArchiveWorld, Path], damage, cause) -> None:  # type: ignore[no-untyped-def]
    _, folder = filled
    path = partition_path(folder, P0)
    path.write_bytes(damage(path.read_bytes()))
    log = ArchiveLog(folder)
    with pytest.raises(LogError, match=f"archive file {path} is corrupt: {cause}"):
        log.reader({P0: 0})
    assert values(read_to_end(log, P1)) == ["b"]


def test_export_replaces_a_damaged_file(filled: tuple[ArchiveWorld, Path]) -> None:
    world, folder = filled
    path = partition_path(folder, P0)
    path.write_bytes(path.read_bytes()[:-7])
    export(world.log, folder, [P0.topic])
    assert len(read_to_end(ArchiveLog(folder), P0)) == 100


def test_container_cut_while_it_is_read_is_named(filled: tuple[ArchiveWorld, Path]) -> None:
    _, folder = filled
    log = ArchiveLog(folder)
    assert values(read_to_end(log, P0))
    path = partition_path(folder, P0)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(LogError, match=f"archive file {path} is corrupt"):
        read_to_end(log, P0)


def test_missing_file_and_broken_manifest_are_named(filled: tuple[ArchiveWorld, Path], tmp_path: Path) -> None:
    _, folder = filled
    partition_path(folder, P1).unlink()
    with pytest.raises(LogError, match=f"{partition_path(folder, P1)} is corrupt: must be readable"):
        ArchiveLog(folder).reader({P1: 0})
    (folder / "manifest.json").write_text('{"topics": {"t": [{"start": "zero"}]}}')
    with pytest.raises(LogError, match=r"manifest\.json is corrupt: .*start"):
        ArchiveLog(folder)
    with pytest.raises(LogError, match=r"nothing/manifest\.json must be readable"):
        ArchiveLog(tmp_path / "nothing")


def test_full_disk_is_named_and_leaves_the_archive_as_it_was(filled: tuple[ArchiveWorld, Path]) -> None:
    world, folder = filled
    world.log.create({"session.orders": 1})
    writer = world.log.writer("w")
    writer.begin()
    append(writer, Partition("session.orders", 0), *[str(n) for n in range(100)])
    writer.commit()
    # Linux's own full disk, in the place where the export writes.
    path = partition_path(folder, Partition("session.orders", 0))
    path.parent.mkdir()
    part = path.with_name(f"{path.name}.part")
    part.symlink_to("/dev/full")
    with pytest.raises(LogError, match=f"archive file {path} cannot be written: No space left on device"):
        export(world.log, folder, ["session.orders"])
    assert not part.is_symlink()
    assert ArchiveLog(folder).topics() == {P0.topic: 2}
    export(world.log, folder, ["session.orders"])
    assert len(read_to_end(ArchiveLog(folder), Partition("session.orders", 0))) == 100


def test_export_of_a_missing_topic_and_of_one_that_is_no_folder_name_is_refused(tmp_path: Path) -> None:
    log = MemoryLog()
    with pytest.raises(LogError, match="topic nowhere must exist"):
        export(log, tmp_path, ["nowhere"])
    log.create({"../up": 1})
    with pytest.raises(LogError, match=r"was '\.\./up'"):
        export(log, tmp_path, ["../up"])


def test_offset_before_the_archive_is_refused(filled: tuple[ArchiveWorld, Path]) -> None:
    with pytest.raises(LogError, match=r"must be 0\.\.101, was -1"):
        ArchiveLog(filled[1]).reader({P0: -1})
