"""Candles as a feed: the stated path, marks, gaps and funding by hand; positions; and our own candles, which are the file's again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.parameters import SessionSettings
from streams.domain.records import Funding, Side
from streams.errors import ConfigError, FeedError
from streams.exchange.candle_path import Path as PricePath
from streams.exchange.candle_path import Prices
from streams.exchange.candles import CandleFeed
from tests.exchange.candle_stories import (
    MINUTE,
    NOON,
    PERPETUAL,
    D,
    line,
    notices_of,
    parameters_of,
    pushes_of,
    said_by,
    seconds_after_noon,
    write_csv,
)
from tests.exchange.sessions import CODEC, FakeWall, data_of, new_log
from tests.exchange.test_service import make_service


def prices_of(tmp_path, candle: str, **more: object) -> list[str]:
    path = write_csv(tmp_path / "a.csv", [candle])
    return [str(push.trades[0].price) for push in pushes_of(parameters_of(path, **more))]


def test_candle_is_four_trades_a_second_inside_its_ends_and_the_nearer_extreme_is_first(tmp_path):
    """Low is 5 from open, high 10: 100, 95, 110, 105. 60 s less a second at both ends, in thirds: 1, 20.33, 39.67, 59 s."""
    pushes = pushes_of(parameters_of(write_csv(tmp_path / "a.csv", [line(0)])))
    assert [push.trades[0].price for push in pushes] == [100, 95, 110, 105]
    assert [seconds_after_noon(push) for push in pushes] == [1, 20.333333, 39.666666, 59]
    assert [push.trades[0].time for push in pushes] == [push.receive_time for push in pushes] == [push.event_time for push in pushes]
    assert [push.trades[0].quantity for push in pushes] == [2, 2, 2, 2]
    assert [push.trades[0].aggressor for push in pushes] == [Side.BUY, Side.SELL, Side.BUY, Side.SELL]
    assert not any(push.gap or push.snapshot or push.bids or push.best_bid for push in pushes)


@pytest.mark.parametrize(
    ("path", "prices"),
    [
        ("nearest_extreme_first", ["100", "95", "110", "105"]),
        ("open_low_high_close", ["100", "95", "110", "105"]),
        ("open_high_low_close", ["100", "110", "95", "105"]),
    ],
)
def test_path_goes_as_its_name_says(tmp_path, path, prices):
    assert prices_of(tmp_path, line(0), path=path) == prices


def test_low_comes_first_where_both_extremes_are_as_near(tmp_path):
    assert prices_of(tmp_path, line(0, "100,105,95,101")) == ["100", "95", "105", "101"]


def test_steps_lie_on_straight_lines_rounded_to_the_tick(tmp_path):
    """Three steps a leg from 100 to 95 to 110.05 to 105, tick 0.01: −1.67 each, then +5.0167, then −1.6833."""
    found = prices_of(tmp_path, line(0, "100,110.05,95,105"), path_steps=3)
    assert [f"{D(price):.2f}" for price in found] == [
        "100.00", "98.33", "96.67", "95.00", "100.02", "105.03", "110.05", "108.37", "106.68", "105.00",
    ]  # fmt: skip


@given(
    st.tuples(*[st.integers(1, 10**6)] * 4), st.integers(1, 10**15), st.integers(1, 60),
    st.sampled_from(["nearest_extreme_first", "open_low_high_close", "open_high_low_close"]), st.sampled_from([1, 60, 3600, 86_400]),
)  # fmt: skip
def test_points_of_any_candle_are_that_candle_again(ticks, volume, steps, model, seconds):
    cent = D("0.01")
    candle = Prices(ticks[0] * cent, max(ticks) * cent, min(ticks) * cent, ticks[3] * cent)
    path = PricePath(model, steps, seconds * 1_000_000, D("0.01"))
    trades = path.trades(candle, D(volume) / 10**6, NOON)
    prices, times = [trade.price for trade in trades], [trade.time for trade in trades]
    assert len(trades) == 3 * steps + 1
    assert (prices[0], max(prices), min(prices), prices[-1]) == candle
    assert sum(trade.quantity for trade in trades) == D(volume) / 10**6 and min(trade.quantity for trade in trades) > 0
    assert times == sorted(set(times)) and times[0] > NOON and times[-1] < NOON + seconds * 1_000_000


def test_candle_without_volume_is_no_trade_and_no_gap(tmp_path):
    pushes = pushes_of(parameters_of(write_csv(tmp_path / "a.csv", [line(0), line(1, volume="0"), line(2)])))
    assert [int(seconds_after_noon(push)) for push in pushes] == [1, 20, 39, 59, 121, 140, 159, 179]
    assert not any(push.gap for push in pushes)


def test_first_point_after_missing_candles_is_flagged(tmp_path):
    pushes = pushes_of(parameters_of(write_csv(tmp_path / "a.csv", [line(0), line(1), line(4), line(5)])))
    assert [seconds_after_noon(push) for push in pushes if push.gap] == [241]


def test_from_and_to_leave_out_candles_that_do_not_lie_between_them(tmp_path):
    path = write_csv(tmp_path / "a.csv", [line(minute) for minute in range(5)])
    feed = CandleFeed(parameters_of(path, from_time=NOON + MINUTE // 2, to_time=NOON + 3 * MINUTE + 7))
    assert (feed.start, feed.end, feed.candles) == (NOON + MINUTE, NOON + 3 * MINUTE, 2)
    assert len(list(feed.pushes())) == 8
    with pytest.raises(ConfigError, match=r"FROM, TO and DURATION must leave at least one candle of .* \(2023-11-14 16:00:00 to "):
        CandleFeed(parameters_of(path, from_time=NOON + 9 * MINUTE))


def test_files_of_two_symbols_are_merged_by_time_and_several_of_one_follow_each_other(tmp_path):
    first, second = (write_csv(tmp_path / f"{n}.csv", [line(n)]) for n in (0, 1))
    other = write_csv(tmp_path / "eth.csv", [line(1)])
    parameters = parameters_of(first, second)
    files = (*parameters.candles, type(parameters.candles[0])(path=other, instrument="binance:ETHUSDT"))
    pushes = pushes_of(parameters.model_copy(update={"candles": files, "symbols": ("BTCUSDT", "ETHUSDT")}))
    assert [push.symbol[:3] for push in pushes] == ["BTC"] * 4 + ["BTC", "ETH"] * 4
    assert [push.receive_time for push in pushes] == sorted(push.receive_time for push in pushes)


# Perpetuals


def test_marks_in_step_walk_the_path_of_the_trades(tmp_path):
    """The mark's own nearer extreme is its high; it follows the trades, which go low first."""
    candles = write_csv(tmp_path / "a.csv", [line(0, "100,110,95,105"), line(1, "105,106,104,105", volume="0")])
    marks = write_csv(tmp_path / "m.csv", [line(0, "100.5,103,96.25,102.75", "0"), line(1, "104.75,105,104.5,105", "0")])
    pushes = pushes_of(parameters_of(candles, instrument=PERPETUAL, marks=(marks,)))
    assert [push.mark_price for push in pushes[:4]] == [D("100.5"), D("96.25"), 103, D("102.75")]
    assert [(push.trades, push.mark_price, push.gap) for push in pushes[4:]] == [
        ([], mark, False) for mark in (D("104.75"), D("104.5"), 105, 105)
    ]


