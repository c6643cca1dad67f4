"""Where the questions of `cdb replay` read a session from: Kafka or an archive folder, and never more than read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer
from rich.console import Console

from streams.cli.options import connection_of
from streams.errors import ConfigError
from streams.log.archive import ArchiveLog
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.operate import sessions
from streams.operate.runtime import STAGES, code_version, open_runtime
from streams.replay.recorded.recorded import Recorded

Archive = Annotated[
    Path | None, typer.Option("--archive", metavar="FOLDER", help="Read this archive folder, not Kafka.", show_default=False)
]

Where = Annotated[
    Literal["kafka", "archive"] | None,
    typer.Option("--source", help="Kafka, or the session's folder among the archives (CDB_ARCHIVES). [kafka]", show_default=False),
]


def archive_folder(context: typer.Context, session: str, source: str | None, archive: Path | None) -> Path | None:
    """The folder to read a session from; None for Kafka. Raises: ConfigError where the options contradict each other."""
    if source == "kafka" and archive is not None:
        raise ConfigError(f"--source must be archive where --archive is given ({archive}), was kafka")
    if archive is not None or source != "archive":
        return archive
    return connection_of(context).archives / session


class Source(NamedTuple):
    """What the options say of where to read."""

    context: typer.Context
    session: str
    archive: Path | None
    bootstrap: str | None
    registry: str | None


@contextmanager
def recorded_session(source: Source, console: Console, *, said: bool = True) -> Iterator[Recorded]:
    """
    The session, to be read. Where `said`, says first where this program is not the one that made it.

    Raises: ConfigError where there is no such session; LogError where it cannot be read.
    """
    if source.archive is not None:
        log = ArchiveLog(source.archive)
        yield _found(log, sessions.codec_of(log, source.session), source.session, console if said else None)
        return
    connection = connection_of(source.context, bootstrap=source.bootstrap, registry=source.registry)
    # A question looks at many places, most of them one after the other.
    with open_runtime(connection, client_id="cdb-replay", readers_kept=4) as runtime:
        yield _found(runtime.log, runtime.codec, source.session, console if said else None)


def _found(log: Log, codec: Codec, session: str, console: Console | None) -> Recorded:
    manifest = sessions.manifest(log, codec, session)
    if console is not None and manifest.code_version != code_version():
        console.print(
            f"[yellow]session {session} was made by code {manifest.code_version}, this is {code_version()}", highlight=False, soft_wrap=True
        )
    return Recorded.of(log, codec, sessions.read(log, codec, session), STAGES)
