"""
A session as a folder: its topics as files, a manifest that says whose they are, and a checkpoint of what was written, read back.

It can be read where it lies (every `cdb replay` takes it), or laid onto an empty broker again (`streams.operate.laying`).
"""

from collections.abc import Callable
from pathlib import Path

from streams.domain.records import SessionManifest
from streams.errors import LogError
from streams.log.archive import About, ArchiveLog, describe, export
from streams.log.codec import Codec, SchemaIds
from streams.log.interface import Log, Partition
from streams.replay.checkpoints import checkpoint as checkpoints

Told = Callable[[str, int], None]


def export_session(
    log: Log, manifest: SessionManifest, schema_ids: SchemaIds, folder: Path, *, code_version: str, told: Told = lambda _, __: None
) -> About:
    """
    What the folder's manifest says of the session once every committed record of it stands there. Said again, it goes on where it was
    cut short, and adds what is new. `told` hears what is done, with the number of records.

    Raises: LogError as `export`, or where what was written cannot be read back.
    """

    def copied(partition: Partition, count: int) -> None:
        told(f"copied {partition.topic}/{partition.number}", count)

    topics = checkpoints.topics_of(manifest.session)
    # Journals first: what they speak of is on the log by then, and copied after them.
    export(log, folder, sorted(topics, key=lambda topic: not topic.endswith(".journal")), told=copied)
    archive = ArchiveLog(folder)
    others = sorted(archive.topics().keys() - set(topics))
    if others:
        raise LogError(f"archive {folder} must hold session {manifest.session} alone, holds {', '.join(others)} as well")
    path = folder / checkpoints.CHECKPOINT
    found = checkpoints.take(
        archive, Codec(schema_ids), manifest.session, checkpoints.marks_of(path), code_version=code_version,
        told=lambda topic, count: told(f"read back {topic}", count),
    )  # fmt: skip
    checkpoints.write(found, path)
    about = About(
        session=manifest.session, settings=manifest.settings, settings_digest=manifest.settings_digest, code_version=manifest.code_version,
        root=found.root, schema_ids=dict(schema_ids.ids), schemas=dict(schema_ids.writers),
    )  # fmt: skip
    describe(folder, about)
    return about
