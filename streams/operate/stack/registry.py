"""The schema registry: Apicurio, with its schemas in Kafka, so that their ids live as long as the topics that use them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import httpx

from streams.errors import StackError
from streams.operate.stack import installation
from streams.operate.stack.java import http_fault, java_command
from streams.operate.stack.part import Part


class Registry(Part):
    """Ready when its health port says so and the compatibility is set; before that it accepts any schema."""

    name: ClassVar[str] = "registry"
    needs: ClassVar[tuple[str, ...]] = ("kafka",)

    @property
    def ports(self) -> dict[str, int]:
        return {
            "registry_port": self.settings.registry_port,
            "registry_management_port": self.settings.registry_management_port,
        }

    @property
    def folder(self) -> Path:
        return installation.jars(self.settings, "registry")

    def check(self) -> None:
        installation.java()
        installation.jars(self.settings, "registry")

    def prepare(self) -> None:
        """Nothing: its data are topics."""

    def command(self) -> list[str]:
        properties = {
            "apicurio.storage.kind": "kafkasql",
            "apicurio.kafkasql.bootstrap.servers": f"127.0.0.1:{self.settings.kafka_port}",
            # Two polls of an empty topic stand between start and service; at 5 s each by default.
            "apicurio.kafkasql.consumer.poll.timeout": "300",
            # A snapshot would live in a local file that the journal then depends on; the journal is small.
            "apicurio.kafkasql.snapshot.scheduled.enabled": "false",
            "quarkus.http.host": "127.0.0.1",
            "quarkus.http.port": str(self.settings.registry_port),
            "quarkus.management.host": "127.0.0.1",
            "quarkus.management.port": str(self.settings.registry_management_port),
            # It would raise its own packages to INFO and log each request.
            "quarkus.log.level": "WARN",
            'quarkus.log.category."io.apicurio".level': "WARN",
            "quarkus.http.access-log.enabled": "false",
            "quarkus.banner.enabled": "false",
            "quarkus.log.console.format": "%d{yyyy-MM-dd HH:mm:ss,SSS} %p %c{1}: %m%n",
        }
        # Half the time to start and half the memory for code; schemas are fetched once by each client.
        options = [f"-D{name}={value}" for name, value in properties.items()]
        return [*java_command(self.settings, "192m", options), "-jar", str(self.folder / "quarkus-run.jar")]

    def fault(self, seconds: float) -> str | None:
        return http_fault(f"http://127.0.0.1:{self.settings.registry_management_port}/health/ready", seconds)

    def settle(self) -> None:
        """Sets the compatibility for all subjects; without it nothing is enforced."""
        url = f"http://127.0.0.1:{self.settings.registry_port}/apis/ccompat/v7/config"
        wanted = self.settings.compatibility
        try:
            with httpx.Client(timeout=self.settings.start_seconds_max / 4, trust_env=False) as client:
                if client.get(url).raise_for_status().json().get("compatibilityLevel") == wanted:
                    return
                client.put(url, json={"compatibility": wanted}).raise_for_status()
        except httpx.HTTPError as error:
            raise StackError(f"registry: compatibility {wanted} cannot be set at {url}: {error}") from error
