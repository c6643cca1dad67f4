"""`cdb replay checkpoint`, `check` and `key`: the record of a session in one hash, signed, and held against it later."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.cli.options import Bootstrap, Registry, Session
from streams.cli.replay_source import Archive, Source, Where, archive_folder, recorded_session
from streams.operate.runtime import code_version
from streams.replay.checkpoints import checkpoint as checkpoints
from streams.replay.checkpoints.signature import make_key, must_be_signed, signed

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def checkpoint_command(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where it is written; FILE's name with .marks beside it.")],
    session: Session = "live",
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PEM", help="Sign it with this private ed25519 key.", show_default=False)
    ] = None,
    source: Where = None,
    archive: Archive = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Hash every record of every topic of a session into one root (a Merkle tree as RFC 6962 has it), and sign it.

    A session may go on afterwards: what came later is not part of it.

    Examples:

        cdb replay key --out audit.pem

        cdb replay checkpoint --session live --out live-2026-01-01.json --key audit.pem
    """
    console = Console(stderr=True)
    folder = archive_folder(context, session, source, archive)
    where = Source(context, session, folder, bootstrap, registry)
    with recorded_session(where, console, said=False) as (log, codec, *_), _told(session, console) as told:
        found = checkpoints.take(log, codec, session, checkpoints.marks_of(out), code_version=code_version(), told=told)
    if key is not None:
        found = signed(found, key)
    checkpoints.write(found, out)
    records = sum(one.count for one in found.partitions)
    if as_json:
        typer.echo(json.dumps({"session": session, "records": records, "root": found.root, "signed": bool(found.signature)}, indent=2))
    else:
        typer.echo(f"{records:,} records of {session}: {found.root}{', signed' if found.signature else ''}; written to {out}")


def check_command(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="PEM", help="Who must have signed it.", show_default=False)
    ] = None,
    source: Where = None,
    archive: Archive = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Hold a session against a checkpoint. Exit code 0: every record of then is what it was; 1: the first that is not is named.

    Examples:

        cdb replay check live-2026-01-01.json --public-key audit.pem.pub

        cdb replay check live-2026-01-01.json --archive archives/live --json | jq .equal
    """
    console = Console(stderr=True)
    found = checkpoints.read(file)
    if public_key is not None:
        must_be_signed(found, public_key)
    folder = archive_folder(context, found.session, source, archive)
    divergence = None
    damaged = checkpoints.damages(folder, found.session) if folder is not None else []
    if damaged:
        divergence = damaged[0]
    else:
        where = Source(context, found.session, folder, bootstrap, registry)
        with recorded_session(where, console, said=False) as (log, codec, *_), _told(found.session, console) as told:
            divergence = checkpoints.check(log, codec, found, checkpoints.marks_of(file), told=told)
    if as_json:
        differs = None if divergence is None else {**divergence._asdict(), "text": str(divergence)}
        document = {"session": found.session, "equal": divergence is None, "signed": bool(public_key), "differs": differs}
        typer.echo(json.dumps(document, indent=2))
    elif divergence is None:
        words = "signed, " if public_key is not None else "no signature was asked for, "
        typer.echo(f"{words}{sum(one.count for one in found.partitions):,} records are what they were: {found.root}")
    else:
        typer.echo(f"differs: {divergence}")
    if divergence is not None:
        raise typer.Exit(1)


def key_command(
    out: Annotated[Path, typer.Option("--out", metavar="PEM", help="Where the private key is written, for its owner's eyes.")],
) -> None:
    """
    Make an ed25519 key pair to sign checkpoints with.

    Examples:

        cdb replay key --out audit.pem
    """
    typer.echo(f"private key {out}, public key {make_key(out)}")


@contextmanager
def _told(session: str, console: Console) -> Iterator[Callable[[str, int], None]]:
    """A bar over the session's topics."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("hashing", total=len(checkpoints.topics_of(session)))
        seen: set[str] = set()

        def told(topic: str, records: int) -> None:
            seen.add(topic)
            bar.update(task, description=f"{topic}: {records:,} records", completed=len(seen))

        yield told
