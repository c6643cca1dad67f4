"""The records that state an account: its positions, its snapshots, its ledger."""

from decimal import Decimal

from streams.domain.money import ONE
from streams.domain.portfolio import Portfolio
from streams.domain.positions import BookPosition
from streams.domain.records import LedgerEntry, LedgerKind, PortfolioSnapshot, Position
from streams.domain.risk.margin import liquidation_price_of
from streams.domain.risk.proposal import fall
from streams.domain.risk.state import Account
from streams.domain.risk.step import UNFILLED, Step, json_text, text


def state_position(step: Step, account: Account, *, symbol: str, strategy: str, position: BookPosition) -> None:
    """
    The position as it stands now. Spot binds no margin, has leverage 1 and no liquidation price.

    With cross margin the liquidation price is that of this moment: it moves with everything else in the account.
    """
    step.add(Position(
        **UNFILLED, time=step.time, account=account.name, strategy=strategy, symbol=symbol, quantity=position.quantity,
        entry_price=position.entry_price, cost=position.cost, mark=position.mark, realized_pnl=position.realized_pnl,
        unrealized_pnl=position.unrealized_pnl, fees=position.fees, funding=position.funding, margin=position.margin,
        leverage=position.leverage or ONE, liquidation_price=liquidation_price_of(account, position), stop_price=position.guard.stop_price,
        take_profit_price=position.guard.take_profit_price, opened_at=position.opened_at,
        conversion_mark=account.portfolio.worth(position.asset) if position.asset else None,
    ))


def state_portfolio(step: Step, account: Account, reason: str) -> None:
    """The account as it stands now; `reason` is TIMER, FILL, FUNDING or LIQUIDATION. The identity is asserted on what is written."""
    book = account.portfolio
    assert book.is_exact(), f"account {account.name}: the terms do not add up to equity {book.equity}"
    step.add(PortfolioSnapshot(
        **UNFILLED, time=step.time, account=account.name, currency=account.currency, initial_equity=book.initial_equity,
        equity=book.equity, cash=book.all_cash(), realized_pnl=book.realized_pnl, unrealized_pnl=book.unrealized_pnl(),
        fees=book.fees, funding=book.funding, margin_used=book.margin_used(), exposure=book.exposure(),
        peak_equity=account.peak_equity, drawdown=fall(start=account.peak_equity, now=book.equity),
        day_start_equity=account.day_start_equity,
        daily_drawdown=fall(start=account.day_start_equity, now=book.equity),
        daily_pnl=book.equity - account.day_start_equity, open_positions=len(book.open_positions()),
        risk_mode=account.mode, reason=reason, conversion=book.conversion(), balances=_balances(book),
    ))


def _balances(book: Portfolio) -> str:
    if not book.balances:
        return "{}"
    return json_text({asset: {"amount": text(one.amount), "mark": text(one.mark)} for asset, one in book.balances.items()})


def enter(
    step: Step, account: Account, *, kind: LedgerKind, amount: Decimal, asset: str, symbol: str, strategy: str,
    order_id: str | None,
) -> None:
    """A line of the ledger; received is positive. `asset` "" is the account's currency."""
    step.add(LedgerEntry(
        **UNFILLED, time=step.time, account=account.name, strategy=strategy, symbol=symbol, kind=kind,
        asset=asset or account.currency, amount=amount, order_id=order_id,
    ))
