"""
Exits that risk orders by itself, looked for on every mark of a symbol: stop-loss, trailing stop, take-profit, an
unfinished exit.

Levels are prices in quote units, set when a position opens or changes: stop = entry x (1 - STOP_LOSS_PCT),
take-profit = entry x (1 + TAKE_PROFIT_PCT), trailing = best mark since the opening x (1 - TRAILING_STOP_PCT),
mirrored for shorts; reached is enough. Whatever the market does afterwards, an exit once begun is repeated until the
position is flat. A failed exit waits a second, so that a market that takes no orders is not asked ten times a second.
"""

from decimal import Decimal

from streams.domain.money import ONE, amount
from streams.domain.positions import BookPosition
from streams.domain.records import Purpose
from streams.domain.risk.orders import order_exit
from streams.domain.risk.state import MICROSECONDS, Account, RiskState, Rules
from streams.domain.risk.step import Step

RETRY_AFTER = MICROSECONDS


def set_levels(position: BookPosition, rules: Rules) -> None:
    """Stop and take-profit of a position that a fill has just changed, from its average price."""
    guard, entry = position.guard, position.entry_price
    if entry is None:
        return
    sign = 1 if position.quantity > 0 else -1
    guard.stop_price = amount(entry * (ONE - sign * rules.risk.stop_loss_pct))
    profit = rules.risk.take_profit_pct
    guard.take_profit_price = None if profit is None else amount(entry * (ONE + sign * profit))


def due_exit(position: BookPosition, mark: Decimal, rules: Rules) -> Purpose | None:
    """Why the open position must be closed at `mark`, the worst reason first; moves the trailing stop."""
    guard = position.guard
    if guard.closing is not None:
        return guard.closing
    long = position.quantity > 0
    trailing = _trailing(position, mark, rules, long=long) if rules.trailing_kept is not None else None
    for level, purpose in ((guard.stop_price, Purpose.STOP_LOSS), (trailing, Purpose.TRAILING_STOP)):
        if level is not None and (mark <= level if long else mark >= level):
            return purpose
    profit = guard.take_profit_price
    if profit is not None and (mark >= profit if long else mark <= profit):
        return Purpose.TAKE_PROFIT
    return None


def _trailing(position: BookPosition, mark: Decimal, rules: Rules, *, long: bool) -> Decimal:
    guard, kept = position.guard, rules.trailing_kept
    assert kept is not None
    if guard.best_mark is None or (mark > guard.best_mark if long else mark < guard.best_mark):
        guard.best_mark = mark
        guard.trailing_price = amount(mark * (kept if long else 2 - kept))
    assert guard.trailing_price is not None
    return guard.trailing_price


def order_due_exits(step: Step, state: RiskState, rules: Rules, account: Account, symbol: str, mark: Decimal) -> None:
    """Orders what is due in the account's positions of `symbol`, each once at a time."""
    by_strategy = account.portfolio.positions[symbol]
    for strategy in sorted(by_strategy):
        position = by_strategy[strategy]
        if not position.quantity:
            continue
        purpose = due_exit(position, mark, rules)
        if purpose is None or step.time < position.guard.retry_at or account.exit_in_flight(symbol, strategy):
            continue
        order_exit(
            step, state, rules, account, symbol=symbol, strategy=strategy, purpose=purpose, repeated=False
        )
