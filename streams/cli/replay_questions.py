"""The questions one asks of a recorded session, as commands of `cdb replay`; one module each."""

from __future__ import annotations

import typer

from streams.cli.replay_report import report_command
from streams.cli.replay_run import run_command
from streams.cli.replay_state import state_command
from streams.cli.replay_whatif import whatif_command
from streams.cli.replay_why import why_command
from streams.cli.replay_whynot import whynot_command


def add_to(app: typer.Typer) -> None:
    """Puts every question under `app`."""
    app.command("state")(state_command)
    app.command("run")(run_command)
    app.command("why")(why_command)
    app.command("whynot")(whynot_command)
    app.command("whatif")(whatif_command)
    app.command("report")(report_command)
