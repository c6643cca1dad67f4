"""Options that several commands share, and what they become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from streams.operate.connection import Connection
from streams.operate.stack import StackSettings

Session = Annotated[str, typer.Option(metavar="NAME", help="The session.")]
Bootstrap = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Kafka. [CDB_BOOTSTRAP, else the local stack's]", show_default=False)
]
Registry = Annotated[
    str | None,
    typer.Option(
        metavar="URL", show_default=False,
        help="Schema registry (ccompat API), or none for ids by record order. [CDB_REGISTRY, else the local stack's]",
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE]…", help="Recordings of raw frames (.gz or plain), for the recorded feed.", show_default=False),
]
Feed = Annotated[
    str | None,
    typer.Option(metavar="simulated|recorded", help="Where market data comes from. [recorded if files are named]", show_default=False),
]
Strategies = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", show_default=False,
        help="Strategies and limits (TOML). [simulated.toml for the simulated feed, else default.toml]",
    ),
]
Duration = Annotated[
    int | None, typer.Option(metavar="SECONDS", help="Market time the feed runs; 0 for without end.", show_default=False)
]
Seed = Annotated[int, typer.Option(help="Of the simulated market.")]
Equity = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Start equity. [100000]", show_default=False)]
Partitions = Annotated[int, typer.Option(help="Tasks that signals and execution are split into, by symbol.")]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where the pages listen.")]


class Invocation(NamedTuple):
    """What `__main__` hands to every command: the environment, which nobody else reads."""

    environment: Mapping[str, str]


def connection_of(context: typer.Context, **chosen: str | None) -> Connection:
    """
    The connection that options and environment say, options first; else the local stack's, on the ports that CDB_STACK_… say.

    Raises: ConfigError with one line for each fault.
    """
    invocation = context.obj
    assert isinstance(invocation, Invocation), "commands run below streams.cli.__main__"
    stack = StackSettings.from_environment(invocation.environment)
    local = {
        "CDB_BOOTSTRAP": f"127.0.0.1:{stack.kafka_port}",
        "CDB_REGISTRY": f"http://127.0.0.1:{stack.registry_port}/apis/ccompat/v7",
    }
    return Connection.from_environment({**local, **invocation.environment}, **chosen)
