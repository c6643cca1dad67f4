"""
From what a person asks for (a feed, a strategies file, a duration) to a session's settings, the same for paper and backtest.

Everything that is wrong is said at once, before anything is started.
"""

from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from streams.domain.faults import faults_of
from streams.domain.parameters import AccountParameters, FeedParameters, MarketParameters, RiskParameters, SessionSettings
from streams.errors import ConfigError
from streams.exchange.candle_names import is_candle_file
from streams.exchange.service import recording_of
from streams.operate.accounts import accounts_of, trading
from streams.operate.candle_ask import CandleAsk
from streams.operate.stack.settings import PROJECT_FOLDER
from streams.operate.strategies import StrategiesFile, strategies_from

STRATEGIES_FOLDER = PROJECT_FOLDER / "deploy" / "strategies"
DEFAULT_STRATEGIES = STRATEGIES_FOLDER / "default.toml"
SIMULATED_STRATEGIES = STRATEGIES_FOLDER / "simulated.toml"
# A simulated market that no wall clock belongs to begins here: 2024-01-01 00:00 UTC.
BACKTEST_START_TIME = 1_704_067_200_000_000
MEXC_SYMBOLS = ("BTCUSDT", "BTC_USDT")
# Event time between snapshots of states, and the longest there may be.
STATE_SNAPSHOT_SECONDS = 60
SNAPSHOT_SECONDS_MAX = 3600


class Ask(NamedTuple):
    """What was asked for on a command line; None where nothing was said. `duration_seconds`: 0 for without end."""

    session: str
    feed: str | None = None
    files: tuple[Path, ...] = ()
    strategies: Path | None = None
    duration_seconds: int | None = None
    seed: int = 1
    symbols: tuple[str, ...] = ()
    partitions: int = 1
    equity: str | None = None
    start_time: int = BACKTEST_START_TIME
    accounts: tuple[str, ...] = ()
    candles: CandleAsk = CandleAsk()
    warmup: tuple[Path, ...] = ()
    now: int | None = None  # the wall clock, where data must not be of the future

    @property
    def options(self) -> list[str]:
        """The options that were given and make a session another one than its manifest says."""
        given = {
            "FILE": self.files, "--feed": self.feed, "--strategies": self.strategies, "--duration": self.duration_seconds,
            "--equity": self.equity, "--account": self.accounts, "--symbol": self.symbols, "--warmup": self.warmup,
        }  # fmt: skip
        return [name for name, value in given.items() if value is not None and value != ()] + self.candles.options

    @property
    def kind(self) -> str:
        """The feed that was named, else that of the files."""
        if self.feed is not None or not self.files:
            return self.feed or "simulated"
        return "candles" if all(map(is_candle_file, self.files)) else "recorded"


def settings_of(ask: Ask) -> SessionSettings:
    """
    The session that was asked for.

    Raises: ConfigError with one line for each fault; FeedError where a recording cannot be opened.
    """
    faults: list[str] = []
    chosen, feed = StrategiesFile((), RiskParameters(), MarketParameters()), FeedParameters()
    try:
        chosen = strategies_from(ask.strategies or (SIMULATED_STRATEGIES if ask.kind == "simulated" else DEFAULT_STRATEGIES))
    except ConfigError as fault:
        faults.append(str(fault))
    try:
        feed = _feed(ask)
    except ConfigError as fault:
        faults.append(str(fault))
    except ValidationError as error:
        faults += [f"FEED.{line}" for line in faults_of(error, FeedParameters)]
    market = _market(chosen.market, feed, faults)
    if ask.warmup and not faults:
        feed = _warmed(ask, feed, market, faults)
    # A faulty account is told once, not again by every strategy that trades it.
    before = len(faults)
    accounts = accounts_of(chosen.accounts, ask.accounts, equity=ask.equity, faults=faults)
    accounts = accounts if len(faults) == before else (AccountParameters(),)
    strategies = trading(chosen.strategies, accounts) if len(faults) == before else ()
    try:
        settings = SessionSettings(
            session=ask.session, partitions=ask.partitions, accounts=accounts, strategies=strategies,
            risk=_risk(chosen.risk, feed), market=market, feed=feed,
            snapshot_interval_seconds=_once_a_candle(feed, STATE_SNAPSHOT_SECONDS),
        )  # fmt: skip
    except ValidationError as error:
        faults += faults_of(error, SessionSettings)
    if faults:
        raise ConfigError("\n".join(faults))
    return settings


def going_on(ask: Ask, found: SessionSettings) -> SessionSettings:
    """
    The settings of a session that exists, where what was asked for does not contradict them; an ask that names the session only
    takes it as it is.

    Raises: ConfigError with one line for each setting that was asked for differently.
    """
    if ask == Ask(session=ask.session, start_time=ask.start_time, now=ask.now):
        return found
    seconds = found.feed.duration_seconds if ask.duration_seconds is None else ask.duration_seconds
    asked = settings_of(ask._replace(start_time=found.feed.start_time, duration_seconds=seconds))
    wanted, has = _flat(asked.model_dump(mode="json")), _flat(found.model_dump(mode="json"))
    faults = [
        f"{name.upper()} must be {has.get(name)} as session {found.session} was made, was {wanted.get(name)}"
        for name in sorted(wanted.keys() | has.keys())
        if wanted.get(name) != has.get(name)
    ]
    if faults:
        raise ConfigError("\n".join(faults))
    return found


