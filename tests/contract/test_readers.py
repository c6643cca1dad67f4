"""Who declares to read a field really reads it, and nothing else; a field that is read cannot go."""

import threading

import pytest

import schemas
from streams.cli.live_view import screen
from streams.contract.readers import missing_fields, readers
from streams.domain import records as r
from streams.exchange.wall import SystemWall
from streams.operate.live_model import LiveModel
from streams.operate.runtime import STAGES
from streams.replay.backtest import Backtest, backtest
from streams.replay.summary import summary_of
from streams.report.gather import material_of
from streams.report.page import report
from streams.stages.contract import Event
from streams.stages.risk import RiskStage
from tests.contract.guarded import Declared, Guard, GuardedCodec, Undeclared, guarded_stages
from tests.contract.samples import NOON, SAMPLES, sample
from tests.contract.schema_changes import field_of
from tests.report.sessions import busy_settings
from tests.simulation.test_perpetual_session import make_settings as perpetual_settings

DECLARED: dict[str, Declared] = {reader.name: reader.reads for reader in readers()}
STAGE_NAMES = tuple(STAGES)

# Read on paths that sessions of a minute do not take (rejections, resting orders, commands, reports of alerts); tests of the domain
# and of the report take them.
RARE = {
    "risk": {
        "Command.justification", "Instrument.base_asset", "Instrument.maker_fee_rate", "OrderResult.event_id", "OrderResult.reason",
        "OrderResult.status",
    },
    "execution": {
        "Instrument.lot_size", "Instrument.tick_size", "MarketData.trades.aggressor", "MarketData.trades.quantity",
        "MarketData.trades.time", "Order.limit_price", "Order.stop_price",
    },
    "report": {f"{record}.{name}" for record in ("Alert", "Command", "JournalEntry") for name in DECLARED["report"][record]},
    "summary": {
        "JournalEntry.outputs_count", "JournalEntry.watermark", "PortfolioSnapshot.realized_pnl", "PortfolioSnapshot.unrealized_pnl",
        "PortfolioSnapshot.risk_mode",
    },
}  # fmt: skip

# What runs the stages decodes these for itself, beside the reader that is watched.
OF_HOSTS = (r.JournalEntry, r.SnapshotChunk, r.MarketData, r.Instrument, r.Funding)


def guard(name: str) -> Guard:
    return Guard(name, DECLARED[name])


@pytest.fixture(scope="module")
def watched() -> tuple[dict[str, Guard], list[Backtest]]:
    """A spot and a perpetual session whose stages step watched records, and who watched."""
    guards = {name: guard(name) for name in STAGE_NAMES}
    stages = guarded_stages(tuple(STAGES.values()), guards)
    settings = (busy_settings(60), perpetual_settings())
    return guards, [backtest(each, stages, SystemWall(threading.Event()), code_version="test") for each in settings]


def all_declared(name: str) -> set[str]:
    return {f"{record}.{field}" for record, fields in DECLARED[name].items() for field in fields}


@pytest.mark.parametrize("name", STAGE_NAMES)
def test_a_stage_reads_all_that_it_declares(watched: tuple[dict[str, Guard], list[Backtest]], name: str) -> None:
    guards, _ = watched
    commands = all_declared("risk") & {f"Command.{field}" for field in r.Command.__struct_fields__}
    assert all_declared(name) - guards[name].read - RARE.get(name, set()) <= commands


def test_risk_reads_of_a_command_what_it_declares() -> None:
    watch = guard("risk")
    stage = RiskStage(perpetual_settings(), 0)
    for kind in r.CommandKind:
        command = watch.record(sample(r.Command, kind=kind, symbol="BTC_USDT"))
        stage.step(stage.initial(0), Event(NOON, "command", "apart", command, "c"))
    assert {f"Command.{name}" for name in DECLARED["risk"]["Command"]} <= watch.read


def test_summary_report_and_live_view_read_what_they_declare(watched: tuple[dict[str, Guard], list[Backtest]]) -> None:
    guards = {name: guard(name) for name in ("summary", "report", "live view")}
    codecs = {name: GuardedCodec(one, lambda record: not isinstance(record, OF_HOSTS)) for name, one in guards.items()}
    for done in watched[1]:
        summary_of(done.log, done.settings, codecs["summary"], tuple(STAGES.values())).as_document()
        report(material_of(done.log, codecs["report"], done.settings, tuple(STAGES.values())))
        live = LiveModel(done.log, GuardedCodec(guards["live view"]), done.settings)
        while live.poll(0):
            pass
        for width in (80, 200):
            screen(live, rate=1.0, notes=[], width=width, height=50)
    for name, one in guards.items():
        assert all_declared(name) - one.read <= RARE.get(name, set()), name


def test_reading_what_is_not_declared_raises() -> None:
    """The guard itself: in a record, and within a list."""
    watch = Guard("somebody", {"MarketData": frozenset({"symbol", "trades", "trades.price"})})
    data = watch.record(SAMPLES[r.MarketData])
    assert data.symbol == "BTCUSDT"
    assert str(data.trades[0].price) == "57123.45"
    with pytest.raises(Undeclared, match=r"somebody reads MarketData\.gap, and schemas/readers\.toml does not say so"):
        data.gap
    with pytest.raises(Undeclared, match=r"MarketData\.trades\.quantity"):
        data.trades[0].quantity


def test_removing_a_field_that_nobody_reads_passes() -> None:
    schema = schemas.schema("Mark")
    schema["fields"].remove(field_of(schema, "index"))
    assert missing_fields("Mark", schema) == []


def test_removing_a_field_that_is_read_names_its_readers() -> None:
    schema = schemas.schema("Order")
    schema["fields"].remove(field_of(schema, "decision_mark"))
    found = missing_fields("Order", schema)
    assert {(one.field, one.rule, one.problem) for one in found} == {
        ("Order.decision_mark", "read_field_removed", f"{reader}reads it, and it is not there") for reader in (
            "execution (streams/stages/execution.py) ", "table orders (connectors/migrations/0001_trading_tables.sql) ",
            "questions (streams/replay/questions) ", "incidents (streams/report/incident) ")
    }  # fmt: skip


@pytest.mark.parametrize("record", r.RECORDS)
def test_every_declared_field_is_there(record: str) -> None:
    assert missing_fields(record, schemas.schema(record)) == []


def test_every_declared_record_and_source_is_there() -> None:
    for reader in readers():
        assert set(reader.reads) <= set(r.RECORDS), reader.name
        assert (schemas.FOLDER.parent / reader.source).exists(), reader.name


def test_every_table_reads_every_field_of_its_record() -> None:
    """A column for each field, so a field that reaches Postgres cannot go without a migration."""
    for spec in schemas.catalogue().values():
        if spec.table:
            names = {field["name"] for field in schemas.schema(spec.record)["fields"]}
            assert DECLARED[f"table {spec.table}"] == {spec.record: names}
