"""
A checkpoint: what stood on every topic of a session at one moment, in one hash that can be signed, and be checked for ever after.

Each partition has a Merkle tree over its committed records up to an offset (offset, key, value, headers, time in ms, which is what Kafka
keeps; watermarks too), and one tree stands over the partitions. A session that goes on keeps its checkpoint: only what was there then
is compared. Beside the roots lie eight bytes of each record's hash, in a file of their own: the roots say that something was altered,
these say where. The signature is ed25519's over the text of the checkpoint without it.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

import schemas
from streams.errors import LogError
from streams.log.archive import ArchiveLog, read_manifest
from streams.log.codec import HEADER_LENGTH, Codec
from streams.log.interface import Log, Message, Partition
from streams.log.journal import read_range
from streams.operate.laying import FILLER_HEADER
from streams.replay.checkpoints.merkle import MerkleTree, leaf_hash
from streams.replay.verification.journal_check import Divergence

VERSION = 1
CHECKPOINT = "checkpoint.json"
_MARK = struct.Struct(">q8s")  # a record's offset and the first bytes of its hash

Told = Callable[[str, int], None]


class PartitionRoot(msgspec.Struct, frozen=True):
    """One partition: its records with start ≤ offset < end, and the root of the tree over them, in hex."""

    topic: str
    partition: int
    start: int
    end: int
    count: int
    root: str


class Checkpoint(msgspec.Struct, frozen=True):
    """All partitions of a session. `public_key`, `signature`: ed25519, hex, empty where it is not signed."""

    session: str
    code_version: str
    partitions: tuple[PartitionRoot, ...]
    root: str
    version: int = VERSION
    public_key: str = ""
    signature: str = ""

    def text(self) -> bytes:
        """What is signed: everything but the signature and its key."""
        return msgspec.json.encode(msgspec.structs.replace(self, public_key="", signature=""))


def topics_of(session: str) -> list[str]:
    """Every topic of a session by its full name, in the order of the checkpoint."""
    return [f"{session}.{name}" for name in schemas.catalogue()]


def leaf(message: Message, codec: Codec) -> bytes:
    """The hash of one record as it stands on the log; its schema id, which each registry gives anew, counts by the schema's identity."""
    key, value = message.key, message.value
    schema = codec.schema_of(value) if value is not None else None
    if value is not None and schema is not None:
        value = schema.encode() + value[HEADER_LENGTH:]
    parts = [
        struct.pack(">qq", message.offset, max(message.time // 1000, 1)),
        _sized(key), _sized(value), struct.pack(">I", len(message.headers)),
    ]  # fmt: skip
    for name, content in message.headers:
        parts += [_sized(name.encode()), _sized(content)]
    return leaf_hash(b"".join(parts))


def _records(log: Log, place: Partition, start: int, end: int) -> Iterator[Message]:
    """All but what an import put in the place of aborted transactions."""
    for message in read_range(log, place, start, end):
        if message.value is not None or not any(name == FILLER_HEADER for name, _ in message.headers):
            yield message


def _sized(raw: bytes | None) -> bytes:
    return b"\xff\xff\xff\xff" if raw is None else struct.pack(">I", len(raw)) + raw


def take(log: Log, codec: Codec, session: str, marks: Path, *, code_version: str, told: Told = lambda _, __: None) -> Checkpoint:
    """
    The checkpoint of everything that is committed now; the bytes by which records are told apart go to the file `marks`.

    Raises: LogError where a topic of the session is missing, or the file cannot be written.
    """
    counts = log.topics()
    found = []
    try:
        with marks.open("wb") as file:
            for topic in topics_of(session):
                if topic not in counts:
                    raise LogError(f"topic {topic} must exist, is missing")
                for number in range(counts[topic]):
                    place = Partition(topic, number)
                    start, end = log.start_offset(place), log.end_offset(place)
                    tree = MerkleTree()
                    for message in _records(log, place, start, end):
                        digest = leaf(message, codec)
                        tree.add(digest)
                        file.write(_MARK.pack(message.offset, digest[:8]))
                    told(topic, tree.count)
                    found.append(PartitionRoot(topic, number, start, end, tree.count, tree.root().hex()))
    except OSError as error:
        raise LogError(f"checkpoint file {marks} cannot be written: {error.strerror}") from error
    return Checkpoint(session, code_version, tuple(found), _root(found))


def _root(partitions: list[PartitionRoot]) -> str:
    return MerkleTree(leaf_hash(msgspec.json.encode(one)) for one in partitions).root().hex()


def check(log: Log, codec: Codec, checkpoint: Checkpoint, marks: Path, *, told: Told = lambda _, __: None) -> Divergence | None:
    """
    The first record of the session that is not what it was, or None. Records that came later are not compared.

    Raises: LogError where what was there then is no more there as a whole, or cannot be read.
    """
    if _root(list(checkpoint.partitions)) != checkpoint.root:
        raise LogError(f"checkpoint of {checkpoint.session}: the root must be of its partitions, is of others: the file was altered")
    counts = log.topics()
    skipped = 0
    for one in checkpoint.partitions:
        place = Partition(one.topic, one.partition)
        if counts.get(one.topic, 0) <= one.partition:
            raise LogError(f"{one.topic}/{one.partition} must exist, is missing")
        start, end = log.start_offset(place), log.end_offset(place)
        if start > one.start:
            raise LogError(f"{one.topic}/{one.partition} must begin at offset {one.start}, begins at {start}: what was before is gone")
        tree = MerkleTree()
        for message in _records(log, place, one.start, min(one.end, end)):
            tree.add(leaf(message, codec))
        told(one.topic, tree.count)
        if (tree.count, tree.root().hex()) != (one.count, one.root):
            hashed = ((message, leaf(message, codec)) for message in _records(log, place, one.start, min(one.end, end)))
            return _located(one, hashed, _marks(marks, skipped, one.count), tree)
        skipped += one.count
    return None


def _marks(path: Path, skipped: int, count: int) -> list[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            file.seek(skipped * _MARK.size)
            return [_MARK.unpack(raw) for raw in iter(lambda: file.read(_MARK.size), b"")][:count] if count else []
    except (OSError, struct.error):
        return []


def _located(
    one: PartitionRoot, hashed: Iterator[tuple[Message, bytes]], marks: list[tuple[int, bytes]], tree: MerkleTree
) -> Divergence:
    """Record by record beside the marks; without them only the partition is known."""
    place = one.topic, one.partition
    for number, (offset, mark) in enumerate(marks):
        message, digest = next(hashed, (None, b""))
        if message is None:
            return Divergence(*place, offset, "the record", f"one with the hash {mark.hex()}…", "missing, like all after it")
        if (message.offset, digest[:8]) == (offset, mark):
            continue
        if message.offset == offset:
            found = f"one with {digest[:8].hex()}…"
            return Divergence(*place, offset, f"record {number} of the checkpoint", f"one with the hash {mark.hex()}…", found)
        if message.offset < offset:
            return Divergence(*place, message.offset, "the record", f"none before offset {offset}", "one that was not there")
        return Divergence(*place, offset, f"record {number} of the checkpoint", f"one with the hash {mark.hex()}…", "missing")
    late, _ = next(hashed, (None, b""))
    if late is not None and marks:
        return Divergence(*place, late.offset, "the record", f"none before offset {one.end}", "one that was not there")
    return Divergence(*place, one.start, f"the root over {one.count} records from here", one.root, f"{tree.root().hex()} over {tree.count}")


def damages(folder: Path, session: str) -> list[Divergence]:
    """
    What is not as it was archived: each file against its manifest, then all records against the archive's own checkpoint.

    Raises: LogError where manifest or checkpoint cannot be read.
    """
    log = ArchiveLog(folder)
    codec = codec_of(folder)
    path = folder / CHECKPOINT
    faults = log.damages()
    if not path.exists():
        return [Divergence(place.topic, place.number, None, "the archive's file", "as it was exported", fault) for place, fault in faults]
    checkpoint = read(path)
    found = []
    if checkpoint.session != session:
        raise LogError(f"checkpoint {path} must be of session {session}, is of {checkpoint.session}")
    for place, fault in faults:
        found.append(_damage(log, codec, checkpoint, path, place, fault))
    if not found:
        divergence = check(log, codec, checkpoint, marks_of(path))
        found += [divergence] if divergence is not None else []
    return found


def _damage(log: ArchiveLog, codec: Codec, checkpoint: Checkpoint, path: Path, place: Partition, fault: str) -> Divergence:
    """The first record that a damaged file no longer holds as it was."""
    skipped = 0
    for one in checkpoint.partitions:
        if (one.topic, one.partition) == place:
            readable = _until_broken(log, codec, place, one)
            located = _located(one, readable, _marks(marks_of(path), skipped, one.count), MerkleTree())
            return located._replace(found=f"{located.found} ({fault})")
        skipped += one.count
    return Divergence(place.topic, place.number, None, "the archive's file", "as it was exported", fault)


def _until_broken(log: Log, codec: Codec, place: Partition, one: PartitionRoot) -> Iterator[tuple[Message, bytes]]:
    try:
        for message in _records(log, place, one.start, one.end):
            yield message, leaf(message, codec)
    except LogError:
        return


def codec_of(folder: Path) -> Codec:
    """The codec of an archive by its manifest; of one without a session, offline's."""
    about = read_manifest(folder).about
    return Codec.offline() if about is None else Codec(about.written())


def marks_of(path: Path) -> Path:
    """Where the bytes lie that tell a checkpoint's records apart."""
    return path.with_suffix(".marks")


def write(checkpoint: Checkpoint, path: Path) -> None:
    """Raises: LogError where the file cannot be written."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(checkpoint)) + b"\n")
    except OSError as error:
        raise LogError(f"checkpoint file {path} cannot be written: {error.strerror}") from error


def read(path: Path) -> Checkpoint:
    """Raises: LogError where there is none, or none of ours."""
    try:
        checkpoint = msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except OSError as error:
        raise LogError(f"checkpoint {path} must be readable: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise LogError(f"checkpoint {path} is corrupt: {error}") from error
    if checkpoint.version != VERSION:
        raise LogError(f"version of checkpoint {path} must be {VERSION}, was {checkpoint.version}")
    return checkpoint
