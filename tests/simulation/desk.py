"""
A stage in the place of risk that sends orders of every type and judges nothing: what execution does with them is what is tested.

It draws an order, or a cancellation of an earlier one, from each mark's id, and holds each answer to the protocol: in flight from
the decision to the one terminal result, filled never beyond the order.
"""

import hashlib
from decimal import Decimal

import msgspec

from streams.domain.ids import cause_of, output_id
from streams.domain.money import ZERO, floor_to
from streams.domain.parameters import SessionSettings
from streams.domain.records import Mark, Order, OrderResult, OrderType, Purpose, Side
from streams.stages.contract import NEVER, Event, Input, Output, Timer
from streams.stages.risk import RiskStage
from streams.stages.state import decode_state, encode_state

KINDS = [kind for kind in OrderType if kind is not OrderType.CANCEL]
TICK = Decimal("0.01")


class Open(msgspec.Struct):
    symbol: str
    left: Decimal


class DeskState(msgspec.Struct):
    """`open`: what has not ended, by account and order id."""

    open: dict[str, dict[str, Open]] = {}


class Desk:
    name = "risk"
    inputs = (Input("marks", 2), Input("order_results", 5))
    outputs = RiskStage.outputs
    takes_commands = True
    output_delay = 0

    def __init__(self, settings: SessionSettings, task: int) -> None:
        self.session = settings.session
        self.accounts = [one.name for one in settings.accounts if settings.account_task(one.name) == task]

    def initial(self, task: int) -> DeskState:
        return DeskState({account: {} for account in self.accounts})

    def step(self, state: DeskState, event: Event) -> tuple[DeskState, list[Output]]:
        record = event.record
        if isinstance(record, OrderResult):
            if record.account in state.open:
                self._answered(state.open[record.account], record)
            return state, []
        assert isinstance(record, Mark)
        drawn = [self._order(state, record, account, event) for account in self.accounts]
        return state, [Output("orders", order.account, order) for order in drawn if order is not None]

    def _answered(self, held: dict[str, Open], result: OrderResult) -> None:
        order = held[result.order_id]
        order.left -= result.quantity
        assert order.left == result.remaining_quantity >= 0
        if result.terminal:
            del held[result.order_id]

    def _order(self, state: DeskState, mark: Mark, account: str, event: Event) -> Order | None:
        drawn = hashlib.sha256(f"{cause_of(mark.event_id)}/{account}".encode()).digest()
        if mark.mark is None or drawn[0] % 4:
            return None
        held, kind, side = state.open[account], KINDS[drawn[1] % len(KINDS)], (Side.BUY, Side.SELL)[drawn[2] % 2]
        target, quantity = None, Decimal(1 + drawn[3] % 90) / 10
        mine = [name for name, one in held.items() if one.symbol == mark.symbol]
        if mine and drawn[4] % 3 == 0:
            kind, target, quantity = OrderType.CANCEL, mine[drawn[5] % len(mine)], ZERO
        near = floor_to(mark.mark, TICK) + TICK * (drawn[6] % 9 - 4)
        if target is None:
            # Its own id: the first output of the account on this mark.
            held[output_id(self.session, self.name, cause_of(event.cause_id), account, 0)] = Open(mark.symbol, quantity)
        return Order(
            event_id="", causation_id="", correlation_id="", session="", time=event.time, account=account, strategy="momentum",
            symbol=mark.symbol, side=side, purpose=Purpose.ENTRY, approved=True, rejection_code=None, measured=None, limit=None,
            requested_quantity=quantity, requested_notional=ZERO, quantity=quantity, notional=ZERO, order_type=kind,
            limit_price=near, stop_price=near + TICK, reduce_only=False, target_order_id=target, decision_mark=mark.mark,
            expires_at=event.time + 20_000 * (1 + drawn[7]) if drawn[8] % 2 else None, checks="[]", sizing="{}",
        )  # fmt: skip

    def next_timer(self, state: DeskState) -> Timer | None:
        return None

    def answer_due(self, state: DeskState, topic: str) -> int | None:
        return NEVER if topic == "order_results" and not any(state.open.values()) else None

    def is_awaited(self, state: DeskState) -> bool:
        return any(state.open.values())

    def encode(self, state: DeskState) -> bytes:
        return encode_state(state)

    def decode(self, raw: bytes) -> DeskState:
        return decode_state(raw, DeskState)
