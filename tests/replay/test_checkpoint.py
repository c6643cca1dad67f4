"""Checkpoints, signatures, archives and imports: what was recorded can be carried away, trusted, and laid down again."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from streams.cli.__main__ import run
from streams.errors import ConfigError, LogError
from streams.log.archive import ArchiveLog, export, partition_path, read_manifest
from streams.log.canonical import session_digests
from streams.log.codec import Codec, SchemaIds
from streams.log.interface import Message, Partition
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.operate import sessions
from streams.operate.laying import bring, lay, new_headers
from streams.operate.runtime import STAGES
from streams.operate.topics import create_session
from streams.replay.archive.session_archive import export_session
from streams.replay.checkpoints.checkpoint import CHECKPOINT, check, damages, marks_of, read, take, write
from streams.replay.checkpoints.merkle import MerkleTree, leaf_hash, node_hash
from streams.replay.checkpoints.signature import make_key, must_be_signed, signed
from streams.replay.verification.verify import verify
from tests.golden.play import CODE, Played, play
from tests.golden.sessions import halts

KINDS = tuple(STAGES.values())


@pytest.fixture(scope="module")
def session() -> Played:
    return play(*halts())


@pytest.fixture(scope="module")
def archived(session: Played, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives") / session.settings.session
    exported(session, folder)
    return folder


@pytest.fixture
def archive(archived: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(archived, tmp_path / archived.name))


def exported(session: Played, folder: Path) -> None:
    manifest = sessions.manifest(session.log, session.codec, session.settings.session)
    export_session(session.log, manifest, SchemaIds.offline(), folder, code_version=CODE)


# The tree


def test_roots_are_those_of_rfc_6962() -> None:
    """By hand: the left half is the greatest power of two below the number of leaves."""
    a, b, c, d, e = (leaf_hash(bytes([n])) for n in range(5))
    assert MerkleTree().root() == hashlib.sha256(b"").digest()
    assert leaf_hash(b"x") == hashlib.sha256(b"\x00x").digest()
    assert MerkleTree([a]).root() == a
    assert MerkleTree([a, b, c]).root() == node_hash(node_hash(a, b), c)
    assert MerkleTree([a, b, c, d, e]).root() == node_hash(node_hash(node_hash(a, b), node_hash(c, d)), e)


def recursive(leaves: list[bytes]) -> bytes:
    """The definition as the RFC has it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return node_hash(recursive(leaves[:half]), recursive(leaves[half:]))


def test_growing_tree_has_the_root_of_the_definition_at_every_size() -> None:
    leaves = [leaf_hash(str(n).encode()) for n in range(70)]
    tree = MerkleTree()
    for size in range(len(leaves)):
        assert tree.root() == recursive(leaves[:size])
        tree.add(leaves[size])


# Checkpoints


def test_session_that_goes_on_keeps_its_checkpoint(session: Played, tmp_path: Path) -> None:
    """What came later is not compared; what was there then is, watermarks and all."""
    checkpoint = take(session.log, session.codec, session.settings.session, tmp_path / "marks", code_version=CODE)
    shelf = session.log.shelf(Layout.of(session.settings).at("market_data", 0))
    whole, stable = list(shelf.messages), (shelf.stable_offset, shelf.stable_count)
    late = Message(*shelf.partition, shelf.stable_offset, b"k", b"later", (), 1)
    shelf.messages.append(late)
    shelf.stable_offset, shelf.stable_count = late.offset + 1, len(shelf.messages)
    try:
        assert check(session.log, session.codec, checkpoint, tmp_path / "marks") is None
        watermark = next(number for number, one in enumerate(whole) if one.value is None)
        shelf.messages[watermark] = whole[watermark]._replace(headers=(("cdb-watermark", b"1"),))
        found = check(session.log, session.codec, checkpoint, tmp_path / "marks")
        assert found is not None and (found.topic, found.offset) == (shelf.partition.topic, whole[watermark].offset)
        nameless = check(session.log, session.codec, checkpoint, tmp_path / "nothing")
        assert nameless is not None and nameless.what.startswith("the root over"), "without marks the partition is all that is known"
    finally:
        shelf.messages[:] = whole
        shelf.stable_offset, shelf.stable_count = stable


def test_signature_holds_the_checkpoint_to_its_last_byte(session: Played, tmp_path: Path) -> None:
    key = tmp_path / "audit.pem"
    public, other = make_key(key), make_key(tmp_path / "other.pem")
    assert key.stat().st_mode & 0o077 == 0
    checkpoint = take(session.log, session.codec, session.settings.session, tmp_path / "marks", code_version=CODE)
    with pytest.raises(LogError, match="must be signed, is not"):
        must_be_signed(checkpoint, public)
    write(signed(checkpoint, key), tmp_path / "c.json")
    found = read(tmp_path / "c.json")
    must_be_signed(found, public)
    with pytest.raises(LogError, match="another key signed it"):
        must_be_signed(found, other)
    forged = msgspec.structs.replace(found, root=found.root[:-1] + ("0" if found.root[-1] != "0" else "1"))
    with pytest.raises(LogError, match="it was altered"):
        must_be_signed(forged, public)
    with pytest.raises(LogError, match="the root must be of its partitions"):
        check(session.log, session.codec, forged, tmp_path / "marks")


