"""`cdb dashboards`: Grafana's dashboards, written from code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.operate.dashboards import written


def dashboards(
    folder: Annotated[Path, typer.Option("--folder", help="Where to write them; Grafana in compose reads the default.")] = written.FOLDER,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if a file is not as the code says.")] = False,
) -> None:
    """
    Write Grafana's dashboards as JSON files.

    Examples:

        cdb dashboards

        cdb dashboards --check
    """
    if check:
        found = written.differences(folder)
        for line in found:
            typer.echo(line, err=True)
        if found:
            raise typer.Exit(1)
        typer.echo(f"{len(written.boards())} dashboards in {folder} are as the code says")
        return
    changed = written.write(folder)
    for path in changed:
        typer.echo(f"{'written' if path.exists() else 'removed'}: {path}")
    typer.echo(f"{len(written.boards())} dashboards in {folder}, {len(changed)} changed")
