"""`cdb alerts`: where alerts go, and a receiver for them on this machine."""

from __future__ import annotations

import asyncio
import errno
import signal
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import web

from streams.cli.options import Invocation
from streams.errors import StackError
from streams.operate.alerting.channels import Channels, configuration
from streams.operate.alerting.receiver import Receiver

app = typer.Typer(no_args_is_help=True, help="Where alerts go, and a receiver for them on this machine.")


@app.command("config")
def config(
    context: typer.Context,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there, readable for the owner alone.")] = None,
) -> None:
    """
    Alertmanager's configuration by CDB_ALERT_… variables: WEBHOOK_URL; EMAIL_TO, EMAIL_FROM, SMTP, SMTP_USER, SMTP_PASSWORD_FILE.

    Examples:

        CDB_ALERT_WEBHOOK_URL=http://127.0.0.1:9095/ cdb alerts config --out alertmanager.yml
    """
    assert isinstance(context.obj, Invocation)
    text = configuration(Channels.from_environment(context.obj.environment))
    if out is None:
        typer.echo(text, nl=False)
        return
    out.touch(mode=0o600)
    out.write_text(text, encoding="utf-8")
    typer.echo(f"written: {out}")


@app.command("listen")
def listen(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to listen.")] = 9095,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Append each alert as a JSON object, one a line.")] = None,
    desktop: Annotated[bool, typer.Option("--desktop", help="Show them as notifications of this desktop too (notify-send).")] = False,
) -> None:
    """
    Be the webhook that Alertmanager tells: print each alert, until told to stop.

    Examples:

        cdb alerts listen

        cdb alerts listen --desktop --file alerts.jsonl
    """
    asyncio.run(_listen(Receiver(typer.echo, file=file, desktop=desktop), host, port))


async def _listen(receiver: Receiver, host: str, port: int) -> None:
    """Raises: StackError where the port is taken."""
    over = asyncio.Event()
    for which in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(which, over.set)
    runner = web.AppRunner(receiver.application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, shutdown_timeout=1.0).start()
        await over.wait()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StackError(f"port {port} on {host} must be free for alerts, is in use") from error
    finally:
        await runner.cleanup()
