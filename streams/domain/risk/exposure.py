"""
Checks 8 and 9: exposure after the trade, as a fraction of equity; what each limit leaves; and whether the size may be
traded.

Exposure is |quantity| x mark in the account's currency, with entries in flight counted as if filled and exits in flight as if
not. Entries are trimmed to what the limits leave, so a limit refuses only where the smallest order the exchange takes
would exceed it.
"""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.money import ZERO
from streams.domain.records import Side
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.proposal import Exposures, Finding, Proposal, fraction
from streams.domain.risk.state import Account, Market, Rules
from streams.domain.sizing import Room


def exposures(account: Account, markets: dict[str, Market], *, symbol: str, strategy: str) -> Exposures:
    """What the account has at stake before an order of `strategy` in `symbol`."""
    total = of_position = of_symbol = of_strategy = ZERO
    for other, owner, signed in stakes(account, markets):
        notional = abs(signed)
        total += notional
        if other == symbol:
            of_symbol += notional
        if owner == strategy:
            of_strategy += notional
        if other == symbol and owner == strategy:
            of_position += notional
    return Exposures(total=total, position=of_position, symbol=of_symbol, strategy=of_strategy)


def stakes(account: Account, markets: dict[str, Market]) -> list[tuple[str, str, Decimal]]:
    """Symbol, strategy and signed notional, in the account's currency, of every position and every entry's unfilled rest."""
    worth = account.portfolio.worth
    return [
        (symbol, strategy, position.value * worth(position.asset) if position.asset else position.value)
        for symbol, strategy, position in account.portfolio.each() if position.quantity
    ] + [
        (
            order.symbol, order.strategy,
            worth(order.asset) * order.remaining * _price(markets, order.symbol, order.mark) * (1 if order.side is Side.BUY else -1),
        )
        for order in account.in_flight.values() if not order.reduces
    ]


def _price(markets: dict[str, Market], symbol: str, decided_at: Decimal) -> Decimal:
    market = markets.get(symbol)
    return decided_at if market is None or market.mark is None or market.mark.mark is None else market.mark.mark


def rooms(before: Exposures, *, equity: Decimal, rules: Rules) -> tuple[Room, ...]:
    """What each limit leaves for one more order, in the order in which sizing trims."""
    risk = rules.risk
    return (
        Room("position", equity * risk.max_position_pct - before.position),
        Room("symbol_exposure", equity * risk.max_symbol_exposure_pct - before.symbol),
        Room("strategy_exposure", equity * risk.max_strategy_exposure_pct - before.strategy),
        Room("total_exposure", equity * risk.max_total_exposure_pct - before.total),
    )


def total_exposure(proposal: Proposal) -> Iterator[Finding]:
    yield from _after(
        proposal, RejectionCode.TOTAL_EXPOSURE, proposal.exposures.total, proposal.rules.risk.max_total_exposure_pct
    )


def part_exposures(proposal: Proposal) -> Iterator[Finding]:
    before, risk = proposal.exposures, proposal.rules.risk
    yield from _after(proposal, RejectionCode.POSITION_LIMIT, before.position, risk.max_position_pct)
    yield from _after(proposal, RejectionCode.SYMBOL_EXPOSURE, before.symbol, risk.max_symbol_exposure_pct)
    yield from _after(proposal, RejectionCode.STRATEGY_EXPOSURE, before.strategy, risk.max_strategy_exposure_pct)


def _after(proposal: Proposal, code: RejectionCode, before: Decimal, limit: Decimal) -> Iterator[Finding]:
    if proposal.is_exit:
        # An exit only takes exposure away.
        yield Finding("exposure", code, passed=True, measured=fraction(before, proposal.equity), limit=limit)
    elif proposal.size is not None and proposal.instrument is not None and proposal.price is not None:
        after = before + proposal.added
        yield Finding(
            "exposure", code, after <= limit * proposal.equity, measured=fraction(after, proposal.equity), limit=limit
        )


def tradable_size(proposal: Proposal) -> Iterator[Finding]:
    """Whether anything is left to trade, and the exchange takes it; an exit closes whatever there is."""
    if proposal.is_exit or proposal.size is None or proposal.instrument is None or proposal.price is None:
        return
    size = proposal.size
    asked, waits_for = size.requested_notional, size.wish.waits_for
    yield Finding("size", RejectionCode.SIZE_NOT_YET_MEASURABLE, not waits_for, note=waits_for)
    yield Finding("size", RejectionCode.SIZE_ZERO, asked > 0 or waits_for != "", measured=asked, limit=ZERO)
    smallest = proposal.smallest
    yield Finding(
        "size", RejectionCode.BELOW_MINIMUM, size.quantity >= smallest, measured=size.quantity, limit=smallest
    )
