"""`cdb backtest`: a session on the memory log, without a broker."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.cli.options import (
    Accounts,
    Bootstrap,
    Duration,
    Equity,
    Feed,
    Files,
    From,
    Funding,
    Instruments,
    Interval,
    Marks,
    Partitions,
    PathSteps,
    PricePath,
    Registry,
    Seed,
    Strategies,
    Symbols,
    To,
    Warmup,
    candle_ask,
    connection_of,
    names_of,
)
from streams.cli.report import draw
from streams.cli.summary_view import print_summary
from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.exchange.wall import SystemWall
from streams.log.canonical import CanonicalRecord, Difference, differences
from streams.log.layout import Layout
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES, Runtime, code_version, open_runtime, session_settings
from streams.replay.backtest import Backtest, Given, backtest
from streams.replay.summary import summary_of
from streams.report.page import writable

Against = Annotated[
    str | None, typer.Option(metavar="SESSION", help="Run this session of the log again from its own inputs, and compare.")
]
Report = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Draw the session as one HTML file.", show_default=False)
]


def backtest_command(
    context: typer.Context,
    files: Files = None,
    feed: Feed = None,
    strategies: Strategies = None,
    duration: Duration = None,
    seed: Seed = 1,
    symbol: Symbols = None,
    equity: Equity = None,
    account: Accounts = None,
    instrument: Instruments = None,
    interval: Interval = None,
    path: PricePath = None,
    path_steps: PathSteps = None,
    from_time: From = None,
    to_time: To = None,
    marks: Marks = None,
    funding: Funding = None,
    warmup: Warmup = None,
    partitions: Partitions = 1,
    session: Annotated[str, typer.Option(metavar="NAME", help="Name of the session in its ids.")] = "backtest",
    against: Against = None,
    report: Report = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as one JSON object.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Run a session in memory: same stages, same bytes, no broker. Exit code 1 where --against finds a difference.

    --against takes the session's settings, its commands where its journal has them, and its feed's source anew.

    Examples:

        cdb backtest --duration 600 --symbol BTC_USDT --report backtest.html

        cdb backtest spot_btcusdt.jsonl.gz --strategies deploy/strategies/short-recording.toml

        cdb backtest BTC_USDT-1m-spot.feather --from 2024-08-05 --warmup BTC_USDT-1m-spot.feather --account a --account b:equity=5000

        cdb backtest --against paper-20260101-120000
    """
    console = Console(stderr=as_json)
    if report is not None:
        writable(report)
    ask = Ask(
        session=session, feed=feed, files=tuple(files or ()), strategies=strategies, duration_seconds=duration, seed=seed,
        partitions=partitions, equity=equity, accounts=tuple(account or ()), symbols=names_of(symbol), now=time.time_ns() // 1000,
        candles=candle_ask(instrument, interval, path, path_steps, from_time, to_time, marks, funding), warmup=tuple(warmup or ()),
    )  # fmt: skip
    if against is None:
        _show(_run(settings_of(_with_an_end(ask)), console), console, as_json, report=report)
        return
    if ask.options:
        raise ConfigError(f"{', '.join(ask.options)} must not be given with --against: session {against} is run by its own settings")
    with open_runtime(connection_of(context, bootstrap=bootstrap, registry=registry), client_id="cdb-backtest") as runtime:
        done, comparison = _run_again(runtime, against, console)
    _show(done, console, as_json, comparison, report=report)
    if comparison.found:
        raise typer.Exit(1)


def _with_an_end(ask: Ask) -> Ask:
    if ask.kind != "simulated":
        return ask
    if ask.duration_seconds == 0:
        raise ConfigError("DURATION must be above 0 for a backtest of the simulated feed, which has no end, was 0")
    return ask._replace(duration_seconds=ask.duration_seconds or DEFAULT_SECONDS)


def _run_again(runtime: Runtime, session: str, console: Console) -> tuple[Backtest, Comparison]:
    """A session of the log from its own inputs, and where the two differ."""
    settings = session_settings(runtime, session)
    given = Given.of(runtime.log, runtime.codec, settings, tuple(STAGES.values()))
    done = _run(settings, console, given)
    layout = Layout.of(settings)
    found = list(differences((runtime.log, runtime.codec), (done.log, done.codec), layout, layout))
    return done, Comparison(session, sum(map(len, given.commands.values())), found)


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


def _ran(done: Backtest) -> dict[str, int | float]:
    """What was run and how fast; the candles where the feed had some."""
    counts: dict[str, int | float] = {"pushes": done.pushes, "gaps": done.gaps, "events": done.events, "seconds": round(done.seconds, 2)}
    if done.candles:
        counts |= {"candles": done.candles, "candles_per_second": round(done.candles / max(done.seconds, 0.001))}
    return counts


def _id(record: CanonicalRecord | None) -> str:
    return "nothing" if record is None else record.event_id


def _run(settings: SessionSettings, console: Console, given: Given = Given({})) -> Backtest:
    start, end = settings.feed.from_time, settings.feed.to_time
    total = None if start is None or end is None else end - start
    columns = (SpinnerColumn(), TextColumn("{task.description}"), *((BarColumn(),) if total else ()), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("backtest", total=total)

        def tell(pushes: int, reached: int) -> None:
            progress.update(task, description=f"backtest: {pushes:,} pushes", completed=max(reached - (start or 0), 0) if total else None)

        wall = SystemWall(threading.Event())
        return backtest(settings, tuple(STAGES.values()), wall, code_version=code_version(), progress=tell, given=given)


def _show(
    done: Backtest, console: Console, as_json: bool, against: Comparison | None = None, *, report: Path | None = None
) -> None:
    summary = summary_of(done.log, done.settings, done.codec, tuple(STAGES.values()))
    if report is not None:
        draw(done.log, done.codec, done.settings, report, console)
    if as_json:
        document = {**summary.as_document(), "ran": _ran(done)}
        if against is not None:
            document["against"] = against.as_document()
        typer.echo(json.dumps(document, indent=2))
    else:
        print_summary(summary, console)
        words = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in _ran(done).items())
        console.print(f"ran: {words}", highlight=False)
        if against is not None:
            against.print(console)
    if done.error is not None and against is None:
        raise done.error
