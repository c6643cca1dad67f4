"""Several strategies and accounts in one signals stage, what their candles say of the market, and history before it."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.parameters import FeedParameters, MarketParameters, SessionSettings, StrategyParameters
from streams.domain.records import MarketData, RegimeName, Side
from streams.domain.vocabulary import HISTORY
from tests.domain.market import MINUTE, SECOND, START, SYMBOL, D, make_market, trade
from tests.domain.signals_run import Run

MOMENTUM = {"SIGNAL_LOOKBACK_MIN": "1", "SIGNAL_THRESHOLD_PCT": "3", "SIGNAL_MIN_VOLUME": "0"}
REVERSION = {"BOLLINGER_PERIOD": "4", "BOLLINGER_SIGMAS": "1.5", "RSI_PERIOD": "2"}
TREND = {"EMA_FAST": "2", "EMA_SLOW": "3", "MACD_SIGNAL": "1", "ADX_PERIOD": "2"}
MARKET = MarketParameters(atr_period=2, adx_period=2, volatility_candles=2)


def strategy(name: str, kind: str, parameters: dict[str, str], **changes: Any) -> StrategyParameters:
    return StrategyParameters(name=name, kind=kind, parameters=parameters, **changes)


ALL = (
    strategy("fast", "momentum", MOMENTUM, accounts=("main", "other")),
    strategy("back", "mean_reversion", REVERSION),
    strategy("with", "trend", TREND, accounts=("other",)),
)


def make_settings(*strategies: StrategyParameters, symbols: Sequence[str] = (SYMBOL,), partitions: int = 1) -> SessionSettings:
    return SessionSettings(
        accounts=({"name": "main"}, {"name": "other"}), strategies=strategies or ALL, market=MARKET, partitions=partitions,
        feed=FeedParameters(symbols=tuple(symbols)),
    )  # fmt: skip


def minutes(*closes: str | int, first: int = 0, **changes: Any) -> list[MarketData]:
    """One trade a minute, in its middle: a candle of that price each."""
    times = [START + (first + place) * MINUTE + 30 * SECOND for place in range(len(closes))]
    return [
        make_market(time, sequence=first + place, trades=[trade(D(close), time=time)], **changes)
        for place, (time, close) in enumerate(zip(times, closes, strict=True))
    ]


def closed(count: int) -> int:
    """When the candle of minute `count` − 1 closes."""
    return START + count * MINUTE + 2 * SECOND


def told(run: Run) -> set[tuple[int, str, str, Side]]:
    """Signals as (minute after the start, strategy, account, side)."""
    return {((one.time - START) // MINUTE, one.strategy, one.account, one.side) for one in run.of("signals")}


FALL_AND_RISE = (110, 109, 108, 107, 106, 109)


def test_strategies_and_accounts_stand_side_by_side_and_each_has_its_own_word():
    run = Run(make_settings(), recode=True).take(*minutes(100, 100, 100, 96)).until(closed(4))
    # 96 is 4 % below 100 for momentum at once, and below its band for mean reversion when the candle has closed.
    assert told(run) == {(3, "fast", "main", Side.SELL), (3, "fast", "other", Side.SELL), (4, "back", "main", Side.BUY)}
    run = Run(make_settings(), recode=True).take(*minutes(*FALL_AND_RISE)).until(closed(6))
    assert told(run) == {(6, "with", "other", Side.BUY)}


def test_each_strategy_says_the_same_alone_as_beside_the_others():
    market = minutes(100, 100, 100, 96, *FALL_AND_RISE, 130, 90, 91, 92, 60)
    together = told(Run(make_settings()).take(*market).until(closed(16)))
    apart = [told(Run(make_settings(one)).take(*market).until(closed(16))) for one in ALL]
    assert {one[1] for one in together} == {"fast", "back", "with"}
    assert set().union(*apart) == together


def test_strategy_of_the_same_kind_twice_keeps_two_states():
    settings = make_settings(strategy("slow", "momentum", MOMENTUM | {"SIGNAL_LOOKBACK_MIN": "3"}), ALL[0])
    run = Run(settings, recode=True).take(*minutes(100, 102, 104, 105, 106))
    # More than a minute before 104 was 100: 4 %, and then never 3 % again; more than three minutes before 106 it was 100.
    assert {(minute, name) for minute, name, _, _ in told(run)} == {(2, "fast"), (4, "slow")}
    assert set(run.state.symbols[SYMBOL].strategies) == {"slow", "fast"}


def test_one_idea_of_a_candle_is_a_signal_with_its_price_reason_and_indicators():
    run = Run(make_settings(ALL[1])).take(*minutes(100, 100, 100, 96)).until(closed(4))
    [signal] = run.of("signals")
    assert (signal.time, signal.price, signal.strength) == (closed(4), 96, D("1.154700538379"))
    assert signal.indicators == '{"lower":"96.401923788647","middle":"99","rsi":"0","upper":"101.598076211353"}'


def test_first_candle_and_each_confirmed_change_make_a_regime_record_beside_their_candle():
    run = Run(make_settings()).take(*minutes(*range(1000, 1008))).until(closed(8))
    found = [(one.time, one.regime, one.adx) for one in run.of("regimes")]
    assert found == [(closed(1), RegimeName.UNKNOWN, None), (closed(6), RegimeName.TREND, 100)]
    topics = [(output.topic, output.key) for output in run.outputs if output.record.time == closed(6)]
    assert topics == [("candles", SYMBOL), ("regimes", SYMBOL)]


def test_marks_carry_atr_and_volatility_of_the_newest_closed_candle():
    run = Run(make_settings()).take(*minutes(100, 110, 99, 99))
    marks = {mark.time: (mark.atr, mark.volatility) for mark in run.of("marks")}
    # ATR needs three candles: (10 + 11)/2. Volatility: returns .1 and −.1, √(.02 · 525600) = √10512.
    assert list(marks.values()) == [(None, None)] * 3 + [(D("10.5"), D("102.528044943810"))]


def history(*closes: str | int) -> list[MarketData]:
    return minutes(*closes, exchange=HISTORY)


def test_history_makes_candles_and_regimes_but_no_marks_and_no_signals():
    run = Run(make_settings(), recode=True).take(*history(100, 100, 100, 96, 120, 80)).until(closed(6))
    assert {output.topic for output in run.outputs} == {"candles", "regimes"}
    assert len(run.of("candles")) == 6
    assert run.state.symbols[SYMBOL].book.present is False
    assert run.stage.next_timer(run.state) is None


def test_indicators_and_strategies_go_on_from_history_without_a_break():
    market = (110, 109, 108, 107, 106, 109, 109, 96, 140)
    through = Run(make_settings()).take(*minutes(*market)).until(closed(9))
    for first in range(1, 9):
        warm = Run(make_settings(), recode=True)
        warm.take(*history(*market[:first]), *minutes(*market[first:], first=first)).until(closed(9))
        assert [one.close for one in warm.of("candles")] == list(market)
        assert warm.of("regimes") == through.of("regimes")
        # All that is told from the first record of the real market on.
        begun = START + first * MINUTE + 30 * SECOND
        for topic in ("marks", "signals"):
            said = [msg for msg in through.of(topic) if msg.time >= begun]
            assert [said_without_ids(one) for one in warm.of(topic)] == [said_without_ids(one) for one in said]


def said_without_ids(record: Any) -> Any:
    """The fields of a record but the place of the push within its feed."""
    return {name: getattr(record, name) for name in record.__struct_fields__ if name != "correlation_id"}


def test_candle_that_closes_after_the_market_has_begun_may_signal():
    begun = START + 4 * MINUTE + SECOND
    early = make_market(begun, trades=[trade("96", time=begun)])
    run = Run(make_settings(ALL[1])).take(*history(100, 100, 100, 96), early).until(closed(4))
    assert told(run) == {(4, "back", "main", Side.BUY)}
    late = make_market(closed(4) + 1)
    run = Run(make_settings(ALL[1])).take(*history(100, 100, 100, 96), late).until(closed(5))
    assert told(run) == set()


def test_diagnosis_after_history_alone_speaks_of_candles_and_of_no_signal():
    run = Run(make_settings()).take(*history(100, 100, 100, 96)).until(closed(4))
    words = run.stage.diagnosis(run.state)
    assert words["fast", SYMBOL].startswith("no signal; largest change -4 %")
    assert words["back", SYMBOL].startswith("1 of 4 candles closed outside the bands; RSI 0 now")
    assert words["with", SYMBOL].startswith("0 crosses of EMA 2 and 3 in 4 candles")


pushes = st.lists(
    st.tuples(st.sampled_from([1, 20 * SECOND, 45 * SECOND, 3 * MINUTE]), st.sampled_from(["AAA", "BBB"]), st.integers(300, 500)),
    max_size=60,
)


def _push(draw: Sequence[tuple[int, str, int]], warm: int) -> Iterable[MarketData]:
    time, sequences = START, {"AAA": 0, "BBB": 0}
    for place, (wait, symbol, cents) in enumerate(draw):
        time += wait
        trades = [trade(Decimal(cents) / 4, "2", time=time)]
        exchange = HISTORY if place < warm else "sim"
        yield make_market(time, symbol=symbol, sequence=sequences[symbol], trades=trades, exchange=exchange)
        sequences[symbol] += 1


@given(pushes, st.integers(0, 20))
def test_decoded_state_goes_on_as_the_original_and_tasks_do_not_show(draw, warm):
    """All strategies, with history before: encoding after every step, one task or two give the same records."""
    records, end = list(_push(draw, warm)), START + 1000 * MINUTE
    symbols = ("AAA", "BBB")
    plain = Run(make_settings(symbols=symbols)).take(*records).until(end)
    recoded = Run(make_settings(symbols=symbols), recode=True).take(*records).until(end)
    assert recoded.outputs == plain.outputs
    assert recoded.stage.encode(recoded.state) == plain.stage.encode(plain.state)
    split = make_settings(symbols=symbols, partitions=2)
    apart = [output for task in (0, 1) for output in Run(split, task).take(*records).until(end).outputs]
    assert sorted(map(repr, apart)) == sorted(map(repr, plain.outputs))


@pytest.mark.parametrize("count", [1, 5])
def test_candle_of_an_hour_counts_its_own_length_in_volatility(count):
    market = MARKET.model_copy(update={"candle_seconds": 3600})
    settings = make_settings().model_copy(update={"market": market})
    hours = [
        make_market(START + place * 60 * MINUTE, sequence=place, trades=[trade(close, time=START + place * 60 * MINUTE)])
        for place, close in enumerate(["100", "110", "99"] + ["99"] * count)
    ]
    run = Run(settings).take(*hours)
    # √.02 · √8760
    assert D("13.236313686219") in {mark.volatility for mark in run.of("marks")}
