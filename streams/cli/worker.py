"""`cdb worker`: runs stages of a session on the log until it is told to stop."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import Bootstrap, Host, Registry, Session, connection_of
from streams.domain.parameters import SessionSettings
from streams.log.worker import Worker
from streams.operate.connection import Connection
from streams.operate.runtime import STAGES, Runtime, joined_session, open_runtime

if TYPE_CHECKING:
    from streams.agents.app import StageSetup


class StageChoice(StrEnum):
    SIGNALS = "signals"
    RISK = "risk"
    EXECUTION = "execution"
    ALL = "all"


def worker(
    context: typer.Context,
    stage: Annotated[StageChoice, typer.Argument(help="Which stage to run; all runs the three in one process.")],
    session: Session = "live",
    slot: Annotated[
        str, typer.Option(help="Name of this worker among those of its stage. A second process with it fences the first.")
    ] = "0",
    bootstrap: Bootstrap = None,
    registry: Registry = None,
    host: Host = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65533, help="Port of the pages; of all, the first of three. [8001, 8002, 8003]")
    ] = None,
) -> None:
    """
    Run stages of a session until told to stop (SIGTERM, Ctrl-C).

    Pages: /health, /status, /metrics. Several workers of one stage, each in its own slot, share its tasks. Ends with
    0 when told to stop, 75 when another process took the slot, 70 for a bug, 1 for a fault of the world.

    Examples:

        cdb worker all

        cdb worker risk --session replay-7 --slot 1 --port 8012
    """
    # Only here: Faust takes a while to import, and no other command needs it.
    from streams.agents.app import AGENTS, run  # noqa: PLC0415 (see above)

    connection = connection_of(context, bootstrap=bootstrap, registry=registry)
    names = list(STAGES) if stage is StageChoice.ALL else [stage.value]
    with open_runtime(connection, client_id=f"{session}-{stage.value}-{slot}") as runtime:
        settings = joined_session(runtime, session)
        run(
            _setup(runtime, connection, settings, name, slot, host, AGENTS[name].PORT if port is None else port + number)
            for number, name in enumerate(names)
        )


def _setup(
    runtime: Runtime, connection: Connection, settings: SessionSettings, stage: str, slot: str, host: str, port: int
) -> StageSetup:
    from streams.agents.app import StageSetup  # noqa: PLC0415 (see above)
    from streams.agents.watch import HealthLimits  # noqa: PLC0415 (see above)

    def open_worker() -> Worker:
        return Worker(
            runtime.log, STAGES[stage], settings, runtime.codec, slot=slot, code_version=runtime.code_version
        )

    limits = HealthLimits(connection.stalled_seconds_max, connection.behind_seconds_max)
    return StageSetup(settings.session, stage, open_worker, host, port, limits)
