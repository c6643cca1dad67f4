"""Where the questions of `cdb replay` read a session from: Kafka or an archive folder, and never more than read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import typer
from rich.console import Console

from streams.cli.options import connection_of
from streams.errors import ConfigError, LogError, Unanswered
from streams.exchange.wall import SystemWall
from streams.log.archive import ArchiveLog
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.operate import sessions
from streams.operate.connection import Connection
from streams.operate.runtime import STAGES, code_version, open_log, open_runtime
from streams.replay.recorded.patience import SECONDS, PatientLog
from streams.replay.recorded.recorded import Recorded

CLIENT, READERS_KEPT = "cdb-replay", 4

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
def recorded_session(source: Source, console: Console, *, said: bool = True, patience: float = SECONDS) -> Iterator[Recorded]:
    """
    The session, to be read by the schemas that its own manifest names (or those of the registry that was said). Where `said`, says first
    where this program is not the one that made it. A broker that goes away while it is read is waited for, `patience` seconds at most, and
    then read on.

    Raises: ConfigError where there is no such session; Unanswered where it cannot be read to the end of what was asked.
    """
    try:
        with _opened(source, console, patience) as (log, codec):
            yield _found(log, codec, source.session, console if said else None)
    except LogError as fault:
        raise Unanswered(str(fault)) from fault


@contextmanager
def _opened(source: Source, console: Console, patience: float) -> Iterator[tuple[Log, Codec]]:
    if source.archive is not None:
        archive = ArchiveLog(source.archive)
        yield archive, sessions.codec_of(archive, source.session)
        return
    connection = connection_of(source.context, bootstrap=source.bootstrap, registry=source.registry)
    with _at_hand(connection, source) as (log, codec):
        yield PatientLog(log, SystemWall(threading.Event()), lambda words: _say(words, console), seconds=patience), codec


@contextmanager
def _at_hand(connection: Connection, source: Source) -> Iterator[tuple[Log, Codec]]:
    """The log, and the schemas that the session's manifest names; another registry's only where one was said."""
    # A question looks at many places, most of them one after the other: so readers keep their connections.
    if source.registry is not None:
        with open_runtime(connection, client_id=CLIENT, readers_kept=READERS_KEPT) as runtime:
            yield runtime.log, runtime.codec
        return
    with open_log(connection, client_id=CLIENT, readers_kept=READERS_KEPT) as log:
        yield log, sessions.codec_of(log, source.session)


def _say(words: str, console: Console) -> None:
    console.print(f"[yellow]{words}", soft_wrap=True, highlight=False)


def _found(log: Log, codec: Codec, session: str, console: Console | None) -> Recorded:
    manifest = sessions.manifest(log, codec, session)
    if console is not None and manifest.code_version != code_version():
        _say(f"session {session} was made by code {manifest.code_version}, this is {code_version()}", console)
    return Recorded.of(log, codec, sessions.read(log, codec, session), STAGES)
