"""`cdb replay whatif`: the session with other settings, against what it was."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from streams.cli.options import Bootstrap, Registry, Session
from streams.cli.replay_source import Archive, Source, recorded_session
from streams.cli.replay_state import plain, table_of
from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.operate import sessions
from streams.operate.plan import with_strategies
from streams.operate.runtime import code_version
from streams.replay.questions.moments import shown
from streams.replay.questions.places import Placed
from streams.replay.questions.wording import number, words_of
from streams.replay.recorded.recorded import Recorded
from streams.replay.whatif.comparison import AccountChange, Changed, WhatIf, compared
from streams.replay.whatif.other_settings import made_again
from streams.replay.whatif.settings_changed import assignments, changed

LINES_MAX = 25


def whatif_command(
    context: typer.Context,
    session: Session = "live",
    assigned: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting; may be repeated: risk.max_position_pct=0.05.", show_default=False),
    ] = None,
    strategies: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Strategies, limits and market numbers of this file.", show_default=False)
    ] = None,
    archive: Archive = None,
    as_json: Annotated[bool, typer.Option("--json", help="The comparison as one JSON object, every difference in it.")] = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Run the session's recorded market and commands with other settings, and say what would have come out differently.

    Settings are risk.…, market.…, execution.…, accounts.NAME.…, strategies.NAME.… and strategies.NAME.parameters.…. The answer is exact
    up to the first order that only one of the two sends to the market; from there on the market might have reacted, and it is a guess.

    Examples:

        cdb replay whatif --session live --set risk.max_position_pct=0.05 --set risk.stop_loss_pct=0.01

        cdb replay whatif --archive monday --session live --strategies calmer.toml --json | jq .accounts
    """
    console = Console(stderr=as_json)
    names = assignments(assigned or [])
    if not names and strategies is None:
        raise ConfigError("whatif must be given --set NAME=VALUE or --strategies FILE, was given neither")
    with recorded_session(Source(context, session, archive, bootstrap, registry), console) as recorded:
        settings = recorded.settings if strategies is None else with_strategies(recorded.settings, strategies)
        settings = changed(settings, names)
        if settings == recorded.settings:
            raise ConfigError("whatif must be given a setting that the session has otherwise, was given none")
        base = _base(recorded, session, console)
        found = compared(base, _made(recorded, settings, "with the other settings", console))
    differing = _differing(recorded.settings, settings)
    if as_json:
        typer.echo(json.dumps(as_document(found, differing), indent=2))
    else:
        print_whatif(found, differing, console)


def _base(recorded: Recorded, session: str, console: Console) -> Recorded:
    """The session as it was; made anew where other code made it, so that only the settings differ."""
    if sessions.manifest(recorded.log, recorded.codec, session).code_version == code_version():
        return recorded
    console.print("[yellow]held against the session as this program decides it with its own settings")
    return _made(recorded, recorded.settings, "with its own settings", console)


def _made(recorded: Recorded, settings: SessionSettings, words: str, console: Console) -> Recorded:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(words, total=1.0)

        def tell(share: float, events: int) -> None:
            progress.update(task, completed=share, description=f"{words}: {events:,} events")

        return made_again(recorded, settings, code_version=code_version(), progress=tell)


def _differing(was: SessionSettings, now: SessionSettings) -> dict[str, tuple[str, str]]:
    """What is set otherwise, by dotted name."""
    one, other = _leaves(was.model_dump(mode="json")), _leaves(now.model_dump(mode="json"))
    return {
        name: (str(one.get(name, "not set")), str(other.get(name, "not set")))
        for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)
    }  # fmt: skip


def _leaves(values: Any, name: str = "") -> dict[str, Any]:
    if isinstance(values, dict) and values:
        return {leaf: value for key, one in values.items() for leaf, value in _leaves(one, f"{name}.{key}".lstrip(".")).items()}
    if isinstance(values, list) and values and isinstance(values[0], dict):
        return {leaf: value for one in values for leaf, value in _leaves(one, f"{name}.{one.get('name')}").items()}
    return {name: values}