def test_coarse_mark_is_known_when_it_opens_and_then_moves_with_the_trades(tmp_path):
    """
    Mark candles of two minutes: 101 known at 16:00 with a trade at 100, so 95 gives 95.95; 208 at 16:02 with a trade at 104.
    """
    candles = write_csv(tmp_path / "a.csv", [line(0), line(1, "105,105,105,105"), line(2, "104,104,52,52"), line(3, "52,52,52,52")])
    marks = write_csv(tmp_path / "m.csv", [line(0, "101,999,1,500", "0"), line(2, "208,999,1,500", "0")])
    pushes = pushes_of(parameters_of(candles, instrument=PERPETUAL, marks=(marks,)))
    assert [push.mark_price for push in pushes[:8]] == [101, D("95.95"), D("111.1"), D("106.05"), *[D("106.05")] * 4]
    assert [push.mark_price for push in pushes[8:12]] == [208, 208, 104, 104]


def test_missing_mark_candle_is_bridged_and_flagged(tmp_path):
    marks = write_csv(tmp_path / "m.csv", [line(n, "101,101,101,101", "0") for n in (0, 1, 2, 4)])
    candles = write_csv(tmp_path / "b.csv", [line(n, "100,100,100,100") for n in range(5)])
    pushes = pushes_of(parameters_of(candles, instrument=PERPETUAL, marks=(marks,)))
    assert {push.mark_price for push in pushes} == {D(101)}
    assert [seconds_after_noon(push) for push in pushes if push.gap] == [181]


