"""A real Prometheus on loopback that holds a session's course: what our metrics would have said every ten seconds, known in advance."""

from __future__ import annotations

import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from streams.metrics.catalogue import CATALOGUE
from streams.operate.stack.settings import free_ports
from tests.alerts.tools import running, tool

STEP_S = 10
# What Grafana's $__rate_interval comes to where Prometheus asks every 10 s: four times that.
RATE_S = 40

# What a query may name: our catalogue, and Prometheus's own.
KNOWN = {metric.name for metric in CATALOGUE} | {"up", "ALERTS"}

_WORDS = {"and", "or", "unless", "bool"}

Sample = tuple[dict[str, str], float]


class Course:
    """Samples of metrics over time, family by family, as OpenMetrics wants them."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._lines: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    def take(self, registry: CollectorRegistry, at: int) -> None:
        """What the metrics say now, at that second."""
        for family in registry.collect():
            self._kinds[family.name] = family.type
            for one in family.samples:
                if not one.name.endswith("_created"):
                    labels = ",".join(f'{name}="{value}"' for name, value in one.labels.items())
                    self._lines[family.name][f"{one.name}{{{labels}}}"].append(f"{one.name}{{{labels}}} {one.value} {at}")

    def text(self) -> str:
        """All of it."""
        found = []
        for family, series in self._lines.items():
            found.append(f"# TYPE {family} {self._kinds[family]}")
            found += [line for lines in series.values() for line in lines]
        return "\n".join([*found, "# EOF", ""])


class Asked:
    """A Prometheus that runs; times in seconds since 1970."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def at(self, query: str, when: float) -> list[Sample]:
        """An instant query's samples. Raises: AssertionError with what Prometheus says against it."""
        return [(one["metric"], float(one["value"][1])) for one in self._ask("query", query=query, time=when)["result"]]

    def over(self, query: str, start: float, end: float) -> list[tuple[dict[str, str], list[float]]]:
        """A range query's samples."""
        found = self._ask("query_range", query=query, start=start, end=end, step=STEP_S)["result"]
        return [(one["metric"], [float(value) for _, value in one["values"]]) for one in found]

    def label_values(self, metric: str, label: str, start: float, end: float) -> list[str]:
        """What Grafana's label_values(metric, label) gives."""
        found: list[str] = self._ask(f"label/{label}/values", **{"match[]": metric, "start": start, "end": end})
        return found

    def _ask(self, what: str, **parameters: Any) -> Any:
        answer = self._client.get(f"/api/v1/{what}", params=parameters).json()
        assert answer["status"] == "success", f"{parameters}: {answer}"
        return answer["data"]


def in_promql(text: str, values: dict[str, str]) -> str:
    """A query as Grafana sends it. Raises: AssertionError where it would put in something unknown."""
    text = text.replace("$__rate_interval", f"{RATE_S}s")
    text = re.sub(r"\$(\w+)", lambda match: values[match[1]], text)
    assert "$" not in text, text
    return text


def metric_names(query: str) -> set[str]:
    """The metrics that a query names: words that are no function, no label and no part of the language; of a histogram its own name."""
    query = re.sub(r'"[^"]*"', "", query)
    query = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\boffset \w+|\b(by|on|without|ignoring|group_left) *\([^)]*\)", " ", query)
    words = set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?! *\()", query)) - _WORDS
    histograms = {metric.name for metric in CATALOGUE if metric.kind == "histogram"}
    return {base if (base := re.sub(r"_(bucket|count|sum)$", "", word)) in histograms else word for word in words}


@contextmanager
def prometheus_of(course: Course, folder: Path) -> Iterator[Asked]:
    """Prometheus with the course in its database, and nothing to ask."""
    (folder / "course.txt").write_text(course.text())
    made = [tool("promtool"), "tsdb", "create-blocks-from", "openmetrics", folder / "course.txt", folder / "data"]
    done = subprocess.run(made, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 5s}\n")
    [port] = free_ports(1)
    command = [
        tool("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=10y",
    ]  # fmt: skip
    with running(command, f"http://127.0.0.1:{port}/-/ready", folder / "prometheus.log"):
        yield Asked(f"http://127.0.0.1:{port}")


def two_hours_ago() -> int:
    """A second at which a block of Prometheus begins, so that a course of an hour lies in one."""
    return int(time.time()) // 7200 * 7200 - 7200
