"""
The execution stage: approved orders against the real market, answers one report latency later.

It merges orders with the order latency as delay, so an event's time is when the order acts in the market. It answers orders and
does nothing else: no timers. Refused orders and orders for other tasks' symbols are not its business.
"""

import msgspec

from streams.domain.execution.fees import fee_schedule
from streams.domain.execution.latency import latency_of
from streams.domain.execution.paper_exchange import Terms, Venue, on_market, on_order
from streams.domain.instruments import Instruments, instrument_at, on_instrument
from streams.domain.parameters import SessionSettings
from streams.domain.records import Instrument, MarketData, Order
from streams.stages.contract import Event, Input, Output, Timer
from streams.stages.state import decode_state, encode_state


class ExecutionState(msgspec.Struct):
    """Each symbol's market stands alone; `venues` by symbol."""

    venues: dict[str, Venue] = {}
    instruments: Instruments = msgspec.field(default_factory=Instruments)


class ExecutionStage:
    """See `streams.stages.contract.Stage`."""

    name = "execution"
    outputs = ("order_results",)
    takes_commands = False

    def __init__(self, settings: SessionSettings, task: int) -> None:
        self._settings = settings
        self._task = task
        self._latency = latency_of(settings.execution)
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
            return state, []
        if isinstance(record, Order):
            return state, self._on_order(state, record, event.time)
        assert isinstance(record, Instrument), f"execution has no input {event.topic}"
        if self._owned(record.symbol):
            on_instrument(state.instruments, record)
        return state, []

    def next_timer(self, state: ExecutionState) -> Timer | None:
        return None

    def answer_due(self, state: ExecutionState, topic: str) -> int | None:
        return None

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
        instrument = instrument_at(state.instruments, order.symbol, now)
        fees = fee_schedule(instrument, self._settings.execution, currency=self._currencies.get(order.account, "USDT"))
        answers = on_order(venue, order, now=now, terms=Terms(instrument, fees, self._latency))
        return [Output("order_results", order.account, answer) for answer in answers]
