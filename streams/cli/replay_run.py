"""`cdb replay run`: a session again in the terminal, in its own timing or faster, with pause, step and breakpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status

from streams.cli.keys import Keys, keys_of_terminal
from streams.cli.options import Bootstrap, Registry, Session
from streams.cli.replay_source import Archive, Source, recorded_session
from streams.cli.replay_state import plain, print_state
from streams.errors import ConfigError
from streams.exchange.pacing import SPEED_MAX, speed_of
from streams.replay.questions.expression import Condition
from streams.replay.questions.moments import MICROSECONDS, moment_of, shown, span_of
from streams.replay.questions.player import Happening, Player
from streams.replay.questions.state import state_at
from streams.replay.questions.wording import words_of
from streams.replay.recorded.recorded import Recorded

SHOWN = ("orders", "order_results", "positions", "alerts")
KEYS = "space pauses and goes on, s steps, i shows the state, + and - change the speed, q ends"
STATUS_SECONDS = 0.2
# Without a wait between them, keys are asked for only so often.
LOOK_SECONDS = 0.05


class Played(NamedTuple):
    """How far it went: the last moment, how many events, and what met the condition last."""

    time: int
    events: int
    met: str


def run_command(
    context: typer.Context,
    session: Session = "live",
    start: Annotated[str, typer.Option("--from", metavar="MOMENT", help="Where to begin; as --at of state.")] = "start",
    end: Annotated[str, typer.Option("--to", metavar="MOMENT", help="Where to end.")] = "end",
    speed: Annotated[str, typer.Option(metavar="1x..1000x|max", help="Times the session's own timing.")] = "1x",
    until: Annotated[
        str | None,
        typer.Option(metavar="EXPR", help="Stop where this becomes true: reject.code == EXPOSURE, drawdown > 0.05.", show_default=False),
    ] = None,
    show: Annotated[
        list[str] | None,
        typer.Option("--show", metavar="TOPIC", help=f"Topics to show; may be repeated. [{', '.join(SHOWN)}]", show_default=False),
    ] = None,
    archive: Archive = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, records whole.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Play a session again: every decision, fill, position and alert as it came to be.

    In a terminal, space pauses and goes on, s steps to the next line, i shows the state, + and - change the speed, q ends. A condition
    asks the record that came to be (signal, order, reject, result, fill, position, ledger, alert, portfolio, allocation, mark, market,
    candle, regime, each with its fields) or the account as it stands (equity, drawdown, daily_drawdown, exposure, open_positions …).
    In a terminal it pauses there, else it ends there: exit code 0, and 1 where it never became true.

    Examples:

        cdb replay run --session live --from "2026-01-01 12:00" --speed 10x

        cdb replay run --speed max --until "reject.code == EXPOSURE"

        cdb replay run --speed max --until "drawdown > 0.05 and account == main" --json

        cdb replay run --until "fill.symbol == BTCUSDT and abs(fill.slippage_bps) > 5"
    """
    console = Console(stderr=as_json)
    rate, condition = speed_of(speed), None if until is None else Condition(until)
    with recorded_session(Source(context, session, archive, bootstrap, registry), console) as recorded:
        span = span_of(recorded)
        first, last = (moment_of(text, recorded, span, name=name) for text, name in ((start, "FROM"), (end, "TO")))
        if first > last:
            raise ConfigError(f"FROM must be at or before TO ({shown(last)}), was {shown(first)}")
        topics = _topics(recorded, show)
        with keys_of_terminal(wanted=not as_json) as keys, console.status("") as status:
            if keys.pressed_by_hand:
                console.print(f"[dim]{KEYS}")
            desk = Desk(recorded, console, status, keys, topics, rate, as_json=as_json)
            played = desk.run(Player(recorded, first, last, condition).play(), first)
    console.print(f"played to {shown(played.time)}: {played.events:,} events", highlight=False)
    if condition is not None and not played.met:
        console.print(f"[yellow]never true from {shown(first)} to {shown(last)}:[/] {escape(condition.text)}", highlight=False)
        raise typer.Exit(1)


