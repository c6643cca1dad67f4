"""What the simulated exchange is made with: where it listens, its limits, its keys. Seconds are market time."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

HOST = "127.0.0.1"
Seconds = Annotated[float, Field(gt=0, le=1e7)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class ApiKey(BaseModel):
    """A key as its owner made it: `symbols` are all it may sign for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    key: str = "mx0simulatedexchange"
    secret: str = "simulated-secret-of-no-worth"  # noqa: S105 (opens a simulated account on loopback, and nothing else)
    symbols: tuple[str, ...] = ("BTCUSDC", "BTCUSDE")


class Limits(BaseModel):
    """What MEXC documents, and what it does about a breach (see the design notes on its protocol)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    subscriptions: Count = 30  # of a spot connection; futures have no stated limit
    messages_per_second: Count = 100  # from a client, else it is disconnected
    connection_life: Seconds = 24 * 3600
    idle: Seconds = 30  # without a valid subscription, spot
    quiet: Seconds = 60  # subscribed, but without data, spot
    futures_ping: Seconds = 60  # without a ping
    spot_weight: Count = 500  # each endpoint, each window
    spot_window: Seconds = 10
    futures_requests: Count = 20
    futures_window: Seconds = 2
    detail_window: Seconds = 5  # one request of contract detail
    breaches_before_ban: Count = 5  # requests within Retry-After until 429 becomes 418
    ban: Seconds = 120  # the first; each further one twice as long
    ban_max: Seconds = 3 * 24 * 3600
    kline_reach: Seconds = 30 * 24 * 3600  # of 1m candles; older ones are an empty list
    frames_waiting: Count = 20_000  # of one connection that does not read; more, and it is closed


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str = HOST
    port: Annotated[int, Field(ge=0, le=65535)] = 0  # 0: a free one
    tls: bool = False  # with a certificate that nobody trusts
    limits: Limits = Limits()
    api_key: ApiKey = ApiKey()
