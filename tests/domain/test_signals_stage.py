from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from streams.domain.parameters import FeedParameters, SessionSettings, StrategyParameters
from streams.domain.records import InstrumentKind, MarketData, MarkSource, Side
from streams.domain.signals.strategy import Idea, Moment, StrategySettings
from streams.errors import ConfigError
from streams.stages.contract import TIMER_RANK
from streams.stages.signals import SignalsStage
from tests.domain.market import (
    MINUTE,
    SECOND,
    START,
    SYMBOL,
    D,
    levels,
    make_instrument,
    make_market,
    make_snapshot,
    trade,
)
from tests.domain.signals_run import Run

CANDLE_DUE = START + 62 * SECOND


def make_settings(*symbols: str, partitions: int = 1, **changes: Any) -> SessionSettings:
    strategy = {
        "name": "fast", "kind": "momentum", "accounts": ("main", "other"),
        "parameters": {"SIGNAL_LOOKBACK_MIN": "1", "SIGNAL_THRESHOLD_PCT": "1", "SIGNAL_MIN_VOLUME": "0"},
    }  # fmt: skip
    return SessionSettings(
        partitions=partitions, accounts=({"name": "main"}, {"name": "other"}),
        feed=FeedParameters(symbols=symbols or (SYMBOL,)), strategies=(StrategyParameters(**(strategy | changes)),),
    )  # fmt: skip


def test_candle_comes_from_its_timer_at_the_end_of_the_window_and_its_grace():
    run = Run(make_settings()).take(make_market(START + 1, trades=[trade("100", "2")]))
    assert run.stage.next_timer(run.state) == (CANDLE_DUE, SYMBOL, "candle")
    run.until(CANDLE_DUE)
    [candle] = run.of("candles")
    assert (candle.time, candle.open_time, candle.volume, candle.quote_volume) == (CANDLE_DUE, START, 2, 200)
    assert run.stage.next_timer(run.state) is None


def test_minutes_without_trades_make_no_candle():
    run = Run(make_settings()).take(make_market(START, trades=[trade("100")]), make_market(START + 10 * MINUTE))
    assert len(run.of("candles")) == 1


def test_push_dated_an_hour_ahead_does_not_hold_up_the_next_candle():
    ahead = make_market(START + 5, trades=[trade("500", time=START + 60 * MINUTE)], time_suspect=True)
    run = Run(make_settings()).take(make_market(START, trades=[trade("100")]), ahead).until(CANDLE_DUE)
    assert [candle.high for candle in run.of("candles")] == [100]
    assert run.state.symbols[SYMBOL].candles.ahead_trades == 1


def test_held_back_mark_goes_out_by_its_timer_with_the_newest_state():
    run = Run(make_settings()).take(
        make_market(START, bid="99:1", ask="101:1"), make_market(START + 1, bid="98:1", ask="101:1")
    )
    assert run.stage.next_timer(run.state) == (START + 100_000, SYMBOL, "mark")
    run.until(START + SECOND)
    assert [(mark.time, mark.mark) for mark in run.of("marks")] == [(START, 100), (START + 100_000, D("99.5"))]


def test_mark_follows_the_instruments_kind():
    record = make_market(START, bid="99:1", ask="101:1", mark_price=D(90))
    for kind, source in ((InstrumentKind.SPOT, MarkSource.MID), (InstrumentKind.PERPETUAL, MarkSource.EXCHANGE)):
        run = Run(make_settings()).take(make_instrument(START - 1, kind=kind), record)
        assert run.of("marks")[0].source is source


def test_idea_becomes_a_signal_for_every_account_of_the_strategy():
    run = Run(make_settings()).take(
        make_market(START, trades=[trade("100")]), make_market(START + 61 * SECOND, trades=[trade("102")])
    )
    signals = run.of("signals")
    assert [(output.key, output.record.account) for output in run.outputs if output.topic == "signals"] == [
        ("main", "main"), ("other", "other"),
    ]  # fmt: skip
    assert {(signal.strategy, signal.symbol, signal.side, signal.price) for signal in signals} == {
        ("fast", SYMBOL, Side.BUY, D(102))
    }
    assert signals[0].indicators == '{"change_pct":"2","quote_volume":"102","reference_price":"100"}'


def test_strategy_that_is_off_or_for_other_symbols_signals_nothing():
    records = [make_market(START, trades=[trade("100")]), make_market(START + 61 * SECOND, trades=[trade("102")])]
    assert Run(make_settings(enabled=False)).take(*records).of("signals") == []
    assert Run(make_settings(SYMBOL, "ETHUSDT", symbols=("ETHUSDT",))).take(*records).of("signals") == []


def test_symbols_of_other_tasks_are_dropped():
    settings = make_settings("AAA", "BBB", partitions=2)
    run = Run(settings, task=1).take(
        make_market(symbol="AAA", trades=[trade("1")]), make_market(START + 1, symbol="BBB")
    )
    run.take(make_instrument(START + 2, symbol="AAA"), make_instrument(START + 2, symbol="BBB"))
    assert (list(run.state.symbols), list(run.state.instruments.versions)) == (["BBB"], ["BBB"])


class CloseSettings(StrategySettings):
    above: int = Field(ge=0)


class CloseState(msgspec.Struct):
    candles: int = 0


