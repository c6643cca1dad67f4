"""`cdb paper`: a paper-trading session from start to verdict, shown live."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from streams.cli.live_model import LiveModel
from streams.cli.live_view import headline, screen
from streams.cli.options import Duration, Equity, Feed, Files, Partitions, Seed, Strategies, connection_of
from streams.cli.replay import as_document as verdict_document
from streams.cli.replay import print_verdict
from streams.cli.summary_view import print_summary
from streams.domain.parameters import SessionSettings
from streams.log.layout import Layout
from streams.operate.paper import SETTLE_SECONDS_MAX, PaperSession, Place, SessionStuck
from streams.operate.plan import Ask, settings_of
from streams.operate.prepare import prepare
from streams.operate.reconcile import Report, reconcile
from streams.operate.runtime import STAGES, Runtime, open_runtime
from streams.operate.stack import Stack, StackSettings
from streams.operate.stack.settings import Endpoints
from streams.replay.summary import Summary, summary_of
from streams.replay.verify import Verdict, verify

DEFAULT_SECONDS = 120
LINE_EVERY_SECONDS = 5.0
REDRAW_SECONDS = 0.25


def paper(
    context: typer.Context,
    files: Files = None,
    feed: Feed = None,
    speed: Annotated[str, typer.Option(metavar="1x|10x|max", help="How fast market time passes.")] = "1x",
    strategies: Strategies = None,
    duration: Duration = None,
    seed: Seed = 1,
    equity: Equity = None,
    partitions: Partitions = 1,
    session: Annotated[str | None, typer.Option(metavar="NAME", help="The session; one that exists goes on. [paper-<time>]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Summary and verdicts as one JSON object.")] = False,
) -> None:
    """
    Trade on paper: starts the stack where it is not up, runs a session, shows it live, and proves it by replay.

    Exit code 1 where the replay or the rows in Postgres are not equal to the session. Ctrl-C ends a session early and in
    order; the same --session NAME goes on with it.

    Examples:

        cdb paper

        cdb paper --feed recorded spot_btcusdt.jsonl.gz --speed max --strategies deploy/strategies/short-recording.toml

        cdb paper --duration 0 --session monday
    """
    console = Console(stderr=as_json)
    now = time.time_ns() // 1000
    kind = feed or ("recorded" if files else "simulated")
    if duration is None and kind == "simulated":
        duration = DEFAULT_SECONDS
    ask = Ask(
        session=session or datetime.fromtimestamp(now / 1e6, UTC).strftime("paper-%Y%m%d-%H%M%S"), feed=kind,
        files=tuple(files or ()), strategies=strategies, duration_seconds=duration or None, seed=seed, partitions=partitions,
        equity=equity, start_time=now,
    )  # fmt: skip
    settings = settings_of(ask)
    stack = Stack(StackSettings.from_environment(os.environ))
    stack.up(report=lambda line: console.print(line, style="dim", highlight=False))
    endpoints = stack.endpoints()
    prepare(endpoints, lambda line: console.print(line, style="dim", highlight=False))
    connection = connection_of(context, bootstrap=endpoints.bootstrap, registry=endpoints.ccompat_url)
    with open_runtime(connection, client_id="cdb-paper") as runtime:
        place = Place(endpoints.bootstrap, endpoints.ccompat_url, stack.settings.data_folder / "sessions" / settings.session)
        running = PaperSession(runtime, settings, place, speed=speed)
        running.create(now)
        _follow(running, console)
        ended = _verdicts(runtime, settings, endpoints, console)
    if as_json:
        typer.echo(json.dumps(_document(*ended), indent=2))
    else:
        _print_end(*ended, settings=settings, place=place, console=console)
    if not (ended[1].equal and ended[2].equal):
        raise typer.Exit(1)


def _follow(running: PaperSession, console: Console) -> None:
    """Shows the session until it has settled or Ctrl-C; ends its processes whatever happens."""
    notes: list[str] = []
    model = LiveModel(running.runtime.log, running.runtime.codec, running.settings)
    running.start()
    try:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4, screen=False, transient=True) as live:
                for rate in _ticks(running, model, notes, REDRAW_SECONDS):
                    live.update(screen(model, rate=rate, notes=notes))
        else:
            for rate in _ticks(running, model, notes, LINE_EVERY_SECONDS):
                console.print(headline(model, rate=rate), highlight=False, soft_wrap=True)
    except KeyboardInterrupt:
        console.print("ending the session in order")
    finally:
        running.end(time.time_ns() // 1000)
        while model.poll(0.2):
            pass
        model.close()
        for note in notes:
            console.print(note, style="yellow")


def _ticks(running: PaperSession, model: LiveModel, notes: list[str], every: float):  # type: ignore[no-untyped-def]
    """Yields the feed's rate each `every` seconds until the session has settled."""
    shown_at, shown_records, ended_at = time.monotonic(), 0, 0.0
    while True:
        while model.poll(0.05) and time.monotonic() - shown_at < every:
            pass
        elapsed = time.monotonic() - shown_at
        if elapsed < every:
            time.sleep(min(0.05, every - elapsed))
            continue
        running.check(notes.append)
        yield max(model.feed_records - shown_records, 0) / elapsed
        shown_at, shown_records = time.monotonic(), model.feed_records
        progress = running.progress()
        if progress.settled:
            if progress.error:
                notes.append(f"the feed ended early: {progress.error}")
            return
        if progress.ended and not ended_at:
            ended_at = time.monotonic()
        if ended_at and time.monotonic() - ended_at > SETTLE_SECONDS_MAX:
            raise SessionStuck(f"session must settle within {SETTLE_SECONDS_MAX:.0f} s of its feed's end, stands at {progress.frontiers}")


def _verdicts(
    runtime: Runtime, settings: SessionSettings, endpoints: Endpoints, console: Console
) -> tuple[Summary, Verdict, Report]:
    stages = tuple(STAGES.values())
    with console.status("summing up"):
        summary = summary_of(runtime.log, settings, runtime.codec, stages)
    with console.status("replaying the session"):
        verdict = verify(runtime.log, settings, runtime.codec, stages)
    with console.status("comparing Postgres with the topics"):
        report = reconcile(runtime.log, runtime.codec, endpoints.postgres_dsn, settings.session)
    return summary, verdict, report


def _document(summary: Summary, verdict: Verdict, report: Report) -> dict[str, object]:
    return {
        "summary": summary.as_document(), "replay": verdict_document(summary.session, verdict),
        "reconcile": {"equal": report.equal, "rows": {one.table: one.rows for one in report.tables}},
    }  # fmt: skip


def _print_end(
    summary: Summary, verdict: Verdict, report: Report, *, settings: SessionSettings, place: Place, console: Console
) -> None:
    print_summary(summary, console)
    print_verdict(verdict, console)
    rows = ", ".join(f"{one.rows:,} {one.table}" for one in report.tables if one.rows)
    state = "[green]Postgres equal:[/]" if report.equal else "[red]Postgres differs:[/]"
    console.print(f"{state} {rows or 'no rows'}", highlight=False)
    layout = Layout.of(settings)
    console.print(f"topics {layout.full('*')} on {place.bootstrap}; logs in {place.log_folder}", highlight=False)
    console.print(f"again: cdb replay verify --session {settings.session}   cdb backtest --against {settings.session}", highlight=False)
