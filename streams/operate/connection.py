"""
Where a process finds broker, registry and files, and how it logs: nothing here changes a byte of any session.

Built from an explicit mapping of `CDB_…` names; only the command line reads the real environment. Seconds are wall time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from streams.errors import ConfigError
from streams.operate.stack.settings import ENVIRONMENT_PREFIX as STACK_PREFIX
from streams.operate.stack.settings import PROJECT_FOLDER

PREFIX = "CDB_"
# Other parts' own names: the stack's, and switches of the test suite.
FOREIGN_PREFIXES = (STACK_PREFIX, "CDB_REQUIRE_", "CDB_TEST_")

OFFLINE = "none"


class Connection(BaseModel):
    """One process's surroundings. `registry` is the base of the ccompat API, or "none": ids by the order of the records."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Each description is the rule as messages say it: `NAME must be <description>, was <value>`.
    bootstrap: str = Field(
        "127.0.0.1:19092", pattern=r"^[^\s,:/]+:\d{1,5}(,[^\s,:/]+:\d{1,5})*$", description="HOST:PORT, or several with commas between"
    )
    registry: str = Field(
        "http://127.0.0.1:18080/apis/ccompat/v7", pattern=r"^(none|https?://\S+)$", description="an http address, or none"
    )
    market_data: Path = Field(PROJECT_FOLDER.parent / "shared" / "market-data", description="a folder")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: Literal["human", "json"] = Field("human", description="human or json")
    timeout_seconds: float = Field(20.0, ge=6, le=300, description="6..300: after so long a broker counts as away")
    stalled_seconds_max: float = Field(30.0, gt=0, description="above 0: no progress for so long while records wait is unhealthy")
    behind_seconds_max: float | None = Field(
        None, gt=0, description="above 0: a live session's frontier so far behind the wall clock is unhealthy"
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


def _fault(error: ErrorDetails) -> str:
    """One broken rule as `NAME must be …, was …`."""
    field = str(error["loc"][0])
    name = f"{PREFIX}{field.upper()}"
    if error["type"] == "extra_forbidden":
        known = ", ".join(PREFIX + each.upper() for each in Connection.model_fields)
        return f"{name} must be one of the known settings ({known}), was {error['input']!r}"
    return f"{name} must be {Connection.model_fields[field].description}, was {error['input']!r}"
