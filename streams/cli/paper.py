"""`cdb paper`: a paper-trading session from start to verdict, shown live."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from streams.cli.feed import stop_on_signals
from streams.cli.live_view import headline, screen
from streams.cli.options import (
    Accounts,
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
    Seed,
    Strategies,
    Symbols,
    To,
    Warmup,
    candle_ask,
    connection_of,
    environment_of,
    names_of,
    stack_of,
)
from streams.cli.replay_verify import as_document as verdict_document
from streams.cli.replay_verify import print_verdict
from streams.cli.summary_view import print_summary
from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError, FeedError
from streams.exchange.pacing import speed_of
from streams.exchange.wall import wall_time
from streams.log.layout import Layout
from streams.operate import sessions
from streams.operate.doctor.examination import must_be_able_to_start
from streams.operate.history import RESTART, record_done
from streams.operate.live_model import LiveModel
from streams.operate.paper import SETTLE_SECONDS_MAX, PaperSession, Place, SessionStuck
from streams.operate.plan import Ask, going_on, settings_of
from streams.operate.prepare import prepare
from streams.operate.reconcile import Report, reconcile
from streams.operate.runtime import STAGES, Runtime, open_runtime
from streams.operate.stack.settings import Endpoints, StackSettings
from streams.operate.targets import asked
from streams.replay.summary import Summary, summary_of
from streams.replay.verification.verify import Verdict, verify

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
    session: Annotated[str | None, typer.Option(metavar="NAME", help="The session; one that exists goes on. [paper-<time>]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Summary and verdicts as one JSON object.")] = False,
) -> None:
    """
    Trade on paper: starts the stack where it is not up, runs a session, shows it live, and proves it by replay.

    Exit code 1 where the replay or the rows in Postgres are not equal to the session, or a recording broke off. Ctrl-C stops
    early and in order, and leaves the session open: the same --session NAME goes on with it, by the settings it was made with.

    Examples:

        cdb paper

        cdb paper --feed recorded spot_btcusdt.jsonl.gz --speed max --strategies deploy/strategies/short-recording.toml

        cdb paper BTC_USDT_USDT-1h-futures.feather --marks BTC_USDT_USDT-1h-mark.feather --funding BTC_USDT_USDT-1h-funding_rate.feather
        --from 2025-10-01 --to 2025-10-15 --account main:equity=50000,leverage=5,shorts_allowed=true --speed max

        cdb paper spot_btcusdt.jsonl.gz --warmup BTC_USDT-1m-spot.feather --speed max

        cdb paper --duration 0 --session monday

        cdb paper --feed mexc --symbols BTCUSDT,BTC_USDT
    """
    console = Console(stderr=as_json)
    now = time.time_ns() // 1000
    speed_of(speed)
    ask = Ask(
        session=session or datetime.fromtimestamp(now / 1e6, UTC).strftime("paper-%Y%m%d-%H%M%S"), feed=feed,
        files=tuple(files or ()), strategies=strategies, duration_seconds=duration, seed=seed, partitions=partitions,
        equity=equity, start_time=now, accounts=tuple(account or ()), symbols=names_of(symbol), now=now,
        candles=candle_ask(instrument, interval, path, path_steps, from_time, to_time, marks, funding), warmup=tuple(warmup or ()),
    )  # fmt: skip
    settings = settings_of(ask if duration is not None or ask.kind != "simulated" else ask._replace(duration_seconds=DEFAULT_SECONDS))
    if settings.feed.kind == "mexc":
        _reach_exchange(context, settings)
    _run(context, ask, settings, speed=speed, console=console, as_json=as_json)


def _reach_exchange(context: typer.Context, settings: SessionSettings) -> None:
    """Before anything is started. Raises: FeedError within 10 s where the exchange cannot be reached, saying what runs without it."""
    # Only here: clients of HTTP take a while to import.
    from streams.exchange.mexc.listings import reach  # noqa: PLC0415 (see above)
    from streams.exchange.mexc.settings import MexcSettings  # noqa: PLC0415 (see above)

    reach(MexcSettings.from_environment(environment_of(context)), settings.feed.symbols, wall_time)


def _run(context: typer.Context, ask: Ask, settings: SessionSettings, *, speed: str, console: Console, as_json: bool) -> None:
    """The session from the stack's start to its verdicts."""
    stack = stack_of(context)
    must_be_able_to_start(stack, environment_of(context))
    stack.up(report=lambda line: console.print(line, style="dim", highlight=False))
    endpoints = stack.endpoints()
    prepare(endpoints, lambda line: console.print(line, style="dim", highlight=False))
    connection = connection_of(context, bootstrap=endpoints.bootstrap, registry=endpoints.ccompat_url)
    with open_runtime(connection, client_id="cdb-paper") as runtime:
        settings = _settings_on_log(runtime, ask) or settings
        place = Place(endpoints.bootstrap, endpoints.ccompat_url, stack.settings.data_folder / "sessions" / settings.session)
        watched = stack.parts["prometheus"].running() is not None
        environment = {**_surroundings(stack.settings, endpoints), **environment_of(context)}
        running = PaperSession(runtime, settings, place, speed=speed, environment=environment, watched=watched)
        running.create(ask.start_time)
        with asked(stack.settings.targets_folder, running.ports, pid=os.getpid()):
            has_ended = _follow(running, console, connection.history)
        ended = _verdicts(runtime, settings, endpoints, console)
        error = running.progress().error
    if as_json:
        typer.echo(json.dumps({**_document(*ended), "ended": has_ended, "error": error}, indent=2))
    else:
        _print_end(*ended, settings=settings, place=place, console=console)
    if not has_ended:
        console.print(f"the session stays open: cdb paper --session {settings.session} goes on with it", highlight=False, soft_wrap=True)
    if error is not None:
        raise FeedError(f"the feed of session {settings.session} ended early: {error}")
    if not (ended[1].equal and ended[2].equal):
        raise typer.Exit(1)