def test_keys_are_those_of_openssl(session: Played, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    key, public = tmp_path / "k.pem", tmp_path / "k.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True, capture_output=True)
    checkpoint = signed(take(session.log, session.codec, session.settings.session, tmp_path / "m", code_version=CODE), key)
    must_be_signed(checkpoint, public)
    (tmp_path / "text").write_bytes(checkpoint.text())
    (tmp_path / "signature").write_bytes(bytes.fromhex(checkpoint.signature))
    said = subprocess.run(
        ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", "text", "-sigfile", "signature"],
        cwd=tmp_path, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert "Verified Successfully" in said.stdout, said.stderr
    with pytest.raises(ConfigError, match="must be a private ed25519 key"):
        signed(checkpoint, public)


# Archives


def test_archive_is_verified_where_it_lies(session: Played, archived: Path) -> None:
    about = read_manifest(archived).about
    assert about is not None
    assert (about.session, about.settings, about.code_version) == (session.settings.session, session.settings.canonical(), CODE)
    assert about.schemas[about.schema_ids["Order"]][0] == "Order" and about.root == read(archived / CHECKPOINT).root
    assert damages(archived, about.session) == []
    assert run(["replay", "verify", "--session", about.session, "--archive", str(archived)], {}) == 0
    assert run(["replay", "verify", "--session", about.session, "--source", "archive"], {"CDB_ARCHIVES": str(archived.parent)}) == 0


@pytest.mark.parametrize("damage", ["flip", "truncate", "rewrite"])
def test_damaged_archive_names_topic_partition_and_offset_before_anything_is_run(
    session: Played, archive: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Layout.of(session.settings).at("orders", 0)
    path = partition_path(archive, place)
    raw = path.read_bytes()
    expected: int | None = None
    match damage:
        case "flip":
            path.write_bytes(raw[: len(raw) // 2] + bytes([raw[len(raw) // 2] ^ 1]) + raw[len(raw) // 2 + 1 :])
        case "truncate":
            path.write_bytes(raw[:-100])
        case _:
            # As one would who writes file and manifest anew: a record left out.
            log = MemoryLog()
            expected = rewritten(session, log, place)
            path.unlink()
            (archive / "manifest.json").write_text(without(archive, place))
            export(log, archive, [place.topic])
    assert run(["replay", "verify", "--session", session.settings.session, "--archive", str(archive), "--json"], {}) == 1
    [first] = json.loads(capsys.readouterr().out)["divergences"]
    assert (first["topic"], first["partition"]) == place and first["offset"] is not None
    assert expected is None or first["offset"] == expected


def rewritten(session: Played, log: MemoryLog, place: Partition) -> int:
    """The session's log copied to another, without one record of `place`: its offset."""
    for topic, count in session.log.topics().items():
        log.create({topic: count})
        for number in range(count):
            theirs, ours = session.log.shelf(Partition(topic, number)), log.shelf(Partition(topic, number))
            ours.messages[:] = theirs.messages
            ours.next_offset, ours.stable_offset, ours.stable_count = theirs.next_offset, theirs.stable_offset, theirs.stable_count
    shelf = log.shelf(place)
    at = next(number for number, one in enumerate(shelf.messages) if number > 20 and one.value is not None)
    gone = shelf.messages.pop(at)
    shelf.stable_count -= 1
    return gone.offset


def without(archive: Path, place: Partition) -> str:
    manifest = json.loads((archive / "manifest.json").read_text())
    manifest["topics"][place.topic] = [None] * len(manifest["topics"][place.topic])
    return json.dumps(manifest)


def test_interrupted_export_goes_on_and_is_the_same(session: Played, archived: Path, tmp_path: Path) -> None:
    class CutShort(Exception):
        pass

    def cut(what: str, count: int) -> None:
        if "marks" in what:
            raise CutShort

    folder = tmp_path / session.settings.session
    manifest = sessions.manifest(session.log, session.codec, session.settings.session)
    with pytest.raises(CutShort):
        export_session(session.log, manifest, SchemaIds.offline(), folder, code_version=CODE, told=cut)
    with pytest.raises(LogError, match="its export was cut short, export again"):
        ArchiveLog(folder)
    first = partition_path(folder, Layout.of(session.settings).at("market_data", 0)).stat().st_mtime_ns
    exported(session, folder)
    assert partition_path(folder, Layout.of(session.settings).at("market_data", 0)).stat().st_mtime_ns == first
    assert read_manifest(folder) == read_manifest(archived)


def test_session_that_does_not_exist_is_refused_by_name(archived: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "verify", "--session", "nobody", "--archive", str(archived)], {}) == 1
    assert "must be of session nobody, is of golden-halts" in capsys.readouterr().err
    assert run(["replay", "verify", "--session", "nobody", "--source", "archive"], {"CDB_ARCHIVES": str(archived.parent)}) == 1
    assert "nobody/manifest.json must be readable" in capsys.readouterr().err
    assert run(["replay", "verify", "--session", "a", "--source", "kafka", "--archive", str(archived)], {}) == 2
    window = ["--from", "2001-01-01", "--archive", str(archived)]
    assert run(["replay", "verify", "--session", "golden-halts", *window], {}) == 2
    assert "--from must be 2023-11-14" in capsys.readouterr().err


# Imports


def laid(archive: Path, ids: SchemaIds) -> tuple[MemoryLog, Codec]:
    about = read_manifest(archive).about
    assert about is not None
    log = MemoryLog()
    create_session(log, about.session, feeds=2, risk=2)
    lay(ArchiveLog(archive), log, about.session, new_headers(SchemaIds(about.schema_ids, about.schemas), ids))
    return log, Codec(ids)


def other_ids() -> SchemaIds:
    """As a registry that numbers from 100."""
    offline = SchemaIds.offline()
    return SchemaIds({name: number + 100 for name, number in offline.ids.items()}, {n + 100: one for n, one in offline.writers.items()})


@pytest.mark.parametrize("ids", [SchemaIds.offline(), other_ids()], ids=["same ids", "other ids"])
def test_imported_session_stands_at_its_offsets_verifies_equal_and_keeps_its_checkpoint(
    session: Played, archived: Path, ids: SchemaIds
) -> None:
    log, codec = laid(archived, ids)
    layout = Layout.of(session.settings)
    for topic, count in session.log.topics().items():
        for number in range(count):
            theirs, ours = (one.shelf(Partition(topic, number)).messages for one in (session.log, log))
            assert [one.offset for one in ours] == [one.offset for one in theirs]
    verdict = verify(log, session.settings, codec, KINDS)
    assert verdict.equal, verdict.divergences
    assert session_digests(log, layout, codec) == session_digests(session.log, layout, session.codec)
    assert check(log, codec, read(archived / CHECKPOINT), marks_of(archived / CHECKPOINT)) is None
    with pytest.raises(ConfigError, match="must be empty to be laid onto"):
        lay(ArchiveLog(archived), log, session.settings.session, {})


@pytest.mark.parametrize("commits", [0, 1, 3])
def test_import_that_was_cut_short_is_cleaned_and_begun_anew_and_one_that_is_there_is_left_alone(archived: Path, commits: int) -> None:
    archive, log, said = ArchiveLog(archived), MemoryLog(), list[str]()
    left = [commits]

    def cut_short(_: int) -> None:
        if not left[0]:
            raise LogError("the broker went away")
        left[0] -= 1

    with pytest.raises(LogError, match="went away"):
        bring(archive, log, SchemaIds.offline(), say=said.append, told=cut_short)
    assert not said
    assert bring(archive, log, SchemaIds.offline(), say=said.append) == archive.records()
    assert [words for words in said if "begun anew" in words] == said and len(said) == 1
    assert check(log, Codec.offline(), read(archived / CHECKPOINT), marks_of(archived / CHECKPOINT)) is None
    with pytest.raises(ConfigError, match="must not be on the log yet, is: cdb sessions rm golden-halts removes it"):
        bring(archive, log, SchemaIds.offline(), say=said.append)
    assert check(log, Codec.offline(), read(archived / CHECKPOINT), marks_of(archived / CHECKPOINT)) is None


def test_hole_of_an_aborted_transaction_is_laid_as_wide_as_it_was(tmp_path: Path) -> None:
    source, place = MemoryLog(), Partition("s.commands", 0)
    source.create({"s.commands": 1})
    writer = source.writer("w")
    for values, ends in ((["lost"], "abort"), (["a"], "commit"), (["x", "y"], "abort"), (["b", "c"], "commit"), (["z"], "abort")):
        writer.begin()
        for value in values:
            writer.append(place, key=None, value=value.encode(), time=1000)
        getattr(writer, ends)()
    export(source, tmp_path / "a", ["s.commands"])
    log = MemoryLog()
    log.create({"s.commands": 1})
    assert lay(ArchiveLog(tmp_path / "a"), log, "s", {}) == 3
    found = [(one.offset, one.value) for one in log.shelf(place).messages if one.value is not None]
    assert found == [(one.offset, one.value) for one in source.shelf(place).messages]
    assert log.end_offset(place) == source.end_offset(place)
