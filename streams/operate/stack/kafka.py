"""The broker: Kafka in KRaft mode, broker and controller in one process."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
from pathlib import Path
from typing import ClassVar

from streams.errors import StackError
from streams.operate.stack import datafolder, installation
from streams.operate.stack.java import java_command, kafka_classes, write_configuration
from streams.operate.stack.part import Part

METADATA_KEY, METADATA_VERSION, CORRELATION_ID = 3, 4, 7


class Kafka(Part):
    """Ready when it names a broker that takes requests, which in KRaft is later than its port being open."""

    name: ClassVar[str] = "kafka"

    @property
    def ports(self) -> dict[str, int]:
        return {"kafka_port": self.settings.kafka_port, "controller_port": self.settings.controller_port}

    @property
    def log_folder(self) -> Path:
        """Where the topics lie."""
        return self.settings.data_folder / "kafka"

    def check(self) -> None:
        installation.java()
        installation.jars(self.settings, "libs")
        if not self.log_folder.exists():
            return
        manifest = datafolder.read_manifest(self.settings)
        path = self.log_folder / "meta.properties"
        lines = path.read_text().splitlines() if path.exists() else []
        found = dict(line.split("=", 1) for line in lines if "=" in line).get("cluster.id")
        expected = manifest.cluster_id if manifest else None
        if found != expected:
            raise StackError(
                f"kafka: {path}: cluster.id must be {expected}, as {datafolder.MANIFEST} says, was {found}:"
                f" the topics are another stack's: {datafolder.remedy(self.settings)}"
            )

    def prepare(self) -> None:
        if not self.log_folder.exists():
            self._format()
        self._configure(self._configuration, self.log_folder)

    def command(self) -> list[str]:
        # Half of the heap for what is new: each collection holds the market up for 20 to 40 ms, whatever the size. What lives through
        # one lives for minutes here, and would be copied by each of the next fifteen.
        options = ["-Xms384m", "-Xmn256m", "-XX:MaxTenuringThreshold=1", *kafka_classes(self.settings)]
        return [*java_command(self.settings, "512m", options), "kafka.Kafka", str(self._configuration)]

    def fault(self, seconds: float) -> str | None:
        try:
            brokers = _brokers(self.settings.kafka_port, seconds)
        except TimeoutError:
            return f"no answer from 127.0.0.1:{self.settings.kafka_port} within {seconds:.0f} s"
        except (OSError, struct.error) as error:
            return f"no answer from 127.0.0.1:{self.settings.kafka_port}: {error}"
        return None if brokers else "no broker takes requests yet"

    @property
    def _configuration(self) -> Path:
        return self.settings.data_folder / "config" / "server.properties"

    def _configure(self, target: Path, log_folder: Path) -> None:
        ports: dict[str, object] = dict(self.ports)
        write_configuration(self.settings, "server.properties", target, {**ports, "log_folder": log_folder})

    def _format(self) -> None:
        """Made beside its place and then moved there, so that a half-formatted folder never counts as a log."""
        draft = self.log_folder.with_name("kafka.new")
        shutil.rmtree(draft, ignore_errors=True)
        configuration = self._configuration.with_name("format.properties")
        self._configure(configuration, draft)
        manifest = datafolder.read_manifest(self.settings)
        assert manifest is not None, "the stack writes its manifest before it starts a part"
        options = kafka_classes(self.settings)
        arguments = ["kafka.tools.StorageTool", "format", "-t", manifest.cluster_id, "-c", str(configuration)]
        done = subprocess.run(
            [*java_command(self.settings, "128m", options), *arguments],
            capture_output=True,
            text=True,
            timeout=self.settings.start_seconds_max,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"kafka: {draft} cannot be formatted: {(done.stderr or done.stdout).strip()[-500:]}")
        draft.rename(self.log_folder)


def _brokers(port: int, seconds: float) -> int:
    """
    How many brokers the one at `port` names, asked with a Metadata request for no topic.

    In bytes, because a client library answers this only with threads, retries and log lines of its own.
    """
    # Key, version, correlation id, client id; then an empty list of topics, and not to make any.
    request = struct.pack(">hhih3sib", METADATA_KEY, METADATA_VERSION, CORRELATION_ID, 3, b"cdb", 0, 0)
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.settimeout(seconds)
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as stream:
            (length,) = struct.unpack(">i", stream.read(4))
            # Correlation id, throttle time, number of brokers.
            correlation_id, _, brokers = struct.unpack(">iii", stream.read(min(length, 12)))
    return int(brokers) if correlation_id == CORRELATION_ID else 0