def _topics(recorded: Recorded, show: list[str] | None) -> frozenset[str]:
    known = {topic for stage, _ in recorded.tasks() for topic in stage.outputs} | {"market_data"}
    for topic in show or ():
        if topic not in known:
            raise ConfigError(f"SHOW must be one of {', '.join(sorted(known))}, was {topic}")
    return frozenset(show or SHOWN)


class Desk:
    """One playing: the pace, the keys, and what is printed."""

    def __init__(
        self, recorded: Recorded, console: Console, status: Status, keys: Keys, topics: frozenset[str], speed: int | None, *,
        as_json: bool,
    ) -> None:
        self._recorded, self._console, self._status, self._keys = recorded, console, status, keys
        self._topics, self._speed, self._as_json = topics, speed, as_json
        self._paused = self._stepping = self._ended = False
        self._began = (0.0, 0)
        self._looked = self._told = float("-inf")

    def run(self, happenings: Iterator[tuple[Happening, str]], first: int) -> Played:
        """Plays to the end, to the condition, or until somebody ends it."""
        self._began = (self._keys.now(), first)
        time, events, met = first, 0, ""
        for happening, words in happenings:
            self._keep_pace(happening.time)
            if self._ended:
                break
            time, events = happening.time, events + happening.events
            printed = self._print(happening)
            self._tell(time)
            if words:
                met = words
                self._console.print(f"[bold yellow]true at {shown(time)}:[/] {escape(words)}", highlight=False)
                if not self._keys.pressed_by_hand:
                    break
                self._paused = True
            elif printed and self._stepping:
                self._paused = True
            if self._paused:
                self._pause(time)
        return Played(time, events, met)

    def _keep_pace(self, time: int) -> None:
        """Waits until the moment is due; keys that are pressed meanwhile act."""
        while not self._ended:
            now = self._keys.now()
            due = 0.0
            if self._speed is not None:
                began, first = self._began
                due = began + (time - first) / MICROSECONDS / self._speed - now
            elif now - self._looked < LOOK_SECONDS:
                return
            self._looked = now
            key = self._keys.wait(min(due, STATUS_SECONDS))
            self._act(key, time)
            if self._paused:
                self._pause(time)
            elif due <= 0 and not key:
                return

    def _pause(self, time: int) -> None:
        self._stepping = False
        self._status.update(f"paused at {shown(time)}")
        while self._paused and not self._ended:
            self._act(self._keys.wait(STATUS_SECONDS), time)
        self._began = (self._keys.now(), time)

    def _act(self, key: str, time: int) -> None:
        if key == " ":
            self._paused = not self._paused
        elif key == "s":
            self._paused, self._stepping = False, True
        elif key == "q":
            self._ended = True
        elif key == "i":
            print_state(state_at(self._recorded, time), self._console)
        elif key in ("+", "-") and self._speed is not None:
            self._speed = min(self._speed * 2, SPEED_MAX) if key == "+" else max(self._speed // 2, 1)
            self._began = (self._keys.now(), time)

    def _print(self, happening: Happening) -> bool:
        lines = [one for one in happening.records if one.topic in self._topics]
        for topic, record in lines:
            if self._as_json:
                typer.echo(json.dumps({"topic": topic, "time": record.time, "moment": shown(record.time), "record": plain(record)}))
            else:
                line = f"[dim]{shown(record.time)[11:]}[/] {escape(words_of(record))}  [dim]{escape(record.event_id)}[/]"
                self._console.print(line, highlight=False, soft_wrap=True)
        return bool(lines)

    def _tell(self, time: int) -> None:
        now = self._keys.now()
        if now - self._told >= STATUS_SECONDS:
            self._told = now
            self._status.update(f"{shown(time)}  {'as fast as it goes' if self._speed is None else f'{self._speed}x'}")
