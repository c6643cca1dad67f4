"""
From what a person asks for (a feed, a strategies file, a duration) to a session's settings, the same for paper and backtest.

Everything that is wrong is said at once, before anything is started.
"""

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import AccountParameters, FeedParameters, SessionSettings
from streams.errors import ConfigError
from streams.exchange.recorded import RecordedFeed
from streams.operate.stack.settings import PROJECT_FOLDER
from streams.operate.strategies import strategies_from

STRATEGIES_FOLDER = PROJECT_FOLDER / "deploy" / "strategies"
DEFAULT_STRATEGIES = STRATEGIES_FOLDER / "default.toml"
SIMULATED_STRATEGIES = STRATEGIES_FOLDER / "simulated.toml"
# A simulated market that no wall clock belongs to begins here: 2024-01-01 00:00 UTC.
BACKTEST_START_TIME = 1_704_067_200_000_000


class Ask(NamedTuple):
    """What was asked for on a command line; None where nothing was said."""

    session: str
    feed: str = "simulated"
    files: tuple[Path, ...] = ()
    strategies: Path | None = None
    duration_seconds: int | None = None
    seed: int = 1
    symbols: tuple[str, ...] = ()
    partitions: int = 1
    equity: str | None = None
    start_time: int = BACKTEST_START_TIME


def settings_of(ask: Ask) -> SessionSettings:
    """
    The session that was asked for.

    Raises: ConfigError with one line for each fault; FeedError where a recording cannot be opened.
    """
    chosen = strategies_from(ask.strategies or (SIMULATED_STRATEGIES if ask.feed == "simulated" else DEFAULT_STRATEGIES))
    try:
        account = AccountParameters() if ask.equity is None else AccountParameters.model_validate({"initial_equity": ask.equity})
        return SessionSettings(
            session=ask.session, partitions=ask.partitions, accounts=(account,), strategies=chosen.strategies,
            risk=chosen.risk, market=chosen.market, feed=_feed(ask),
        )  # fmt: skip
    except ValidationError as error:
        raise ConfigError("\n".join(faults_of(error, SessionSettings))) from error


def _feed(ask: Ask) -> FeedParameters:
    common: dict[str, Any] = {"duration_seconds": ask.duration_seconds}
    if ask.feed == "recorded":
        if not ask.files:
            raise ConfigError("FEED_FILES must name at least one recording with --feed recorded, was empty")
        files = tuple(str(path.resolve()) for path in ask.files)
        symbols = tuple(spec.symbol for spec in RecordedFeed(files).instruments())
        return FeedParameters(kind="recorded", files=files, symbols=symbols, **common)
    if ask.feed != "simulated":
        raise ConfigError(f"FEED must be simulated or recorded, was {ask.feed}")
    if ask.files:
        raise ConfigError(f"FEED_FILES must be empty with --feed simulated, was {', '.join(map(str, ask.files))}")
    if ask.symbols:
        common["symbols"] = ask.symbols
    return FeedParameters(kind="simulated", seed=ask.seed, start_time=ask.start_time, **common)
