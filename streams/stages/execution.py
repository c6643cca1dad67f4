"""
The execution stage: approved orders against the real market, answers one report latency later.

It merges orders with the least order latency as delay, so an event's time is when the order acts in the market, or sets out on the
rest of its way. It answers orders and does nothing else. Refused orders and orders for other tasks' symbols are not its business.

Timers, each for one symbol: "arrival", when a latency beyond the least ends, and "expiry". An answer to an order that rests, waits or
arrives late goes back to the order's own market record (`correlation_id`), whatever record or timer caused it.
"""

from collections.abc import Callable

import msgspec

from streams.domain.execution import resting
from streams.domain.execution.fees import fee_schedule
from streams.domain.execution.latency import latency_of
from streams.domain.execution.paper_exchange import on_arrivals, on_expiry, on_order
from streams.domain.execution.queue_model import QUEUE_MODELS
from streams.domain.execution.venue import Terms, Venue, deadlines, on_market
from streams.domain.instruments import Instruments, instrument_at, on_instrument
from streams.domain.parameters import SessionSettings
from streams.domain.records import Instrument, MarketData, Order, OrderResult
from streams.stages.contract import Event, Input, Output, Timer
from streams.stages.state import decode_state, encode_state


class ExecutionState(msgspec.Struct):
    """
    Each symbol's market stands alone; `venues` by symbol.

    `timer`: the earliest deadline of all as (time, symbol, name), kept so that asking for it costs nothing.
    """

    venues: dict[str, Venue] = {}
    instruments: Instruments = msgspec.field(default_factory=Instruments)
    timer: tuple[int, str, str] | None = None


class ExecutionStage:
    """See `streams.stages.contract.Stage`."""

    name = "execution"
    outputs = ("order_results",)
    takes_commands = False

    def __init__(self, settings: SessionSettings, task: int) -> None:
        self._settings = settings
        self._task = task
        self._latency = latency_of(settings.execution)
        self._queue = QUEUE_MODELS[settings.execution.queue_model]
        self._currencies = {account.name: account.currency for account in settings.accounts}

    @property
    def inputs(self) -> tuple[Input, ...]:
        return (Input("instruments", 0), Input("market_data", 1), Input("orders", 2, self._latency.order))

    @property
    def output_delay(self) -> int:
        return self._latency.report

    def initial(self, task: int) -> ExecutionState:
        assert task == self._task, f"stage of task {self._task} asked for the state of task {task}"
        return ExecutionState()

    def step(self, state: ExecutionState, event: Event) -> tuple[ExecutionState, list[Output]]:
        record = event.record
        if isinstance(record, MarketData):
            venue = self._venue(state, record.symbol)
            if venue is not None:
                on_market(venue, record)
                if venue.buys or venue.sells or venue.stops:
                    return state, self._on_standing(state, venue, record)
            return state, []
        if isinstance(record, Order):
            return state, self._on_order(state, record, event.time)
        if isinstance(record, Instrument):
            if self._owned(record.symbol):
                on_instrument(state.instruments, record)
            return state, []
        assert event.topic == "timer", f"execution has no input {event.topic}"
        return state, self._on_timer(state, event)

    def next_timer(self, state: ExecutionState) -> Timer | None:
        return None if state.timer is None else Timer(*state.timer)

    def answer_due(self, state: ExecutionState, topic: str) -> int | None:
        return None

    def is_awaited(self, state: ExecutionState) -> bool | None:
        """With an order whose end is not told: its account goes on only as far as this promises. Other tasks may hold one."""
        holds = any(venue.buys or venue.sells or venue.stops or venue.on_their_way for venue in state.venues.values())
        return holds if holds or self._settings.partitions == 1 else None

    def encode(self, state: ExecutionState) -> bytes:
        return encode_state(state)

    def decode(self, raw: bytes) -> ExecutionState:
        return decode_state(raw, ExecutionState)

    def _owned(self, symbol: str) -> bool:
        return self._settings.symbol_task(symbol) == self._task

    def _venue(self, state: ExecutionState, symbol: str) -> Venue | None:
        venue = state.venues.get(symbol)
        if venue is None and self._owned(symbol):
            venue = state.venues[symbol] = Venue()
        return venue

    def _on_order(self, state: ExecutionState, order: Order, now: int) -> list[Output]:
        if not order.approved:
            return []
        venue = self._venue(state, order.symbol)
        if venue is None:
            return []
        terms = self._terms(state, order.symbol, now)(order.account)
        answers = on_order(venue, order, now=now, terms=terms)
        _time(state)
        return _outputs(answers)

    def _on_standing(self, state: ExecutionState, venue: Venue, data: MarketData) -> list[Output]:
        answers = resting.on_market(venue, data, terms=self._terms(state, data.symbol, data.time))
        if answers:
            _time(state)
        return _outputs(answers)

    def _on_timer(self, state: ExecutionState, event: Event) -> list[Output]:
        venue, now = state.venues[event.key], event.time
        terms = self._terms(state, event.key, now)
        if event.name == "arrival":
            answers = on_arrivals(venue, now, terms)
        else:
            assert event.name == "expiry", f"execution has no timer {event.name}"
            answers = on_expiry(venue, now, terms)
        _time(state)
        return _outputs(answers)

    def _terms(self, state: ExecutionState, symbol: str, now: int) -> Callable[[str], Terms]:
        """What holds for a symbol at `now`, by account."""
        instrument = instrument_at(state.instruments, symbol, now)
        settings = self._settings.execution

        def of(account: str) -> Terms:
            fees = fee_schedule(instrument, settings, currency=self._currencies.get(account, "USDT"))
            return Terms(instrument, fees, self._latency, self._queue, settings.stop_trigger)

        return of


def _outputs(answers: list[OrderResult]) -> list[Output]:
    return [Output("order_results", answer.account, answer) for answer in answers]


def _time(state: ExecutionState) -> None:
    """Finds the earliest deadline anew; only where orders came or went."""
    timers = [(due, symbol, name) for symbol, venue in state.venues.items() for due, name in deadlines(venue)]
    state.timer = min(timers, default=None)
