"""Options that several commands share, and what they become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import typer

from streams.operate.connection import Connection

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
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Where the pages listen.")]


class Invocation(NamedTuple):
    """What `__main__` hands to every command: the environment, which nobody else reads."""

    environment: Mapping[str, str]


def connection_of(context: typer.Context, **chosen: str | None) -> Connection:
    """
    The connection that options and environment say, options first.

    Raises: ConfigError with one line for each fault.
    """
    invocation = context.obj
    assert isinstance(invocation, Invocation), "commands run below streams.cli.__main__"
    return Connection.from_environment(invocation.environment, **chosen)