def test_funding_is_said_a_millisecond_before_it_settles_and_not_at_the_start(tmp_path):
    """Settlements at 16:00, where nobody holds anything yet, and eight hours later, some ms late as exchanges are."""
    candles = write_csv(tmp_path / "a.csv", [line(n) for n in range(482)])
    rates = [f"{NOON // 1000 + hours * 3_600_000 + late},{rate}" for hours, late, rate in ((0, 0, "0.01"), (8, 3, "-0.0003"), (16, 0, "0"))]
    funding = write_csv(tmp_path / "f.csv", ["fundingTime,fundingRate", *rates])
    said = said_by(parameters_of(candles, instrument=PERPETUAL, funding=(funding,)))
    [notice] = notices_of(parameters_of(candles, instrument=PERPETUAL, funding=(funding,)))
    assert (notice.rate, notice.interval_hours) == (D("-0.0003"), 8)
    assert notice.settlement_time == NOON + 480 * MINUTE + 3000 and notice.receive_time == NOON + 480 * MINUTE + 2000
    assert [one.receive_time for one in said] == sorted(one.receive_time for one in said)


def test_missing_settlement_is_flagged_on_the_next_point(tmp_path):
    candles = write_csv(tmp_path / "a.csv", [line(n) for n in range(26 * 60)])
    hours = (0, 8, 24, 32)  # and none at 16
    funding = write_csv(tmp_path / "f.csv", [f"{NOON // 1000 + hour * 3_600_000},0.0001" for hour in hours])
    parameters = parameters_of(candles, instrument=PERPETUAL, funding=(funding,))
    assert len(notices_of(parameters)) == 2
    assert [seconds_after_noon(push) for push in pushes_of(parameters) if push.gap] == [16 * 3600 + 61]


# Positions


def test_feed_goes_on_after_any_position_as_if_it_had_not_stopped(tmp_path):
    candles = write_csv(tmp_path / "a.csv", [line(n) for n in (0, 1, 3)])
    parameters = parameters_of(candles)
    whole = said_by(parameters)
    for place, push in enumerate(whole):
        assert list(CandleFeed(parameters).pushes(push.source)) == whole[place + 1 :]


def test_files_that_are_others_now_are_refused_where_the_feed_goes_on(tmp_path):
    parameters = parameters_of(write_csv(tmp_path / "a.csv", [line(n) for n in (0, 1)]))
    last = said_by(parameters)[-1].source
    Path(parameters.candles[0].path).write_text(line(0) + "\n", encoding="utf-8")
    with pytest.raises(FeedError, match=r"the candles must still have 8 points, which were read before, have 4"):
        list(CandleFeed(parameters).pushes(last))


# On the log


@pytest.mark.parametrize("speed", ["10x", "1000x", "max"])
def test_records_of_candles_do_not_depend_on_the_speed_or_on_stops(tmp_path, speed):
    candles = write_csv(tmp_path / "a.csv", [line(n) for n in range(478, 484)])
    marks = write_csv(tmp_path / "m.csv", [line(n, volume="0") for n in range(478, 484)])
    funding = write_csv(tmp_path / "f.csv", [f"{NOON // 1000 + hour * 3_600_000 + hour},0.0001" for hour in (0, 8, 16)])
    parameters = parameters_of(candles, instrument=PERPETUAL, marks=(marks,), funding=(funding,))
    settings = SessionSettings(session="s", feed=parameters)
    whole = new_log(settings)
    make_service(whole, settings, FakeWall(), "max").run()
    stopped = new_log(settings)
    for seconds in (0.05, 0.1, 0.2, 10.0, 1000.0):
        wall = FakeWall()
        wall.at(seconds, wall.stop)
        if make_service(stopped, settings, wall, speed).run().ended:
            break
    assert data_of(stopped, settings) == data_of(whole, settings)
    topics = [topic for topic, *_ in data_of(whole, settings)]
    assert (topics.count("market_data"), topics.count("funding"), topics.count("instruments")) == (24, 1, 1)
    [rate] = [CODEC.decode(value or b"") for topic, _, _, value in data_of(whole, settings) if topic == "funding"]
    assert isinstance(rate, Funding)
    assert (rate.symbol, rate.interval_hours, rate.settlement_time - rate.time) == ("BTC_USDT", 8, 1000)
