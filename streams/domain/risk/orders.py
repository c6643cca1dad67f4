"""
The decision: what a signal asks for, or risk itself, as an `Order` record, approved or not; and the approved ones in
flight.

A signal against the position's side closes it whole; without a position it opens one, short only where the account may.
Exits are reduce-only and sized to exactly the position; entries are sized by `SIZING_METHOD` and trimmed to the limits.
"""

from decimal import Decimal
from typing import Any

from streams.domain.instruments import instrument_at
from streams.domain.money import ZERO, amount
from streams.domain.records import Instrument, Order, OrderType, Purpose, Side, Signal
from streams.domain.risk.exposure import exposures, rooms
from streams.domain.risk.margin import order_leverage
from streams.domain.risk.proposal import Exposures, Finding, Proposal
from streams.domain.risk.registry import as_json, findings_of, rejection
from streams.domain.risk.state import Account, InFlight, Market, RiskState, Rules
from streams.domain.risk.step import UNFILLED, Step, json_text, text
from streams.domain.sizing import Size, fixed_fraction, lots_of, sized

_NO_MARKET = Market()


def on_signal(step: Step, state: RiskState, rules: Rules, account: Account, signal: Signal) -> None:
    """One decision on one signal, always recorded."""
    held = _held(account, signal.symbol, signal.strategy)
    against = (held > 0 and signal.side is Side.SELL) or (held < 0 and signal.side is Side.BUY)
    _decide(
        step, state, rules, account, symbol=signal.symbol, strategy=signal.strategy, side=signal.side, signal=signal,
        purpose=Purpose.EXIT if against else Purpose.ENTRY,
    )


def order_exit(
    step: Step, state: RiskState, rules: Rules, account: Account, *, symbol: str, strategy: str, purpose: Purpose,
    repeated: bool = True,
) -> bool:
    """
    Whether an exit of the whole position was ordered; it is flat after no order of ours is left.

    A refusal is recorded as well, but with `repeated` false not twice in a row for one purpose and reason.
    """
    side = Side.SELL if _held(account, symbol, strategy) > 0 else Side.BUY
    return _decide(
        step, state, rules, account, symbol=symbol, strategy=strategy, side=side, signal=None, purpose=purpose,
        repeated=repeated,
    )


def _held(account: Account, symbol: str, strategy: str) -> Decimal:
    position = account.portfolio.position(symbol, strategy)
    return ZERO if position is None else position.quantity


def _decide(
    step: Step, state: RiskState, rules: Rules, account: Account, *, symbol: str, strategy: str, side: Side,
    signal: Signal | None, purpose: Purpose, repeated: bool = True,
) -> bool:
    market = state.markets.get(symbol, _NO_MARKET)
    instrument = instrument_at(state.instruments, symbol, step.time)
    before = exposures(account, state.markets, symbol=symbol, strategy=strategy)
    proposal = Proposal(
        rules=rules, account=account, time=step.time, strategy=strategy, symbol=symbol, side=side, purpose=purpose,
        signal=signal, instrument=instrument, mark=market.mark, held=_held(account, symbol, strategy), exposures=before,
        size=_entry_size(rules, account, instrument, market, before) if purpose is Purpose.ENTRY else None,
    )
    findings = findings_of(proposal)
    refused = rejection(proposal, findings)
    position = account.position(symbol, strategy)
    if position is not None and proposal.is_exit:
        word = "" if refused is None else f"{purpose.value} {refused.code.name}"
        if not repeated and word and word == position.guard.refused:
            return False
        position.guard.refused = word
        if refused is None:
            position.guard.closing = position.guard.closing or purpose
    order = _record(proposal, findings, refused)
    if refused is None:
        assert order.quantity > 0 and order.decision_mark is not None, f"approved without a size or a mark: {order}"
        account.in_flight[step.next_id(account.name)] = InFlight(
            strategy=strategy, symbol=symbol, side=side, purpose=purpose, quantity=order.quantity,
            mark=order.decision_mark, answer_due=step.time + rules.answer_after,
            leverage=None if instrument is None else order_leverage(account, instrument),
        )
    step.add(order)
    return refused is None


def _entry_size(
    rules: Rules, account: Account, instrument: Instrument | None, market: Market, before: Exposures
) -> Size | None:
    mark = None if market.mark is None else market.mark.mark
    if instrument is None or mark is None:
        return None
    equity, risk, stop = account.portfolio.equity, rules.risk.risk_per_trade_pct, rules.risk.stop_loss_pct
    return sized(
        method="fixed_fraction", inputs={"equity": equity, "risk": risk, "stop": stop, "mark": mark},
        notional=fixed_fraction(equity=equity, risk=risk, stop=stop), rooms=rooms(before, equity=equity, rules=rules),
        lots=lots_of(instrument), mark=mark,
    )


def _sizing(proposal: Proposal, quantity: Decimal) -> dict[str, Any]:
    size = proposal.size
    if size is None:
        return {"method": "whole_position" if proposal.is_exit else "not_sized", "quantity": text(quantity)}
    return {
        "method": size.method, "inputs": {name: text(value) for name, value in size.inputs.items()},
        "notional": text(size.requested_notional),
        "trims": [{"limit": trim.limit, "room": text(trim.notional)} for trim in size.trims],
        "quantity": text(size.quantity),
    }


def _record(proposal: Proposal, findings: list[Finding], refused: Finding | None) -> Order:
    price = ZERO if proposal.price is None else proposal.price
    size = proposal.size
    # An exit is the position, no more: reduce-only by its size already, whatever the exchange makes of the flag.
    closes = abs(proposal.held) if proposal.is_exit else ZERO
    wanted = closes if size is None else size.quantity
    quantity = wanted if refused is None else ZERO
    return Order(
        **UNFILLED, time=proposal.time, account=proposal.account.name, strategy=proposal.strategy,
        symbol=proposal.symbol, side=proposal.side, purpose=proposal.purpose, approved=refused is None,
        rejection_code=None if refused is None else refused.code.name,
        measured=None if refused is None or refused.measured is None else amount(refused.measured),
        limit=None if refused is None or refused.limit is None else amount(refused.limit),
        requested_quantity=amount(closes if size is None else size.requested_quantity),
        requested_notional=amount(closes * price if size is None else size.requested_notional),
        quantity=amount(quantity), notional=amount(quantity * price), order_type=OrderType.MARKET,
        limit_price=None, stop_price=None, expires_at=None, reduce_only=proposal.is_exit, target_order_id=None,
        decision_mark=proposal.price, checks=json_text([as_json(proposal, finding) for finding in findings]),
        sizing=json_text(_sizing(proposal, wanted)),
    )
