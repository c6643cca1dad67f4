"""`cdb replay bisect`: the commit that first decided a recorded session differently."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from streams.cli.options import Bootstrap, Registry, Session, connection_of, environment_of
from streams.cli.replay_source import Archive, Where, archive_folder
from streams.operate import sessions
from streams.operate.runtime import code_version, open_runtime
from streams.operate.stack.settings import PROJECT_FOLDER
from streams.replay.archive.session_archive import export_session
from streams.replay.bisect import Asked, Bisection, Found


def bisect_command(
    context: typer.Context,
    good: Annotated[str, typer.Option("--good", metavar="REV", help="A revision that replays the session equal.")],
    bad: Annotated[str, typer.Option("--bad", metavar="REV", help="A later one that decides differently.")] = "HEAD",
    session: Session = "live",
    source: Where = None,
    archive: Archive = None,
    repository: Annotated[Path, typer.Option("--repository", metavar="FOLDER", help="The project's git repository.")] = PROJECT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Find the first commit that changes a decision of a recorded session, by running it with the code of one revision after another.

    Each revision runs in a work tree of its own with this virtual environment; one that cannot run the session is passed over and named.

    Examples:

        cdb replay bisect --session live --good v0.1.0 --bad HEAD

        cdb replay bisect --session golden-crash --archive tests/golden/corpus/golden-crash --good HEAD~20
    """
    console = Console(stderr=True)

    def told(one: Asked) -> None:
        words = {True: "[green]equal", False: "[red]differs", None: "[yellow]cannot run it"}[one.equal]
        console.print(f"{one.commit[:10]} {words}[/] {one.subject}", soft_wrap=True, highlight=False)

    folder = archive_folder(context, session, source, archive)
    with tempfile.TemporaryDirectory(prefix="cdb-bisect-") as made:
        if folder is None:
            folder = Path(made) / session
            with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-bisect") as runtime:
                manifest = sessions.manifest(runtime.log, runtime.codec, session)
                export_session(runtime.log, manifest, runtime.schema_ids, folder, code_version=code_version())
        found = Bisection(repository, folder, session, environment_of(context), told).find(good, bad)
    if as_json:
        typer.echo(json.dumps(as_document(found), indent=2))
    else:
        typer.echo(f"first commit that decides differently: {found.first_bad.commit} {found.first_bad.subject}\n{found.first_bad.words}")
        for one in found.passed_over:
            typer.echo(f"or this one before it, which cannot run the session: {one.commit} {one.subject} ({one.words})")


def as_document(found: Found) -> dict[str, object]:
    """What was found as JSON objects."""
    return {
        "first_bad": found.first_bad._asdict(), "last_good": found.last_good._asdict(),
        "passed_over": [one._asdict() for one in found.passed_over],
    }  # fmt: skip
