"""`cdb replay why`: the chain of causes of one record, drawn as a tree."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from streams.cli.options import Bootstrap, Registry
from streams.cli.replay_source import Archive, Source, recorded_session
from streams.cli.replay_state import plain
from streams.domain.ids import session_of
from streams.replay.questions.chain import Chain, Link, why
from streams.replay.questions.moments import shown
from streams.replay.questions.places import Placed, TakenCommand, TimerCause
from streams.replay.questions.wording import duration_words, values_of, words_of

ID = Annotated[str, typer.Argument(metavar="ID", help="The event_id of a record: an order's id is its event_id.")]

AsJson = Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")]


def why_command(
    context: typer.Context,
    event_id: ID,
    archive: Archive = None,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    registry: Registry = None,
) -> None:
    """
    Say why a fill, order, signal, position or alert came to be: from the market's push to the ledger, with places, times and values.

    Examples:

        cdb replay why live/risk/signals/feed/binance/BTCUSDT/512/main/0/main/0

        cdb replay why live/execution/… --archive monday --json | jq .chain
    """
    console = Console(stderr=as_json)
    with recorded_session(Source(context, session_of(event_id), archive, bootstrap, registry), console) as recorded:
        chain = why(recorded, event_id)
    if as_json:
        typer.echo(json.dumps(as_document(chain), indent=2))
    else:
        console.print(_drawn(chain), highlight=False)


def as_document(chain: Chain) -> dict[str, Any]:
    """The chain as JSON objects; amounts as decimal texts, times and durations in µs."""
    return {"asked": chain.asked.record.event_id, "chain": _link_document(chain.root, chain.root.time)}


def _link_document(link: Link, began: int) -> dict[str, Any]:
    cause = link.cause
    found: dict[str, Any] = {
        "role": link.role, "id": link.event_id, "time": link.time, "moment": shown(link.time), "after_us": link.after,
        "since_start_us": link.time - began,
    }  # fmt: skip
    match cause:
        case Placed():
            found |= _placed_document(cause)
        case TakenCommand():
            found |= {"taken_at": cause.time, **_placed_document(cause.placed)}
        case TimerCause():
            found |= {"kind": "Timer", "timer": {"name": cause.name, "key": cause.key, "deadline": cause.deadline}}
    return found | {"links": [_link_document(one, began) for one in link.links]}


def _placed_document(placed: Placed) -> dict[str, Any]:
    record = plain(placed.record)
    for field in ("indicators", "checks", "sizing"):
        if field in record:
            record[field] = json.loads(record[field])
    return {
        "kind": type(placed.record).__name__, "topic": placed.topic, "partition": placed.partition, "offset": placed.offset,
        "record": record,
    }  # fmt: skip


def _drawn(chain: Chain) -> Tree:
    tree = Tree(_line(chain.root), guide_style="dim")
    _grow(tree, chain.root)
    return tree


def _grow(branch: Tree, link: Link) -> None:
    for one in link.links:
        _grow(branch.add(_line(one)), one)


def _line(link: Link) -> str:
    """What happened, where it stands and when, and the values that were seen."""
    cause = link.cause
    match cause:
        case Placed():
            what, place, values = words_of(cause.record), cause.place, values_of(cause.record)
        case TakenCommand():
            what, place, values = words_of(cause.placed.record), cause.placed.place, []
        case TimerCause():
            what, place, values = f"timer {cause.name} of {cause.key}", "", []
    lead = {"saw": "saw: ", "met": "met: "}.get(link.role, "")
    head = f"{lead}[bold]{escape(what)}[/]" if link.role != "asked" else f"[bold reverse]{escape(what)}[/]"
    after = "" if link.after is None else f", {duration_words(link.after)}"
    lines = [head, f"[dim]{shown(link.time)}{after}  {place}  {escape(link.event_id)}[/]"]
    return "\n".join([*lines, *(f"[dim]{escape(one)}[/]" for one in values)])
