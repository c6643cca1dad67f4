"""
From files of candles to the history that a session's feed tells first: whose they are, and which of them end before the market.

A file may reach into the market and beyond: only the candles that end by its first moment are told, so that nothing of what is to
be decided on is known before. At most the newest `CANDLES_MAX` of each symbol are; a history that ends long before the market would
have strategies compare its prices with today's, and is refused.
"""

from pathlib import Path

from streams.domain.parameters import FeedParameters, WarmupParameters
from streams.errors import ConfigError
from streams.exchange.candle_files import moment, read_candles
from streams.exchange.candle_rules import SECOND, interval_of
from streams.exchange.candle_series import count_of, load
from streams.exchange.instruments import FOLDER
from streams.exchange.push import Feed, Quiet
from streams.exchange.service import market_of
from streams.operate.plan_candles import owned

# A week of minutes: more than any lookback or period can ask for at the candles' own length.
CANDLES_MAX = 10_000
# How far the last candle may be from the market, in candles: an hour of minutes.
CANDLES_MISSING_MAX = 60


def warmup_parameters(files: tuple[Path, ...], feed: FeedParameters, *, candle_seconds: int) -> WarmupParameters:
    """
    What of these files goes before `feed`. `candle_seconds`: length of the session's own candles, which history becomes.

    Raises: ConfigError with one line for each fault; FeedError for the first row that breaks a rule.
    """
    if len({file.resolve() for file in files}) != len(files):
        raise ConfigError(f"--warmup must name each file once, was {', '.join(map(str, files))}")
    market = market_of(feed)
    faults: list[str] = []
    candles = owned(files, (), [f"{spec.exchange}:{spec.symbol}" for spec in market.instruments()], faults)
    if faults:
        raise ConfigError("\n".join(f"--warmup: {fault}" for fault in faults))
    table = read_candles(candles[0].path)
    if len(table) < 2:
        raise ConfigError(f"--warmup must hold at least two candles, was {len(table)} in {files[0]}")
    seconds = interval_of([table], None)
    if candle_seconds % seconds:
        raise ConfigError(
            f"--warmup must be candles of CANDLE_SECONDS ({candle_seconds} s) or a whole part of it, was {seconds} s in {files[0]}"
        )
    length = candle_seconds * SECOND
    end = _beginning(market) // length * length
    begin = max(end - CANDLES_MAX * seconds * SECOND, 0)
    for series in load(FeedParameters(kind="candles", candles=candles, interval_seconds=seconds), FOLDER):
        near = end - CANDLES_MISSING_MAX * seconds * SECOND
        if not count_of(series.candles, start=max(near, 0), end=end):
            raise ConfigError(
                f"--warmup must hold a candle of {series.spec.symbol} among the {CANDLES_MISSING_MAX} before the market's start "
                f"({moment(end)}), was {moment(series.start)} to {moment(series.end)}"
            )
    return WarmupParameters(candles=candles, interval_seconds=seconds, from_time=begin, to_time=end)


def _beginning(market: Feed) -> int:
    """The earliest moment (µs) that the feed's first push can be of."""
    first = next(iter(market.pushes()))
    if isinstance(first, Quiet) or first.event_time is None:
        return first.receive_time
    return min(first.receive_time, first.event_time)
