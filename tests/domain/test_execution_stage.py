from decimal import localcontext
from typing import Any

import pytest

from streams.domain.money import EXACT
from streams.domain.parameters import ExecutionParameters, FeedParameters, SessionSettings
from streams.domain.records import MarketData, Order, OrderResult, OrderType, Record, ResultStatus, Side
from streams.log.codec import Codec
from streams.log.interface import Partition
from streams.log.layout import Layout
from streams.log.task import Task
from streams.stages.contract import Event, Output
from streams.stages.execution import ExecutionStage, ExecutionState
from tests.domain.market import (
    START,
    SYMBOL,
    D,
    levels,
    make_instrument,
    make_market,
    make_order,
    make_snapshot,
    recording,
    trade,
)

ORDER_LATENCY, REPORT_LATENCY = 30_000, 70_000


def make_settings(*symbols: str, partitions: int = 1) -> SessionSettings:
    return SessionSettings(
        partitions=partitions, feed=FeedParameters(symbols=symbols or (SYMBOL,)),
        accounts=({"name": "main"}, {"name": "euro", "currency": "EUR"}),
        execution=ExecutionParameters(order_latency_ms=30, report_latency_ms=70),
    )  # fmt: skip


class Run:
    """A host of one task that hands events over in the order given, an order when it acts."""

    def __init__(self, settings: SessionSettings | None = None, task: int = 0) -> None:
        self.stage = ExecutionStage(settings or make_settings(), task)
        self.state: ExecutionState = self.stage.initial(task)
        self.answers: list[Any] = []
        self.outputs: list[Output] = []

    def take(self, *records: Record) -> "Run":
        delays = {source.topic: source.delay for source in self.stage.inputs}
        for record in records:
            topic = {MarketData: "market_data", Order: "orders"}.get(type(record), "instruments")
            with localcontext(EXACT):
                event = Event(record.time + delays[topic], topic, "", record, record.event_id)
                self.state, outputs = self.stage.step(self.state, event)
            self.outputs += outputs
            self.answers += [output.record for output in outputs]
        return self


def snapshot(**changes: Any) -> MarketData:
    return make_snapshot(bids=levels("99:1"), asks=levels("101:1", "102:1"), update_id=1, **changes)


def test_order_meets_the_market_as_it_stands_when_it_acts():
    change = make_market(START + 2, update_id=2, asks=levels("101:0"))
    run = Run().take(snapshot(), change, make_order(Side.BUY, "1", time=START + 1))
    [fill] = run.answers
    assert fill.price == 102
    assert (fill.fill_time, fill.latency_us) == (START + 1 + ORDER_LATENCY, ORDER_LATENCY)
    assert fill.time == fill.fill_time + REPORT_LATENCY
    assert [(output.topic, output.key) for output in run.outputs] == [("order_results", "main")]


def test_latencies_stand_in_the_contract():
    stage = ExecutionStage(make_settings(), 0)
    assert [(source.topic, source.rank, source.delay) for source in stage.inputs] == [
        ("instruments", 0, 0), ("market_data", 1, 0), ("orders", 2, ORDER_LATENCY),
    ]  # fmt: skip
    assert stage.output_delay == REPORT_LATENCY


def test_refused_orders_and_orders_for_other_tasks_are_not_answered():
    settings = make_settings("AAA", "BBB", partitions=2)
    run = Run(settings, task=1).take(
        snapshot(symbol="BBB"),
        snapshot(symbol="AAA"),
        make_order(symbol="BBB", approved=False, quantity=D(0)),
        make_order(symbol="AAA"),
    )
    assert run.answers == []
    assert list(run.state.venues) == ["BBB"]
    assert run.take(make_order(symbol="BBB")).answers[0].status is ResultStatus.FILLED


def test_promises_are_awaited_while_an_order_rests_and_of_other_tasks_nobody_knows():
    for partitions, idle in ((1, False), (2, None)):
        run = Run(make_settings("AAA", "BBB", partitions=partitions)).take(snapshot(symbol="AAA"))
        assert run.stage.is_awaited(run.state) is idle
        run.take(make_order(symbol="AAA", order_type=OrderType.LIMIT, limit_price=D(90)))
        assert run.stage.is_awaited(run.state) is True


def test_symbol_without_any_market_is_rejected():
    assert Run().take(make_order()).answers[0].reason == "NO_TRADES"


def test_fee_follows_the_instrument_that_is_valid_when_the_order_acts():
    later = make_instrument(valid_from=START + ORDER_LATENCY, taker_fee_rate=D("0.01"), quote_asset="USDC")
    run = Run().take(
        make_instrument(), later, snapshot(), make_order(Side.SELL, "0.5", time=START - 1), make_order(Side.SELL, "0.5")
    )
    assert [(fill.fee, fill.fee_asset) for fill in run.answers] == [(D("0.099"), "USDT"), (D("0.495"), "USDC")]


def test_without_instrument_the_fee_is_in_the_accounts_currency():
    assert Run().take(snapshot(), make_order(account="euro")).answers[0].fee_asset == "EUR"


def test_partial_fill_and_cancellation_come_in_this_order():
    run = Run().take(snapshot(), make_order(Side.BUY, "5"))
    assert [(answer.status, answer.terminal) for answer in run.answers] == [
        (ResultStatus.PARTIAL, False), (ResultStatus.CANCELLED, True),
    ]  # fmt: skip


def test_decoded_state_equals_the_original():
    run = Run().take(
        make_instrument(), snapshot(), make_order(Side.BUY, "1.5"), make_market(START + 1, bid="98:1", ask="101:1")
    )
    raw = run.stage.encode(run.state)
    again = run.stage.decode(raw)
    assert again == run.state
    assert run.stage.encode(again) == raw


