"""Analytics give equal answers from Postgres and from an archive, in every form, and what they say is what the records say."""

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import schemas
from streams.cli.__main__ import app, run
from streams.cli.options import Invocation
from streams.errors import ConfigError
from streams.log.layout import Layout
from streams.operate import sessions
from streams.operate.migrate import migrate
from streams.operate.rows import Table
from streams.operate.stack import Stack
from streams.replay.summary import records_of
from streams.report.analytics import queries
from streams.report.analytics.source import Asked, PostgresSource, RecordSource, postgres_source
from streams.report.analytics.written import as_csv, as_json, write_parquet
from tests.golden.corpus import FOLDER, archived
from tests.operate.databases import fresh_database

SESSION, OTHER = "golden-spot", "golden-halts"
MIDDLE = 1_700_002_805_000_000  # of the session's 20 s


def records(session: str) -> RecordSource:
    log, codec = archived(session)
    return RecordSource(log, codec, sessions.read(log, codec, session))


@pytest.fixture(scope="module")
def dsn(run_stack: Stack) -> Iterator[str]:
    """Postgres as the sink fills it from both sessions."""
    with fresh_database(run_stack) as found:
        migrate(found)
        with psycopg.connect(found) as connection:
            for session in (SESSION, OTHER):
                fill(connection, session)
        yield found


def fill(connection: psycopg.Connection, session: str) -> None:
    log, codec = archived(session)
    layout = Layout.of(sessions.read(log, codec, session))
    for spec in schemas.catalogue().values():
        if spec.table and spec.partitions != "tasks":
            table = Table(spec.table, schemas.schema(spec.record))
            for number, record in enumerate(records_of(log, layout, codec, spec.name)):
                table.insert(connection, record, 0, number)
    connection.execute(
        "INSERT INTO journal SELECT 'j', 'j', 'j', %s, now(), 'risk', 0, 0, '{}', 0, 0, '[]', 0, '', '', '', '', '', 0, 0", (session,)
    )


@pytest.fixture
def rows(dsn: str) -> Iterator[PostgresSource]:
    with postgres_source(dsn, SESSION) as source:
        yield source


@pytest.mark.parametrize("query", queries.QUERIES)
@pytest.mark.parametrize(
    "asked",
    [
        Asked(), Asked(start=MIDDLE), Asked(end=MIDDLE), Asked(account="small"), Asked(strategy="momentum", start=MIDDLE),
        Asked(account="no"),
    ],
    ids=["all", "from", "to", "account", "strategy", "nobody"],
)
def test_both_sources_answer_alike(rows: PostgresSource, query: str, asked: Asked) -> None:
    answer = queries.QUERIES[query](records(SESSION), asked)
    assert queries.QUERIES[query](rows, asked) == answer
    assert as_json(queries.QUERIES[query](rows, asked)) == as_json(answer)
    assert bool(answer.rows) is (asked.account != "no")


def test_comparing_is_alike_too_and_a_session_differs_from_itself_by_nothing(rows: PostgresSource, dsn: str) -> None:
    with postgres_source(dsn, OTHER) as other:
        assert queries.compare(rows, other, Asked()) == queries.compare(records(SESSION), records(OTHER), Asked())
    itself = queries.compare(rows, records(SESSION), Asked()).rows
    assert itself and all(row["difference"] == 0 for row in itself)


def test_a_day_adds_up() -> None:
    source = records(SESSION)
    found = {row["account"]: row for row in queries.daily(source, Asked()).rows}
    main = found["main"]
    assert main["equity_end"] - main["equity_start"] == main["pnl"]  # type: ignore[operator]
    fills = queries.trades(source, Asked(account="main")).rows
    assert (len(fills), sum(row["notional"] for row in fills)) == (main["trades"], main["volume"])  # type: ignore[misc]
    # Fees are paid in the account's currency here, so the account's are those of its fills.
    assert sum(row["fee"] for row in fills) == main["fees"]  # type: ignore[misc]
    refused = queries.rejections(source, Asked(account="main")).rows
    assert sum(row["count"] for row in refused) == main["rejected"]  # type: ignore[misc]


def test_parts_of_a_session_add_up_to_the_whole() -> None:
    source = records(SESSION)
    parts = [queries.trades(source, asked).rows for asked in (Asked(end=MIDDLE), Asked(start=MIDDLE))]
    assert parts[0] and parts[1]
    assert parts[0] + parts[1] == queries.trades(source, Asked()).rows


def test_every_form_holds_the_same_exactly(tmp_path: Path) -> None:
    answer = queries.trades(records(SESSION), Asked())
    fees = [row["fee"] for row in answer.rows]
    assert [Decimal(row["fee"]) for row in json.loads(as_json(answer))] == fees
    assert [Decimal(row["fee"]) for row in csv.DictReader(io.StringIO(as_csv(answer)))] == fees
    write_parquet(answer, tmp_path / "fills.parquet")
    table = pq.read_table(tmp_path / "fills.parquet")
    assert table.column("fee").to_pylist() == fees
    assert [moment.timestamp() for moment in table.column("time").to_pylist()] == [row["time"] / 1e6 for row in answer.rows]  # type: ignore[operator]


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"], ["--parquet", "FILE"]], ids=["table", "json", "csv", "parquet"])
@pytest.mark.parametrize("query", [*queries.QUERIES, "compare"])
def test_every_command_has_every_form(query: str, form: list[str], tmp_path: Path) -> None:
    archive = str(FOLDER / SESSION)
    where = [archive, archive] if query == "compare" else ["--archive", archive]
    words = ["analytics", query, *where, *(str(tmp_path / "x.parquet") if word == "FILE" else word for word in form)]
    said = CliRunner().invoke(app, words, obj=Invocation({}))
    assert said.exit_code == 0 and said.stdout, said.output


def test_wrong_words_and_sessions_that_are_none_end_with_2(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    archive = ["--archive", str(FOLDER / SESSION)]
    assert run(["analytics", "trades", *archive, "--from", "noon"], {}) == 2
    assert run(["analytics", "trades", *archive, "--json", "--csv"], {}) == 2
    said = capsys.readouterr().err
    assert "--from must be a time such as 2026-01-31" in said and "one at a time" in said
    known = f"session must be one of {OTHER}, {SESSION} in Postgres, was monday"
    with pytest.raises(ConfigError, match=known), postgres_source(dsn, "monday"):
        pass


