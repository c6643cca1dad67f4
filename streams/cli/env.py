"""`cdb env check` and `cdb env template`: what can be chosen, and whether what was chosen holds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.findings_view import show_findings
from streams.cli.options import environment_of
from streams.errors import ConfigError
from streams.operate.connection import PREFIX, Connection
from streams.operate.settings_check import check_settings
from streams.operate.settings_template import TEMPLATE_FILE, template

app = typer.Typer(name="env", no_args_is_help=True, add_completion=False, help="What can be chosen, and whether what was chosen holds.")


@app.command("check")
def check(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A compose cluster's .env, checked as well.", show_default=False)
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Also the settings that are at their defaults.")] = False,
    keep: Annotated[bool, typer.Option("--record", help="Append date, verdict and findings to the history of `cdb status`.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Verdict and findings as one JSON object.")] = False,
) -> None:
    """
    Hold every setting against its type and range, every secret against its length and the mode of its file.

    On Windows modes warn only. Exit code 0: all hold; 1: one does not.

    Examples:

        cdb env check

        cdb env check --file .env --record

        CDB_TIMEOUT_SECONDS=900 cdb env check --json
    """
    environment = environment_of(context)
    found = check_settings(environment, env_file=file)
    history = _history(environment.get(f"{PREFIX}HISTORY")) if keep else None
    show_findings(found, kind="env check", now=time.time_ns() // 1000, as_json=as_json, history=history, quiet_ok=not show_all)


@app.command("template")
def write_template(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where it is written; - for standard output.")] = TEMPLATE_FILE,
) -> None:
    """
    Write `.env.template` from the settings themselves: every name with its default and its rule.

    Examples:

        cdb env template

        cdb env template --out - | grep STACK
    """
    if str(out) == "-":
        typer.echo(template(), nl=False)
        return
    try:
        out.write_text(template(), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out must be writable, was {out}: {error.strerror}") from error
    typer.echo(f"{out} names every setting")


def _history(chosen: str | None) -> Path:
    """Where the history stands, also while another setting is wrong."""
    default = Connection.model_fields["history"].default
    assert isinstance(default, Path)
    return Path(chosen) if chosen else default