def with_strategies(settings: SessionSettings, path: Path) -> SessionSettings:
    """
    A session's settings with the strategies, limits and market numbers of another file; feed and accounts stay as they are.

    Raises: ConfigError with one line for each fault.
    """
    chosen, faults = strategies_from(path), list[str]()
    feed = settings.feed
    market = _market(chosen.market, feed, faults)
    try:
        found = SessionSettings.model_validate(
            settings.model_dump()
            | {
                "strategies": [one.model_dump() for one in trading(chosen.strategies, settings.accounts)],
                "risk": _risk(chosen.risk, feed).model_dump(), "market": market.model_dump(),
            }
        )  # fmt: skip
    except ValidationError as error:
        faults += faults_of(error, SessionSettings)
    if faults:
        raise ConfigError("\n".join(faults))
    return found


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    """Leaves by their dotted names."""
    if isinstance(values, dict) and values:
        return {leaf: value for key, one in values.items() for leaf, value in _flat(one, f"{name}.{key}".lstrip(".")).items()}
    if isinstance(values, list) and values and isinstance(values[0], dict):
        return {leaf: value for place, one in enumerate(values) for leaf, value in _flat(one, f"{name}.{one.get('name', place)}").items()}
    return {name: values}


def _risk(risk: RiskParameters, feed: FeedParameters) -> RiskParameters:
    """Where the file says nothing else: candles have no books to ask for, and accounts are stated once a candle."""
    if feed.interval_seconds is None:
        return risk
    fitting = {"book_required": False, "snapshot_seconds": _once_a_candle(feed, risk.snapshot_seconds)}
    return risk.model_copy(update={name: value for name, value in fitting.items() if name not in risk.model_fields_set})


def _once_a_candle(feed: FeedParameters, seconds: int) -> int:
    return min(max(seconds, feed.interval_seconds or 0), SNAPSHOT_SECONDS_MAX)


def _market(market: MarketParameters, feed: FeedParameters, faults: list[str]) -> MarketParameters:
    """Our own candles are the feed's, where the file says nothing else; none can be shorter."""
    if feed.interval_seconds is None:
        return market
    if "candle_seconds" not in market.model_fields_set:
        return market.model_copy(update={"candle_seconds": feed.interval_seconds})
    if market.candle_seconds % feed.interval_seconds:
        faults.append(f"CANDLE_SECONDS must be a multiple of the feed's candles ({feed.interval_seconds} s), was {market.candle_seconds}")
    return market


def _warmed(ask: Ask, feed: FeedParameters, market: MarketParameters, faults: list[str]) -> FeedParameters:
    """The feed with the history that goes before it."""
    # Reads candles, as below.
    from streams.operate.plan_warmup import warmup_parameters  # noqa: PLC0415 (see above)

    try:
        history = warmup_parameters(ask.warmup, feed, candle_seconds=market.candle_seconds)
    except ConfigError as fault:
        faults.append(str(fault))
        return feed
    return feed.model_copy(update={"warmup": history})


def _feed(ask: Ask) -> FeedParameters:
    common: dict[str, Any] = {"duration_seconds": ask.duration_seconds or None}
    if ask.symbols and ask.kind not in ("simulated", "mexc"):
        told = f"{', '.join(ask.symbols)} with --feed {ask.kind}"
        raise ConfigError(f"--symbol must be given for the simulated feed or mexc alone, was {told}")
    if ask.kind == "candles":
        # Reading candles needs pyarrow, which takes a while to import: sessions without candles start without it.
        from streams.operate.plan_candles import candle_parameters  # noqa: PLC0415 (see above)

        return candle_parameters(ask.files, ask.candles, duration_seconds=common["duration_seconds"], now=ask.now)
    if ask.candles != CandleAsk():
        raise ConfigError(f"{', '.join(ask.candles.options)} must not be given without candles, was given with --feed {ask.kind}")
    if ask.kind == "recorded":
        if not ask.files:
            raise ConfigError("FEED_FILES must name at least one recording with --feed recorded, was empty")
        files = tuple(str(path.resolve()) for path in ask.files)
        symbols = tuple(spec.symbol for spec in recording_of(files).instruments())
        return FeedParameters(kind="recorded", files=files, symbols=symbols, **common)
    if ask.kind not in ("simulated", "mexc"):
        raise ConfigError(f"FEED must be mexc, simulated, recorded or candles, was {ask.kind}")
    if ask.files:
        raise ConfigError(f"FEED_FILES must be empty with --feed {ask.kind}, was {', '.join(map(str, ask.files))}")
    if ask.symbols:
        common["symbols"] = ask.symbols
    if ask.kind == "mexc":
        symbols = ask.symbols or MEXC_SYMBOLS
        return FeedParameters(kind="mexc", symbols=symbols, start_time=ask.start_time, duration_seconds=ask.duration_seconds or None)
    return FeedParameters(kind="simulated", seed=ask.seed, start_time=ask.start_time, **common)
