"""
Candle sessions on real data: stops, drawdown halts, liquidations and funding at the times and prices that the data say, worked out
here a second time; replay equal and ledger exact in each.
"""

import gzip
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import pytest

from streams.domain.records import (
    Alert,
    Candle,
    LedgerEntry,
    LedgerKind,
    Order,
    OrderResult,
    PortfolioSnapshot,
    Position,
    Purpose,
    RiskMode,
)
from tests.replay.candle_sessions import (
    DOGE,
    HOUR,
    HOURS,
    HOURS_FUNDING,
    HOURS_MARKS,
    MINUTES,
    MINUTES_FUNDING,
    MINUTES_MARKS,
    SECOND,
    SPOT_CRASH,
    D,
    Played,
    data_file,
    four_points,
    moment,
    play,
    raw_candles,
)

UNIT = D("0.000000000001")


def fills(played: Played, account: str = "main") -> list[OrderResult]:
    return [one for one in played.records("order_results", OrderResult) if one.account == account and one.quantity]


def decided(played: Played, *purposes: Purpose, account: str = "main") -> list[Order]:
    orders = played.records("orders", Order)
    return [one for one in orders if one.account == account and one.approved and (not purposes or one.purpose in purposes)]


def alerts(played: Played, code: str, account: str = "main") -> list[Alert]:
    return [one for one in played.records("alerts", Alert) if one.account == account and one.code == code]


def test_2024_08_05_stops_are_ordered_at_the_first_point_at_or_below_them(tmp_path: Path) -> None:
    """Spot by the minute: the mark is the last trade. Three per cent below the fill is the stop."""
    start, end = "2024-08-04 22:30", "2024-08-05 01:30"
    played = play(tmp_path, SPOT_CRASH, threshold="0.2", risk='STOP_LOSS_PCT = "0.03"', start=start, end=end)
    path = [point for candle in raw_candles(SPOT_CRASH, start, end) for point in four_points(candle, 60 * SECOND)]
    filled = {one.order_id: one for one in fills(played)}
    stopped = 0
    entries, exits = decided(played, Purpose.ENTRY), decided(played, Purpose.EXIT, Purpose.STOP_LOSS)
    for entry, ended in zip(entries, exits, strict=True):
        answer = filled[entry.event_id]
        assert answer.fill_time == entry.time + 50_000 and answer.price is not None
        stop = answer.price * D("0.97")
        below = next(((time, price) for time, price in path if time > answer.time and price <= stop), None)
        if ended.purpose is Purpose.STOP_LOSS:
            assert (ended.time, ended.decision_mark) == below
            stopped += 1
        else:
            assert below is None or below[0] >= ended.time, "a stop that was reached before went unnoticed"
    assert stopped == 1 and len(entries) == 6
    [breach] = alerts(played, "DAILY_DRAWDOWN")
    assert not [one for one in entries if one.time > breach.time]
    played.must_be_sound()


def test_2020_03_12_drawdown_closes_everything_at_the_low_and_halts(tmp_path: Path) -> None:
    """
    A perpetual by the hour with its own marks. Bought at 09:59:59 on leverage 2 for a quarter of equity, which the mark's fall to
    5,620.86 in the hour from 10:00 takes more than 5 % of: the breaker acts at that point, and nothing is entered any more.
    """
    played = play(
        tmp_path, HOURS, threshold="0.3", accounts=("main:leverage=2",), marks=(HOURS_MARKS,), funding=(HOURS_FUNDING,),
        risk='STOP_LOSS_PCT = "0.4"\nRISK_PER_TRADE_PCT = "0.1"\nCIRCUIT_BREAKER_THRESHOLD_PCT = "0.05"',
        start="2020-03-12 09:00", end="2020-03-12 18:00",
    )  # fmt: skip
    [candle] = raw_candles(HOURS, "2020-03-12 10:00", "2020-03-12 11:00")
    [mark] = raw_candles(HOURS_MARKS, "2020-03-12 10:00", "2020-03-12 11:00")
    low_time = next(time for time, price in four_points(candle, HOUR) if price == candle.low)
    [entry], [closed] = decided(played, Purpose.ENTRY), decided(played, Purpose.FLATTEN)
    opened, sold = fills(played)
    assert opened.price is not None
    equity = 100_000 - opened.fee + (mark.low - opened.price) * opened.quantity
    [breaker] = alerts(played, "CIRCUIT_BREAKER_DRAWDOWN")
    assert (breaker.time, closed.time, closed.decision_mark, closed.quantity) == (low_time, low_time, mark.low, entry.quantity)
    assert breaker.measured is not None and abs(breaker.measured - (1 - equity / 100_000)) < D("1e-9")
    assert equity < 95_000 and sold.fill_time == low_time + 50_000
    assert played.records("portfolio_snapshots", PortfolioSnapshot)[-1].risk_mode is RiskMode.HALT_ALL
    refused = [one for one in played.records("orders", Order) if one.time > low_time and one.purpose is Purpose.ENTRY]
    assert refused and not any(one.approved for one in refused)
    played.must_be_sound()