def as_document(found: WhatIf, differing: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """The comparison as JSON objects; amounts as decimal texts, times in µs."""
    return {
        "settings": {name: {"was": was, "now": now} for name, (was, now) in differing.items()}, "end": found.end,
        "first": None if found.first is None else _change(found.first),
        "guess_from": None if found.guess_from is None else {"time": found.guess_from.record.time, **_change(found.guess_from)},
        "changed": [_change(one) for one in found.changed],
        "accounts": [
            {
                "account": one.account, "equity_was": str(one.was), "equity_now": str(one.now), "difference": str(one.now - one.was),
                "parts": [plain(part._asdict()) | {"total": str(part.total)} for part in one.parts],
                "trades": [plain(trades._asdict()) for trades in one.trades],
            }
            for one in found.accounts
        ],
    }  # fmt: skip


def print_whatif(found: WhatIf, differing: dict[str, tuple[str, str]], console: Console) -> None:
    """What was set otherwise, what came out otherwise, in money, and from where on it is a guess."""
    for name, (was, now) in differing.items():
        console.print(f"{name}: [bold]{now}[/] (was {was})", highlight=False)
    if found.first is None:
        console.print("[green]nothing would have come out differently[/]")
    else:
        console.print(f"first difference: {_line(found.first)}", highlight=False)
    counts = Counter((one.topic, one.kind) for one in found.changed)
    table = table_of("differences", "topic", "what", ">count")
    for (topic, kind), count in counts.most_common():
        table.add_row(topic, kind, f"{count:,}")
    if counts:
        console.print(table)
    for one in found.changed[:LINES_MAX]:
        console.print(_line(one), highlight=False, soft_wrap=True)
    if len(found.changed) > LINES_MAX:
        console.print(f"[dim]… and {len(found.changed) - LINES_MAX:,} more: --json has all of them")
    for account in found.accounts:
        _print_account(account, console)
    if found.guess_from is None:
        console.print(f"[green]exact to {shown(found.end)}:[/] nothing that the market heard of differs")
    else:
        console.print(
            f"[yellow]exact to {shown(found.guess_from.record.time)}, a guess from there on:[/] the market would have met other orders "
            f"({found.guess_from.kind}: {escape(found.guess_from.record.event_id)}) and might have reacted", highlight=False,
        )  # fmt: skip


def _change(change: Changed) -> dict[str, Any]:
    return {
        "topic": change.topic, "id": change.record.event_id, "time": change.record.time, "kind": change.kind, "detail": change.detail,
        "was": _placed(change.was), "now": None if change.now is None else plain(change.now.record),
    }  # fmt: skip


def _placed(placed: Placed | None) -> dict[str, Any] | None:
    if placed is None:
        return None
    return {"topic": placed.topic, "partition": placed.partition, "offset": placed.offset, "record": plain(placed.record)}


def _line(change: Changed) -> str:
    detail = f" {change.detail}" if change.detail else ""
    return (
        f"[dim]{shown(change.record.time)[11:]}[/] {escape(words_of(change.record))}: [bold]{change.kind}{detail}[/]  "
        f"[dim]{escape(change.record.event_id)}[/]"
    )


def _print_account(account: AccountChange, console: Console) -> None:
    """An account's equity in both, and where the difference comes from, twice."""
    difference = account.now - account.was
    console.print(
        f"[bold]account {escape(account.account)}[/]: equity {number(account.now, 2)}, was {number(account.was, 2)}: "
        f"{difference:+,.2f}", highlight=False,
    )  # fmt: skip
    parts = table_of("", "strategy", "symbol", ">realized", ">unrealized", ">fees", ">funding", ">conversion", ">sum")
    for one in account.parts:
        amounts = (one.realized, one.unrealized, one.fees, one.funding, one.conversion, one.total)
        parts.add_row(one.strategy, one.symbol, *(f"{value:+,.2f}" for value in amounts))
    trades = table_of("", "trades", ">count", ">difference")
    for made in account.trades:
        trades.add_row(made.kind, f"{made.trades:,}" if made.trades else "", f"{made.pnl:+,.2f}")
    for table in (parts, trades):
        if table.row_count:
            console.print(table)
