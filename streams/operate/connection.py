"""
Where a process finds broker, registry and files, and how it logs: nothing here changes a byte of any session.

Built from an explicit mapping of `CDB_…` names; only the command line reads the real environment. Seconds are wall time.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from streams.errors import ConfigError
from streams.log.credentials import Credentials
from streams.operate.stack.settings import ENVIRONMENT_PREFIX as STACK_PREFIX
from streams.operate.stack.settings import PROJECT_FOLDER

PREFIX = "CDB_"
# Other parts' own names: the stack's, and switches of the test suite.
FOREIGN_PREFIXES = (STACK_PREFIX, "CDB_ALERT_", "CDB_MEXC_", "CDB_REQUIRE_", "CDB_TEST_")

OFFLINE = "none"
# What names such as these hold is never shown, whatever is wrong with it.
SECRET_WORDS = ("PASS", "SECRET", "TOKEN", "POSTGRES")


class Connection(BaseModel):
    """One process's surroundings. `registry` is the base of the ccompat API, or "none": ids by the order of the records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Each description is the rule as messages say it: `NAME must be <description>, was <value>`.
    bootstrap: str = Field(
        "127.0.0.1:19092", pattern=r"^[^\s,:/]+:\d{1,5}(,[^\s,:/]+:\d{1,5})*$", description="HOST:PORT, or several with commas between"
    )
    security: Literal["plaintext", "sasl_ssl"] = Field(
        "plaintext", description="plaintext, or sasl_ssl: TLS, and SCRAM-SHA-512 with CDB_KAFKA_USERNAME and CDB_KAFKA_PASSWORD_FILE"
    )
    kafka_username: str | None = Field(None, description="a user of the broker")
    kafka_password_file: Path | None = Field(None, description="a file that holds the user's password alone")
    kafka_authorities: Path | None = Field(None, description="a PEM file with the authorities of the brokers' certificates")
    registry: str = Field(
        "http://127.0.0.1:18080/apis/ccompat/v7", pattern=r"^(none|https?://\S+)$", description="an http address, or none"
    )
    market_data: Path = Field(PROJECT_FOLDER.parent / "shared" / "market-data", description="a folder")
    archives: Path = Field(Path("archives"), description="a folder with one folder for each archived session")
    postgres: str | None = Field(None, description="postgresql://USER@HOST:PORT/DATABASE, without a password")
    postgres_password: SecretStr | None = None
    postgres_password_file: Path | None = Field(None, description="a file that holds the password alone")
    operator_token_file: Path | None = Field(None, description="a file that holds the token for commands on the operator's page")
    connect: str | None = Field(None, pattern=r"^https?://\S+$", description="the http address of Kafka Connect")
    alertmanager: str | None = Field(None, pattern=r"^https?://\S+$", description="the http address of Alertmanager")
    health: str = Field(
        "", pattern=r"^(https?://[^\s,]+(,https?://[^\s,]+)*)?$", description="http addresses of health pages with commas between"
    )
    backups: Path = Field(Path("backups"), description="a folder for backups, on another disk than the data where there is one")
    history: Path = Field(PROJECT_FOLDER / ".stack" / "history.jsonl", description="a file for what checks and backups came to")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: Literal["human", "json"] = Field("human", description="human or json")
    timeout_seconds: float = Field(20.0, ge=6, le=300, description="6..300: after so long a broker counts as away")
    stalled_seconds_max: float = Field(30.0, gt=0, description="above 0: no progress for so long while records wait is unhealthy")
    behind_seconds_max: float | None = Field(
        None, gt=0, description="above 0: a live session's frontier so far behind the wall clock is unhealthy"
    )

    fill_mark_deviation_max: Decimal = Field(
        Decimal("0.01"), gt=0, le=1,
        description="above 0, at most 1: a fill further from the mark at its time, as a fraction of it, raises an alert",
    )
    lag_round_seconds: float = Field(2.0, ge=0.5, le=60, description="0.5..60: how often `cdb lag` looks")
    disks: str = Field("", description="folders with commas between, one on each disk whose free part `cdb lag --serve` tells")
    certificates: str = Field("", description="PEM files with commas between, whose ends `cdb lag --serve` tells")
    time_server: str | None = Field(
        None, pattern=r"^[^\s:]+(:\d{1,5})?$", description="HOST or HOST:PORT of a time server, by which `cdb lag --serve` tells the clock"
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **chosen: str | None) -> Connection:
        """
        What `CDB_…` variables say, with `chosen` (options of a command line, by field) before them.

        Raises: ConfigError with one line for each name that is unknown or breaks its rule.
        """
        values = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX) and not name.startswith(FOREIGN_PREFIXES)
        }
        values |= {name: value for name, value in chosen.items() if value is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigError("\n".join(_fault(each) for each in error.errors())) from error

    def credentials(self) -> Credentials | None:
        """Who this is to the broker; None in plain text. Raises: ConfigError where a part is missing or cannot be read."""
        if self.security == "plaintext":
            return None
        named = {
            "CDB_KAFKA_USERNAME": self.kafka_username, "CDB_KAFKA_PASSWORD_FILE": self.kafka_password_file,
            "CDB_KAFKA_AUTHORITIES": self.kafka_authorities,
        }  # fmt: skip
        for name, value in named.items():
            if value is None:
                raise ConfigError(f"{name} must be set where CDB_SECURITY is sasl_ssl, was not")
        assert self.kafka_username is not None and self.kafka_password_file is not None and self.kafka_authorities is not None
        password = _secret_of("CDB_KAFKA_PASSWORD_FILE", self.kafka_password_file)
        # librdkafka says of a file that it cannot read no more than that a client could not be made.
        _secret_of("CDB_KAFKA_AUTHORITIES", self.kafka_authorities)
        return Credentials(self.kafka_username, password, self.kafka_authorities)

    def disk_folders(self) -> tuple[Path, ...]:
        """A folder on each disk that is watched."""
        return tuple(map(Path, filter(None, self.disks.split(","))))

    def certificate_files(self) -> tuple[Path, ...]:
        """The certificates whose ends are watched."""
        return tuple(map(Path, filter(None, self.certificates.split(","))))

    def postgres_dsn(self) -> str | None:
        """
        Postgres with its password, for psycopg and not for logs; None where nothing was said about it.

        Raises: ConfigError where the address is none, or holds a password: command lines are read by everybody on the machine.
        """
        if self.postgres is None:
            return None
        # Only here: libpq takes a while to load, and most commands never ask Postgres.
        import psycopg  # noqa: PLC0415 (see above)
        from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415 (see above)

        try:
            parts = conninfo_to_dict(self.postgres)
        except psycopg.ProgrammingError:
            # Neither the address nor libpq's words about it: a password may stand in both.
            raise ConfigError("CDB_POSTGRES must be postgresql://USER@HOST:PORT/DATABASE, was no such address") from None
        if parts.get("password"):
            raise ConfigError("CDB_POSTGRES must hold no password (CDB_POSTGRES_PASSWORD or CDB_POSTGRES_PASSWORD_FILE does), held one")
        secret = self.postgres_password.get_secret_value() if self.postgres_password is not None else None
        if self.postgres_password_file is not None:
            secret = _secret_of("CDB_POSTGRES_PASSWORD_FILE", self.postgres_password_file)
        return self.postgres if secret is None else make_conninfo(self.postgres, password=secret)


def _secret_of(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise ConfigError(f"{name} must be readable, was {path}: {error.strerror}") from error


def _fault(error: ErrorDetails) -> str:
    """One broken rule as `NAME must be …, was …`."""
    field = str(error["loc"][0])
    name = f"{PREFIX}{field.upper()}"
    if error["type"] == "extra_forbidden":
        known = ", ".join(PREFIX + each.upper() for each in Connection.model_fields)
        shown = "…" if any(word in name for word in SECRET_WORDS) else repr(error["input"])
        return f"{name} must be one of the known settings ({known}), was {shown}"
    return f"{name} must be {Connection.model_fields[field].description}, was {error['input']!r}"
