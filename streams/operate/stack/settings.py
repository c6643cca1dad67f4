"""What can be chosen about the local stack, and where its parts are reached. Ports are TCP ports on 127.0.0.1."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from streams.errors import ConfigError

PROJECT_FOLDER = Path(__file__).resolve().parents[3]
PART_NAMES = ("kafka", "postgres", "registry", "connect")
# What watches the others; started when asked for.
WATCH_NAMES = ("alerts", "alertmanager", "prometheus")
ENVIRONMENT_PREFIX = "CDB_STACK_"

Port = Annotated[int, Field(ge=1024, le=65535)]


class StackSettings(BaseModel):
    """Folders, ports and limits of one stack; two stacks differ in data folder and in every port."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_folder: Path = PROJECT_FOLDER / ".stack" / "data"
    parts_folder: Path = PROJECT_FOLDER / ".stack" / "parts"
    templates_folder: Path = PROJECT_FOLDER / "connectors"
    tools_folder: Path = PROJECT_FOLDER / ".stack" / "tools" / "bin"
    rules_folder: Path = PROJECT_FOLDER / "deploy" / "prometheus" / "rules"
    # None: alerts are shown in the stack's own log; else a file of `cdb alerts config`.
    alertmanager_file: Path | None = None
    # None: the system's newest.
    postgres_programs_folder: Path | None = None

    kafka_port: Port = 19092
    controller_port: Port = 19093
    registry_port: Port = 18080
    registry_management_port: Port = 18081
    connect_port: Port = 18083
    postgres_port: Port = 15432
    alerts_port: Port = 19095
    alertmanager_port: Port = 19096
    prometheus_port: Port = 19091

    database: str = Field(default="claire_de_binare", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    owner: str = Field(default="claire", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    compatibility: str = "FULL_TRANSITIVE"

    free_bytes_min: int = Field(default=1 << 30, ge=0)
    start_seconds_max: float = Field(default=120.0, gt=0)
    stop_seconds_max: float = Field(default=15.0, gt=0)
    answer_seconds_max: float = Field(default=3.0, gt=0)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> StackSettings:
        """
        The settings that `CDB_STACK_…` variables choose, the defaults for the rest.

        Raises: ConfigError with one line for each variable that is unknown or breaks a rule.
        """
        chosen = {
            name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(ENVIRONMENT_PREFIX)
        }
        try:
            return cls.model_validate(chosen)
        except ValidationError as error:
            lines = [
                f"{ENVIRONMENT_PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}, was {fault['input']!r}"
                for fault in error.errors()
            ]
            raise ConfigError("\n".join(lines)) from error

    @classmethod
    def for_test(cls, data_folder: Path) -> StackSettings:
        """A stack of its own beside any other: free ports, and no demand on the disk."""
        names = [name for name in cls.model_fields if name.endswith("_port")]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        return cls.model_validate({"data_folder": data_folder, "free_bytes_min": 256 << 20, **ports})

    @property
    def targets_folder(self) -> Path:
        """Holds one JSON file for each group of processes that Prometheus is to ask, in its `file_sd` form."""
        return self.data_folder / "targets"

    @property
    def secrets_folder(self) -> Path:
        """Holds one file for each secret, named as the worker's `${directory:…}` names it."""
        return self.data_folder / "secrets"


class Endpoints(BaseModel):
    """Where the parts of a stack are reached."""

    model_config = ConfigDict(frozen=True)

    bootstrap: str
    registry_url: str
    registry_health_url: str
    connect_url: str
    postgres_host: str
    postgres_port: int
    postgres_database: str
    postgres_user: str
    postgres_password: SecretStr
    secrets_folder: Path

    @property
    def ccompat_url(self) -> str:
        """Base of the Confluent-compatible API: subjects, schemas, config."""
        return f"{self.registry_url}/apis/ccompat/v7"

    @property
    def postgres_dsn(self) -> str:
        """For psycopg, password included: not for logs."""
        password = quote(self.postgres_password.get_secret_value(), safe="")
        return (
            f"postgresql://{self.postgres_user}:{password}@{self.postgres_host}:{self.postgres_port}"
            f"/{self.postgres_database}"
        )

    @property
    def jdbc_url(self) -> str:
        """For the sink; the user and the password are settings of their own there."""
        return f"jdbc:postgresql://{self.postgres_host}:{self.postgres_port}/{self.postgres_database}"


def free_ports(count: int) -> list[int]:
    """
    `count` different ports that nobody listens on now.

    Below the range from which the system takes ports for outgoing connections: one of those could take the port
    between here and the moment the part listens on it.
    """
    found: list[int] = []
    candidates = iter(random.sample(range(20_000, 32_000), 2_000))
    while len(found) < count:
        port = next(candidates)
        if port_is_free(port):
            found.append(port)
    return found


def port_is_free(port: int) -> bool:
    """Whether 127.0.0.1:`port` can be listened on."""
    with socket.socket() as probe:
        # As the parts themselves do it, so that a connection in TIME_WAIT does not count as busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
