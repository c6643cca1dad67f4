"""
What watches the stack and its sessions: Prometheus, Alertmanager, and a receiver that writes alerts into its log.

They start when asked for (`cdb up --watch`), from programs that `make setup` fetches where it can. Prometheus asks whatever has a file
in the folder of targets: a session puts its processes there while it runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from streams.errors import StackError
from streams.operate.alerting.channels import Channels, configuration
from streams.operate.stack.java import http_fault
from streams.operate.stack.part import Part
from streams.operate.stack.settings import PROJECT_FOLDER, StackSettings

SCRAPE_EVERY = "2s"
KEPT_FOR, KEPT_AT_MOST = "15d", "1GB"


class Alerts(Part):
    """`cdb alerts listen`: its log shows each alert, and a file of JSON lines beside it keeps them."""

    name: ClassVar[str] = "alerts"
    # The code of this very folder, wherever the process runs.
    environment: ClassVar[Mapping[str, str]] = {"PYTHONPATH": str(PROJECT_FOLDER), "PYTHONUNBUFFERED": "1"}

    @property
    def ports(self) -> dict[str, int]:
        return {"alerts_port": self.settings.alerts_port}

    @property
    def file(self) -> Path:
        """Every alert that came, one JSON object a line."""
        return self.settings.data_folder / "logs" / "alerts.jsonl"

    def check(self) -> None:
        """Nothing: it is this program."""

    def prepare(self) -> None:
        """Nothing: the file is made with the first alert."""

    def command(self) -> list[str]:
        port = str(self.settings.alerts_port)
        return [sys.executable, "-m", "streams.cli", "alerts", "listen", "--port", port, "--file", str(self.file)]

    def fault(self, seconds: float) -> str | None:
        return http_fault(f"http://127.0.0.1:{self.settings.alerts_port}/health", seconds)


class Alertmanager(Part):
    """Tells the receiver above, or whom the settings' file names."""

    name: ClassVar[str] = "alertmanager"
    needs: ClassVar[tuple[str, ...]] = ("alerts",)

    @property
    def ports(self) -> dict[str, int]:
        return {"alertmanager_port": self.settings.alertmanager_port}

    @property
    def _file(self) -> Path:
        return self.settings.alertmanager_file or self.settings.data_folder / "config" / "alertmanager.yml"

    @property
    def folder(self) -> Path:
        """Its templates lie below, see deploy/fetch-tools."""
        return self.settings.tools_folder.parent

    def check(self) -> None:
        _program(self.settings, "prometheus-alertmanager")

    def prepare(self) -> None:
        if self.settings.alertmanager_file is None:
            self._file.write_text(configuration(Channels(webhook_url=f"http://127.0.0.1:{self.settings.alerts_port}/")))

    def command(self) -> list[str]:
        return [
            str(_program(self.settings, "prometheus-alertmanager")),
            f"--config.file={self._file}",
            f"--storage.path={self.settings.data_folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.settings.alertmanager_port}",
            # Alone: without it, it listens for others on all addresses.
            "--cluster.listen-address=",
        ]

    def fault(self, seconds: float) -> str | None:
        return http_fault(f"http://127.0.0.1:{self.settings.alertmanager_port}/-/ready", seconds)


class Prometheus(Part):
    """Asks the targets, keeps what they say, and evaluates the project's rules."""

    name: ClassVar[str] = "prometheus"
    needs: ClassVar[tuple[str, ...]] = ("alerts", "alertmanager")

    @property
    def ports(self) -> dict[str, int]:
        return {"prometheus_port": self.settings.prometheus_port}

    @property
    def _file(self) -> Path:
        return self.settings.data_folder / "config" / "prometheus.yml"

    def check(self) -> None:
        _program(self.settings, "prometheus")

    def prepare(self) -> None:
        self._file.write_text(json.dumps(self._configuration(), indent=2) + "\n")

    def _configuration(self) -> dict[str, Any]:
        """JSON is YAML too."""
        settings = self.settings
        return {
            "global": {"scrape_interval": SCRAPE_EVERY, "evaluation_interval": SCRAPE_EVERY},
            "rule_files": [str(settings.rules_folder / "*.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{settings.alertmanager_port}"]}]}]},
            "scrape_configs": [{
                "job_name": "cdb",
                "file_sd_configs": [{"files": [str(settings.targets_folder / "*.json")], "refresh_interval": "5s"}],
            }],
        }  # fmt: skip

    def command(self) -> list[str]:
        return [
            str(_program(self.settings, "prometheus")),
            f"--config.file={self._file}",
            f"--storage.tsdb.path={self.settings.data_folder / 'prometheus'}",
            f"--storage.tsdb.retention.time={KEPT_FOR}",
            f"--storage.tsdb.retention.size={KEPT_AT_MOST}",
            f"--web.listen-address=127.0.0.1:{self.settings.prometheus_port}",
        ]

    def fault(self, seconds: float) -> str | None:
        return http_fault(f"http://127.0.0.1:{self.settings.prometheus_port}/-/ready", seconds)


def _program(settings: StackSettings, name: str) -> Path:
    """Raises: StackError saying how to get it."""
    path = settings.tools_folder / name
    if not path.exists():
        raise StackError(f"{path} is missing: run `make setup`, which fetches it where apt-get can, or go without --watch")
    return path
