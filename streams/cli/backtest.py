"""`cdb backtest`: a session on the memory log, without a broker."""

from __future__ import annotations

import json
import threading
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.cli.options import Bootstrap, Duration, Equity, Feed, Files, Partitions, Registry, Seed, Strategies, connection_of
from streams.cli.summary_view import print_summary
from streams.exchange.wall import SystemWall
from streams.log.canonical import differences
from streams.log.layout import Layout
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES, code_version, open_runtime, session_settings
from streams.replay.backtest import Backtest, backtest
from streams.replay.summary import summary_of


def backtest_command(
    context: typer.Context,
    files: Files = None,
    feed: Feed = None,
    strategies: Strategies = None,
    duration: Duration = None,
    seed: Seed = 1,
    equity: Equity = None,
    partitions: Partitions = 1,
    session: Annotated[str, typer.Option(metavar="NAME", help="Name of the session in its ids.")] = "backtest",
    against: Annotated[
        str | None, typer.Option(metavar="SESSION", help="Run this session of the log again from its own inputs, and compare.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as one JSON object.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Run a session in memory: same stages, same bytes, no broker. Exit code 1 where --against finds a difference.

    Examples:

        cdb backtest --duration 600

        cdb backtest spot_btcusdt.jsonl.gz --strategies deploy/strategies/short-recording.toml

        cdb backtest --against paper-20260101-120000
    """
    console = Console(stderr=as_json)
    if against is None:
        kind = feed or ("recorded" if files else "simulated")
        ask = Ask(
            session=session, feed=kind, files=tuple(files or ()), strategies=strategies, duration_seconds=duration or None,
            seed=seed, partitions=partitions, equity=equity,
        )  # fmt: skip
        if kind == "simulated" and duration is None:
            ask = ask._replace(duration_seconds=DEFAULT_SECONDS)
        _show(_run(settings_of(ask), console), console, as_json)
        return
    with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-backtest") as runtime:
        settings = session_settings(runtime, against)
        done = _run(settings, console)
        layout = Layout.of(settings)
        found = list(differences((runtime.log, runtime.codec), (done.log, done.codec), layout, layout))
    _show(done, console, as_json)
    for one in found:
        console.print(f"[red]{one.topic} record {one.place}: the log holds {one.left}, the backtest {one.right}")
    if found:
        raise typer.Exit(1)
    console.print(f"[green]byte-equal to session {against}")


DEFAULT_SECONDS = 300


def _run(settings, console: Console) -> Backtest:  # type: ignore[no-untyped-def]
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("backtest")

        def tell(pushes: int, _: int) -> None:
            progress.update(task, description=f"backtest: {pushes:,} pushes")

        wall = SystemWall(threading.Event())
        return backtest(settings, tuple(STAGES.values()), wall, code_version=code_version(), progress=tell)


def _show(done: Backtest, console: Console, as_json: bool) -> None:
    summary = summary_of(done.log, done.settings, done.codec, tuple(STAGES.values()))
    if as_json:
        typer.echo(json.dumps(summary.as_document(), indent=2))
    else:
        print_summary(summary, console)
    if done.error is not None:
        raise done.error
