"""
What an order's result does: the fill goes into the portfolio and the ledger, the terminal one takes the order out of
flight.

A result for an order that is not in flight, a fill beyond the order, or an exit that turns a position round is a bug
of ours. The fill of an exit whose position the exchange had taken over meanwhile is void: it is reported, not booked.
"""

from streams.domain.portfolio import on_fill
from streams.domain.positions import MarginTerms
from streams.domain.records import AlertLevel, LedgerKind, OrderResult, OrderType, Purpose, ResultStatus
from streams.domain.risk.accounting import enter, state_portfolio, state_position
from streams.domain.risk.codes import AlertCode
from streams.domain.risk.conversion import pay_for
from streams.domain.risk.drawdown import on_equity, on_execution
from streams.domain.risk.exits import RETRY_AFTER, set_levels
from streams.domain.risk.liquidation import liquidate, tiers_in_force
from streams.domain.risk.round_trips import follow, standing
from streams.domain.risk.state import Account, InFlight, RiskState, Rules
from streams.domain.risk.step import Step
from streams.domain.risk.trade_limits import on_unfilled

# A maker's order that would have taken is refused by what it asked for.
OWN_TERMS = frozenset({"WOULD_TAKE"})


def on_order_result(step: Step, state: RiskState, rules: Rules, account: Account, result: OrderResult) -> None:
    order = account.in_flight.get(result.order_id)
    assert order is not None, f"result {result.event_id} answers order {result.order_id}, which is not in flight"
    assert (order.strategy, order.symbol, order.side) == (result.strategy, result.symbol, result.side), (
        f"result {result.event_id} is for {result.strategy} {result.side} {result.symbol}, the order was not"
    )
    if result.terminal:
        del account.in_flight[result.order_id]
    if result.quantity:
        order.filled += result.quantity
        assert order.filled <= order.quantity, f"order {result.order_id} of {order.quantity} was filled {order.filled}"
        if order.void:
            step.alert(
                account.name, AlertCode.FILL_VOID, AlertLevel.WARNING,
                f"an exit of {order.strategy} {order.symbol} was filled after its position had been taken over: not booked",
                symbol=order.symbol, measured=result.quantity,
            )
            return
        _take_fill(step, state, rules, account, order, result)
        on_execution(step, account, rules, failed=False)
        liquidate(step, state, rules, account, order.symbol)
    if result.terminal and not order.filled and not order.void:
        position = account.position(order.symbol, order.strategy)
        if position is not None and order.reduces:
            position.guard.retry_at = step.time + RETRY_AFTER
        if not order.reduces:
            on_unfilled(account, order.decided_at)
        if _has_failed(order, result):
            on_execution(step, account, rules, failed=True)
    if result.quantity:
        # After the fill's own alarms, so that the snapshot shows the mode that holds from here on.
        on_equity(step, account, rules)
        state_portfolio(step, account, "FILL")


def _has_failed(order: InFlight, result: OrderResult) -> bool:
    """Whether an end without any fill is a fault of the execution, rather than what the order itself provides for."""
    return order.order_type is OrderType.MARKET or (
        result.status is ResultStatus.REJECTED and result.reason not in OWN_TERMS
    )


def _take_fill(
    step: Step, state: RiskState, rules: Rules, account: Account, order: InFlight, result: OrderResult
) -> None:
    paid_in = order.asset or account.currency
    assert not result.fee or result.fee_asset == paid_in, (
        f"result {result.event_id}: fee_asset must be {paid_in}, was {result.fee_asset}"
    )
    book = account.portfolio
    held = book.position(order.symbol, order.strategy)
    before = abs(held.quantity) if held is not None else 0
    assert not order.reduces or result.quantity <= before, (
        f"exit {result.order_id} would turn the position round: {result.quantity} of {before}"
    )
    newest = state.markets[order.symbol].mark
    mark = order.mark if newest is None or newest.mark is None else newest.mark
    terms = None
    if order.leverage is not None:
        terms = MarginTerms(order.leverage, tiers_in_force(state, order.symbol, step.time))
    stood = standing(held)
    realized = on_fill(
        book, symbol=order.symbol, strategy=order.strategy, side=order.side, quantity=result.quantity,
        notional=result.notional, fee=result.fee, mark=mark, time=step.time, terms=terms, asset=order.asset,
    )
    position = book.positions[order.symbol][order.strategy]
    set_levels(position, rules)
    if order.then_close and position.quantity:
        position.guard.closing = Purpose.FLATTEN
    for kind, amount in ((LedgerKind.REALIZED_PNL, realized), (LedgerKind.FEE, -result.fee if result.fee else None)):
        if amount is not None:
            enter(
                step, account, kind=kind, amount=amount, asset=order.asset, symbol=order.symbol, strategy=order.strategy,
                order_id=result.order_id,
            )
    if order.asset:
        pay_for(step, account, order, result.order_id)
    state_position(step, account, symbol=order.symbol, strategy=order.strategy, position=position)
    follow(
        step, state, rules, account, symbol=order.symbol, strategy=order.strategy, before=stood, purpose=order.purpose
    )
