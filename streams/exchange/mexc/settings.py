"""
How this machine reaches MEXC: addresses, the key's files, time-outs, retries and limits. Nothing here changes a byte of any session.

Built from an explicit mapping of `CDB_MEXC_…` names. Every address may be set to a simulated exchange on loopback; there alone a
connection may go without TLS. Key and secret are read from files, when they are needed, and stand in no text that this makes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from streams.errors import ConfigError

PREFIX = "CDB_MEXC_"
_SECURE = {"https", "wss"}


class ApiKey:
    """A key and its secret, which no text shows."""

    __slots__ = ("key", "secret")

    def __init__(self, key: str, secret: str) -> None:
        self.key = key
        self.secret = secret

    def __repr__(self) -> str:
        return "ApiKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not to be written anywhere")


def _address(scheme: str, plain: str) -> Any:
    return Field(pattern=rf"^({scheme}|{plain})://[^\s/@?#]+(/[^\s?#@]*)?$", description=f"an address that begins with {scheme}://")


def _names(value: object) -> object:
    """`BTCUSDC,BTCUSDE` as its names."""
    return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value


HttpAddress = Annotated[str, _address("https", "http")]
SocketAddress = Annotated[str, _address("wss", "ws")]
Symbols = Annotated[tuple[Annotated[str, Field(pattern=r"^[A-Z0-9_]{1,40}$")], ...], BeforeValidator(_names)]


class MexcSettings(BaseModel):
    """One process's way to MEXC. Each description is the rule as messages say it; seconds are wall time."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    spot_rest: HttpAddress = "https://api.mexc.com"
    # Older documents say contract.mexc.com; MEXC's clients of 2026 use this one.
    futures_rest: HttpAddress = "https://api.mexc.com"
    spot_websocket: SocketAddress = "wss://wbs-api.mexc.com/ws"
    futures_websocket: SocketAddress = "wss://contract.mexc.com/edge"

    key_file: Path | None = Field(None, description="a file that holds the API key alone")
    secret_file: Path | None = Field(None, description="a file that holds the key's secret alone")
    allowed_symbols: Symbols = Field(("BTCUSDC", "BTCUSDE"), description="spot symbols with commas between: those that are signed for")

    connect_seconds: float = Field(5.0, gt=0, le=60, description="above 0, at most 60")
    answer_seconds: float = Field(10.0, gt=0, le=120, description="above 0, at most 120: from a request to its whole answer")
    answer_bytes_max: int = Field(32 << 20, ge=1 << 10, le=1 << 30, description="a whole number 1024..1073741824")
    tries_max: int = Field(4, ge=1, le=20, description="a whole number 1..20: of a request that is safe to repeat")
    retry_seconds_first: float = Field(0.5, gt=0, le=60, description="above 0, at most 60: the first wait is up to that long")
    retry_seconds_max: float = Field(30.0, gt=0, le=600, description="above 0, at most 600: no wait is longer")
    wait_seconds_max: float = Field(15.0, ge=0, le=600, description="0..600: longest wait for room within the limits")
    breaker_faults: int = Field(5, ge=1, le=100, description="a whole number 1..100: so many faults in a row open the breaker")
    breaker_seconds: float = Field(30.0, gt=0, le=3600, description="above 0, at most 3600: so long nothing is sent")
    receive_window_ms: int = Field(5000, ge=100, le=60_000, description="a whole number 100..60000")
    clock_seconds: float = Field(300.0, ge=1, le=3600, description="1..3600: the exchange's clock is asked again after so long")

    limits_file: Path = Field(
        Path("~/.cache/cdb/mexc-limits.sqlite"), description="a file that all processes of this machine share"
    )
    limit_share: float = Field(0.8, gt=0, le=1, description="above 0, at most 1: the part of MEXC's limits that is used")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> MexcSettings:
        """
        What `CDB_MEXC_…` variables say.

        Raises: ConfigError with one line for each name that is unknown or breaks its rule.
        """
        chosen = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
        try:
            return cls.model_validate(chosen)
        except ValidationError as error:
            raise ConfigError("\n".join(_fault(each) for each in error.errors())) from None

    @field_validator("spot_rest", "futures_rest", "spot_websocket", "futures_websocket")
    @classmethod
    def plain_on_loopback_alone(cls, address: str) -> str:
        parts = urlsplit(address)
        if parts.scheme not in _SECURE and not _is_loopback(parts.hostname or ""):
            raise ValueError("an address with TLS, or one on loopback")
        return address.rstrip("/")

    def api_key(self) -> ApiKey:
        """
        Key and secret, read now.

        Raises: ConfigError where a file is not named, cannot be read, or holds no single word.
        """
        return ApiKey(_secret_of("KEY_FILE", self.key_file), _secret_of("SECRET_FILE", self.secret_file))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret_of(name: str, path: Path | None) -> str:
    if path is None:
        raise ConfigError(f"{PREFIX}{name} must be set where a request is signed, was not")
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"{PREFIX}{name} must be readable, was {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        # Not from the error: it holds the bytes.
        raise ConfigError(f"{PREFIX}{name} must hold one word of ASCII, {path} holds other bytes") from None
    if not text or len(text.split()) != 1:
        raise ConfigError(f"{PREFIX}{name} must hold one word, {path} holds {len(text.split())}")
    return text


def _fault(error: ErrorDetails) -> str:
    """One broken rule as `NAME must be …, was …`."""
    field = str(error["loc"][0])
    name = f"{PREFIX}{field.upper()}"
    if error["type"] == "extra_forbidden":
        # Whoever misspells SECRET_FILE may have put the secret itself there.
        return f"{name} must be one of {', '.join(PREFIX + each.upper() for each in MexcSettings.model_fields)}, was unknown"
    rule = str(error["ctx"]["error"]) if error["type"] == "value_error" else MexcSettings.model_fields[field].description
    # An address that is refused may hold a password.
    return f"{name} must be {rule}, was " + ("another" if "@" in str(error["input"]) else repr(error["input"]))
