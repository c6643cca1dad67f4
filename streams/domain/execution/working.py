"""
An order as the paper exchange keeps it: what the decision asked for, what is filled, and where it stands.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.execution.queue import Queue
from streams.domain.money import ZERO
from streams.domain.records import Liquidity, Order, OrderType, Side

STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
LIMITED = (
    OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.IMMEDIATE_OR_CANCEL, OrderType.FILL_OR_KILL, OrderType.STOP_LIMIT,
)  # fmt: skip


class Fill(NamedTuple):
    """What an order got at once: `notional` exact, `price` its average, `model` what priced it."""

    quantity: Decimal
    notional: Decimal
    price: Decimal
    liquidity: Liquidity
    model: str


class Working(msgspec.Struct):
    """
    An approved order that has not ended; the fields of its decision first.

    `decided_at` and `acted_at`: µs of the decision and of its arrival in the market; `arrival` counts the symbol's arrivals.
    `waiting`: a stop that has not acted, `triggered` once its price was reached. A resting order is `crossed` while the displayed
    market reaches its price, and `rested` once it has stood uncrossed: from then on it makes. `queue`: its place at its price.
    """

    order_id: str
    correlation_id: str
    account: str
    strategy: str
    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    expires_at: int | None
    target_order_id: str | None
    decision_mark: Decimal | None
    decided_at: int
    acted_at: int = 0
    arrival: int = 0
    filled: Decimal = ZERO
    waiting: bool = False
    triggered: bool = False
    crossed: bool = False
    rested: bool = False
    queue: Queue = msgspec.field(default_factory=Queue)

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled

    @property
    def price(self) -> Decimal:
        """The limit price of an order that has one."""
        assert self.limit_price is not None, f"{self.order_id} has no limit price"
        return self.limit_price

    def met_by(self, price: Decimal) -> bool:
        """Whether a market price is at the limit price or better for the order."""
        return price <= self.price if self.side is Side.BUY else price >= self.price

    def stopped_by(self, price: Decimal) -> bool:
        """Whether a market price sets the stop off: at it or worse for the order's holder."""
        assert self.stop_price is not None, f"{self.order_id} has no stop price"
        return price >= self.stop_price if self.side is Side.BUY else price <= self.stop_price


class OnItsWay(msgspec.Struct):
    """An order that acts at `due` (logical µs), after a latency beyond the least."""

    due: int
    order: Working


def working(order: Order) -> Working:
    """What the paper exchange keeps of a decision; prices that its type has no use for are dropped."""
    assert order.approved, f"{order.event_id} is not approved"
    if order.order_type is not OrderType.CANCEL:
        assert order.quantity > 0, f"quantity of {order.event_id} must be above 0, was {order.quantity}"
    return Working(
        order_id=order.event_id, correlation_id=order.correlation_id, account=order.account, strategy=order.strategy,
        symbol=order.symbol, side=order.side, order_type=order.order_type, quantity=order.quantity,
        limit_price=order.limit_price if order.order_type in LIMITED else None,
        stop_price=order.stop_price if order.order_type in STOPS else None, expires_at=order.expires_at,
        target_order_id=order.target_order_id, decision_mark=order.decision_mark, decided_at=order.time,
    )  # fmt: skip
