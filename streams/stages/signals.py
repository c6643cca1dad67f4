"""
The signals stage: market data into candles, regimes, marks and signals.

Every symbol stands alone: its book, open candle windows, indicators, mark and the strategies' states are under its own key, so
nothing shows which symbols share a task. Timers: "candle" closes a symbol's oldest window, "mark" makes a mark that was held back.

Warm-up: market records whose exchange is `HISTORY` tell of the time before the session's market, as trades. They make candles,
regimes and all that strategies remember, but no marks and no signals: nobody can trade then. Nor does a candle that closes before
the symbol's first record of the real market. From there on nothing differs from a session that was there all along.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from streams.domain import book as books
from streams.domain import candles as candling
from streams.domain import marks as marking
from streams.domain import regime as regimes
from streams.domain.book import Book
from streams.domain.candles import Candles, Lengths
from streams.domain.instruments import Instruments, instrument_at, on_instrument
from streams.domain.marks import MarkState
from streams.domain.parameters import SessionSettings, StrategyParameters
from streams.domain.records import Instrument, InstrumentKind, MarketData, Signal
from streams.domain.regime import MarketConditions
from streams.domain.signals import KINDS, strategy_of
from streams.domain.signals.strategy import Idea, Moment, Strategy, indicators_text
from streams.domain.vocabulary import HISTORY
from streams.stages.contract import Event, Input, Output, Timer
from streams.stages.state import decode_state, encode_state


class SymbolState(msgspec.Struct):
    """Everything of one symbol; `strategies` by the strategy's name."""

    book: Book = msgspec.field(default_factory=Book)
    candles: Candles = msgspec.field(default_factory=Candles)
    conditions: MarketConditions = msgspec.field(default_factory=MarketConditions)
    mark: MarkState = msgspec.field(default_factory=MarkState)
    strategies: dict[str, Any] = {}


class SignalsState(msgspec.Struct):
    """`timer`: the earliest deadline of all symbols as (time, symbol, name), kept so that asking for it costs nothing."""

    symbols: dict[str, SymbolState] = {}
    instruments: Instruments = msgspec.field(default_factory=Instruments)
    timer: tuple[int, str, str] | None = None


