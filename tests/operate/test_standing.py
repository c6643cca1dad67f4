"""What accounts stand at, and fills far from the mark, as the exporter reads them from a session's topics."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal as D
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.domain.records import Mark, OrderResult, PortfolioSnapshot, Position, Record, RiskMode, Signal
from streams.errors import LogError
from streams.log.codec import Codec, SchemaIds
from streams.log.interface import watermark_headers
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.metrics import catalogue as m
from streams.operate import sessions
from streams.operate.lag.exporter import Exporter, Values
from streams.operate.lag.fills import FillWatch
from streams.operate.lag.standing import Standing
from tests.contract.samples import sample
from tests.exchange.sessions import FakeWall

CODEC = Codec.offline()
START = 1_700_000_000_000_000
SECOND = 1_000_000
SETTINGS = SessionSettings(session="s", feed=FeedParameters(symbols=("BTCUSDT", "ETHUSDT")))
LAYOUT = Layout.of(SETTINGS)


@pytest.fixture
def log() -> MemoryLog:
    log = MemoryLog()
    sessions.create(log, CODEC, SETTINGS, schema_ids=SchemaIds.offline(), code_version="test", time=START)
    return log


def write(log: MemoryLog, topic: str, *records: Record, promised: int | None = None) -> None:
    place = LAYOUT.at(topic, 0)
    with closing(log.writer("test")) as writer:
        writer.begin()
        for record in records:
            writer.append(place, key=b"k", value=CODEC.wire(record), time=record.time // 1000 * 1000)
        if promised is not None:
            writer.append(place, key=None, value=None, headers=watermark_headers(promised), time=promised)
        writer.commit()


def make(kind: type[Record], seconds: float, **changes: Any) -> Any:
    time = START + int(seconds * SECOND)
    return sample(kind, session="s", event_id=f"s/{kind.__name__}/{time}", time=time, **changes)


def standing(log: MemoryLog) -> Standing:
    return Standing(log, CODEC, SETTINGS, sessions.manifest(log, CODEC, "s"))


def value(part: Standing | FillWatch, metric: m.Metric, *labels: str) -> float | None:
    return dict(part.values())[metric].get(("s", *labels))


def test_newest_snapshot_of_each_account_and_position_of_each_strategy_hold(log: MemoryLog) -> None:
    write(
        log, "portfolio_snapshots",
        make(PortfolioSnapshot, 1, account="main", equity=D(100), exposure=D(10), risk_mode=RiskMode.RUNNING),
        make(PortfolioSnapshot, 2, account="main", equity=D(80), exposure=D(20), daily_drawdown=D("0.2"), risk_mode=RiskMode.HALT_ALL),
        make(PortfolioSnapshot, 1, account="broke", equity=D(0), exposure=D(5)),
    )  # fmt: skip
    write(
        log, "positions",
        make(Position, 1, account="main", strategy="a", symbol="BTCUSDT", quantity=D(-2), mark=D(3), realized_pnl=D(7)),
        make(Position, 1, account="main", strategy="a", symbol="ETHUSDT", quantity=D(1), mark=D(5), realized_pnl=D(1)),
        make(Position, 2, account="main", strategy="a", symbol="ETHUSDT", quantity=D(0), mark=D(5), realized_pnl=D(2)),
    )  # fmt: skip
    part = standing(log)
    part.turn()
    assert (value(part, m.EQUITY, "main"), value(part, m.EXPOSURE_RATIO, "main"), value(part, m.DAILY_DRAWDOWN, "main")) == (80, 0.25, 0.2)
    assert (value(part, m.RISK_MODE, "main", "HALT_ALL"), value(part, m.RISK_MODE, "main", "RUNNING")) == (1, 0)
    # Nothing can be said of what is nothing.
    assert value(part, m.EXPOSURE_RATIO, "broke") is None and value(part, m.EQUITY, "broke") == 0
    own = ("main", "a")
    assert (value(part, m.STRATEGY_EXPOSURE, *own), value(part, m.STRATEGY_REALIZED, *own)) == (6, 9)
    assert value(part, m.STRATEGY_POSITIONS, *own) == 1


def test_last_signal_is_the_sessions_making_until_there_is_one_and_what_comes_later_is_read(log: MemoryLog) -> None:
    part = standing(log)
    part.turn()
    assert value(part, m.LAST_SIGNAL) == START / SECOND
    write(log, "signals", make(Signal, 5), promised=START + 600 * SECOND)
    part.turn()
    assert value(part, m.LAST_SIGNAL) == START / SECOND + 5


def fill(seconds: float, price: str, **changes: Any) -> Any:
    one = {"symbol": "BTCUSDT", "price": D(price), "quantity": D(1), "decision_mark": D(100), **changes}
    return make(OrderResult, seconds + 0.05, fill_time=START + int(seconds * SECOND), **one)


def mark(seconds: float, price: str | None) -> Any:
    return make(Mark, seconds, symbol="BTCUSDT", mark=None if price is None else D(price))


def fill_watch(log: MemoryLog) -> FillWatch:
    return FillWatch(log, CODEC, SETTINGS, D("0.01"))


def test_fill_is_held_against_the_mark_at_its_own_time_once_marks_have_promised_it(
    log: MemoryLog, caplog: pytest.LogCaptureFixture
) -> None:
    watch = fill_watch(log)
    # At 10 s the mark is still 100; 101.01 is 1.01 % away, and from 11 s on would be the mark itself.
    write(log, "order_results", fill(10, "101.01", order_id="far", correlation_id="tick-7"))
    write(log, "marks", mark(5, "100"), promised=START + 9 * SECOND)
    assert (watch.turn(), value(watch, m.FAR_FILLS)) == ([], 0)
    write(log, "marks", mark(11, "101.01"), promised=START + 12 * SECOND)
    [judged] = watch.turn()
    assert (judged.mark, judged.deviation, value(watch, m.FAR_FILLS)) == (D(100), D("0.0101"), 1)
    [said] = caplog.records
    assert "order far" in said.message and getattr(said, "correlation_id") == "tick-7"  # noqa: B009 (put there by `extra`)
    assert value(watch, m.FILL_DEVIATION) == pytest.approx(0.0101)


@pytest.mark.parametrize(("price", "far"), [("101", 0), ("99", 0), ("101.000001", 1), ("98.999999", 1)])
def test_limit_itself_is_near_enough_on_both_sides(log: MemoryLog, price: str, far: int) -> None:
    watch = fill_watch(log)
    write(log, "marks", mark(1, "100"), mark(2, None), promised=START + 60 * SECOND)
    write(log, "order_results", fill(3, price), fill(4, "500", quantity=D(0)), fill(5, "500", decision_mark=None, symbol="ETHUSDT"))
    assert len(watch.turn()) == 1
    assert value(watch, m.FAR_FILLS) == far


def test_restarted_watch_goes_back_ten_minutes_and_takes_risks_mark_where_none_is_known(log: MemoryLog) -> None:
    write(log, "order_results", fill(1, "150"), fill(700, "102"), fill(710, "100.5"), promised=START + 2000 * SECOND)
    write(log, "marks", promised=START + 2000 * SECOND)
    judged = fill_watch(log).turn()
    # The promise at 2000 s is the newest word; ten minutes before it there is no fill.
    assert judged == []
    fresh = MemoryLog()
    sessions.create(fresh, CODEC, SETTINGS, schema_ids=SchemaIds.offline(), code_version="test", time=START)
    write(fresh, "order_results", fill(1, "150"), fill(700, "102"), fill(710, "100.5"))
    write(fresh, "marks", promised=START + 2000 * SECOND)
    assert [one.deviation for one in fill_watch(fresh).turn()] == [D("0.02"), D("0.005")]


class Flaky:
    """A part whose services are away at times; `down` says when."""

    def __init__(self) -> None:
        self.down = False
        self.turns = 0

    def turn(self) -> None:
        self.turns += 1
        if self.down:
            raise LogError("broker must answer, did not")

    def values(self) -> Iterator[tuple[m.Metric, Values]]:
        yield m.LAST_SIGNAL, {("s",): float(self.turns)}


def test_exporter_keeps_what_it_found_and_says_that_it_could_not_look() -> None:
    wall = FakeWall()
    part, registry = Flaky(), CollectorRegistry()
    exporter = Exporter([part], wall, 2.0)
    registry.register(exporter)
    assert registry.get_sample_value("streams_lag_exporter_up") == 0
    assert "streams_lag_exporter_last_round_time_seconds" not in generate_latest(registry).decode()
    exporter.round()
    ended = registry.get_sample_value("streams_lag_exporter_last_round_time_seconds")
    assert registry.get_sample_value("streams_lag_exporter_up") == 1 and exporter.healthy()
    part.down = True
    wall.wait(19.0)
    exporter.round()
    assert registry.get_sample_value("streams_lag_exporter_up") == 0 and exporter.healthy()
    assert registry.get_sample_value("streams_lag_exporter_last_round_time_seconds") == ended
    assert registry.get_sample_value("streams_last_signal_time_seconds", {"session": "s"}) == 2
    wall.wait(2.0)
    assert not exporter.healthy()
