"""Bad schemas, each refused with file, field and rule."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import schemas
from streams.cli.__main__ import run
from streams.contract import lock
from streams.contract.check import findings
from streams.contract.findings import Finding
from streams.contract.validity import faults
from streams.errors import ConfigError
from tests.contract.schema_changes import field_of

Schema = dict[str, Any]
Change = Callable[[Schema], Any]

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 12}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the project's schemas, to be spoilt."""
    return Path(shutil.copytree(schemas.FOLDER, tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__", "golden")))


def changed(folder: Path, record: str, change: Change) -> Path:
    """The folder with a record's schema changed."""
    file = folder / f"{record}.avsc"
    schema = json.loads(file.read_text(encoding="utf-8"))
    change(schema)
    file.write_text(json.dumps(schema), encoding="utf-8")
    return folder


def of(field: str, **changes: Any) -> Change:
    """A change of one field's attributes."""
    return lambda schema: field_of(schema, field).update(changes)


def added(**field: Any) -> Change:
    return lambda schema: schema["fields"].append({"doc": "More.", **field})


BAD: list[tuple[str, str, Change, str, str]] = [
    # rule, record, change, field, what the message says
    ("valid_avro", "Order", of("account", type="text"), "Order.account", "there is no type cdb.text"),
    ("valid_avro", "Order", lambda schema: field_of(schema, "account").pop("type"), "Order.account", "is missing 'type'"),
    ("valid_avro", "Order", of("account", type={"type": "array"}), "Order.account", "'items' is missing"),
    ("valid_avro", "Order", lambda schema: schema.pop("fields"), "Order", "'fields' must be a list"),
    ("valid_avro", "Order", of("account", type=["null", ["string"]]), "Order.account", "a union must not hold a union"),
    ("valid_avro", "Order", added(name="what-for", type="string"), "Order.what-for", "was 'what-for'"),
    ("valid_avro", "Order", lambda schema: field_of(schema, "side")["type"].update(default="HOLD"), "Order.side", "in symbols list"),
    ("valid_avro", "Order", added(name="more", type="long", default="none"), "Order.more", "none"),
    ("holds_itself", "Mark", added(name="before", type=["null", "Mark"], default=None), "Mark", "must not hold itself"),
    ("is_a_record", "Order", lambda schema: schema.update(type="enum"), "Order", "must be record, was enum"),
    ("record_name", "Order", lambda schema: schema.update(name="Ordre"), "Order", "must be Order, was Ordre"),
    ("namespace", "Order", lambda schema: schema.update(namespace="trading"), "Order", "must be cdb, was trading"),
    ("doc_present", "Order", lambda schema: field_of(schema, "account").pop("doc"), "Order.account", "must have a doc"),
    ("doc_present", "Order", lambda schema: schema.pop("doc"), "Order", "must have a doc"),
    ("doc_present", "Mark", lambda schema: field_of(schema, "depth")["type"]["items"]["fields"][0].update(doc=" "), "Mark.depth.side",
     "must have a doc"),
    ("unit_and_sign", "Order", of("quantity", doc="Approved quantity"), "Order.quantity", "must end with [unit; sign]"),
    ("unit_and_sign", "Order", of("quantity", doc="Approved [pieces; >= 0]"), "Order.quantity", "was 'pieces'"),
    ("unit_and_sign", "Order", of("quantity", doc="Approved [base units; maybe]"), "Order.quantity", "was 'maybe'"),
    ("unit_and_sign", "Order", of("quantity", doc="Approved [units of currency; >= 0]"), "Order.quantity", "was 'units of currency'"),
    ("unit_and_sign", "Order", of("account", doc="Account [count; >= 0]"), "Order.account", "only numbers"),
    ("exact_numbers", "Order", of("quantity", type="double"), "Order.quantity", "must be decimal(38,12) or long, was double"),
    ("exact_numbers", "Order", added(name="fee", type=["null", "float"], default=None, doc="Fee [quote units; paid is positive]"),
     "Order.fee", "was float"),
    ("logical_type", "Order", of("quantity", type={**DECIMAL, "scale": 8}), "Order.quantity", "was decimal(38,8) of bytes"),
    ("logical_type", "Order", of("quantity", type={**DECIMAL, "precision": 20}), "Order.quantity", "was decimal(20,12) of bytes"),
    ("logical_type", "Order", of("time", type={"type": "long", "logicalType": "timestamp-millis"}), "Order.time", "timestamp-millis"),
    ("logical_type", "Order", added(name="at", type={"type": "long", "logicalType": "timestamp-nano"}, doc="At [number; >= 0]"),
     "Order.at", "was timestamp-nano of long"),
    ("connect_name", "Order", of("time", type={"type": "long", "logicalType": "timestamp-micros"}), "Order.time", "was absent"),
    ("connect_name", "Order", of("quantity", type={**DECIMAL, "connect.name": "x"}), "Order.quantity", "must be absent, was x"),
    ("begins_as_every_record", "Order", lambda schema: schema["fields"].insert(4, {"name": "more", "type": "string", "doc": "More."}),
     "Order.more", "field 5 must be time of long, was more of string"),
    ("begins_as_every_record", "Order", lambda schema: schema["fields"].insert(9, schema["fields"].pop(0)), "Order.causation_id",
     "field 1 must be event_id of string, was causation_id of string"),
    ("begins_as_every_record", "Order", of("session", type=["null", "string"], default=None), "Order.session", "was session of union"),
    ("begins_as_every_record", "Order", lambda schema: schema.update(fields=schema["fields"][:4]), "Order.nothing",
     "field 5 must be time of long, was nothing of null"),
    ("enum_default", "Order", lambda schema: field_of(schema, "side")["type"].pop("default"), "Order.side", "Side must have a default"),
    ("union_is_optional", "Order", added(name="more", type=["string", "long"], doc="More [count; >= 0]"), "Order.more",
     "was string, long: no column"),
    ("union_is_optional", "Order", added(name="more", type=["null", "string", "boolean"], default=None), "Order.more", "null, string"),
    ("optional_default", "Order", added(name="more", type=["null", "string"]), "Order.more", "must default to null, was absent"),
    ("flat_for_the_sink", "Order", added(name="levels", type={"type": "array", "items": "string"}), "Order.levels", "was array"),
    ("flat_for_the_sink", "Order", added(name="level", type={"type": "record", "name": "Rung", "fields": [
        {"name": "price", "type": DECIMAL, "doc": "Price [quote units; > 0]"}]}), "Order.level", "was record: the sink has no column"),
    ("flat_for_the_sink", "Order", added(name="level", default=None, type=["null", {"type": "map", "values": "string"}]), "Order.level",
     "was map"),
    ("name_clash", "Order", added(name="account", type="string"), "Order.account", "must be one field, was 2"),
    ("name_clash", "Order", added(name="other", type={"type": "enum", "name": "Side", "symbols": ["A"], "default": "A"}), "Order.other",
     "redefined named type: cdb.Side"),
    ("name_clash", "Order", added(name="log_offset", type="string"), "Order.log_offset", "none of log_offset"),
    ("name_clash", "Order", added(name="Account", type="string"), "Order.Account", "must be lower case"),
    ("name_clash", "Order", lambda schema: field_of(schema, "purpose")["type"].update(name="RiskMode"), "PortfolioSnapshot: cdb.RiskMode",
     "must be the same enum as in schemas/Order.avsc"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "record", "change", "field", "said"), BAD)
def test_bad_schema_is_refused_with_file_field_and_rule(
    folder: Path, rule: str, record: str, change: Change, field: str, said: str
) -> None:
    found = [one for one in findings(changed(folder, record, change)) if one.rule == rule]
    assert [one.field for one in found] == [field], [str(one) for one in found]
    assert found[0].file.endswith(".avsc")
    assert said in found[0].problem
    assert found[0].instead


def test_broken_json_is_named_by_its_place() -> None:
    [found] = faults("Order", '{"type": "record",\n "name" "Order"}', file="schemas/Order.avsc", in_table=True)
    assert str(found) == "schemas/Order.avsc: Order: valid_json: line 2, column 9: Expecting ':' delimiter"


def test_schemas_of_the_project_are_sound() -> None:
    assert findings() == []


def test_every_bad_schema_ends_the_check_with_2_and_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed(folder, "Order", of("quantity", type="double"))
    assert run(["schemas", "check", "--folder", str(folder)], {}) == 2
    said = capsys.readouterr().out
    assert "schemas/Order.avsc: Order.quantity: exact_numbers" in said
    assert "must be decimal(38,12) or long, was double" in said
    assert "instead: take the decimal" in said


def rules(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.field, one.rule) for one in found]


def optional(name: str) -> Change:
    return added(name=name, type=["null", "string"], default=None)


def test_change_that_breaks_nobody_needs_only_its_release(folder: Path) -> None:
    [found] = findings(changed(folder, "Order", optional("note")))
    assert (found.rule, found.instead) == ("not_released", "cdb schemas release Order")
    made = lock.release("Order", folder)
    assert made.number == 2
    assert findings(folder) == []
    assert set(lock.locked(folder)["Order"]) == {1, 2}


def test_better_words_need_no_release(folder: Path) -> None:
    assert findings(changed(folder, "Order", of("account", doc="The account that trades."))) == []


def test_breaking_change_shows_a_record_that_breaks(folder: Path) -> None:
    [found] = [one for one in findings(changed(folder, "Order", added(name="note", type="string"))) if one.reading]
    assert (found.field, found.rule) == ("Order.note", "field_without_default")
    assert found.problem.startswith("where schemas/Order.avsc reads what version 1 writes, the reader wants a field")
    assert found.reading is not None
    assert json.loads(found.reading.written)["side"] == "BUY"
    assert "No default value for field note" in found.reading.got
    assert "default null" in found.instead


def test_every_released_version_counts_not_only_the_newest(folder: Path) -> None:
    """A field that comes with one default and loses it later: version 2 could still read, version 1 cannot be read."""
    changed(folder, "Order", optional("note"))
    lock.release("Order", folder)

    def made_mandatory(schema: Schema) -> None:
        field_of(schema, "note").update(type="string")
        del field_of(schema, "note")["default"]

    found = [one for one in findings(changed(folder, "Order", made_mandatory)) if one.reading]
    assert [(one.rule, one.reading.writer) for one in found if one.reading] == [
        ("field_without_default", "version 1"), ("null_not_read", "version 2"),
    ]  # fmt: skip


def test_released_file_that_is_altered_missing_or_slipped_in_is_found(folder: Path) -> None:
    changed(folder / "released" / "Order", "1", lambda schema: schema["fields"].pop())
    (folder / "released" / "Mark" / "1.avsc").unlink()
    shutil.copy(folder / "Signal.avsc", folder / "released" / "Signal" / "2.avsc")
    assert rules(findings(folder)) == [
        ("Mark version 1", "released_missing"), ("Order version 1", "released_altered"), ("Signal version 2", "released_unlocked"),
    ]  # fmt: skip


def test_released_file_that_is_no_json_and_a_lock_that_is_no_toml_are_named(folder: Path) -> None:
    (folder / "released" / "Order" / "1.avsc").write_text("{", encoding="utf-8")
    assert rules(findings(folder)) == [("Order version 1", "released_altered")]
    (folder / "released.toml").write_text("[Order", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"schemas/released\.toml must be TOML as `cdb schemas release` writes it"):
        findings(folder)


def test_schema_without_a_struct_and_struct_without_a_schema_are_found(folder: Path) -> None:
    text = (folder / "Order.avsc").read_text(encoding="utf-8").replace('"name": "Order"', '"name": "Trade"', 1)
    (folder / "Trade.avsc").write_text(text, encoding="utf-8")
    (folder / "Alert.avsc").unlink()
    found = rules(findings(folder))
    assert ("Alert", "record_missing") in found
    assert ("Trade", "record_known") in found


@pytest.mark.parametrize(
    ("before", "after", "field", "said"),
    [
        ('key = "account"\nrecord = "Signal"', 'record = "Signal"', "signals.key", "must be given"),
        ('record = "Signal"', 'record = "Wish"', "signals.record", "was Wish"),
        ('record = "Signal"\npartitions = "feeds"', 'record = "Signal"\npartitions = "many"', "signals.partitions", "was many"),
        ('record = "Signal"', 'record = "Signal"\ncleanup = "compact"', "signals.cleanup", "a merge needs every record"),
        ('record = "Signal"', 'record = "Signal"\nretension_ms = 1', "signals.retension_ms", "must be one of cleanup"),
        ("[topics.signals]", "[topics.signals", "catalogue", "line"),
    ],
)
def test_catalogue_that_does_not_say_all_is_refused(folder: Path, before: str, after: str, field: str, said: str) -> None:
    file = folder / "catalogue.toml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after, 1), encoding="utf-8")
    [found, *_] = findings(folder)
    assert found.field == field
    assert said in found.problem