def test_2025_10_10_isolated_margin_is_liquidated_at_the_low_and_cross_margin_is_not(tmp_path: Path) -> None:
    """
    Two accounts side by side buy at 20:59:59 with leverage 10. The mark's low of the next hour is below what isolated margin bears
    (about 10 % less maintenance of 0.4 %); the cross account has the whole balance behind it and sells by its strategy.
    """
    played = play(
        tmp_path, HOURS, threshold="1", accounts=("iso:leverage=10", "cross:leverage=10,margin_mode=CROSS"), marks=(HOURS_MARKS,),
        funding=(HOURS_FUNDING,), start="2025-10-10 20:00", end="2025-10-10 22:00",
        risk='STOP_LOSS_PCT = "0.5"\nRISK_PER_TRADE_PCT = "0.1"\nMIN_LIQUIDATION_DISTANCE = "0.05"',
    )  # fmt: skip
    [candle] = raw_candles(HOURS, "2025-10-10 21:00", "2025-10-10 22:00")
    [mark] = raw_candles(HOURS_MARKS, "2025-10-10 21:00", "2025-10-10 22:00")
    low_time = next(time for time, price in four_points(candle, HOUR) if price == candle.low)
    entry = fills(played, "iso")[0]
    assert entry.price is not None and entry.fill_time == moment("2025-10-10 20:59:59") + 50_000
    # Longs are liquidated where entry − margin/size + maintenance/size is reached; bankrupt at entry − margin/size.
    bankruptcy = entry.price * D("0.9")
    trigger = bankruptcy + entry.price * D("0.004")
    seen = raw_candles(HOURS_MARKS, "2025-10-10 21:00", "2025-10-10 22:00")[0]
    assert mark.low <= trigger < min(seen.open, seen.high)
    liquidated = alerts(played, "LIQUIDATED", "iso")[0]
    assert (liquidated.time, liquidated.measured) == (low_time, mark.low)
    assert liquidated.limit is not None and abs(liquidated.limit - bankruptcy) < D("1e-6")
    taken = next(one for one in played.records("ledger_entries", LedgerEntry) if one.kind is LedgerKind.LIQUIDATION)
    assert taken.account == "iso" and taken.time == low_time
    assert abs(taken.amount + entry.quantity * entry.price / 10) < D("1e-6")
    assert not alerts(played, "LIQUIDATED", "cross")
    [sold] = decided(played, Purpose.EXIT, account="cross")
    assert (sold.time, sold.decision_mark) == (low_time, mark.low)
    played.must_be_sound()


