"""
The decision: what a signal asks for, or risk itself, as an `Order` record, approved or not; and the approved ones in
flight.

A signal against the position's side closes it whole; without a position it opens one, short only where the account may.
Exits are market orders, reduce-only and sized to exactly the position; entries are sized by `SIZING_METHOD`, trimmed to
the limits, and sent on their strategy's terms. A resting entry never holds an exit back: it is cancelled beside it, and
by a signal against it.
"""

from decimal import Decimal

from streams.domain.instruments import instrument_at
from streams.domain.money import ZERO, amount, quotient
from streams.domain.portfolio import on_asset_mark
from streams.domain.records import Instrument, Order, Purpose, Side, Signal
from streams.domain.risk.allocations import allocation_room, share
from streams.domain.risk.conversion import rate_of
from streams.domain.risk.entries import entry_size, sizing_record, terms_of
from streams.domain.risk.entry_terms import AT_MARKET
from streams.domain.risk.exposure import exposures, rooms
from streams.domain.risk.margin import margin_room, order_leverage
from streams.domain.risk.proposal import Correlated, Finding, Proposal, Rate, worth
from streams.domain.risk.registry import as_json, findings_of, rejection
from streams.domain.risk.restraint import correlated, correlated_room
from streams.domain.risk.state import Account, InFlight, Market, RiskState, Rules
from streams.domain.risk.step import UNFILLED, Step, json_text
from streams.domain.risk.trade_limits import on_approved

_NO_MARKET = Market()


def on_signal(step: Step, state: RiskState, rules: Rules, account: Account, signal: Signal) -> None:
    """One decision on one signal, always recorded."""
    held = _held(account, signal.symbol, signal.strategy)
    against = (held > 0 and signal.side is Side.SELL) or (held < 0 and signal.side is Side.BUY)
    overtaken = [
        order for order in account.orders_in_flight(signal.symbol, signal.strategy)
        if order.rests and order.side is not signal.side
    ]
    if overtaken and not held:
        # The decision is to end the entry: its cancellation is the record.
        _close_what_opens(account, signal.symbol, signal.strategy)
        return
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
    _close_what_opens(account, symbol, strategy)
    return _decide(
        step, state, rules, account, symbol=symbol, strategy=strategy, side=side, signal=None, purpose=purpose,
        repeated=repeated,
    )


def _close_what_opens(account: Account, symbol: str, strategy: str) -> None:
    """Whatever entries on their way still open is to be closed; those that rest are cancelled at the end of the step."""
    for order in account.orders_in_flight(symbol, strategy):
        order.then_close = not order.reduces


def _held(account: Account, symbol: str, strategy: str) -> Decimal:
    position = account.portfolio.position(symbol, strategy)
    return ZERO if position is None else position.quantity


def _decide(
    step: Step, state: RiskState, rules: Rules, account: Account, *, symbol: str, strategy: str, side: Side,
    signal: Signal | None, purpose: Purpose, repeated: bool = True,
) -> bool:
    market = state.markets.get(symbol, _NO_MARKET)
    instrument = instrument_at(state.instruments, symbol, step.time)
    asset, rate = _paid_in(state, account, instrument, symbol=symbol, strategy=strategy, time=step.time)
    before = exposures(account, state.markets, symbol=symbol, strategy=strategy)
    found = share(state, rules, account, symbol=symbol, strategy=strategy)
    group, terms, size = Correlated(), AT_MARKET, None
    if purpose is Purpose.ENTRY:
        group = correlated(account, state.markets, rules, symbol=symbol, side=side)
        if instrument is not None and market.mark is not None and market.mark.mark is not None and (rate or not asset):
            terms = terms_of(rules, strategy, side=side, mark=market.mark.mark, instrument=instrument, time=step.time)
            equity = account.portfolio.equity
            size = entry_size(
                rules, account, strategy, market.mark, instrument, terms, rooms=(
                    *rooms(before, equity=equity, rules=rules), allocation_room(found, before, equity=equity),
                    *correlated_room(group, equity=equity, rules=rules), margin_room(account, instrument),
                ), rate=rate,
            )
    proposal = Proposal(
        rules=rules, account=account, time=step.time, strategy=strategy, symbol=symbol, side=side, purpose=purpose,
        signal=signal, instrument=instrument, mark=market.mark, held=_held(account, symbol, strategy), exposures=before,
        size=size, share=found, terms=terms, correlated=group, rate=rate,
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
            mark=terms.dearest(order.decision_mark), decided_at=step.time, answer_due=step.time + rules.answer_after,
            order_type=terms.order_type, leverage=None if instrument is None else order_leverage(account, instrument),
            asset=asset,
        )
        if rate is not None:
            on_asset_mark(account.portfolio, asset, mark=rate.mark, pair=rate.pair)
        on_approved(account, step.time, opens=not proposal.is_exit)
        if proposal.is_exit:
            _close_what_opens(account, symbol, strategy)
    step.add(order)
    return refused is None


def _paid_in(
    state: RiskState, account: Account, instrument: Instrument | None, *, symbol: str, strategy: str, time: int
) -> tuple[str, Rate | None]:
    """What an order is paid in, "" for the account's currency, and what that is worth; a position's asset goes before the instrument's."""
    position = account.position(symbol, strategy)
    if position is not None:
        asset = position.asset
    else:
        asset = "" if instrument is None else account.paid_in(instrument)
    return asset, rate_of(state, asset=asset, currency=account.currency, time=time) if asset else None


def _price(price: Decimal | None) -> Decimal | None:
    # A price of 0 refuses the order; a record holds none.
    return price or None


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
        requested_notional=amount(closes * price) if size is None else quotient(size.requested_notional, worth(proposal.rate)),
        quantity=amount(quantity), notional=amount(quantity * price),
        order_type=proposal.terms.order_type, limit_price=_price(proposal.terms.limit_price),
        stop_price=_price(proposal.terms.stop_price), expires_at=proposal.terms.expires_at,
        reduce_only=proposal.is_exit, target_order_id=None,
        decision_mark=proposal.price, checks=json_text([as_json(proposal, finding) for finding in findings]),
        sizing=json_text(sizing_record(proposal, wanted)),
    )
