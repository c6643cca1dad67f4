"""Check 2: whether the order makes sense at all: signal, strategy, instrument, what the account holds and has in
flight."""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.money import ZERO
from streams.domain.records import InstrumentStatus, Side
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.proposal import Finding, Proposal, seconds

CHECK = "validity"


def signal_validity(proposal: Proposal) -> Iterator[Finding]:
    signal = proposal.signal
    if signal is None:
        return  # risk's own exits close what is there, whoever opened it
    yield Finding(
        CHECK, RejectionCode.RECORD_INVALID, signal.price > 0, measured=signal.price, limit=ZERO, binds_exits=True
    )
    ahead = seconds(signal.time - proposal.time)
    yield Finding(
        CHECK, RejectionCode.FROM_THE_FUTURE, ahead <= 0, measured=max(ahead, ZERO), limit=ZERO, binds_exits=True
    )
    known = proposal.rules.trades(
        account=proposal.account.name, strategy=proposal.strategy, symbol=proposal.symbol
    )
    yield Finding(CHECK, RejectionCode.STRATEGY_UNKNOWN, known, note=proposal.strategy, binds_exits=True)
    enabled = known and proposal.rules.strategies[proposal.strategy].enabled
    yield Finding(CHECK, RejectionCode.STRATEGY_DISABLED, enabled or not known, binds_exits=True)


def instrument_validity(proposal: Proposal) -> Iterator[Finding]:
    instrument = proposal.instrument
    yield Finding(CHECK, RejectionCode.SYMBOL_UNKNOWN, instrument is not None, note=proposal.symbol, binds_exits=True)
    if instrument is None:
        return
    status, quote_asset = instrument.status, instrument.quote_asset
    yield Finding(
        CHECK, RejectionCode.INSTRUMENT_NOT_ONLINE, status is InstrumentStatus.ONLINE, note=status.value,
        binds_exits=True,
    )
    rate = proposal.rate
    valued = rate is not None or quote_asset == proposal.account.currency
    yield Finding(CHECK, RejectionCode.CONVERSION_MISSING, valued, note=quote_asset)
    if rate is not None:
        age, limit = seconds(proposal.time - rate.market_time), seconds(proposal.rules.stale_after)
        yield Finding(CHECK, RejectionCode.CONVERSION_STALE, age < limit, measured=age, limit=limit, note=rate.pair)


def position_validity(proposal: Proposal) -> Iterator[Finding]:
    orders = proposal.account.orders_in_flight(proposal.symbol, proposal.strategy)
    # An entry on its way holds no exit back: what it may still open is closed as well.
    waiting = sum(order.reduces or not proposal.is_exit for order in orders)
    yield Finding(
        CHECK, RejectionCode.ORDER_IN_FLIGHT, not waiting, measured=Decimal(waiting), limit=ZERO, binds_exits=True
    )
    if proposal.is_exit:
        yield Finding(CHECK, RejectionCode.NO_POSITION_TO_CLOSE, proposal.held != 0, binds_exits=True)
        return
    yield Finding(
        CHECK, RejectionCode.POSITION_ALREADY_OPEN, proposal.held == 0, measured=abs(proposal.held), limit=ZERO
    )
    if proposal.instrument is not None and proposal.terms.prices:
        lowest = min(proposal.terms.prices)
        yield Finding(
            CHECK, RejectionCode.ORDER_PRICE_IMPOSSIBLE, lowest > 0, measured=lowest, limit=proposal.instrument.tick_size
        )
    short = proposal.side is Side.SELL
    yield Finding(CHECK, RejectionCode.SHORTS_NOT_ALLOWED, not short or proposal.account.shorts_allowed)
