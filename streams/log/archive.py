"""
Topics as files: one Avro container for each topic partition, and a manifest that says what they hold.

    <folder>/manifest.json            topics, offset ranges, counts, sizes and sha256 of every file
    <folder>/<topic>/<partition>.avro records of (offset, key, value, headers, time in µs), deflate

Offsets and times are those of the log that was exported, so positions in a journal hold for its archive too; group offsets are
not kept. An archive is read-only for stages and written by `export`, file by file: each is written beside its place, made durable
and renamed, then entered into the manifest. So an export that was cut short goes on with the partitions it had not finished,
and one of a log that has grown since appends what is new. A file is checked against its sha256 before its first read.
"""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import fastavro
import msgspec
from fastavro.write import Writer as AvroWriter

from streams.errors import LogError
from streams.log.archive_reader import ArchiveReader, PartitionEntry, messages
from streams.log.interface import Log, Member, Message, Partition, Reader, Writer
from streams.log.schema_ids import SchemaIds

MANIFEST = "manifest.json"

_SCHEMA = fastavro.parse_schema({
    "type": "record", "name": "ArchivedRecord", "namespace": "cdb", "doc": "One committed record of a topic partition.",
    "fields": [
        {"name": "offset", "type": "long", "doc": "Offset in the log that was exported."},
        {"name": "key", "type": ["null", "bytes"]},
        {"name": "value", "type": ["null", "bytes"], "doc": "As it stood on the log; null for a watermark."},
        {"name": "headers", "type": {"type": "array", "items": {
            "type": "record", "name": "Header",
            "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": "bytes"}]}}},
        {"name": "time", "type": "long", "doc": "Logical time in µs since 1970 UTC."},
    ],
})
_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_BATCH = 1_000
_POLL_SECONDS = 0.1
_BLOCK_BYTES = 256 * 1024


class About(msgspec.Struct, frozen=True):
    """
    The session of an archive: its settings as canonical JSON, the code that made it, the root of the archive's checkpoint, and the schemas
    its records were written with: the id that each record had, and for each id the record's name and the schema.
    """

    session: str
    settings: str
    settings_digest: str
    code_version: str
    root: str
    schema_ids: dict[str, int]
    schemas: dict[int, tuple[str, str]]

    def written(self) -> SchemaIds:
        """What its records' headers stand for."""
        return SchemaIds(self.schema_ids, self.schemas).completed()


class Manifest(msgspec.Struct, frozen=True):
    """What an archive holds: for each topic its partitions in the order of their numbers, None where one is not exported yet."""

    topics: dict[str, list[PartitionEntry | None]]
    version: int = 1
    about: About | None = None


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an archive. Raises `LogError` where there is none or it is no manifest of ours."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise LogError(f"archive manifest {path} must be readable: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise LogError(f"archive manifest {path} is corrupt: {error}") from error
    if manifest.version != 1:
        raise LogError(f"version of archive manifest {path} must be 1, was {manifest.version}")
    return manifest


def partition_path(folder: Path, partition: Partition) -> Path:
    return folder / partition.topic / f"{partition.number}.avro"


def describe(folder: Path, about: About) -> None:
    """Says in the manifest whose records these are. Raises: LogError as `read_manifest`, or where it cannot be written."""
    _write(folder, msgspec.structs.replace(read_manifest(folder), about=about))


def _write(folder: Path, manifest: Manifest) -> None:
    with _Replacing(folder / MANIFEST) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))


