"""`cdb operator`: a running session in a browser."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import Bootstrap, Host, Registry, Session, connection_of, stack_of
from streams.errors import StackError
from streams.operate.page.application import Page, serve
from streams.operate.page.desk import Desk
from streams.operate.page.guard import Guard, make_token, names_of, token_in
from streams.operate.runtime import joined_session, open_runtime, session_settings

TOKEN = "operator_token"  # noqa: S105 (a file's name)


def operator(
    context: typer.Context, session: Session = "live", host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the page listens.")] = 8010,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST:PORT", show_default=False, help="Another name by which browsers ask for the page; may be repeated."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="No kill switch: no token is read.")] = False,
    bootstrap: Bootstrap = None, registry: Registry = None,
) -> None:  # fmt: skip
    """
    Show a running session on one page, live: positions, equity, decisions with their reasons, stages; and the kill switch.

    Anybody on this machine can read. Commands take the token, which stands in the file CDB_OPERATOR_TOKEN_FILE (else `operator_token`
    among the local stack's secrets, made where there is none), and two steps; they go the way of `cdb halt` and are shown as done only
    once the journal names them.

    Examples:

        cdb operator

        cdb operator --session paper-20260101-120000 --port 8011

        cdb operator --read-only
    """
    names = names_of(host, port, name or ())
    connection = connection_of(context, bootstrap=bootstrap, registry=registry)
    token = None
    if not read_only:
        file = connection.operator_token_file
        if file is None:
            file = stack_of(context).settings.secrets_folder / TOKEN
            make_token(file)
        token = token_in(file)
        print(f"the token for commands stands in {file}", file=sys.stderr)
    with open_runtime(connection, client_id="cdb-operator-page") as runtime:
        settings = (session_settings if read_only else joined_session)(runtime, session)
        with closing(Desk(runtime.log, runtime.codec, settings)) as desk:

            def ready() -> None:
                print(f"session {session}: http://{names[0]}/", file=sys.stderr, flush=True)

            asyncio.run(_until_stopped(desk, Guard(names, token), connection.history, host, port, ready))


async def _until_stopped(desk: Desk, guard: Guard, history: Path, host: str, port: int, ready: Callable[[], None]) -> None:
    """Raises: StackError where the port is taken."""
    serving = asyncio.ensure_future(serve(Page(desk, guard, history), host=host, port=port, ready=ready))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        return
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StackError(f"port {port} on {host} must be free for the operator's page, is in use") from error
