from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.candles import Candles, Lengths, deadline, on_deadline, on_trade
from streams.domain.records import Candle
from streams.stages.state import decode_state, encode_state
from tests.domain.market import MARKET_DATA, MINUTE, SECOND, START, SYMBOL, recording, trade

LENGTHS = Lengths(MINUTE, 2 * SECOND)


def close(candles: Candles, lengths: Lengths = LENGTHS) -> Candle:
    return on_deadline(candles, symbol=SYMBOL, now=deadline(candles, lengths), lengths=lengths)


def test_candle_holds_first_highest_lowest_last_and_the_sums():
    candles = Candles()
    for second, (price, quantity) in enumerate([("100", "1"), ("104", "2"), ("98", "3"), ("99", "4")]):
        on_trade(candles, trade(price, quantity, time=START + second), now=START + second, lengths=LENGTHS)
    assert deadline(candles, LENGTHS) == START + 62 * SECOND
    candle = close(candles)
    assert (candle.open, candle.high, candle.low, candle.close) == (100, 104, 98, 99)
    # 100·1 + 104·2 + 98·3 + 99·4
    assert (candle.volume, candle.quote_volume, candle.trade_count, candle.late_trades) == (10, 998, 4, 0)
    assert (candle.open_time, candle.close_time, candle.time) == (START, START + MINUTE, START + 62 * SECOND)
    assert deadline(candles, LENGTHS) is None


def test_within_the_grace_trades_of_both_windows_find_their_own():
    candles = Candles()
    now = START + 61 * SECOND
    on_trade(candles, trade("101", time=START + MINUTE), now=now, lengths=LENGTHS)
    on_trade(candles, trade("100", time=START + MINUTE - 1), now=now, lengths=LENGTHS)
    assert [close(candles).close, close(candles).close] == [100, 101]


def test_trade_of_a_closed_window_is_counted_in_the_next_candle_and_reopens_nothing():
    candles = Candles()
    late, now = START + MINUTE - 1, START + 62 * SECOND
    on_trade(candles, trade("100", time=late), now=now, lengths=LENGTHS)
    assert candles.windows == []
    on_trade(candles, trade("101", time=now), now=now, lengths=LENGTHS)
    candle = close(candles)
    assert (candle.open_time, candle.trade_count, candle.late_trades) == (START + MINUTE, 1, 1)
    assert candles.late_trades == 0


def test_trade_just_before_the_close_still_counts():
    candles = Candles()
    on_trade(candles, trade("100", time=START), now=START + 62 * SECOND - 1, lengths=LENGTHS)
    assert (close(candles).trade_count, candles.late_trades) == (1, 0)


def test_trade_dated_an_hour_ahead_opens_nothing_and_the_next_candle_closes_on_time():
    candles = Candles()
    on_trade(candles, trade("900", time=START + 60 * MINUTE), now=START + SECOND, lengths=LENGTHS)
    assert (candles.windows, candles.ahead_trades) == ([], 1)
    on_trade(candles, trade("100", time=START + SECOND), now=START + SECOND, lengths=LENGTHS)
    assert deadline(candles, LENGTHS) == START + 62 * SECOND
    assert close(candles).high == 100


def test_grace_longer_than_a_window_keeps_every_window_within_it_open():
    lengths = Lengths(SECOND, 3 * SECOND)
    candles, now = Candles(), START + 3 * SECOND + 1
    for second in range(5):
        on_trade(candles, trade("100", time=START + second * SECOND), now=now, lengths=lengths)
    assert [window.open_time for window in candles.windows] == [START + second * SECOND for second in range(4)]
    assert (candles.late_trades, candles.ahead_trades) == (0, 1)


steps = st.lists(st.tuples(st.integers(0, 40), st.integers(-130, 130), st.integers(1, 9)), max_size=60)


@given(steps)
def test_every_trade_is_in_one_candle_or_counted_as_late_or_ahead(steps):
    """And candles come out in order, on time, at most two windows open."""
    candles, now, closed = Candles(), START, []
    for wait, shift, price in steps:
        now += wait * SECOND + 1
        while (due := deadline(candles, LENGTHS)) is not None and due <= now:
            closed.append(close(candles))
        on_trade(candles, trade(str(price), time=now + shift * SECOND), now=now, lengths=LENGTHS)
        assert len(candles.windows) <= 2
        assert all(window.open_time + MINUTE + 2 * SECOND > now for window in candles.windows)
        assert decode_state(encode_state(candles), Candles) == candles
    while candles.windows:
        closed.append(close(candles))
    let_in = sum(candle.trade_count for candle in closed)
    late = sum(candle.late_trades for candle in closed) + candles.late_trades
    assert let_in + late + candles.ahead_trades == len(steps)
    assert [candle.open_time for candle in closed] == sorted({candle.open_time for candle in closed})


def test_full_minutes_of_the_recording_equal_the_exchanges_own_candles():
    feather = pytest.importorskip("pyarrow.feather")
    path = MARKET_DATA / "binance-spot-1m-crash-20240805" / "BTC_USDT-1m-spot.feather"
    if not path.is_file():
        pytest.skip("the exchange's candles are not under CDB_MARKET_DATA")
    candles, closed = Candles(), []
    for record in recording("spot_btcusdt_20240808.jsonl.gz"):
        while (due := deadline(candles, LENGTHS)) is not None and due <= record.time:
            closed.append(close(candles))
        for one in record.trades:
            on_trade(candles, one, now=record.time, lengths=LENGTHS)
    first, last = (
        datetime.fromtimestamp(closed[0].open_time / 1e6, UTC),
        datetime.fromtimestamp(closed[-1].open_time / 1e6, UTC),
    )
    table = feather.read_table(path).to_pylist()
    theirs = [row for row in table if first < row["date"] <= last]
    assert len(theirs) >= 4
    for ours, row in zip(closed[1:], theirs, strict=True):  # the first minute is cut
        assert ours.open_time == int(row["date"].timestamp()) * SECOND
        found = [ours.open, ours.high, ours.low, ours.close, ours.volume]
        assert found == [Decimal(str(row[name])) for name in ("open", "high", "low", "close", "volume")]
        assert ours.late_trades == 0
