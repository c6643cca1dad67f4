"""
Cancellations of what rests in the market: an order of type CANCEL that names its target and needs no check.

Its target stays in flight until its own last result, which may still be a fill: nothing answers the cancellation itself.
No entry rests on while the account may only reduce, nor once its strategy's position is to be closed, nor once its symbol's data
is stale: it would be filled by whatever the market comes back with.
"""

from streams.domain.money import ZERO
from streams.domain.records import Order, OrderType, Purpose, RiskMode
from streams.domain.risk.state import Account, InFlight
from streams.domain.risk.step import UNFILLED, Step, json_text


def cancel(step: Step, account: Account, order_id: str, order: InFlight, why: str) -> None:
    """Asks for the end of one resting order."""
    assert order.rests, f"{order_id} does not rest"
    order.cancel_sent = True
    step.add(Order(
        **UNFILLED, time=step.time, account=account.name, strategy=order.strategy, symbol=order.symbol, side=order.side,
        purpose=Purpose.EXIT, approved=True, rejection_code=None, measured=None, limit=None, requested_quantity=ZERO,
        requested_notional=ZERO, quantity=ZERO, notional=ZERO, order_type=OrderType.CANCEL, limit_price=None,
        stop_price=None, expires_at=None, reduce_only=True, target_order_id=order_id, decision_mark=None, checks="[]",
        sizing=json_text({"method": "cancel", "why": why}),
    ))


def cancel_resting(step: Step, account: Account, why: str, *, symbol: str | None = None) -> int:
    """Cancels the account's resting orders in `symbol` (None: in all); how many."""
    resting = [(order_id, order) for order_id, order in account.in_flight.items() if order.rests and symbol in (None, order.symbol)]
    for order_id, order in resting:
        cancel(step, account, order_id, order, why)
    return len(resting)


def cancel_what_may_not_rest(step: Step, account: Account) -> None:
    """Cancels entries that the account's mode, or the end of their position, has overtaken."""
    if not account.in_flight:
        return
    mode = account.mode
    for order_id, order in account.in_flight.items():
        if order.rests and order.then_close:
            cancel(step, account, order_id, order, "its position is to be closed")
        elif order.rests and mode is not RiskMode.RUNNING:
            cancel(step, account, order_id, order, f"mode {mode.value}")