@pytest.mark.parametrize(
    ("threshold", "start", "end", "settlement", "side"),
    [
        ("0.2", "2025-05-28 02:00", "2025-05-28 08:10", "2025-05-28 08:00", 1),
        ("0.3", "2025-05-28 07:55", "2025-05-28 16:10", "2025-05-28 16:00", -1),
    ],
)  # fmt: skip
def test_may_2025_funding_is_paid_at_the_files_rate_and_time_on_the_mark_just_before(
    tmp_path: Path, threshold: str, start: str, end: str, settlement: str, side: int
) -> None:
    """
    Eight-hour marks beside minutes: the mark opens at the settlement before and moves with the trades; without one before the
    session it is the last trade.
    """
    played = play(
        tmp_path, MINUTES, threshold=threshold, accounts=("main:leverage=3,shorts_allowed=true",), risk='STOP_LOSS_PCT = "0.05"',
        marks=(MINUTES_MARKS,), funding=(MINUTES_FUNDING,), start=start, end=end,
    )  # fmt: skip
    day = settlement[:10]
    rates = [one for one in raw_candles(MINUTES_FUNDING, day, day + " 23:00") if one.time // HOUR == moment(settlement) // HOUR]
    [rate] = rates
    close = raw_candles(MINUTES, start, settlement)[-1].close
    anchors = [one for one in raw_candles(MINUTES_MARKS, day, settlement) if one.time >= moment(start)]
    mark = close
    if anchors:
        opened = next(one for one in raw_candles(MINUTES, start, settlement) if one.time == anchors[-1].time)
        mark = (close * anchors[-1].open / opened.open).quantize(UNIT, ROUND_HALF_EVEN)
    quantity = sum((one.quantity * (1 if one.side == "BUY" else -1) for one in fills(played) if one.fill_time < rate.time), Decimal(0))
    assert quantity * side > 0, "a position of this side is held at the settlement"
    [paid] = [one for one in played.records("ledger_entries", LedgerEntry) if one.kind is LedgerKind.FUNDING]
    assert paid.time == rate.time
    assert paid.amount == (-quantity * mark * rate.open).quantize(UNIT, ROUND_HALF_EVEN)
    [stated] = [one for one in played.records("positions", Position) if one.time == rate.time]
    assert stated.mark == mark and stated.funding == paid.amount
    assert not alerts(played, "FUNDING_MISSING")
    played.must_be_sound()


@pytest.mark.parametrize(("steps", "count"), [(None, 4), (5, 16)])
def test_our_own_candles_are_the_files(tmp_path: Path, steps: int | None, count: int) -> None:
    start, end = "2024-08-05 00:50", "2024-08-05 01:30"
    played = play(tmp_path, SPOT_CRASH, threshold="100", start=start, end=end, path_steps=steps)
    ours = [(c.open_time, c.open, c.high, c.low, c.close, c.volume) for c in played.records("candles", Candle)]
    assert ours == raw_candles(SPOT_CRASH, start, end)
    assert {one.trade_count for one in played.records("candles", Candle)} == {count}


def test_mexc_text_of_a_session_is_our_candles_as_well(tmp_path: Path) -> None:
    played = play(
        tmp_path, DOGE, threshold="100", start="2026-05-21", end="2026-05-21 01:00", instruments=("simulated:DOGEUSDT",)
    )  # fmt: skip
    ours = [(c.open_time, c.open, c.high, c.low, c.close, c.volume) for c in played.records("candles", Candle)]
    with gzip.open(data_file(DOGE), "rt", encoding="ascii") as source:
        rows = [line.strip().split(";") for line in source if line.startswith("20260521 00")]
    assert ours == [(moment(f"2026-05-21 {time[9:11]}:{time[11:13]}"), *map(D, cells)) for time, *cells in rows]
    assert (len(rows), played.done.candles, played.done.gaps) == (60, 60, 0)


def test_order_decided_on_a_point_is_filled_by_what_came_before_it_acts(tmp_path: Path) -> None:
    """No look-ahead: each fill names the newest point at its time, 50 ms after the decision, and none was later."""
    start, end = "2024-08-04 22:30", "2024-08-04 23:30"
    played = play(tmp_path, SPOT_CRASH, threshold="0.2", start=start, end=end)
    points = [point for candle in raw_candles(SPOT_CRASH, start, end) for point in four_points(candle, 60 * SECOND)]
    filled = fills(played)
    assert filled
    for one in filled:
        newest = max(place for place, (time, _) in enumerate(points) if time <= one.fill_time)
        assert one.market_event_id == f"candles/feed/binance/BTCUSDT/{newest}"
        assert one.model == "trades_only"
