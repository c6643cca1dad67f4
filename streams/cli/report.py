"""`cdb report`: a session as one offline HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.cli.options import Bootstrap, Registry, Session, connection_of
from streams.domain.parameters import SessionSettings
from streams.log.archive import ArchiveLog
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.operate import sessions
from streams.operate.runtime import STAGES, open_runtime
from streams.report.gather import material_of
from streams.report.page import writable, write_report


def report_command(
    context: typer.Context,
    session: Session = "live",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write it. [<session>.html]", show_default=False)
    ] = None,
    archive: Annotated[
        Path | None, typer.Option("--archive", metavar="FOLDER", help="Read this archive folder, not Kafka.", show_default=False)
    ] = None,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Draw a session as one HTML file: equity, drawdown, exposure, every trade on its price, costs, statistics, refusals, alerts.

    The file loads nothing from anywhere. A session that is still running is drawn as far as it has come. For a session in
    memory: cdb backtest --report FILE.

    Examples:

        cdb report --session paper-20260101-120000

        cdb report --session live --out monday.html
    """
    target = writable(out or Path(f"{session}.html"))
    console = Console(stderr=True)
    if archive is not None:
        log = ArchiveLog(archive)
        codec = sessions.codec_of(log, session)
        draw(log, codec, sessions.read(log, codec, session), target, console)
        return
    with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-report") as runtime:
        draw(runtime.log, runtime.codec, sessions.read(runtime.log, runtime.codec, session), target, console)


def draw(log: Log, codec: Codec, settings: SessionSettings, target: Path, console: Console) -> None:
    """Writes the report of a session and says where it is."""
    with console.status(f"reading session {settings.session}"):
        material = material_of(log, codec, settings, tuple(STAGES.values()))
    size = write_report(material, target)
    console.print(f"report of session {settings.session}: {target} ({size / 1e6:.1f} MB)", highlight=False, soft_wrap=True)
