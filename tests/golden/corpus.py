"""
The corpus on disk: one folder for each session, an archive with a checkpoint, and beside it the digests of its decisions.

`digests.json` holds, for each compared topic, the number of records and the sha256 over them in canonical order.
"""

import json
from pathlib import Path

from streams.log.archive import ArchiveLog
from streams.log.canonical import session_digests
from streams.log.codec import Codec, SchemaIds
from streams.log.interface import Log
from streams.log.layout import Layout
from streams.operate import sessions
from streams.replay.archive.session_archive import export_session
from streams.replay.checkpoints.checkpoint import codec_of
from tests.golden.play import CODE, Played
from tests.golden.sessions import CORPUS, Golden

FOLDER = Path(__file__).parent / "corpus"
DIGESTS = "digests.json"

Digests = dict[str, list[object]]


def goldens() -> dict[str, Golden]:
    """Every session of the corpus by its name."""
    made = [one() for one in CORPUS]
    return {golden.settings.session: golden for golden in made}


def digests_of(log: Log, codec: Codec, layout: Layout) -> Digests:
    """As they stand in the file."""
    return {topic: [count, digest] for topic, (count, digest) in session_digests(log, layout, codec).items() if count}


def recorded_digests() -> dict[str, Digests]:
    found: dict[str, Digests] = json.loads((FOLDER / DIGESTS).read_text(encoding="utf-8"))
    return found


def archived(session: str) -> tuple[ArchiveLog, Codec]:
    """A session of the corpus, to be read."""
    return ArchiveLog(FOLDER / session), codec_of(FOLDER / session)


def record(played: Played, folder: Path) -> None:
    """Writes a session's archive."""
    manifest = sessions.manifest(played.log, played.codec, played.settings.session)
    export_session(played.log, manifest, SchemaIds.offline(), folder, code_version=CODE)
