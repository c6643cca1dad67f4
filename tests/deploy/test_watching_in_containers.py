"""Prometheus and Alertmanager as the compose file starts them: not as root, read-only, with our rules, and known to each other."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy import compose
from tests.deploy.cluster import Cluster, images
from tests.deploy.conftest import require_engine

KNOWN_SECONDS_MAX = 60.0
TOOLS = compose.PROJECT_FOLDER / ".stack" / "tools" / "bin"
RULES = compose.PROJECT_FOLDER / "deploy" / "prometheus" / "rules"


def rules() -> set[str]:
    groups = [group for path in RULES.glob("*.yml") for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule.get("alert") or rule["record"] for group in groups for rule in group["rules"]}


def await_answer(ask: Callable[[], Any], wanted: Any) -> None:
    deadline = time.monotonic() + KNOWN_SECONDS_MAX
    while (found := ask()) != wanted:
        assert time.monotonic() < deadline, f"{found}, not {wanted}"
        time.sleep(0.2)


def test_prometheus_has_our_rules_asks_our_services_and_knows_whom_to_tell(tmp_path: Path) -> None:
    require_engine()
    if not TOOLS.exists():
        pytest.skip("Prometheus is not here: `make setup` fetches it where apt-get download can (deploy/fetch-tools)")
    with Cluster(images("prometheus", "alertmanager"), tmp_path) as cluster:
        cluster.start("cdb_alertmanager", "cdb_prometheus")
        asking = httpx.Client(base_url=f"http://127.0.0.1:{cluster.variables['PROMETHEUS_PORT']}/api/v1/", trust_env=False)

        def data(path: str) -> Any:
            return asking.get(path).raise_for_status().json()["data"]

        assert {rule["name"] for group in data("rules")["groups"] for rule in group["rules"]} == rules()
        await_answer(lambda: [one["url"] for one in data("alertmanagers")["activeAlertmanagers"]],
                     ["http://cdb_alertmanager:9093/api/v2/alerts"])  # fmt: skip
        # Only Alertmanager is up.
        await_answer(
            lambda: {one["labels"]["job"]: one["health"] for one in data("targets?state=active")["activeTargets"]},
            {"alertmanager": "up", "feed": "down", "signals": "down", "risk": "down", "execution": "down", "lag": "down"},
        )
        assert [cluster.stop(name) for name in ("cdb_prometheus", "cdb_alertmanager")] == [0, 0]
