"""
What marks and time itself do: values and what other assets are worth move, exits fall due, limits are reached, data goes stale.

A symbol is stale `DATA_STALE_TIMEOUT_SEC` after its newest real market record, by a timer, whether or not anything
arrives.
"""

from streams.domain.correlation import on_price
from streams.domain.portfolio import on_mark as value_at
from streams.domain.records import AlertLevel, Mark
from streams.domain.risk.cancels import cancel, cancel_resting
from streams.domain.risk.codes import AlertCode
from streams.domain.risk.conversion import follow_pair
from streams.domain.risk.drawdown import on_equity
from streams.domain.risk.exits import order_due_exits
from streams.domain.risk.funding import follow_funding
from streams.domain.risk.liquidation import liquidate
from streams.domain.risk.orders import order_exit
from streams.domain.risk.proposal import seconds
from streams.domain.risk.state import MICROSECONDS, Account, Market, RiskState, Rules
from streams.domain.risk.step import Step


def on_mark(step: Step, state: RiskState, rules: Rules, mark: Mark) -> None:
    """Takes the mark as the symbol's newest; every account's positions in it follow."""
    market = state.markets.get(mark.symbol)
    if market is None:
        market = state.markets[mark.symbol] = Market()
    before, market.mark = market.mark, mark
    if before is None:
        follow_funding(state, rules, market, mark.symbol, step.time)
    _follow_feed(step, state, rules, market, before)
    price = mark.mark
    if price is None:
        return
    on_price(market.returns, price, step.time, rules.risk.correlation_minutes)
    for account in state.accounts.values():
        converted = bool(account.portfolio.balances) and follow_pair(state, account, mark.symbol, step.time)
        positions = account.portfolio.positions.get(mark.symbol)
        if positions is None and not converted:
            continue
        is_open = margined = False
        for position in (positions or {}).values():
            if position.quantity:
                is_open = True
                margined = margined or position.leverage is not None
                value_at(account.portfolio, position, price)
        if is_open or converted:
            latched = account.drawdown_latched
            if margined:
                liquidate(step, state, rules, account, mark.symbol)
            on_equity(step, account, rules)
            if is_open:
                order_due_exits(step, state, rules, account, mark.symbol, price)
            if account.drawdown_latched and not latched:
                _close_elsewhere(step, state, rules, account, mark.symbol)


def _close_elsewhere(step: Step, state: RiskState, rules: Rules, account: Account, symbol: str) -> None:
    """The breaker has just tripped: the other symbols' positions do not wait for their own next mark."""
    for other, strategy, position in account.portfolio.open_positions():
        purpose = position.guard.closing
        if other != symbol and purpose is not None and not account.exit_in_flight(other, strategy):
            order_exit(step, state, rules, account, symbol=other, strategy=strategy, purpose=purpose)


def _follow_feed(step: Step, state: RiskState, rules: Rules, market: Market, before: Mark | None) -> None:
    mark = market.mark
    assert mark is not None
    was_down = before is not None and before.feed_down
    if mark.feed_down is not was_down:
        _on_feed_changed(step, state, rules, mark)
    if before is not None and mark.market_time == before.market_time:
        return
    stale_at = mark.market_time + rules.stale_after
    if stale_at <= step.time:
        if before is None:  # any other mark's age has been reached by the timer
            on_stale(step, state, rules, mark.symbol)
        return
    if market.stale_at is None and before is not None:
        for account in _concerned(state, rules, mark.symbol):
            step.alert(
                account.name, AlertCode.DATA_FRESH, AlertLevel.INFO, f"market data of {mark.symbol} is back",
                symbol=mark.symbol,
            )
    market.stale_at = stale_at


def _on_feed_changed(step: Step, state: RiskState, rules: Rules, mark: Mark) -> None:
    for account in _concerned(state, rules, mark.symbol):
        if mark.feed_down:
            step.alert(
                account.name, AlertCode.FEED_DOWN, AlertLevel.CRITICAL, f"the feed of {mark.symbol} is down",
                symbol=mark.symbol, action="restart the feed",
            )
        else:
            step.alert(
                account.name, AlertCode.FEED_UP, AlertLevel.INFO, f"the feed of {mark.symbol} is back",
                symbol=mark.symbol,
            )


def on_stale(step: Step, state: RiskState, rules: Rules, symbol: str) -> None:
    """The symbol's data has reached the age from which nothing is decided on it, and nothing rests on it."""
    market = state.markets[symbol]
    market.stale_at = None
    assert market.mark is not None
    age = seconds(step.time - market.mark.market_time)
    for account in _concerned(state, rules, symbol):
        step.alert(
            account.name, AlertCode.DATA_STALE, AlertLevel.CRITICAL,
            f"no market data of {symbol} for {rules.stale_after // MICROSECONDS} s: no orders in it until it is back",
            symbol=symbol, measured=age, limit=seconds(rules.stale_after), action="see whether the feed runs",
        )
    for account in state.accounts.values():
        why = f"market data of {symbol} is stale"
        cancel_resting(step, account, why, symbol=symbol)
        for order_id, order in account.in_flight.items():
            # What it would open could not be valued: no new risk, as for an order of now.
            if order.asset and order.rests and not order.reduces and account.portfolio.balances[order.asset].pair == symbol:
                cancel(step, account, order_id, order, why)


def _concerned(state: RiskState, rules: Rules, symbol: str) -> list[Account]:
    return [account for account in state.accounts.values() if rules.concerns(account, symbol)]
