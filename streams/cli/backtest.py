"""`cdb backtest`: a session on the memory log, without a broker."""

from __future__ import annotations

import json
import threading
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.cli.options import Bootstrap, Duration, Equity, Feed, Files, Partitions, Registry, Seed, Strategies, connection_of
from streams.cli.summary_view import print_summary
from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.exchange.wall import SystemWall
from streams.log.canonical import CanonicalRecord, Difference, differences
from streams.log.layout import Layout
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES, code_version, open_runtime, session_settings
from streams.replay.backtest import Backtest, Given, backtest
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

    --against takes the session's settings, its commands where its journal has them, and its feed's source anew.

    Examples:

        cdb backtest --duration 600

        cdb backtest spot_btcusdt.jsonl.gz --strategies deploy/strategies/short-recording.toml

        cdb backtest --against paper-20260101-120000
    """
    console = Console(stderr=as_json)
    if against is None:
        ask = Ask(
            session=session, feed=feed, files=tuple(files or ()), strategies=strategies, duration_seconds=duration, seed=seed,
            partitions=partitions, equity=equity,
        )  # fmt: skip
        if ask.kind == "simulated":
            if duration == 0:
                raise ConfigError("DURATION must be above 0 for a backtest of the simulated feed, which has no end, was 0")
            ask = ask._replace(duration_seconds=duration or DEFAULT_SECONDS)
        _show(_run(settings_of(ask), console), console, as_json)
        return
    chosen = {"FILE": files, "--feed": feed, "--strategies": strategies, "--duration": duration, "--equity": equity}
    if any(value is not None for value in chosen.values()):
        named = ", ".join(name for name, value in chosen.items() if value is not None)
        raise ConfigError(f"{named} must not be given with --against: session {against} is run by its own settings")
    with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-backtest") as runtime:
        settings = session_settings(runtime, against)
        given = Given.of(runtime.log, runtime.codec, settings, tuple(STAGES.values()))
        done = _run(settings, console, given)
        layout = Layout.of(settings)
        found = list(differences((runtime.log, runtime.codec), (done.log, done.codec), layout, layout))
    _show(done, console, as_json, Comparison(against, sum(map(len, given.commands.values())), found))
    if found:
        raise typer.Exit(1)


DEFAULT_SECONDS = 300


class Comparison(NamedTuple):
    """What a backtest was held against, and the first difference of each topic."""

    session: str
    commands: int
    found: list[Difference]

    def as_document(self) -> dict[str, object]:
        """The comparison as JSON objects."""
        return {
            "session": self.session, "equal": not self.found, "commands": self.commands,
            "differences": [
                {"topic": one.topic, "place": one.place, "log": _id(one.left), "backtest": _id(one.right)} for one in self.found
            ],
        }  # fmt: skip

    def print(self, console: Console) -> None:
        """The verdict, or one line for each topic that differs."""
        for one in self.found:
            console.print(
                f"[red]{one.topic} differs[/] at record {one.place}: the log holds {_id(one.left)}, the backtest {_id(one.right)}",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
        if any(one.topic == "market_data" for one in self.found):
            console.print("market data differ: the source has changed, or the feed was away for a while", highlight=False)
        if not self.found:
            console.print(f"[green]byte-equal to session {self.session}[/], {self.commands} commands taken again", highlight=False)


def _id(record: CanonicalRecord | None) -> str:
    return "nothing" if record is None else record.event_id


def _run(settings: SessionSettings, console: Console, given: Given = Given({})) -> Backtest:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("backtest")

        def tell(pushes: int, _: int) -> None:
            progress.update(task, description=f"backtest: {pushes:,} pushes")

        wall = SystemWall(threading.Event())
        return backtest(settings, tuple(STAGES.values()), wall, code_version=code_version(), progress=tell, given=given)


def _show(done: Backtest, console: Console, as_json: bool, against: Comparison | None = None) -> None:
    summary = summary_of(done.log, done.settings, done.codec, tuple(STAGES.values()))
    if as_json:
        document = summary.as_document()
        if against is not None:
            document["against"] = against.as_document()
        typer.echo(json.dumps(document, indent=2))
    else:
        print_summary(summary, console)
        if against is not None:
            against.print(console)
    if done.error is not None and against is None:
        raise done.error
