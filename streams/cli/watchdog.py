"""`cdb watchdog`: keeps a session's surroundings going."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.feed import stop_on_signals
from streams.cli.options import Session, connection_of, stack_of
from streams.exchange.timekeeper import Timekeeper
from streams.exchange.wall import SystemWall
from streams.operate.runtime import joined_session, open_runtime
from streams.operate.sink import Sink
from streams.operate.watchdog import Aside, Duty, SinkKeeper, StackKeeper, log_duties, watch


def watchdog(
    context: typer.Context,
    session: Session = "live",
    mend: Annotated[bool, typer.Option("--mend/--no-mend", help="Start parts of the local stack that died.")] = True,
) -> None:
    """
    Keep a session going until told to stop: its time while the feed is dead, the sink, and the local stack's parts.

    Examples:

        cdb watchdog --session live

        cdb watchdog --session live --no-mend
    """
    stack = stack_of(context)
    endpoints = stack.endpoints()
    connection = connection_of(context, bootstrap=endpoints.bootstrap, registry=endpoints.ccompat_url)
    wall = SystemWall(stop_on_signals())
    keeper = StackKeeper(stack)
    if mend:
        # Without broker and registry there is nothing to watch with.
        keeper.turn()
    with open_runtime(connection, client_id=f"{session}-watchdog") as runtime:
        settings = joined_session(runtime, session)
        timekeeper = Timekeeper(runtime.log, runtime.codec, settings, wall, code_version=runtime.code_version)
        asides = {"sink": Aside("sink", 2.0, SinkKeeper(Sink(endpoints.connect_url), endpoints.registry_health_url).turn)}
        if mend:
            asides["stack"] = Aside("stack", 1.0, keeper.turn)
        duties = [
            *log_duties(runtime.log, runtime.codec, settings, timekeeper),
            *(Duty(name, 1.0, aside.turn) for name, aside in asides.items()),
        ]
        try:
            watch(duties, wall)
        finally:
            timekeeper.close()
            for aside in asides.values():
                aside.close()