def export(
    log: Log, folder: Path, topics: Sequence[str], *, timeout_s: float = 30.0, told: Callable[[Partition, int], None] = lambda _, __: None
) -> Manifest:
    """
    The manifest after copying every committed record of `topics` into `folder`; goes on with what is there already.

    `told` hears of each partition that is there now, with the number of its records.

    Raises: `LogError` for a missing topic, a full disk, a log that answers nothing for `timeout_s`, or one whose records
    after those archived are gone.
    """
    counts = log.topics()
    for topic in topics:
        if topic not in counts:
            raise LogError(f"topic {topic} must exist, does not")
        if not _TOPIC_NAME.fullmatch(topic):
            raise LogError(f"topic must be a plain name to be a folder, was {topic!r}")
    manifest = read_manifest(folder) if (folder / MANIFEST).exists() else Manifest({})
    entries = manifest.topics
    for topic in topics:
        kept = entries.setdefault(topic, [])
        kept.extend([None] * (counts[topic] - len(kept)))
        for number in range(counts[topic]):
            done = kept[number] = _exported(log, folder, Partition(topic, number), kept[number], timeout_s)
            _write(folder, manifest)
            told(Partition(topic, number), done.count)
    return manifest


def _exported(log: Log, folder: Path, partition: Partition, entry: PartitionEntry | None, timeout_s: float) -> PartitionEntry:
    """The partition's entry once its file holds everything up to the log's present end."""
    path = partition_path(folder, partition)
    start, end = log.start_offset(partition), log.end_offset(partition)
    if entry is not None and entry.fault(path) is not None:
        entry = None
    if entry is not None:
        if entry.end == end:
            return entry
        if not start <= entry.end <= end:
            raise LogError(
                f"{partition.topic}-{partition.number} must go on at offset {entry.end} of {path}, has {start} to {end}"
            )
    with _Replacing(path) as part:
        if entry is None:
            part.write_bytes(b"")
        else:
            shutil.copyfile(path, part)
        count = _append(part, partition, _committed(log, partition, start if entry is None else entry.end, end, timeout_s))
        # Leaving the block puts the file in its place; the entry is of the file that was written.
        return PartitionEntry.of(
            part, start=start if entry is None else entry.start, end=end, count=count + (0 if entry is None else entry.count)
        )


def _committed(log: Log, partition: Partition, start: int, end: int, timeout_s: float) -> Iterator[Message]:
    """The records from `start` until `end`. What is committed while this runs is left to the next export."""
    reader = log.reader({partition: start})
    deadline = time.monotonic() + timeout_s
    try:
        while reader.position(partition) < end:
            # In short waits: behind the last record stand markers, which no poll returns for.
            found = reader.poll(_BATCH, min(timeout_s, _POLL_SECONDS))
            if found:
                deadline = time.monotonic() + timeout_s
            elif reader.position(partition) < end and time.monotonic() >= deadline:
                raise LogError(
                    f"{partition.topic}-{partition.number} must be readable up to {end}, "
                    f"stopped at {reader.position(partition)} for {timeout_s} s"
                )
            yield from (message for message in found if message.offset < end)
    finally:
        reader.close()


def _append(part: Path, partition: Partition, found: Iterator[Message]) -> int:
    """How many records were added to the container, which is begun where there is none."""
    # Random by default; derived from the partition, the same records make the same file.
    sync_marker = hashlib.sha256(f"{partition.topic}-{partition.number}".encode()).digest()[:16]
    count = 0
    with part.open("a+b") as file:
        container = AvroWriter(file, _SCHEMA, codec="deflate", sync_interval=_BLOCK_BYTES, sync_marker=sync_marker)
        for message in found:
            container.write({
                "offset": message.offset, "key": message.key, "value": message.value, "time": message.time,
                "headers": [{"name": name, "value": value} for name, value in message.headers],
            })
            count += 1
        container.flush()
    return count


