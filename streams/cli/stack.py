"""`cdb up`, `cdb down`, `cdb status`: the stack on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from streams.cli.options import connection_of, environment_of, stack_of
from streams.operate.doctor.examination import must_be_able_to_start
from streams.operate.history import Entry, entries, newest
from streams.operate.stack import PART_NAMES, WATCH_NAMES, PartState, PartStatus

if TYPE_CHECKING:
    from streams.operate.compose import Compose

Parts = Annotated[str, typer.Option("--parts", metavar="PART,…", help=f"Only these, of: {', '.join((*PART_NAMES, *WATCH_NAMES))}.")]
ALL_PARTS = ",".join(PART_NAMES)
EVERY_PART = ",".join((*PART_NAMES, *WATCH_NAMES))
Docker = Annotated[bool, typer.Option("--docker", help="The containers of docker-compose.kafka.yml, in place of processes.")]
EnvFile = Annotated[
    Path | None, typer.Option("--env-file", metavar="FILE", help="With --docker: variables for the compose file.", show_default=False)
]
STATE_STYLES = {
    PartState.HEALTHY: "green",
    PartState.NOT_ANSWERING: "yellow",
    PartState.DIED: "red",
    PartState.STOPPED: "dim",
}


def up(
    context: typer.Context,
    parts: Parts = ALL_PARTS,
    docker: Docker = False,
    env_file: EnvFile = None,
    watch: Annotated[bool, typer.Option("--watch", help="Prometheus and Alertmanager too; alerts go to logs/alerts.log.")] = False,
) -> None:
    """
    Start what is not up; it stays up when this command ends.

    Parts that others need come up with them. Nothing starts where a setting, a port, a program or the disk forbids it.
    Ports and folders are chosen by CDB_STACK_… variables.

    Examples:

        cdb up

        cdb up --watch

        cdb up --parts kafka,postgres

        CDB_STACK_KAFKA_PORT=29092 cdb up

        cdb up --docker
    """
    if docker:
        _compose(env_file).up([] if parts == ALL_PARTS else _names(parts), report=typer.echo, build=env_file is None)
        return
    stack, names = stack_of(context), [*_names(parts), *(WATCH_NAMES if watch else ())]
    must_be_able_to_start(stack, environment_of(context), names)
    stack.up(names, report=typer.echo)


def down(
    context: typer.Context,
    parts: Parts = EVERY_PART,
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="End all parts and remove their data: every session and table.")
    ] = False,
    docker: Docker = False,
    env_file: EnvFile = None,
) -> None:
    """
    End the stack, or some of its parts; the data stay.

    Examples:

        cdb down

        cdb down --parts connect

        cdb down --delete-data

        cdb down --docker
    """
    if docker:
        _compose(env_file).down(delete_data=delete_data)
        return
    stack_of(context).down(_names(parts), delete_data=delete_data, report=typer.echo)


def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each part, for programs.")] = False,
    history: Annotated[
        bool, typer.Option("--history", help="All that checks and backups came to, the oldest first; exit code 0.")
    ] = False,
) -> None:
    """
    Show how each part is, what the last checks found and how old the last backup is; exit code 1 if a part is not healthy.

    Examples:

        cdb status

        cdb status --json | jq '.[].state'

        cdb status --history --json | jq '.[] | select(.verdict == "NO-GO")'
    """
    file = connection_of(context).history
    if history:
        _show_history(entries(file), as_json=as_json)
        return
    found = stack_of(context).status()
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in found], indent=2))
    else:
        Console().print(status_table(found))
        for line in newest(file):
            typer.echo(f"last {line.told()}")
    if any(each.state is not PartState.HEALTHY for each in found):
        raise typer.Exit(1)


def _compose(env_file: Path | None) -> Compose:
    # Only here: most who start the stack have no Docker.
    from streams.operate.compose import Compose  # noqa: PLC0415 (see above)

    return Compose(environment_file=env_file)


def _show_history(found: list[Entry], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([one.document() for one in found], indent=2))
    else:
        for one in found:
            typer.echo(one.told())


def status_table(parts: list[PartStatus]) -> Table:
    """One line for each part, and the memory of all of them."""
    table = Table(show_footer=True, pad_edge=False, box=None)
    total = sum(each.memory_bytes or 0 for each in parts)
    for header, justify, footer in (
        ("part", "left", "all"),
        ("state", "left", ""),
        ("pid", "right", ""),
        ("port", "right", ""),
        ("uptime", "right", ""),
        ("memory", "right", _mebibytes(total)),
        ("detail", "left", ""),
    ):
        table.add_column(header, justify=justify, footer=footer, overflow="fold")  # type: ignore[arg-type]
    for each in parts:
        table.add_row(
            each.name,
            f"[{STATE_STYLES[each.state]}]{each.state}[/]",
            str(each.pid or "-"),
            str(each.port),
            _duration(each.uptime_seconds),
            _mebibytes(each.memory_bytes),
            each.detail,
        )
    return table


def _names(parts: str) -> list[str]:
    return [name.strip() for name in parts.split(",") if name.strip()]


def _mebibytes(count: int | None) -> str:
    return "-" if count is None else f"{count >> 20} MiB"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    fields = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    shown = [f"{amount} {unit}" for amount, unit in fields if amount]
    return " ".join(shown[:2]) or "0 s"
