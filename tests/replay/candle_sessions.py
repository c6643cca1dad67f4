"""What tests of candle sessions share: real files, a session of them in memory, and the path of a candle worked out a second time."""

import os
import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

from streams.domain.records import PortfolioSnapshot, Record
from streams.exchange.wall import SystemWall
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.operate.candle_ask import CandleAsk
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES
from streams.operate.stack.settings import PROJECT_FOLDER
from streams.replay.backtest import Backtest, backtest
from streams.replay.verification.verify import verify

MARKET_DATA = PROJECT_FOLDER / os.environ.get("CDB_MARKET_DATA", "../shared/market-data")
KINDS = tuple(STAGES.values())
SECOND = 1_000_000
HOUR = 3600 * SECOND
D = Decimal
Kind = TypeVar("Kind", bound=Record)

SPOT_CRASH = "binance-spot-1m-crash-20240805/BTC_USDT-1m-spot.feather"
MINUTES = "binance-perp-1m-202505/BTC_USDT_USDT-1m-futures.feather"
MINUTES_MARKS = "binance-perp-1m-202505/BTC_USDT_USDT-8h-mark.feather"
MINUTES_FUNDING = "binance-perp-1m-202505/BTC_USDT_USDT-8h-funding_rate.feather"
HOURS = "binance-perp-2019-2026/BTC_USDT_USDT-1h-futures.feather"
HOURS_MARKS = "binance-perp-2019-2026/BTC_USDT_USDT-1h-mark.feather"
HOURS_FUNDING = "binance-perp-2019-2026/BTC_USDT_USDT-1h-funding_rate.feather"
DOGE = "mexc-spot-1m-202605/DOGEUSDT_2026_minute.Last.txt.gz"

# Acts on every point of the path; what would refuse a wild market is wide open, so that stops and breakers are what ends a trade.
EAGER = """
[[strategy]]
name = "momentum"
kind = "momentum"

[strategy.parameters]
SIGNAL_LOOKBACK_MIN = "0.1"
SIGNAL_THRESHOLD_PCT = "{threshold}"
SIGNAL_MIN_VOLUME = 0
SIGNAL_REPEAT_SEC = 1

[risk]
MAX_SLIPPAGE_BPS = 1000
MAX_SLIPPAGE_PCT = "0.05"
ALLOCATION_WARMUP = 1
ALLOCATION_UNKNOWN = 1
ALLOCATION_TREND = 1
ALLOCATION_RANGE = 1
ALLOCATION_HIGH_VOL_CHAOTIC = 1
MAX_POSITION_PCT = "0.25"
MAX_SYMBOL_EXPOSURE_PCT = "0.25"
{risk}
"""


def data_file(name: str) -> Path:
    """A real file; skips the test where it is absent."""
    path = MARKET_DATA / name
    if not path.is_file():
        pytest.skip(f"CDB_MARKET_DATA holds no {name}")
    return path


def moment(text: str) -> int:
    """µs of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


class Played(NamedTuple):
    """A candle session that ran in memory."""

    done: Backtest

    def records(self, topic: str, kind: type[Kind]) -> list[Kind]:
        layout, found = Layout.of(self.done.settings), []
        for number in range(layout.count(topic)):
            place = layout.at(topic, number)
            for message in read_range(self.done.log, place, 0, self.done.log.end_offset(place)):
                if message.value is not None:
                    record = self.done.codec.decode(message.value, kind)
                    assert isinstance(record, kind)
                    found.append(record)
        return found

    def must_be_sound(self) -> None:
        """Replay gives the same bytes, and every stated portfolio adds up to the last digit."""
        verdict = verify(self.done.log, self.done.settings, self.done.codec, KINDS)
        assert verdict.equal, str(verdict.divergences[0])
        snapshots = self.records("portfolio_snapshots", PortfolioSnapshot)
        assert snapshots
        for one in snapshots:
            assert one.conversion is not None
            earned = one.initial_equity + one.realized_pnl + one.funding - one.fees + one.unrealized_pnl + one.conversion
            assert earned == one.equity


def play(tmp_path: Path, name: str, *, threshold: str, risk: str = "", accounts: tuple[str, ...] = (), **candles: Any) -> Played:
    """One file of candles, traded eagerly. `candles` as `CandleAsk` has them."""
    strategies = tmp_path / "eager.toml"
    strategies.write_text(EAGER.format(threshold=threshold, risk=risk))
    for series in ("marks", "funding"):
        candles[series] = tuple(data_file(file) for file in candles.get(series, ()))
    candles.setdefault("instruments", ("binance-usdm:BTC_USDT" if "perp" in name else "binance:BTCUSDT",))
    ask = Ask("candles", files=(data_file(name),), strategies=strategies, accounts=accounts, candles=CandleAsk(**candles))
    return Played(backtest(settings_of(ask), KINDS, SystemWall(threading.Event()), code_version="test"))


class RawCandle(NamedTuple):
    """A row as pyarrow gives it, floats as their own decimals."""

    time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


def raw_candles(name: str, start: str, end: str) -> list[RawCandle]:
    """Rows of a feather file with start ≤ time < end, read without any of our own code."""
    feather = pytest.importorskip("pyarrow.feather")
    columns = feather.read_table(data_file(name)).to_pydict()
    found = []
    for place, date in enumerate(columns["date"]):
        time = int(date.timestamp()) * SECOND + date.microsecond
        if moment(start) <= time < moment(end):
            cells = (D(repr(columns[field][place])) for field in ("open", "high", "low", "close", "volume"))
            found.append(RawCandle(time, *cells))
    return found


def four_points(candle: RawCandle, interval: int) -> list[tuple[int, Decimal]]:
    """
    The path that the documentation states, nearest extreme first: a second inside both ends, thirds between (µs are cut).
    """
    low_first = candle.open - candle.low <= candle.high - candle.open
    prices = [candle.open, *((candle.low, candle.high) if low_first else (candle.high, candle.low)), candle.close]
    inside = interval - 2 * SECOND
    return [(candle.time + SECOND + inside * place // 3, price) for place, price in enumerate(prices)]
