"""Where the questions of `cdb replay` read a session from: Kafka or an archive folder, and never more than read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console

from streams.cli.options import connection_of
from streams.log.archive import ArchiveLog
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.operate import sessions
from streams.operate.runtime import STAGES, code_version, open_runtime
from streams.replay.recorded import Recorded

Archive = Annotated[
    Path | None, typer.Option("--archive", metavar="FOLDER", help="Read this archive folder, not Kafka.", show_default=False)
]


class Source(NamedTuple):
    """What the options say of where to read."""

    context: typer.Context
    session: str
    archive: Path | None
    bootstrap: str | None
    registry: str | None


@contextmanager
def recorded_session(source: Source, console: Console) -> Iterator[Recorded]:
    """
    The session, to be read. Says first where this program is not the one that made it.

    Raises: ConfigError where there is no such session; LogError where it cannot be read.
    """
    if source.archive is not None:
        log = ArchiveLog(source.archive)
        yield _found(log, sessions.codec_of(log, source.session), source.session, console)
        return
    connection = connection_of(source.context, bootstrap=source.bootstrap, registry=source.registry)
    with open_runtime(connection, client_id="cdb-replay") as runtime:
        yield _found(runtime.log, runtime.codec, source.session, console)


def _found(log: Log, codec: Codec, session: str, console: Console) -> Recorded:
    manifest = sessions.manifest(log, codec, session)
    if manifest.code_version != code_version():
        console.print(
            f"[yellow]session {session} was made by code {manifest.code_version}, this is {code_version()}", highlight=False, soft_wrap=True
        )
    return Recorded.of(log, codec, sessions.read(log, codec, session), STAGES)
