"""
Check 11: leverage, the distance to liquidation after the trade, and whether the account can pay for it.

Leverage is the account's setting, held against `LEVERAGE_MAX`, the instrument's and that of the tier the position would
stand in. The distance is measured for the whole position as it would be after the trade at the mark, as a fraction of
the mark. What must be available: the margin (spot: the whole notional) and the taker fee. Available is the balance less
what positions and entries in flight bind; with cross margin, what the marks of perpetuals show counts as well. What
binds and what stands behind it are of the asset that the instrument settles in; where that is not the account's currency,
its free balance may be converted for an entry. Amounts of a position in quote units, what is available in the account's
currency.
"""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.money import ONE, ZERO, amount, quotient
from streams.domain.perpetuals.margin import distance, initial_margin, liquidation_price, maintenance_margin
from streams.domain.perpetuals.tiers import level_of, tiers_of
from streams.domain.positions import BookPosition
from streams.domain.records import Instrument, InstrumentKind, Side
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.proposal import Finding, Proposal
from streams.domain.risk.state import Account
from streams.domain.sizing import Room

CHECK = "margin"


def margin(proposal: Proposal) -> Iterator[Finding]:
    instrument, size = proposal.instrument, proposal.size
    if proposal.is_exit or instrument is None or size is None:
        return
    if instrument.kind is InstrumentKind.PERPETUAL and size.quantity:
        yield from _perpetual(proposal, instrument, quantity=size.quantity)
    # An entry is trimmed to what is available, so this refuses only where not even the smallest order can be paid.
    leverage = order_leverage(proposal.account, instrument) or ONE
    needed = initial_margin(proposal.added, leverage) + amount(proposal.added * instrument.taker_fee_rate)
    available = available_margin(proposal.account, proposal.account.paid_in(instrument))
    yield Finding(CHECK, RejectionCode.MARGIN_NOT_AVAILABLE, needed <= available, measured=needed, limit=available)


def margin_room(account: Account, instrument: Instrument) -> Room:
    """What the available balance leaves for one more order: the notional whose margin and taker fee use it up."""
    leverage = order_leverage(account, instrument) or ONE
    available = available_margin(account, account.paid_in(instrument))
    return Room("margin", quotient(available * leverage, ONE + instrument.taker_fee_rate * leverage))


def order_leverage(account: Account, instrument: Instrument) -> Decimal | None:
    """The leverage of the account's orders in the instrument; None for spot."""
    return account.leverage if instrument.kind is InstrumentKind.PERPETUAL else None


def collateral(account: Account, asset: str = "") -> Decimal:
    """What stands behind cross margin in `asset` ("" the account's currency), in it: the balance and what perpetuals show; signed."""
    book = account.portfolio
    return book.balance(asset) + sum((position.unrealized_pnl for _, _, position in book.margined(asset)), ZERO)


def available_margin(account: Account, asset: str = "") -> Decimal:
    """
    What nothing binds yet for an order paid in `asset`, in the account's currency; below zero where losses have taken it already.

    Other assets may be bought for the account's currency, never sold for it: what entries in them will take is reserved.
    """
    book = account.portfolio
    left = _free(account, "")
    for other, balance in book.balances.items():
        free = _free(account, other)
        if free < 0 or other == asset:
            left += free * balance.mark
    return left


def _free(account: Account, asset: str) -> Decimal:
    """What of the balance of `asset` neither positions nor entries in flight bind, in it; signed."""
    balance = collateral(account, asset) if account.cross_margin else account.portfolio.balance(asset)
    reserved = sum(
        (initial_margin(order.remaining * order.mark, order.leverage or ONE)
         for order in account.in_flight.values() if not order.reduces and order.asset == asset),
        ZERO,
    )
    return balance - account.portfolio.bound(asset) - reserved


def liquidation_price_of(account: Account, position: BookPosition) -> Decimal | None:
    """
    The mark at which `position`, one of the account's, is taken over, the other marks staying; None for none.

    At 12 places, for people: what triggers is exact.
    """
    if position.leverage is None or not position.quantity:
        return None
    return liquidation_price(
        quantity=position.quantity, cost=position.cost, maintenance=position.maintenance,
        margin=_behind(account, position, position.asset, account.portfolio.balance(position.asset))
        if account.cross_margin else position.margin,
    )


def _behind(account: Account, position: BookPosition | None, asset: str, balance: Decimal) -> Decimal:
    """What of the collateral in `asset`, of which `balance` is there, stands behind one position, before what its own mark shows."""
    others = [other for _, _, other in account.portfolio.margined(asset) if other is not position]
    return balance + sum((other.unrealized_pnl - other.maintenance for other in others), ZERO)


def _perpetual(proposal: Proposal, instrument: Instrument, *, quantity: Decimal) -> Iterator[Finding]:
    account, mark, tiers = proposal.account, proposal.price, tiers_of(instrument.tiers)
    assert mark is not None, "an order is sized at a mark"
    notional = quantity * proposal.terms.dearest(mark)
    balance = _balance_after(account, instrument, notional)
    position = account.position(proposal.symbol, proposal.strategy)
    sign = 1 if proposal.side is Side.BUY else -1
    bound = initial_margin(notional, account.leverage)
    cost = sign * notional
    if position is not None:
        quantity, cost, bound = abs(position.quantity) + quantity, position.cost + cost, position.margin + bound
    yield Finding(CHECK, RejectionCode.TIERS_MISSING, bool(tiers), note=instrument.symbol)
    if not tiers:
        return
    level = level_of(tiers, quantity=quantity, notional=abs(cost))
    by_value = tiers[-1].maximum_notional
    yield Finding(
        CHECK, RejectionCode.POSITION_ABOVE_TIERS, level is not None,
        measured=quantity if by_value is None else abs(cost),
        limit=tiers[-1].maximum_quantity if by_value is None else by_value,
    )
    granted = min(
        proposal.rules.risk.leverage_max, instrument.leverage_max, (level or tiers[-1]).leverage_max
    )
    yield Finding(
        CHECK, RejectionCode.LEVERAGE, account.leverage <= granted, measured=account.leverage, limit=granted
    )
    liquidated = liquidation_price(
        quantity=sign * quantity, cost=cost,
        margin=_behind(account, position, account.paid_in(instrument), balance) if account.cross_margin else bound,
        maintenance=maintenance_margin(tiers, quantity=quantity, cost=cost),
    )
    away = distance(mark=mark, liquidation=liquidated)
    at_least = proposal.rules.risk.min_liquidation_distance
    # Beyond the mark already: nothing is left of the distance.
    beyond = liquidated is not None and (liquidated >= mark if sign > 0 else liquidated <= mark)
    yield Finding(
        CHECK, RejectionCode.LIQUIDATION_DISTANCE, not beyond and away >= at_least,
        measured=-away if beyond else away, limit=at_least,
    )


def _balance_after(account: Account, instrument: Instrument, notional: Decimal) -> Decimal:
    """The balance in what the instrument settles in after an entry of `notional`: less the fee, and with what it converts."""
    asset, book = account.paid_in(instrument), account.portfolio
    left = book.balance(asset) - amount(notional * instrument.taker_fee_rate)
    if not asset:
        return left
    shown = collateral(account, asset) - book.balance(asset)
    return max(left, book.bound(asset) + initial_margin(notional, account.leverage) - shown, ZERO)
