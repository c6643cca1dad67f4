"""
The `cdb` command: every command group in one place, and the one place where faults become exit codes.

0 done; 1 a fault of the world; 2 a wrong command, option or setting, or a question to a record that got no answer; 70 a bug of ours
(with traceback); 75 another process took over; 130 interrupted.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import typer

from streams.cli.later import later
from streams.cli.options import Invocation, connection_of
from streams.errors import StreamsError
from streams.operate import leash
from streams.operate.connection import Connection
from streams.operate.logs import start_logging

EXIT_BUG = 70

# Records make no cycles, so the collector finds nothing among them. At its default of 700 new objects its walks take 8 % of the CPU
# time of a recorded session.
GARBAGE_THRESHOLDS = (50_000, 20, 50)

app = typer.Typer(
    name="cdb", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Paper trading for crypto on Apache Kafka, where every decision can be replayed byte for byte.",
    cls=later({
        "up": "streams.cli.stack:up",
        "down": "streams.cli.stack:down",
        "status": "streams.cli.stack:status",
        "doctor": "streams.cli.doctor:doctor",
        "env": "streams.cli.env:app",
        "worker": "streams.cli.worker:worker",
        "feed": "streams.cli.feed:feed",
        "record": "streams.cli.record:record",
        "timekeeper": "streams.cli.feed:timekeeper",
        "exchange": "streams.cli.exchange:app",
        "watchdog": "streams.cli.watchdog:watchdog",
        "paper": "streams.cli.paper:paper",
        "backtest": "streams.cli.backtest:backtest_command",
        "report": "streams.cli.report:report_command",
        "operator": "streams.cli.operator:operator",
        "halt": "streams.cli.commands:halt",
        "resume": "streams.cli.commands:resume",
        "reduce-only": "streams.cli.commands:reduce_only",
        "flatten": "streams.cli.commands:flatten",
        "cancel": "streams.cli.commands:cancel",
        "reset": "streams.cli.commands:reset",
        "daily-report": "streams.cli.daily_report:daily_report",
        "gate": "streams.cli.gate:gate",
        "analytics": "streams.cli.analytics:app",
        "reconcile": "streams.cli.data:reconcile_command",
        "archive": "streams.cli.archive:archive_command",
        "instruments": "streams.cli.instruments:instruments",
        "backup": "streams.cli.backup:app",
        "schedule": "streams.cli.schedule:schedule",
        "restore": "streams.cli.backup:restore",
        "sessions": "streams.cli.sessions:app",
        "replay": "streams.cli.replay:app",
        "schemas": "streams.cli.schemas:app",
        "lag": "streams.cli.lag:lag",
        "dashboards": "streams.cli.dashboards:dashboards",
        "alerts": "streams.cli.alerts:app",
    }),
)  # fmt: skip


@app.callback()
def start(
    context: typer.Context,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log one JSON object a line. [CDB_LOG_FORMAT=json]")] = False,
    end_with_input: Annotated[
        bool, typer.Option("--end-with-input", help="End in order when standard input closes: with the process that started this one.")
    ] = False,
) -> None:
    """Paper trading for crypto on Apache Kafka, where every decision can be replayed byte for byte."""
    if end_with_input:
        leash.end_with_input()
    # Who asks what is wrong with the settings must not be turned away because of them.
    connection = Connection() if context.invoked_subcommand == "env" else connection_of(context)
    form: Literal["human", "json"] = "json" if json_logs else connection.log_format
    start_logging(connection.log_level, form)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code of one command; messages go to standard error."""
    try:
        app(list(arguments), obj=Invocation(environment), prog_name="cdb")
    except SystemExit as end:
        # How typer ends: 0, its own 2 for a wrong command or option, or what a command chose.
        return end.code if isinstance(end.code, int) else 0
    except StreamsError as fault:
        for line in str(fault).splitlines():
            print(f"cdb: {line}", file=sys.stderr)
        return fault.exit_code
    except Exception as bug:
        # The edge: everything that is not named ends here, loudly.
        logging.getLogger("streams.cli").critical("this is a bug: %s: %s", type(bug).__name__, bug)
        traceback.print_exc()
        return EXIT_BUG
    return 0


def main() -> None:
    """Runs the command line of this process."""
    # What was imported stays to the end: no need to walk it ever again.
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    # `kill -USR1` shows where every thread stands: the only word of a process that hangs in a library.
    faulthandler.register(signal.SIGUSR1)
    sys.exit(run(sys.argv[1:], os.environ))


if __name__ == "__main__":
    main()
