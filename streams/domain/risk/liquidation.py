"""
Liquidation: what the exchange does with positions whose margin is used up, at the very event that shows it.

It is neither a signal nor an order: the exchange's engine takes the position over, so risk changes books and ledger at
once (LIQUIDATION, LIQUIDATION_FEE, an alert), without asking a check or the kill switch and without waiting for
latency. What triggers is the mark, a fill, or funding; whatever the mark, the position is closed at its bankruptcy
price (`streams.domain.perpetuals.liquidation`).

- Isolated: a position is taken over when its margin and what the mark shows are down to its maintenance.
- Cross: balance and what the marks of all perpetuals show stand for the sum of their maintenance; when that is used up
  all of them are taken over. Each asset that perpetuals settle in stands for its own ones. Spot holdings are no
  collateral, but buying them takes balance away.

Maintenance follows the tiers in force at that moment. Orders of a position that is taken over and still wait for their
results: one that was to reduce it is void, its fills are not booked (an alert says so), since a reduce-only order finds
nothing to reduce; what an entry still opens is a position of its own, closed at once.
"""

from streams.domain.money import ZERO
from streams.domain.perpetuals.liquidation import Held, Takeover, cross_takeovers, isolated_takeover
from streams.domain.perpetuals.margin import is_used_up, maintenance_margin
from streams.domain.perpetuals.tiers import Tiers, level_of, tiers_of
from streams.domain.portfolio import on_takeover
from streams.domain.positions import BookPosition
from streams.domain.records import AlertLevel, LedgerKind, Purpose
from streams.domain.risk.accounting import enter, state_portfolio, state_position
from streams.domain.risk.codes import AlertCode
from streams.domain.risk.drawdown import on_equity
from streams.domain.risk.margin import collateral
from streams.domain.risk.round_trips import follow, standing
from streams.domain.risk.state import Account, RiskState, Rules
from streams.domain.risk.step import Step, text

Entry = tuple[str, str, BookPosition]


def tiers_in_force(state: RiskState, symbol: str, time: int) -> Tiers:
    """The tiers of the version valid at `time`, else of the newest one known: a position outlives its instrument."""
    versions = state.instruments.versions.get(symbol, ())
    begun = [version for version in versions if version.valid_from <= time]
    return tiers_of((begun or versions)[-1].tiers) if versions else ()


def liquidate(step: Step, state: RiskState, rules: Rules, account: Account, symbol: str | None = None) -> bool:
    """
    Whether positions were taken over because their margin is used up.

    With isolated margin only those of `symbol` are looked at (None: all): nothing else moves the others.
    """
    positions = [
        entry for entry in account.portfolio.margined() if account.cross_margin or symbol is None or entry[0] == symbol
    ]
    for name, _, position in positions:
        tiers = tiers_in_force(state, name, step.time)
        position.maintenance = maintenance_margin(tiers, quantity=position.quantity, cost=position.cost)
    taken = _cross(step, state, rules, account, positions) if account.cross_margin else _isolated(
        step, state, rules, account, positions
    )
    for (name, strategy, position), takeover in taken:
        _record(step, account, name, strategy, position, takeover)
    if taken:
        on_equity(step, account, rules)
        state_portfolio(step, account, "LIQUIDATION")
    return bool(taken)


def _isolated(
    step: Step, state: RiskState, rules: Rules, account: Account, positions: list[Entry]
) -> list[tuple[Entry, Takeover]]:
    taken = []
    book = account.portfolio
    for entry in positions:
        position = entry[2]
        if is_used_up(margin=position.margin, unrealized=position.unrealized_pnl, maintenance=position.maintenance):
            balance = book.balance(position.asset) - book.bound(position.asset)
            takeover = isolated_takeover(
                _held(step, state, rules, entry), margin=position.margin, balance=balance
            )
            _take_over(step, state, rules, account, entry, takeover)
            taken.append((entry, takeover))
    return taken


def _cross(
    step: Step, state: RiskState, rules: Rules, account: Account, positions: list[Entry]
) -> list[tuple[Entry, Takeover]]:
    taken: list[tuple[Entry, Takeover]] = []
    for asset in sorted({position.asset for _, _, position in positions}):
        own = [entry for entry in positions if entry[2].asset == asset]
        left = collateral(account, asset)
        maintenance = sum((position.maintenance for _, _, position in own), ZERO)
        if is_used_up(margin=left, unrealized=ZERO, maintenance=maintenance):
            held = [_held(step, state, rules, entry) for entry in own]
            taken += zip(own, cross_takeovers(held, collateral=left), strict=True)
    for entry, takeover in taken:
        _take_over(step, state, rules, account, entry, takeover)
    return taken


def _held(step: Step, state: RiskState, rules: Rules, entry: Entry) -> Held:
    symbol, _, position = entry
    tiers = tiers_in_force(state, symbol, step.time)
    level = level_of(tiers, quantity=abs(position.quantity), notional=abs(position.cost))
    rate = None if level is None else level.liquidation_fee_rate
    return Held(
        position.quantity, position.cost, position.value, rules.risk.liquidation_fee_rate if rate is None else rate
    )


def _take_over(
    step: Step, state: RiskState, rules: Rules, account: Account, entry: Entry, takeover: Takeover
) -> None:
    symbol, strategy, position = entry
    step.alert(
        account.name, AlertCode.LIQUIDATED, AlertLevel.CRITICAL,
        f"{strategy} {symbol}: margin used up at mark {text(position.mark or ZERO)}; {text(position.quantity)} taken over "
        f"at the bankruptcy price {text(takeover.price)}", symbol=symbol, measured=position.mark, limit=takeover.price,
        action="none: the position is closed",
    )
    stood = standing(position)
    on_takeover(account.portfolio, position, realized=takeover.realized, fee=takeover.fee)
    follow(step, state, rules, account, symbol=symbol, strategy=strategy, before=stood, purpose=Purpose.LIQUIDATION)
    for order in account.orders_in_flight(symbol, strategy):
        order.void = order.reduces
        order.then_close = not order.reduces


def _record(
    step: Step, account: Account, symbol: str, strategy: str, position: BookPosition, takeover: Takeover
) -> None:
    for kind, amount in ((LedgerKind.LIQUIDATION, takeover.realized), (LedgerKind.LIQUIDATION_FEE, -takeover.fee)):
        if amount:
            enter(
                step, account, kind=kind, amount=amount, asset=position.asset, symbol=symbol, strategy=strategy,
                order_id=None,
            )
    state_position(step, account, symbol=symbol, strategy=strategy, position=position)
