"""`cdb replay`: sessions run again from their topics."""

from __future__ import annotations

import typer

from streams.cli.later import later

app = typer.Typer(
    help="Run sessions again from their topics, without writing anything.", no_args_is_help=True,
    cls=later({
        "verify": "streams.cli.replay_verify:verify_command",
        "state": "streams.cli.replay_state:state_command",
        "run": "streams.cli.replay_run:run_command",
        "why": "streams.cli.replay_why:why_command",
        "whynot": "streams.cli.replay_whynot:whynot_command",
        "whatif": "streams.cli.replay_whatif:whatif_command",
        "report": "streams.cli.replay_report:report_command",
        "checkpoint": "streams.cli.replay_checkpoint:checkpoint_command",
        "check": "streams.cli.replay_checkpoint:check_command",
        "key": "streams.cli.replay_checkpoint:key_command",
        "export": "streams.cli.replay_export:export_command",
        "import": "streams.cli.replay_export:import_command",
        "bisect": "streams.cli.replay_bisect:bisect_command",
    }),
)  # fmt: skip


@app.callback()
def replay() -> None:
    """Run sessions again from their topics, without writing anything."""
