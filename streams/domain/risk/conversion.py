"""
What other assets are worth in an account's currency, and when an account turns its currency into them.

The mark of an asset is that of the spot pair asset/currency which the session itself carries (BTCUSDC traded by an
account in USDT: the newest mark of USDCUSDT), else one over that of the pair currency/asset, rounded half to even at 12
places. It is never assumed. Without one, or with one as old as `DATA_STALE_TIMEOUT_SEC` allows no other price to be, the
account takes no new risk in what is quoted in the asset; exits pass. What it has already stays valued at the newest mark
there was, whatever its age.

An account that opens a position with less of the asset than that takes converts what is lacking, at the mark and at that
moment: the notional and fee of spot, the margin and fee of a perpetual. What a sale brings stays in the asset, and pays for
what comes next. No exit leaves a debt: what it lost beyond the balance is converted too. Ignored: what an exchange would
charge for a conversion.
"""

from streams.domain.instruments import instrument_at
from streams.domain.money import ONE, ZERO, quotient
from streams.domain.portfolio import on_asset_mark, on_conversion
from streams.domain.records import InstrumentKind, LedgerKind
from streams.domain.risk.accounting import enter
from streams.domain.risk.margin import collateral
from streams.domain.risk.proposal import Rate
from streams.domain.risk.state import Account, InFlight, RiskState
from streams.domain.risk.step import Step


def rate_of(state: RiskState, *, asset: str, currency: str, time: int) -> Rate | None:
    """What `asset` is worth in `currency` now; None where no pair of them has a mark. The direct pair goes before the inverse."""
    inverse = None
    for symbol in sorted(state.instruments.versions):
        pair, market = instrument_at(state.instruments, symbol, time), state.markets.get(symbol)
        if pair is None or pair.kind is not InstrumentKind.SPOT or market is None or market.mark is None or not market.mark.mark:
            continue
        if (pair.base_asset, pair.quote_asset) == (asset, currency):
            return Rate(market.mark.mark, symbol, market.mark.market_time)
        if inverse is None and (pair.base_asset, pair.quote_asset) == (currency, asset):
            inverse = Rate(quotient(ONE, market.mark.mark), symbol, market.mark.market_time)
    # What is worth nothing at 12 places cannot be sized.
    return inverse if inverse is not None and inverse.mark else None


def follow_pair(state: RiskState, account: Account, symbol: str, time: int) -> bool:
    """Whether the newest mark of `symbol` says what an asset of the account is worth, which then follows it."""
    pair = instrument_at(state.instruments, symbol, time)
    if pair is None:
        return False
    for asset in (pair.base_asset, pair.quote_asset):
        if asset in account.portfolio.balances:
            rate = rate_of(state, asset=asset, currency=account.currency, time=time)
            if rate is not None and rate.pair == symbol:
                on_asset_mark(account.portfolio, asset, mark=rate.mark, pair=symbol)
                return True
    return False


def pay_for(step: Step, account: Account, order: InFlight, order_id: str) -> None:
    """Converts what a fill of the order has left lacking in its asset."""
    book, asset = account.portfolio, order.asset
    lacking = max(-book.balance(asset), ZERO)
    if not order.reduces:
        behind = collateral(account, asset) if account.cross_margin else book.balance(asset)
        lacking = max(book.bound(asset) - behind, lacking)
    if not lacking:
        return
    paid = on_conversion(book, asset, lacking)
    for name, amount in ((account.currency, -paid), (asset, lacking)):
        enter(
            step, account, kind=LedgerKind.CONVERSION, amount=amount, asset=name, symbol=order.symbol, strategy=order.strategy,
            order_id=order_id,
        )
