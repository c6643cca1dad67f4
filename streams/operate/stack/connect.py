"""Kafka Connect: one distributed worker with the Debezium JDBC sink and the Apicurio converter."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from streams.operate.stack import installation
from streams.operate.stack.java import http_fault, java_command, kafka_classes, write_configuration
from streams.operate.stack.part import Part


class Connect(Part):
    """
    Ready when it lists its connectors, which it does only once it has joined its group.

    Started after the registry: a sink that tolerates errors would skip valid rows while its converter finds none.
    """

    name: ClassVar[str] = "connect"
    needs: ClassVar[tuple[str, ...]] = ("kafka", "registry")

    @property
    def ports(self) -> dict[str, int]:
        return {"connect_port": self.settings.connect_port}

    def check(self) -> None:
        installation.java()
        for folder in ("libs", "plugins"):
            installation.jars(self.settings, folder)

    def prepare(self) -> None:
        values = {
            "kafka_port": self.settings.kafka_port,
            "registry_port": self.settings.registry_port,
            "connect_port": self.settings.connect_port,
            "plugins_folder": installation.jars(self.settings, "plugins"),
            "secrets_folder": self.settings.secrets_folder,
        }
        write_configuration(self.settings, "worker.properties", self._configuration, values)

    def command(self) -> list[str]:
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return [*java_command(self.settings, "320m", kafka_classes(self.settings)), main, str(self._configuration)]

    def fault(self, seconds: float) -> str | None:
        return http_fault(f"http://127.0.0.1:{self.settings.connect_port}/connectors", seconds)

    @property
    def _configuration(self) -> Path:
        return self.settings.data_folder / "config" / "worker.properties"
