"""`cdb schemas` as people and programs call it."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import schemas
from streams.cli.__main__ import run
from streams.contract.usage import uses
from streams.errors import ConfigError
from streams.operate.stack.settings import free_ports
from tests.contract.schema_changes import field_of
from tests.operate.broken_registry import Answer, broken_registries


@pytest.fixture(scope="module")
def broken_registry() -> Iterator[Callable[[Answer], str]]:
    with broken_registries() as start:
        yield start


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command writes; it must end with that code."""
    assert run(["schemas", *arguments], {}) == code
    written = capsys.readouterr()
    return written.out if code in (0, 1) else written.err or written.out


def proposal(tmp_path: Path, record: str, change: Callable[[dict[str, Any]], Any]) -> str:
    schema = schemas.schema(record)
    change(schema)
    path = tmp_path / f"{record}.avsc"
    path.write_text(json.dumps(schema), encoding="utf-8")
    return str(path)


def test_check_counts_what_is_sound(capsys: pytest.CaptureFixture[str]) -> None:
    assert "schemas are sound: 19 records, 21 released versions" in said(capsys, "check")
    assert json.loads(said(capsys, "check", "--json")) == {"findings": []}


def test_diff_shows_what_changed_and_who_would_read_what(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def change(schema: dict[str, Any]) -> None:
        field_of(schema, "fee")["type"]["scale"] = 8
        field_of(schema, "model")["doc"] = "Which model priced it."

    path = proposal(tmp_path, "OrderResult", change)
    text = said(capsys, "diff", "OrderResult@1", path, code=1)
    assert "OrderResult.fee: decimal_scale_changed" in text
    assert 'OrderResult@1 writes {"fee": "-123.450000000000"' in text
    assert 'gets {"fee": "-1234500.00000000"' in text
    assert "instead: keep the field as it is and add another one beside it" in text
    document = json.loads(said(capsys, "diff", "OrderResult", path, "--json", code=1))
    assert [(one["field"], one["what"], one["before"], one["after"]) for one in document["changes"]] == [
        ("fee", "type", "decimal(38,12)", "decimal(38,8)"), ("model", "words", "Execution model that priced it.", "Which model priced it."),
    ]  # fmt: skip
    assert {one["reading"]["outcome"] for one in document["breaks"]} == {"alters"}


def test_diff_of_a_harmless_change_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    added = {"name": "note", "type": ["null", "string"], "default": None, "doc": "Note."}
    assert "breaks nobody" in said(capsys, "diff", "Order", proposal(tmp_path, "Order", lambda schema: schema["fields"].append(added)))
    assert "the two are the same" in said(capsys, "diff", "Order@1", "Order")


@pytest.mark.parametrize(
    "text", ["{", "[]", "7", '{"name": "Order"}', '{"type": "record", "name": "O", "fields": [{"name": "x", "type": "O"}]}']
)
def test_file_that_is_no_record_of_avro_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    path = tmp_path / "Order.avsc"
    path.write_text(text, encoding="utf-8")
    assert f"{path} must hold an Avro record" in said(capsys, "diff", "Order", str(path), code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("diff", "Order@7", "Order"), "version of Order must be one of 1, was 7"),
        (("diff", "Order", "Ordre"), "record must be one of MarketData, Instrument"),
        (("diff", "Order", "nowhere.avsc"), "nowhere.avsc must be a file that can be read"),
        (("release", "Order"), "schemas/Order.avsc must differ from version 1 to be released, was the same"),
        (("release", "Ordre"), "RECORD must be one of MarketData"),
        (("why", "Order.price"), "field of Order must be one of event_id"),
        (("why", "nothing_of_the_kind"), "FIELD must be RECORD.FIELD, a field of some record, or a metric, was nothing_of_the_kind"),
        (("docs", "--out", "/dev/null/page.html"), "--out must be a file that can be written"),
        (("register", "--registry", "none"), "REGISTRY must be the address of a registry, was none"),
    ],
)
def test_wrong_word_is_answered_with_rule_and_value(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    assert message in said(capsys, *arguments, code=2)


def test_release_writes_the_next_version_and_refuses_a_breaking_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = shutil.copytree(schemas.FOLDER, tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "Mark.avsc"
    schema = json.loads(file.read_text(encoding="utf-8"))
    schema["fields"].append({"name": "note", "type": ["null", "string"], "default": None, "doc": "Note."})
    file.write_text(json.dumps(schema), encoding="utf-8")
    assert "released Mark version 2: schemas/released/Mark/2.avsc" in said(capsys, "release", "Mark", "--folder", str(folder))
    assert (folder / "released" / "Mark" / "2.avsc").read_text(encoding="utf-8") == file.read_text(encoding="utf-8")
    # `atr` may be left out as far as Avro goes; risk reads it.
    schema["fields"].remove(field_of(schema, "atr"))
    file.write_text(json.dumps(schema), encoding="utf-8")
    assert run(["schemas", "release", "Mark", "--folder", str(folder)], {}) == 2
    assert "risk (streams/stages/risk.py) reads it, and it is not there" in capsys.readouterr().err


def test_why_names_readers_columns_views_and_tests() -> None:
    found = {(one.kind, one.user) for one in uses("OrderResult.slippage_bps")}
    assert ("reader", "report") in found
    assert ("reader", "live view") in found
    assert ("column", "order_results.slippage_bps numeric(38,12)") in found
    assert ("view", "trades") in found
    assert ("test", "test_why_names_readers_columns_views_and_tests") in found
    assert any(kind == "writer" for kind, _ in found)


def test_why_names_the_panels_and_alerts_that_ask_for_a_field(tmp_path: Path) -> None:
    deploy = tmp_path / "deploy" / "grafana"
    deploy.mkdir(parents=True)
    inner = {"title": "Costs", "targets": [{"rawSql": "SELECT avg(slippage_bps) FROM trades"}]}
    other = {"title": "Elsewhere", "targets": [{"rawSql": "SELECT slippage_bps FROM somebodys"}]}
    (deploy / "fills.json").write_text(json.dumps({"title": "Fills", "panels": [{"title": "Row", "panels": [inner, other]}]}))
    (deploy / "rules.yml").write_text(
        "groups:\n- rules:\n  - alert: Dear\n    expr: max(order_results_slippage_bps) > 9 # slippage_bps, order_results\n  - alert: Calm\n"
    )
    assert [(one.kind, one.user, one.where) for one in uses("slippage_bps", tmp_path) if one.kind in {"panel", "alert"}] == [
        ("panel", "Fills: Costs", "deploy/grafana/fills.json"), ("alert", "Dear", "deploy/grafana/rules.yml:3"),
    ]  # fmt: skip
    (deploy / "fills.json").write_text("{")
    with pytest.raises(ConfigError, match=r"deploy/grafana/fills\.json must be JSON"):
        uses("slippage_bps", tmp_path)


def test_why_of_a_bare_name_goes_through_every_record(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "why", "liquidation_price", "--json"))
    assert {one["field"] for one in found} == {"Position.liquidation_price"}
    assert {one["field"] for one in json.loads(said(capsys, "why", "aggressor", "--json"))} == {"MarketData.trades.aggressor"}


def test_page_explains_every_field_and_loads_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "schemas.html"
    assert said(capsys, "docs", "--out", str(path)) == f"wrote {path}\n"
    text = path.read_text(encoding="utf-8")
    for name, spec in schemas.catalogue().items():
        assert f'<h2 id="{name}">' in text
        assert all(f"<td>{field['name']}</td>" in text for field in schemas.schema(spec.record)["fields"])
    assert "quote units" in text
    assert "http" not in text.replace("http-equiv", "")
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_asyncapi_is_written_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(said(capsys, "asyncapi"))["asyncapi"] == "3.0.0"


def foreign(method: str, path: str) -> tuple[int, Any]:
    """A registry that has somebody else's schema as version 1 of each of our subjects."""
    if path.startswith("/config"):
        return 200, {"compatibilityLevel": "FULL_TRANSITIVE"}
    if method == "POST":
        return 200, {"id": 2}
    if path.endswith("/versions"):
        return 200, [1, 2]
    schema = {"type": "record", "name": "Stranger", "namespace": "other", "fields": []}
    return 200, {"id": 1, "schema": json.dumps(schema)}


def test_registry_that_is_away_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    (port,) = free_ports(1)
    message = said(capsys, "register", "--registry", f"http://127.0.0.1:{port}", code=2)
    assert f"registry http://127.0.0.1:{port} cannot be reached" in message


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda method, path: (503, {"message": "no storage"}), "503"),
        (lambda method, path: (500, "oops"), "500"),
        (lambda method, path: (200, b"<html>"), "must answer in JSON, was '<html>' to PUT"),
        (lambda method, path: (200, ["hello"]), "must answer with id, was ['hello'] to POST"),
        (lambda method, path: (409, {"message": "field code is gone"}) if method == "POST" else (200, {}), "field code is gone"),
        (foreign, "must hold only schemas of that name, was other.Stranger"),
    ],
)
def test_registry_with_a_fault_or_a_foreign_schema_ends_with_2(
    capsys: pytest.CaptureFixture[str], broken_registry: Callable[[Answer], str], answer: Answer, message: str
) -> None:
    assert message in said(capsys, "register", "--registry", broken_registry(answer), code=2)


def test_why_names_the_panels_and_alerts_that_ask_for_a_metric() -> None:
    found = uses("streams_decision_age_seconds")
    assert ("panel", "Pipeline: Decisions in time") in {(one.kind, one.user) for one in found}
    assert {one.user for one in found if one.kind == "alert"} == {"DecisionsLateFast", "DecisionsLateSlow"}


def test_why_names_the_panels_that_show_a_column() -> None:
    found = {(one.kind, one.user) for one in uses("PortfolioSnapshot.daily_drawdown")}
    assert ("panel", "Paper trading: Daily drawdown") in found