class BuyAfterClose:
    """A whole strategy: buys when a candle closes above a price."""

    Settings: ClassVar[type[StrategySettings]] = CloseSettings
    State: ClassVar[type[msgspec.Struct]] = CloseState

    def __init__(self, settings: CloseSettings) -> None:
        self.settings = settings

    def on_event(self, state: CloseState, moment: Moment) -> Idea | None:
        if moment.candle is None:
            return None
        state.candles += 1
        close = moment.candle.close
        return (
            Idea(Side.BUY, D(1), D(1), close, "closed high", {"close": close}) if close > self.settings.above else None
        )

    def diagnosis(self, state: CloseState) -> str:
        return f"{state.candles} candles"


def test_new_kind_of_strategy_needs_its_class_and_a_place_in_the_registry():
    settings = make_settings(kind="close", parameters={"ABOVE": "99"})
    run = Run(settings, recode=True, kinds={"close": BuyAfterClose})
    run.take(make_market(START, trades=[trade("100")]))
    run.take(make_market(START + MINUTE, trades=[trade("98", time=START + MINUTE)])).until(START + 3 * MINUTE)
    found = [(signal.account, signal.time, signal.price, signal.reason) for signal in run.of("signals")]
    assert found == [(account, CANDLE_DUE, 100, "closed high") for account in ("main", "other")]
    assert run.stage.diagnosis(run.state) == {("fast", SYMBOL): "2 candles"}


def test_diagnosis_speaks_of_every_strategy_and_symbol():
    run = Run(make_settings()).take(make_market(START, trades=[trade("100")]))
    assert run.stage.diagnosis(run.state) == {
        ("fast", SYMBOL): "warming up: 60 s of 60 s left until a change can be measured; "
            "largest change so far 0 % against SIGNAL_THRESHOLD_PCT 1"
    }


def test_stage_says_of_every_strategy_and_symbol_whether_it_has_seen_enough_to_signal():
    run = Run(make_settings()).take(make_market(START, trades=[trade("100")]))
    assert run.stage.warm(run.state) == {("fast", SYMBOL): False}
    # One whole minute is what a change is measured over.
    for time in (START + MINUTE, START + 2 * MINUTE):
        run.take(make_market(time, trades=[trade("100", time=time)]))
    assert run.stage.warm(run.state) == {("fast", SYMBOL): True}


def test_stage_knows_of_its_inputs_no_more_than_their_watermarks_say():
    run = Run(make_settings())
    assert [run.stage.answer_due(run.state, source.topic) for source in run.stage.inputs] == [None, None]


def test_parameters_that_break_a_rule_stop_the_stage():
    with pytest.raises(ConfigError, match="SIGNAL_LOOKBACK_MIN must be 0.1..1440, was 0"):
        SignalsStage(make_settings(parameters={"SIGNAL_LOOKBACK_MIN": "0"}), 0)


def test_timers_rank_before_records_of_their_time():
    """What `Run` does by hand is the contract's order."""
    assert min(source.rank for source in SignalsStage.inputs) > TIMER_RANK


def _push(draw: Any) -> Iterable[MarketData]:
    time, sequences = START, {"AAA": 0, "BBB": 0}
    for wait, symbol, cents, kind in draw:
        time += wait
        price = Decimal(cents) / 4
        low, high = price - 1, price + 1
        changes: dict[str, Any] = {
            "trade": {"trades": [trade(price, "2", time=time - 3)]},
            "ticker": {"bid": f"{low}:1", "ask": f"{high}:2"},
            "delta": {"bids": levels(f"{low}:3"), "asks": levels(f"{high}:0")},
            "gap": {"gap": True},
            "down": {"feed_down": True},
            "snapshot": {"snapshot": True, "bids": levels(f"{low}:5"), "asks": levels(f"{high}:5")},
        }[kind]
        yield make_market(time, symbol=symbol, sequence=sequences[symbol], update_id=sequences[symbol], **changes)
        sequences[symbol] += 1


pushes = st.lists(
    st.tuples(
        st.sampled_from([1, 20_000, 99_999, SECOND, 30 * SECOND, 3 * MINUTE]), st.sampled_from(["AAA", "BBB"]), st.integers(300, 500),
        st.sampled_from(["trade", "trade", "ticker", "ticker", "delta", "snapshot", "gap", "down"]),
    ),
    max_size=40,
)  # fmt: skip


@given(pushes)
def test_decoded_state_goes_on_as_the_original_and_tasks_do_not_show(draw):
    """Encoding after every step, and one task or two: the same records of each topic."""
    records = list(_push(draw))
    plain = Run(make_settings("AAA", "BBB")).take(*records).until(START + 1000 * MINUTE)
    recoded = Run(make_settings("AAA", "BBB"), recode=True).take(*records).until(START + 1000 * MINUTE)
    assert recoded.outputs == plain.outputs
    assert recoded.stage.encode(recoded.state) == plain.stage.encode(plain.state)
    split = make_settings("AAA", "BBB", partitions=2)
    apart = [
        output for task in (0, 1) for output in Run(split, task).take(*records).until(START + 1000 * MINUTE).outputs
    ]
    assert sorted(map(repr, apart)) == sorted(map(repr, plain.outputs))


def test_book_snapshot_then_marks_carry_the_depth_steps_of_the_settings():
    run = Run(make_settings()).take(make_snapshot(bids=levels("99:1000"), asks=levels("101:1000")))
    [mark] = run.of("marks")
    assert [(step.side, step.notional) for step in mark.depth] == [
        (side, D(notional)) for side in (Side.BUY, Side.SELL) for notional in (1_000, 10_000, 50_000)
    ]