class SignalsStage:
    """See `streams.stages.contract.Stage`. Raises `ConfigError` where a strategy's parameters break a rule."""

    name = "signals"
    inputs = (Input("instruments", 0), Input("market_data", 1))
    outputs = ("candles", "regimes", "marks", "signals")
    takes_commands = False
    output_delay = 0

    def __init__(self, settings: SessionSettings, task: int, kinds: Mapping[str, type[Strategy]] = KINDS) -> None:
        market = settings.market
        self._settings = settings
        self._task = task
        self._lengths = Lengths(market.candle_seconds * 1_000_000, market.candle_grace_ms * 1000)
        self._mark_interval = market.mark_interval_ms * 1000
        self._strategies: list[tuple[StrategyParameters, Strategy]] = [
            (parameters, strategy_of(parameters, kinds)) for parameters in settings.strategies if parameters.enabled
        ]

    def initial(self, task: int) -> SignalsState:
        assert task == self._task, f"stage of task {self._task} asked for the state of task {task}"
        return SignalsState()

    def step(self, state: SignalsState, event: Event) -> tuple[SignalsState, list[Output]]:
        record = event.record
        if isinstance(record, MarketData):
            return state, self._on_market(state, record)
        if isinstance(record, Instrument):
            if self._owned(record.symbol):
                on_instrument(state.instruments, record)
            return state, []
        assert event.topic == "timer", f"signals has no input {event.topic}"
        return state, self._on_timer(state, event)

    def next_timer(self, state: SignalsState) -> Timer | None:
        return None if state.timer is None else Timer(*state.timer)

    def answer_due(self, state: SignalsState, topic: str) -> int | None:
        return None

    def is_awaited(self, state: SignalsState) -> bool | None:
        """Risk goes on only as far as this promises; whether somebody waits for risk is not known here."""
        return None

    def encode(self, state: SignalsState) -> bytes:
        return encode_state(state)

    def decode(self, raw: bytes) -> SignalsState:
        state = decode_state(raw, SignalsState)
        kinds = {parameters.name: strategy.State for parameters, strategy in self._strategies}
        for symbol in state.symbols.values():
            symbol.strategies = {name: msgspec.convert(held, kinds[name]) for name, held in symbol.strategies.items()}
        return state

    def diagnosis(self, state: SignalsState) -> dict[tuple[str, str], str]:
        """For each (strategy, symbol) why it signalled nothing, or what it did, in words."""
        return {
            (parameters.name, symbol): strategy.diagnosis(held.strategies[parameters.name])
            for parameters, strategy in self._strategies
            for symbol, held in sorted(state.symbols.items())
            if parameters.name in held.strategies
        }

    def warm(self, state: SignalsState) -> dict[tuple[str, str], bool]:
        """For each (strategy, symbol) whether it has seen enough of the market to signal."""
        return {
            (parameters.name, symbol): strategy.is_warm(held.strategies[parameters.name])
            for parameters, strategy in self._strategies
            for symbol, held in state.symbols.items()
            if parameters.name in held.strategies
        }

    def _owned(self, symbol: str) -> bool:
        return self._settings.symbol_task(symbol) == self._task

    def _on_market(self, state: SignalsState, data: MarketData) -> list[Output]:
        symbol = data.symbol
        held = state.symbols.get(symbol)
        if held is None:
            if not self._owned(symbol):
                return []
            held = state.symbols[symbol] = self._new_symbol(symbol)
        history = data.exchange == HISTORY
        outputs = [] if history else self._follow_market(state, held, data)
        if data.trades:
            opened = len(held.candles.windows)
            for trade in data.trades:
                candling.on_trade(held.candles, trade, now=data.time, lengths=self._lengths)
            if len(held.candles.windows) != opened:
                self._time(state)
            outputs += self._ask_strategies(held, symbol, Moment(data.time, data.trades, history=history))
        return outputs

    def _follow_market(self, state: SignalsState, held: SymbolState, data: MarketData) -> list[Output]:
        books.on_market(held.book, data)
        due = held.mark.due
        outputs = []
        if marking.on_market(held.mark, held.book, data, self._mark_interval):
            outputs.append(self._mark(state, held, data.symbol, data.time))
        if held.mark.due != due:
            self._time(state)
        return outputs

    def _on_timer(self, state: SignalsState, event: Event) -> list[Output]:
        symbol, now = event.key, event.time
        held = state.symbols[symbol]
        if event.name == "mark":
            outputs = [self._mark(state, held, symbol, now)]
        else:
            assert event.name == "candle", f"signals has no timer {event.name}"
            candle = candling.on_deadline(held.candles, symbol=symbol, now=now, lengths=self._lengths)
            outputs = [Output("candles", symbol, candle)]
            regime = regimes.on_candle(held.conditions, candle, self._settings.market)
            if regime is not None:
                outputs.append(Output("regimes", symbol, regime))
            history = held.mark.market_time is None
            outputs += self._ask_strategies(held, symbol, Moment(now, [], candle, history))
        self._time(state)
        return outputs

    def _new_symbol(self, symbol: str) -> SymbolState:
        strategies = {
            p.name: strategy.State() for p, strategy in self._strategies if not p.symbols or symbol in p.symbols
        }
        return SymbolState(strategies=strategies)

    def _mark(self, state: SignalsState, held: SymbolState, symbol: str, now: int) -> Output:
        instrument = instrument_at(state.instruments, symbol, now)
        mark = marking.mark(
            held.mark,
            held.book,
            symbol=symbol,
            now=now,
            depth_notionals=self._settings.market.depth_steps,
            exchange_marked=instrument is None or instrument.kind is InstrumentKind.PERPETUAL,
            atr=held.conditions.atr,
            volatility=held.conditions.volatility,
        )
        return Output("marks", symbol, mark)

    def _ask_strategies(self, held: SymbolState, symbol: str, moment: Moment) -> list[Output]:
        outputs = []
        for parameters, strategy in self._strategies:
            known = held.strategies.get(parameters.name)
            idea = None if known is None else strategy.on_event(known, moment)
            if idea is not None and not moment.history:
                outputs += [
                    _signal(idea, account, parameters.name, symbol, moment.time) for account in parameters.accounts
                ]
        return outputs

    def _time(self, state: SignalsState) -> None:
        """Finds the earliest deadline anew; only when one changed, a few times a second and symbol."""
        timers = []
        for symbol, held in state.symbols.items():
            closes = candling.deadline(held.candles, self._lengths)
            if closes is not None:
                timers.append((closes, symbol, "candle"))
            if held.mark.due is not None:
                timers.append((held.mark.due, symbol, "mark"))
        state.timer = min(timers, default=None)


def _signal(idea: Idea, account: str, strategy: str, symbol: str, time: int) -> Output:
    signal = Signal(
        event_id="",
        causation_id="",
        correlation_id="",
        session="",
        time=time,
        account=account,
        strategy=strategy,
        symbol=symbol,
        side=idea.side,
        strength=idea.strength,
        confidence=idea.confidence,
        price=idea.price,
        reason=idea.reason,
        indicators=indicators_text(idea.indicators),
    )
    return Output("signals", account, signal)
