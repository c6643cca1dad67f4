"""Candles for tests of what looks at candles: from a few numbers, drawn at random, or the exchange's own from the files."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cache

import pytest
from hypothesis import strategies as st

from streams.domain.records import Candle
from tests.domain.market import MARKET_DATA, MINUTE, START, SYMBOL

SPOT_MINUTES = "binance-spot-1m-crash-20240805/BTC_USDT-1m-spot.feather"
PERPETUAL_HOURS = "binance-perp-2019-2026/BTC_USDT_USDT-1h-futures.feather"


def make_candle(place: int, close: str | Decimal, high: str | Decimal | None = None, low: str | Decimal | None = None) -> Candle:
    """The candle number `place` from the start; high and low are the close where they are not given."""
    price = Decimal(close)
    close_time = START + (place + 1) * MINUTE
    return Candle(
        event_id=f"test/signals/candle/{place}", causation_id="", correlation_id="", session="test", time=close_time + 2_000_000,
        symbol=SYMBOL, interval_seconds=60, open_time=close_time - MINUTE, close_time=close_time, open=price,
        high=price if high is None else Decimal(high), low=price if low is None else Decimal(low), close=price,
        volume=Decimal(1), quote_volume=price, trade_count=1, late_trades=0,
    )  # fmt: skip


def candles_of(*bars: str) -> list[Candle]:
    """From texts "high low close", or one number for all three."""
    made = []
    for place, bar in enumerate(bars):
        prices = bar.split()
        high, low, close = prices if len(prices) == 3 else prices * 3
        made.append(make_candle(place, close, high, low))
    return made


def candle_series(*, min_size: int = 1, max_size: int = 60) -> st.SearchStrategy[list[Candle]]:
    """Candles of cents between 1 and 3, each with its close within its range."""
    prices = st.integers(100, 300).map(lambda cents: Decimal(cents) / 100)
    bars = st.tuples(prices, prices, prices).map(sorted)
    return st.lists(bars, min_size=min_size, max_size=max_size).map(
        lambda drawn: [make_candle(place, close, high, low) for place, (low, close, high) in enumerate(drawn)]
    )


@cache
def real_candles(name: str, first: int, count: int) -> Sequence[Candle]:
    """`count` rows of a file from row `first`; skips the test where the file is absent."""
    feather = pytest.importorskip("pyarrow.feather")
    path = MARKET_DATA / name
    if not path.is_file():
        pytest.skip(f"{name} is not under CDB_MARKET_DATA")
    rows = feather.read_table(path, columns=["high", "low", "close"]).slice(first, count).to_pylist()
    assert len(rows) == count
    return [
        make_candle(place, *(Decimal(str(row[column])) for column in ("close", "high", "low"))) for place, row in enumerate(rows)
    ]