def test_execution_waits_for_nothing_and_market_orders_set_no_timers():
    run = Run().take(snapshot(), make_order())
    assert run.stage.next_timer(run.state) is None
    assert [run.stage.answer_due(run.state, source.topic) for source in run.stage.inputs] == [None, None, None]


def test_event_of_no_input_is_a_bug():
    stage = ExecutionStage(make_settings(), 0)
    with pytest.raises(AssertionError, match="execution has no input"):
        stage.step(stage.initial(0), Event(START, "marks", SYMBOL, None, "", "x"))


def test_timer_of_no_kind_and_word_of_an_instrument_of_another_task():
    run = Run(make_settings("AAA", "BBB", partitions=2), task=1).take(snapshot(symbol="BBB"), make_instrument(symbol="AAA"))
    assert run.state.instruments.versions == {}
    with pytest.raises(AssertionError, match="execution has no timer x"):
        run.stage.step(run.state, Event(START, "timer", "BBB", None, "", "x"))


def test_state_with_orders_that_rest_wait_and_travel_comes_back_whole():
    settings = make_settings().model_copy(
        update={"execution": ExecutionParameters(latency_model="spread", order_latency_spread_ms=500)}
    )
    run = Run(settings).take(make_instrument(), snapshot())
    limit = {"order_type": OrderType.LIMIT, "limit_price": D(99), "expires_at": START + 60_000_000}
    for number, fields in enumerate((limit, {"order_type": OrderType.STOP, "stop_price": D(90)}, limit)):
        run.take(make_order(event_id=f"test/risk/{number}", **fields))
        timer = run.stage.next_timer(run.state)
        if number < 2:
            run.state, _ = run.stage.step(run.state, Event(timer.time, "timer", timer.key, None, "", timer.name))
    venue = run.state.venues[SYMBOL]
    assert [len(venue.buys), len(venue.stops), len(venue.on_their_way)] == [1, 1, 1]
    raw = run.stage.encode(run.state)
    again = run.stage.decode(raw)
    assert again == run.state and run.stage.encode(again) == raw
    assert run.stage.next_timer(again) == run.stage.next_timer(run.state)


def test_names_of_answers_come_from_what_caused_them_and_lead_back_to_the_order():
    """A task over the stage: a fill on a market record, an end by a timer, an end by a cancellation."""
    settings = make_settings()
    task = Task(ExecutionStage(settings, 0), 0, Layout.of(settings), Codec.offline(), 60_000_000)
    began = {"correlation_id": "live/feed/sim/BTCUSDT/0"}
    limit = began | {"order_type": OrderType.LIMIT, "limit_price": D(99)}
    cancel = {"order_type": OrderType.CANCEL, "target_order_id": "live/risk/3", "quantity": D(0), "correlation_id": "live/another"}
    feed = [
        snapshot(), make_market(START + 50_000, sequence=7, trades=[trade("98", "1", time=START + 50_000)]),
        make_market(START + 200_000, sequence=8),
    ]  # fmt: skip
    orders = [
        make_order(event_id="live/risk/1", time=START + 1, **limit),
        make_order(event_id="live/risk/2", time=START + 2, expires_at=START + 90_000, **limit),
        make_order(event_id="live/risk/3", time=START + 3, **limit),
        make_order(event_id="live/risk/4", time=START + 50_000, **cancel),
    ]
    for topic, records in (("market_data", feed), ("orders", orders), ("instruments", [])):
        one = task.merge.by_partition[Partition(topic, 0)]
        for offset, record in enumerate(records):
            one.record_read(offset, "", record.time, record)
        one.watermark_read(99, START + 300_000)
    task.run()
    answers = [Codec.offline().decode(made.value, OrderResult) for made in task.collect().emissions]
    assert [(one.order_id, one.status.value, one.event_id, one.causation_id, one.correlation_id) for one in answers] == [
        ("live/risk/1", "FILLED", "live/execution/feed/sim/BTCUSDT/7/main/0", "test/feed/sim/BTCUSDT/7", "live/feed/sim/BTCUSDT/0"),
        ("live/risk/3", "CANCELLED", "live/execution/risk/4/main/0", "live/risk/4", "live/feed/sim/BTCUSDT/0"),
        (
            "live/risk/2", "EXPIRED", f"live/execution/timer/expiry/BTCUSDT/{START + 90_000}/main/0",
            f"live/timer/expiry/BTCUSDT/{START + 90_000}", "live/feed/sim/BTCUSDT/0",
        ),
    ]  # fmt: skip
    assert answers[0].market_event_id == "test/feed/sim/BTCUSDT/7"
    assert [one.time - one.fill_time for one in answers] == [REPORT_LATENCY] * 3


@pytest.mark.parametrize("file", ["spot_btcusdt", "spot_ethusdt"])
def test_fills_on_a_recording_lie_inside_the_recorded_book_at_their_time(file):
    """Small orders every thousandth record, against the ticker that was newest on the tape when they acted."""
    run, newest, checked = Run(make_settings("BTCUSDT", "ETHUSDT")), None, 0
    for number, record in enumerate(recording(f"{file}_20240808.jsonl.gz")):
        run.take(record)
        if record.best_bid is not None:
            newest = record
        if number % 1000 == 999 and newest is record:
            side = Side.BUY if number % 2000 == 999 else Side.SELL
            order = make_order(side, "0.00001", symbol=record.symbol, time=record.time - ORDER_LATENCY)
            [fill] = run.take(order).answers[-1:]
            assert fill.price == (record.best_ask if side is Side.BUY else record.best_bid)
            assert fill.market_event_id == record.event_id
            checked += 1
    assert checked >= 10
