from decimal import localcontext
from typing import Any

import pytest

from streams.domain.money import EXACT
from streams.domain.parameters import ExecutionParameters, FeedParameters, SessionSettings
from streams.domain.records import MarketData, Order, Record, ResultStatus, Side
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
