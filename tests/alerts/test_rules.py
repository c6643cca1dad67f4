"""Alert rules: each seen to fire and not to fire, and each explained in the runbook."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections import defaultdict
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.cli.__main__ import run
from tests.alerts.tools import PROJECT, tool
from tests.operate.prometheus import KNOWN, metric_names

HERE = Path(__file__).parent
RULES = sorted((PROJECT / "deploy" / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted(HERE.glob("*.yml"))
RUNBOOK = PROJECT / "deploy" / "runbooks" / "alerts.md"


def alerts() -> dict[str, dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def sections() -> dict[str, str]:
    """The runbook's text by its headings."""
    parts = re.split(r"^## (.+)$", RUNBOOK.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


each_alert = pytest.mark.parametrize("name", alerts())


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_fire_when_they_should_and_only_then(path: Path) -> None:
    done = subprocess.run([tool("promtool"), "test", "rules", path], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@each_alert
def test_alert_is_tested_to_fire_and_not_to_fire(name: str) -> None:
    fires: dict[str, set[bool]] = defaultdict(set)
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test["alert_rule_test"]:
                fires[case["alertname"]].add(bool(case["exp_alerts"]))
    assert fires[name] == {True, False}


@each_alert
def test_alert_says_how_bad_what_and_where_to_read_on(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["runbook_url"] == f"deploy/runbooks/alerts.md#{name.lower()}"


@each_alert
def test_alert_has_its_section_in_the_runbook(name: str) -> None:
    text = sections()[name]
    for part in ("**Meaning.**", "**First look.**", "**What to do.**"):
        assert part in text, f"{name} lacks {part}"


def test_runbook_explains_no_alert_that_there_is_not() -> None:
    assert sections().keys() == alerts().keys()


def test_rules_ask_for_metrics_of_the_catalogue() -> None:
    rules = [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in rules if "record" in rule}
    for rule in rules:
        found = metric_names(rule["expr"])
        assert found, rule
        assert found <= KNOWN | recorded, rule


def commands() -> list[str]:
    """Every `cdb …` of the runbook, on one line."""
    text = RUNBOOK.read_text(encoding="utf-8")
    return sorted({" ".join(found.split()) for found in re.findall(r"`(cdb [^`]+)`", text)})


@pytest.mark.parametrize("command", commands())
def test_command_of_the_runbook_is_one(command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name and its options are there; running it would need a cluster."""
    monkeypatch.setenv("COLUMNS", "200")
    words = shlex.split(command)[1:]
    name = list(takewhile(lambda word: re.fullmatch(r"[a-z-]+", word) and not word.startswith("-"), words))
    assert run([*name, "--help"], {}) == 0, command
    told = capsys.readouterr().out
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", told), f"{command}: {option}"