class _Replacing:
    """A path to write instead of `path`, which takes its place once complete. A full disk becomes `LogError`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")

    def __enter__(self) -> Path:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._refuse(error)
        return self._part

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            try:
                with self._part.open("rb+") as file:
                    os.fsync(file.fileno())
                self._part.replace(self._path)
            except OSError as fault:
                self._refuse(fault)
            return
        # What is half written must not keep a full disk full.
        self._part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            self._refuse(error)

    def _refuse(self, error: OSError) -> NoReturn:
        raise LogError(f"archive file {self._path} cannot be written: {error.strerror}") from error


class ArchiveLog:
    """An archive as a log that nobody writes to; see `Log`. `create`, `delete`, `member` and `writer` raise `LogError`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: dict[Partition, PartitionEntry] = {}
        self._verified: set[Partition] = set()
        self._topics: dict[str, int] = {}
        manifest = read_manifest(folder)
        self.about = manifest.about
        for topic, entries in manifest.topics.items():
            self._topics[topic] = len(entries)
            for number, entry in enumerate(entries):
                if entry is None:
                    raise LogError(f"{topic}-{number} is not in archive {folder} yet: its export was cut short, export again")
                self._entries[Partition(topic, number)] = entry

    def topics(self) -> dict[str, int]:
        return dict(self._topics)

    def create(self, topics: Mapping[str, int], config: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._refuse(f"topics {sorted(topics)} cannot be created")

    def delete(self, topics: Sequence[str]) -> None:
        self._refuse(f"topics {sorted(topics)} cannot be deleted")

    def reader(self, positions: Mapping[Partition, int]) -> Reader:
        for partition, offset in positions.items():
            entry = self._entry(partition)
            if not entry.start <= offset <= entry.end:
                raise LogError(
                    f"offset of {partition.topic}-{partition.number} must be {entry.start}..{entry.end}, was {offset}"
                )
        return ArchiveReader(self._open, {p: (self._entries[p].end, offset) for p, offset in positions.items()})

    def member(
        self, group: str, topic: str, *, on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition], bool], None],
    ) -> Member:
        self._refuse(f"group {group} cannot be joined")

    def writer(self, name: str) -> Writer:
        self._refuse(f"writer {name} cannot be opened")

    def start_offset(self, partition: Partition) -> int:
        return self._entry(partition).start

    def end_offset(self, partition: Partition) -> int:
        return self._entry(partition).end

    def settled_ends(self, partitions: Sequence[Partition]) -> dict[Partition, int] | None:
        return {partition: self.end_offset(partition) for partition in partitions}

    def offset_at(self, partition: Partition, time: int) -> int:
        found = (message.offset for message in self._open(partition) if message.time >= time)
        return next(found, self._entry(partition).end)

    def committed(self, group: str, partition: Partition) -> int | None:
        """None: an archive keeps no group's offsets; the journal in it has the positions."""
        self._entry(partition)
        return None

    def _entry(self, partition: Partition) -> PartitionEntry:
        count = self._topics.get(partition.topic)
        if count is None:
            raise LogError(f"topic {partition.topic} must exist, does not")
        if not 0 <= partition.number < count:
            raise LogError(f"partition of {partition.topic} must be 0..{count - 1}, was {partition.number}")
        return self._entries[partition]

    def records(self) -> int:
        """How many records are in it, watermarks included."""
        return sum(entry.count for entry in self._entries.values())

    def damages(self) -> list[tuple[Partition, str]]:
        """Each file that is not as it was exported, and how. After this even such a file is read, as far as it can be."""
        found = [(place, entry.fault(partition_path(self._folder, place))) for place, entry in self._entries.items()]
        self._verified.update(self._entries)
        return [(place, fault) for place, fault in found if fault is not None]

    def _open(self, partition: Partition, start: int = 0) -> Iterator[Message]:
        """The partition's records from about `start` on. Raises `LogError` for a file that is not as it was exported."""
        entry, path = self._entry(partition), partition_path(self._folder, partition)
        if partition not in self._verified:
            fault = entry.fault(path)
            if fault is not None:
                raise LogError(f"archive file {path} is corrupt: {fault}")
            self._verified.add(partition)
        return messages(path, partition, start)

    def _refuse(self, what: str) -> NoReturn:
        raise LogError(f"{what}: archive {self._folder} is read-only, exports write it")