def _surroundings(stack: StackSettings, endpoints: Endpoints) -> dict[str, str]:
    """What a lag exporter beside the session is to look at, where nobody says otherwise."""
    return {
        "CDB_POSTGRES": f"postgresql://{endpoints.postgres_user}@{endpoints.postgres_host}:{endpoints.postgres_port}"
        f"/{endpoints.postgres_database}",
        "CDB_POSTGRES_PASSWORD_FILE": str(endpoints.secrets_folder / "postgres_password"),
        "CDB_CONNECT": endpoints.connect_url,
        "CDB_DISKS": str(stack.data_folder),
    }


def _settings_on_log(runtime: Runtime, ask: Ask) -> SessionSettings | None:
    """
    What the session was made with, where it is there already.

    Raises: ConfigError where it has ended, or was made with other settings than those asked for.
    """
    found = sessions.find(runtime.log, runtime.codec, ask.session)
    if found is None:
        return None
    if found.status == sessions.ENDED:
        raise ConfigError(
            f"session must be a new one or one that is open, was {ask.session}, which has ended; "
            f"cdb replay verify --session {ask.session} runs it again, cdb sessions rm {ask.session} removes it"
        )
    return going_on(ask, sessions.read(runtime.log, runtime.codec, ask.session))


def _follow(running: PaperSession, console: Console, history: Path) -> bool:
    """Shows the session until it has settled or Ctrl-C; ends its processes whatever happens. Returns whether it has come to its end."""
    notes: list[str] = []

    def note(words: str) -> None:
        notes.append(words)
        # `cdb gate` asks how often something had to be started anew.
        record_done(history, RESTART, time=time.time_ns() // 1000, told=f"{running.settings.session}: {words}")

    model = LiveModel(running.runtime.log, running.runtime.codec, running.settings)
    with _asked_to_stop() as stop:
        try:
            running.start()
            if console.is_terminal:
                with Live(console=console, auto_refresh=False, screen=True) as live:
                    for rate in _ticks(running, model, note, REDRAW_SECONDS, stop):
                        shown = screen(model, rate=rate, notes=notes, width=console.width, height=console.height)
                        live.update(shown, refresh=True)
            else:
                for rate in _ticks(running, model, note, LINE_EVERY_SECONDS, stop):
                    console.print(headline(model, rate=rate), highlight=False, soft_wrap=True)
            if stop.is_set():
                console.print("ending the session in order")
                if not running.break_off():
                    notes.append("the stages did not come to the feed's last record in time; they will when the session goes on")
        finally:
            has_ended = running.end(time.time_ns() // 1000)
            model.close()
            for words in notes:
                console.print(words, style="yellow", highlight=False)
    return has_ended


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; once the session stands still they do again what they did before."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield stop_on_signals()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ticks(
    running: PaperSession, model: LiveModel, note: Callable[[str], None], every: float, stop: threading.Event
) -> Iterator[float]:
    """Yields the feed's rate each `every` seconds until the session has settled or is asked to stop."""
    shown_at, shown_records, ended_at = time.monotonic(), 0, 0.0
    while not stop.is_set():
        while model.poll(0.05) and time.monotonic() - shown_at < every:
            pass
        elapsed = time.monotonic() - shown_at
        if elapsed < every:
            stop.wait(min(0.05, every - elapsed))
            continue
        running.check(note)
        yield max(model.feed_records - shown_records, 0) / elapsed
        shown_at, shown_records = time.monotonic(), model.feed_records
        progress = running.progress()
        if progress.settled:
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
    console.print(f"topics {layout.full('*')} on {place.bootstrap}; logs in {place.log_folder}", highlight=False, soft_wrap=True)
    # What came live cannot be read again, other than from the log.
    commands = ("replay verify --session",) if settings.feed.kind == "mexc" else ("replay verify --session", "backtest --against")
    for command in commands:
        console.print(f"again: cdb {command} {settings.session}", highlight=False, soft_wrap=True)
