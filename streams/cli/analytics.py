"""`cdb analytics`: what sessions did, from Postgres or an archive, as table, JSON, CSV or Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streams.cli.options import Postgres, connection_of, database_of
from streams.errors import ConfigError
from streams.log.archive import MANIFEST, ArchiveLog, read_manifest
from streams.operate import sessions
from streams.report.analytics import queries, written
from streams.report.analytics.source import Asked, RecordSource, Source, postgres_source

app = typer.Typer(
    name="analytics", no_args_is_help=True, add_completion=False,
    help="What sessions did, from Postgres or an archive: the same answers from both.",
)  # fmt: skip

Session = Annotated[str, typer.Option("--session", metavar="NAME", help="The session, in Postgres.")]
Archive = Annotated[
    Path | None, typer.Option("--archive", metavar="FOLDER", help="Read this archive folder, not Postgres.", show_default=False)
]
Account = Annotated[str | None, typer.Option(metavar="NAME", help="Only this account.", show_default=False)]
Strategy = Annotated[str | None, typer.Option(metavar="NAME", help="Only this strategy.", show_default=False)]
From = Annotated[str | None, typer.Option("--from", metavar="TIME", help="From then on, UTC.", show_default=False)]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before then, UTC.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="A JSON list; amounts are texts, so that they stay exact.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="CSV on standard output.")]
Parquet = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write a Parquet file.", show_default=False)]


@app.command("daily")
def daily(
    context: typer.Context, session: Session = "live", archive: Archive = None, account: Account = None, strategy: Strategy = None,
    from_time: From = None, to_time: To = None, as_json: AsJson = False, as_csv: AsCsv = False, parquet: Parquet = None,
    postgres: Postgres = None,
) -> None:  # fmt: skip
    """
    Each day of each account: equity, PnL, costs, deepest drawdown, largest exposure, signals, decisions, fills.

    Examples:

        cdb analytics daily --session live

        cdb analytics daily --archive archives/live --csv > days.csv
    """
    asked = _asked(from_time, to_time, account, strategy)
    with _source(context, session, archive, postgres) as source:
        _show(queries.daily(source, asked), as_json=as_json, as_csv=as_csv, parquet=parquet)


@app.command("trades")
def trades(
    context: typer.Context, session: Session = "live", archive: Archive = None, account: Account = None, strategy: Strategy = None,
    from_time: From = None, to_time: To = None, as_json: AsJson = False, as_csv: AsCsv = False, parquet: Parquet = None,
    postgres: Postgres = None,
) -> None:  # fmt: skip
    """
    Every fill, with its fee and its slippage against the decision's mark.

    Examples:

        cdb analytics trades --session live --from 2026-01-31 --strategy momentum --parquet fills.parquet
    """
    asked = _asked(from_time, to_time, account, strategy)
    with _source(context, session, archive, postgres) as source:
        _show(queries.trades(source, asked), as_json=as_json, as_csv=as_csv, parquet=parquet)


@app.command("signals")
def signals(
    context: typer.Context, session: Session = "live", archive: Archive = None, account: Account = None, strategy: Strategy = None,
    from_time: From = None, to_time: To = None, as_json: AsJson = False, as_csv: AsCsv = False, parquet: Parquet = None,
    postgres: Postgres = None,
) -> None:  # fmt: skip
    """
    What strategies wanted, and why.

    Examples:

        cdb analytics signals --session live --json | jq '.[-1].reason'
    """
    asked = _asked(from_time, to_time, account, strategy)
    with _source(context, session, archive, postgres) as source:
        _show(queries.signals(source, asked), as_json=as_json, as_csv=as_csv, parquet=parquet)


@app.command("rejections")
def rejections(
    context: typer.Context, session: Session = "live", archive: Archive = None, account: Account = None, strategy: Strategy = None,
    from_time: From = None, to_time: To = None, as_json: AsJson = False, as_csv: AsCsv = False, parquet: Parquet = None,
    postgres: Postgres = None,
) -> None:  # fmt: skip
    """
    What risk refused, by code, with the last measure against its limit.

    Examples:

        cdb analytics rejections --session live --account main
    """
    asked = _asked(from_time, to_time, account, strategy)
    with _source(context, session, archive, postgres) as source:
        _show(queries.rejections(source, asked), as_json=as_json, as_csv=as_csv, parquet=parquet)


@app.command("positions")
def positions(
    context: typer.Context, session: Session = "live", archive: Archive = None, account: Account = None, strategy: Strategy = None,
    from_time: From = None, to_time: To = None, as_json: AsJson = False, as_csv: AsCsv = False, parquet: Parquet = None,
    postgres: Postgres = None,
) -> None:  # fmt: skip
    """
    The newest state of each position; with --to as it was then.

    Examples:

        cdb analytics positions --session live --to "2026-01-31 12:00"
    """
    asked = _asked(from_time, to_time, account, strategy)
    with _source(context, session, archive, postgres) as source:
        _show(queries.positions(source, asked), as_json=as_json, as_csv=as_csv, parquet=parquet)


@app.command("compare")
def compare(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help="A session in Postgres, or an archive's folder.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    account: Account = None, strategy: Strategy = None, from_time: From = None, to_time: To = None, as_json: AsJson = False,
    as_csv: AsCsv = False, parquet: Parquet = None, postgres: Postgres = None,
) -> None:  # fmt: skip
    """
    Two sessions side by side, account by account; the difference is B minus A.

    Examples:

        cdb analytics compare live paper-20260101-120000

        cdb analytics compare archives/monday archives/tuesday --json
    """
    asked = _asked(from_time, to_time, account, strategy)
    with ExitStack() as opened:
        one, other = (opened.enter_context(_named(context, name, postgres)) for name in (a, b))
        _show(queries.compare(one, other, asked), as_json=as_json, as_csv=as_csv, parquet=parquet)


@contextmanager
def _source(context: typer.Context, session: str, archive: Path | None, postgres: str | None) -> Iterator[Source]:
    if archive is not None:
        about = read_manifest(archive).about
        if about is None:
            raise ConfigError(f"--archive must say whose it is, {archive} does not: make it with cdb replay export")
        log = ArchiveLog(archive)
        codec = sessions.codec_of(log, about.session)
        yield RecordSource(log, codec, sessions.read(log, codec, about.session))
        return
    with postgres_source(database_of(context, connection_of(context, postgres=postgres)), session) as source:
        yield source


def _named(context: typer.Context, name: str, postgres: str | None) -> AbstractContextManager[Source]:
    folder = Path(name)
    return _source(context, name, folder if (folder / MANIFEST).exists() else None, postgres)


def _asked(start: str | None, end: str | None, account: str | None, strategy: str | None) -> Asked:
    return Asked(_time("--from", start), _time("--to", end), account, strategy)


def _time(option: str, said: str | None) -> int | None:
    """µs since 1970 UTC."""
    if said is None:
        return None
    try:
        found = datetime.fromisoformat(said)
    except ValueError as error:
        raise ConfigError(f"{option} must be a time such as 2026-01-31 or 2026-01-31T12:00, was {said}") from error
    since = (found if found.tzinfo else found.replace(tzinfo=UTC)) - written.EPOCH
    return since.days * queries.DAY + since.seconds * 1_000_000 + since.microseconds


def _show(answer: queries.Answer, *, as_json: bool, as_csv: bool, parquet: Path | None) -> None:
    if sum((as_json, as_csv, parquet is not None)) > 1:
        raise ConfigError("--json, --csv and --parquet must be given one at a time, was more than one")
    if parquet is not None:
        written.write_parquet(answer, parquet)
        typer.echo(f"{len(answer.rows):,} rows in {parquet}")
    elif as_json or as_csv:
        typer.echo(written.as_json(answer) if as_json else written.as_csv(answer), nl=as_json)
    else:
        Console().print(_table(answer))


def _table(answer: queries.Answer) -> Table:
    table = Table(pad_edge=False, box=None)
    for column in answer.columns:
        table.add_column(column.name, justify="right" if column.kind in {"amount", "count"} else "left", overflow="fold")
    for row in answer.rows:
        cells = (written.text(column.kind, row[column.name]) for column in answer.columns)
        table.add_row(*("" if cell is None else escape(str(cell)) for cell in cells))
    return table
