"""`cdb schemas`: the contract between programs, checked, compared, released, registered and explained."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import schemas as contract
from streams.cli.options import Registry, connection_of
from streams.contract import asyncapi, page, usage
from streams.contract.check import change_breaks, findings
from streams.contract.comparison import Comparison, compared
from streams.contract.findings import Finding
from streams.contract.lock import release
from streams.contract.readers import missing_fields
from streams.contract.validity import faults
from streams.domain.records import RECORDS
from streams.errors import ConfigError
from streams.operate import registry as registries
from streams.operate.connection import OFFLINE

app = typer.Typer(help="Schemas of all records: check, compare, release, register, explain.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="The outcome as JSON.")]
Folder = Annotated[
    Path, typer.Option("--folder", metavar="FOLDER", help="Schemas to look at, laid out like this project's.", show_default=False)
]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write there. [standard output]", show_default=False)]
BAD_SCHEMAS = 2
TESTS_SHOWN = 3


@app.callback()
def schemas() -> None:
    """Schemas of all records: check, compare, release, register, explain."""


@app.command("check")
def check_command(folder: Folder = contract.FOLDER, as_json: AsJson = False) -> None:
    """
    Check every schema offline: valid, explained, exact, locked, readable by and for every released version and by all who read it.

    Exit code 0: all is well; 2: at least one finding, each with file, field, rule, a record that shows it, and what to do instead.

    Examples:

        cdb schemas check

        cdb schemas check --json | jq -r '.findings[].rule'
    """
    found = findings(folder)
    if as_json:
        typer.echo(json.dumps({"findings": [one.as_document() for one in found]}, indent=2, ensure_ascii=False))
    else:
        console = Console()
        _print(console, found)
        if not found:
            versions = sum(len(contract.released(record, folder)) for record in RECORDS)
            console.print(f"[green]schemas are sound:[/] {len(RECORDS)} records, {versions} released versions")
    if found:
        raise typer.Exit(BAD_SCHEMAS)


@app.command("diff")
def diff_command(
    before: Annotated[str, typer.Argument(metavar="A", help="RECORD, RECORD@2 or a file: the older one.")],
    after: Annotated[str, typer.Argument(metavar="B", help="RECORD, RECORD@2 or a file: the newer one.")],
    as_json: AsJson = False,
) -> None:
    """
    Show what differs between two schemas, and what that does to who reads across them. Exit code 0: nothing; 1: it breaks a reader.

    Examples:

        cdb schemas diff Order@1 Order

        cdb schemas diff Order proposals/Order.avsc --json | jq .breaks
    """
    found = compared(before, after)
    if as_json:
        document = {**found._asdict(), "same": found.same, "changes": [one._asdict() for one in found.changes]}
        document["breaks"] = [one.as_document() for one in found.breaks]
        typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _print_comparison(Console(), found)
    if found.breaks:
        raise typer.Exit(1)


@app.command("release")
def release_command(
    record: Annotated[str, typer.Argument(metavar="RECORD", help="Whose schema.")], folder: Folder = contract.FOLDER,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """
    Make a record's schema as it stands its next version, and lock it. Exit code 2: it is not valid, breaks a reader, or has not changed.

    Examples:

        cdb schemas release Order
    """
    file = folder / f"{record}.avsc"
    if record not in RECORDS or not file.exists():
        raise ConfigError(f"RECORD must be one of {', '.join(RECORDS)}, was {record}")
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    tables = {spec.record: spec.table for spec in contract.catalogue().values()}
    found = faults(record, text, file=f"schemas/{record}.avsc", in_table=tables[record] is not None)
    found = found or change_breaks(folder, record, json.loads(text)) + missing_fields(record, json.loads(text))
    if found:
        _print(Console(stderr=True), found)
        raise ConfigError(f"schemas/{record}.avsc must be readable by all who read it to be released, was not")
    made = release(record, folder)
    if as_json:
        typer.echo(json.dumps({"record": record, "version": made.number, "file": made.file}))
    else:
        typer.echo(f"released {record} version {made.number}: {made.file}; commit it together with schemas/{record}.avsc")


@app.command("register")
def register_command(context: typer.Context, as_json: AsJson = False, registry: Registry = None) -> None:
    """
    Bring every released version to the registry, in order, and show the ids. Does nothing where they are there.

    Exit code 2: the registry is away, refuses a schema, or holds somebody else's under one of our subjects.

    Examples:

        cdb schemas register

        cdb schemas register --registry http://registry:8080/apis/ccompat/v7 --json
    """
    connection = connection_of(context, registry=registry)
    if connection.registry == OFFLINE:
        raise ConfigError("REGISTRY must be the address of a registry, was none")
    try:
        ids = registries.register(connection.registry)
    except (registries.RegistryDown, registries.SchemaRefused) as fault:
        # Here the registry is what was asked for, not a part of the world that may come back.
        raise ConfigError(str(fault)) from fault
    if as_json:
        typer.echo(json.dumps({"registry": connection.registry, "ids": dict(sorted(ids.ids.items()))}, indent=2))
        return
    table = Table("subject", "id", "versions", pad_edge=False, box=None)
    for name, number in sorted(ids.ids.items()):
        table.add_row(contract.full_name(name), str(number), str(sum(owner == name for owner, _ in ids.writers.values())))
    Console().print(table)


@app.command("why")
def why_command(
    field: Annotated[str, typer.Argument(metavar="FIELD", help="RECORD.FIELD, FIELD for every record that has it, or a metric.")],
    as_json: AsJson = False,
) -> None:
    """
    Show who uses a field: stages and other readers, columns, views, dashboard panels, alert rules, tests; or who uses a metric.

    Examples:

        cdb schemas why Order.quantity

        cdb schemas why slippage_bps --json

        cdb schemas why streams_decision_age_seconds
    """
    found = usage.uses(field)
    if as_json:
        typer.echo(json.dumps([one._asdict() for one in found], indent=2, ensure_ascii=False))
        return
    console = Console()
    for field_, uses_of in groupby(found, key=lambda one: one.field):
        console.print(f"[bold]{field_}[/]")
        for kind, own in groupby(uses_of, key=lambda one: one.kind):
            for one in _told(kind, list(own)):
                console.print(f"  [cyan]{kind:<7}[/] {escape(one)}", soft_wrap=True)


@app.command("docs")
def docs_command(out: Out = None) -> None:
    """
    Write one readable HTML page of all topics, records and fields, with units, signs, columns and readers. It loads nothing.

    Examples:

        cdb schemas docs --out schemas.html
    """
    _write(out, page.page())


@app.command("asyncapi")
def asyncapi_command(out: Out = None) -> None:
    """
    Write the topics and their records as an AsyncAPI 3 document in JSON.

    Examples:

        cdb schemas asyncapi --out asyncapi.json

        cdb schemas asyncapi | jq '.channels | keys'
    """
    _write(out, json.dumps(asyncapi.document(), indent=2, ensure_ascii=False) + "\n")


def _told(kind: str, found: list[usage.Use]) -> list[str]:
    """A line for each use; tests, which are many, by their files."""
    if kind != "test":
        return [f"{one.user}  {one.where}" for one in found]
    files = dict.fromkeys(one.where.partition(":")[0] for one in found)
    return [f"{file}: {', '.join(_tests_in(file, found))}" for file in files]


def _tests_in(file: str, found: list[usage.Use]) -> list[str]:
    own = [one.user for one in found if one.where.startswith(f"{file}:")]
    return own if len(own) <= TESTS_SHOWN else [*own[:TESTS_SHOWN], f"and {len(own) - TESTS_SHOWN} more"]


def _write(out: Path | None, text: str) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out must be a file that can be written, was {out}: {error.strerror}") from error
    typer.echo(f"wrote {out}")


def _print(console: Console, found: list[Finding]) -> None:
    for one in found:
        console.print(f"[red]{escape(one.file)}[/]: [bold]{escape(one.field)}[/]: {one.rule}", soft_wrap=True)
        console.print(f"    {escape(one.problem)}", soft_wrap=True)
        if one.reading is not None:
            for line in _shown(one):
                console.print(f"    {escape(line)}", soft_wrap=True, style="dim")
        console.print(f"    [green]instead:[/] {escape(one.instead)}", soft_wrap=True)


def _shown(finding: Finding) -> list[str]:
    """The record that shows a break, cut down to the field at fault; `--json` has all of it."""
    reading = finding.reading
    assert reading is not None
    name = finding.field.split(".")[1] if "." in finding.field else ""
    return [f"{reading.writer} writes {_cut(reading.written, name)}", f"{reading.reader} gets {_cut(reading.got, name)}"]


def _cut(text: str, name: str) -> str:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return text
    if isinstance(value, dict) and name:
        return json.dumps({name: value[name], "…": "…"}, ensure_ascii=False) if name in value else f"a record without {name}"
    return text


def _print_comparison(console: Console, found: Comparison) -> None:
    table = Table("field", "change", found.before, found.after, pad_edge=False, box=None)
    for one in found.changes:
        table.add_row(escape(one.field), one.what, escape(one.before), escape(one.after))
    if found.changes:
        console.print(table)
    _print(console, found.breaks)
    if not found.changes:
        console.print("the two are the same")
    elif not found.breaks:
        console.print("[green]breaks nobody[/]" + ("; only words differ" if found.same else ""))
