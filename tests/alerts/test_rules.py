"""Alert rules: each seen to fire and not to fire, and each explained in the runbook."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.alerts.tools import PROJECT, tool
from tests.operate.prometheus import KNOWN, metric_names

HERE = Path(__file__).parent
RULES = sorted((PROJECT / "deploy" / "prometheus" / "rules").glob("*.yml"))
TESTS = sorted(HERE.glob("*.yml"))
RUNBOOK = PROJECT / "deploy" / "runbooks" / "alerts.md"


def rules() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


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
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        found = metric_names(rule["expr"])
        assert found, rule
        assert found <= KNOWN | recorded, rule


# What a live session of the simulated feed tells in an hour in which nothing is wrong: it trades, holds at most two positions, and
# signals every half hour. Values in promtool's notation, one a minute.
UNDISTURBED = {
    'up{job="feed",instance="cdb_ws:8000"}': "1x75",
    'up{job="risk",instance="cdb_risk:8002"}': "1x75",
    'streams_feed_healthy{session="live"}': "1x75",
    'streams_feed_live{session="live"}': "1x75",
    'streams_feed_gap_seconds_total{session="live"}': "0x75",
    'streams_account_daily_drawdown_ratio{session="live",account="main"}': "0.001x30 0.02x45",
    'streams_account_exposure_ratio{session="live",account="main"}': "0.1x30 0.2x30 0x15",
    'streams_account_open_positions{session="live",account="main"}': "0x10 1x10 2x40 1x15",
    'streams_account_risk_mode{session="live",account="main",mode="HALT_ALL"}': "0x75",
    'streams_last_signal_time_seconds{session="live"}': "0x30 1800x30 3600x15",
    'streams_strategy_warm{session="live",stage="signals",strategy="momentum",symbol="BTCUSDT"}': "1x75",
    'streams_fills_far_from_mark_total{session="live"}': "0x75",
    'streams_decision_age_seconds_bucket{session="live",stage="risk",le="0.25"}': "0+40x75",
    'streams_decision_age_seconds_count{session="live",stage="risk"}': "0+40x75",
    'streams_dead_letters_total{session="live",stage="risk",topic="marks",rule="decodable"}': "0x75",
    'streams_frontier_seconds{session="live",stage="risk",task="0"}': "0+60x75",
    'streams_lag_records{session="live",stage="risk",task="0",topic="marks",partition="0"}': "3x75",
    'kafka_consumergroup_lag_seconds{group="live-risk",topic="live.marks",partition="0",source="group",task=""}': "0.02x75",
    "streams_lag_exporter_last_round_time_seconds": "0+60x75",
    'streams_sink_rows_missing{session="live",table="orders"}': "0x75",
    'streams_replay_divergences_total{session="live"}': "0x75",
    'streams_replay_verified_time_seconds{session="live"}': "0x75",
    'streams_connect_tasks_failed{connector="postgres-sink"}': "0x75",
    'streams_disk_free_ratio{path="/data"}': "0.4x75",
    "streams_clock_offset_seconds": "0.002x75",
    'streams_certificate_expiry_time_seconds{file="broker.pem"}': "9000000x75",
    "streams_backup_last_success_time_seconds": "0x75",
}


def in_tens(course: str) -> str:
    """Values of each minute as values of each ten seconds."""
    parts = [re.fullmatch(r"([\d.]+)(?:\+(\d+))?x(\d+)", part) for part in course.split()]
    return " ".join(f"{one[1]}{f'+{int(one[2]) / 6}' if one[2] else ''}x{int(one[3]) * 6 - 1}" for one in parts if one)


@pytest.mark.parametrize(
    ("series", "values", "fires"),
    [
        (None, "", None),
        ('streams_account_open_positions{session="live",account="main"}', "0x10 3x65", "OpenPositionsMany"),
        ('streams_account_exposure_ratio{session="live",account="main"}', "0x10 0.281x65", "ExposureHigh"),
        ('streams_account_daily_drawdown_ratio{session="live",account="main"}', "0x10 0.046x65", "DrawdownHigh"),
        ('streams_last_signal_time_seconds{session="live"}', "0x75", "NoSignal"),
        ('up{job="risk",instance="cdb_risk:8002"}', "1x60 0x15", "PartDown"),
    ],
    ids=["nothing", "three positions", "28 % exposure", "4.5 % drawdown", "no signal", "a part down"],
)
def test_undisturbed_hour_fires_nothing_and_one_fault_its_own_alert_alone(
    tmp_path: Path, series: str | None, values: str, fires: str | None
) -> None:
    told = UNDISTURBED if series is None else {**UNDISTURBED, series: values}
    asked = {metric for rule in rules() for metric in metric_names(rule["expr"])} - {rule.get("record") for rule in rules()}
    assert asked == {name for one in UNDISTURBED for name in metric_names(one.partition("{")[0])}, "every rule has something to look at"
    document = {
        "rule_files": list(map(str, RULES)),
        "evaluation_interval": "10s",
        "tests": [{
            "interval": "10s",
            "input_series": [{"series": name, "values": in_tens(course)} for name, course in told.items()],
            # What fires is seen by its mark alone; what it says, the other tests look at.
            "promql_expr_test": [{
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f'{{alertname="{fires}"}}', "value": 1}] if fires else [],
            } for minute in ((65, 74) if fires else range(1, 75))],
        }],
    }  # fmt: skip
    file = tmp_path / "hour.yml"
    file.write_text(yaml.safe_dump(document))
    done = subprocess.run([tool("promtool"), "test", "rules", file], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
