"""
Funding: when a perpetual's holders pay each other, and that a settlement which nobody announced is noticed.

A `Funding` record says the rate of one settlement, before or at its time; of several for the same time the newest
holds. At the settlement time, by a timer and so before anything else of that moment, every open position pays or gets
-quantity x mark x rate in what the perpetual settles in. The mark is the newest one before that moment, whatever its
source and age: the one the position is valued at. What arrives after its time is settled at once, on what is held and
marked then, up to `FUNDING_GRACE_SEC` late; later it is not settled at all.

The interval of the newest record says when the next settlement must come; before the first record, eight hours from
00:00 UTC. One that is not announced `FUNDING_GRACE_SEC` after its time is reported, once, and passed over.

With isolated margin a payment that the balance beside all margin cannot bear is taken from the position's own margin,
which brings its liquidation nearer.
"""

from decimal import Decimal

from streams.domain.instruments import instrument_at
from streams.domain.money import ZERO
from streams.domain.perpetuals.funding import funding_payment
from streams.domain.portfolio import on_funding
from streams.domain.positions import BookPosition
from streams.domain.records import AlertLevel, Funding, InstrumentKind, LedgerKind
from streams.domain.risk.accounting import enter, state_portfolio, state_position
from streams.domain.risk.codes import AlertCode
from streams.domain.risk.drawdown import on_equity
from streams.domain.risk.liquidation import liquidate
from streams.domain.risk.proposal import seconds
from streams.domain.risk.state import HOUR, Account, FundingPlan, Market, RiskState, Rules, Settlement
from streams.domain.risk.step import Step

USUAL_INTERVAL = 8 * HOUR


def follow_funding(state: RiskState, rules: Rules, market: Market, symbol: str, time: int) -> None:
    """Begins to await the settlements of a symbol that is a perpetual; called with its first mark."""
    instrument = instrument_at(state.instruments, symbol, time)
    if market.funding is None and instrument is not None and instrument.kind is InstrumentKind.PERPETUAL:
        market.funding = FundingPlan(interval=USUAL_INTERVAL, expected=time - time % USUAL_INTERVAL + USUAL_INTERVAL)
        _set_due(market.funding, rules)


def on_funding_record(step: Step, state: RiskState, rules: Rules, record: Funding) -> None:
    """Notes what is announced, and settles it where its time has come already."""
    market = state.markets.get(record.symbol)
    if market is None:
        market = state.markets[record.symbol] = Market()
    plan = market.funding
    interval = record.interval_hours * HOUR
    if plan is None:
        plan = market.funding = FundingPlan(interval=interval)
    settlement = record.settlement_time
    if settlement <= max(plan.passed, step.time - rules.funding_grace - 1):
        return
    plan.interval = interval
    one = Settlement(settlement, record.rate)
    plan.announced = sorted([*(s for s in plan.announced if s.time != settlement), one], key=lambda s: s.time)
    if settlement <= step.time:
        _settle(step, state, rules, record.symbol, plan, one)
    elif plan.expected is None or plan.expected > step.time:
        # The next one, also where the announced one is not the next.
        plan.expected = settlement - (settlement - step.time - 1) // interval * interval
    _set_due(plan, rules)


def on_funding_due(step: Step, state: RiskState, rules: Rules, symbol: str) -> None:
    """The timer: settles what is due now, or says that it is missing."""
    plan = state.markets[symbol].funding
    assert plan is not None, f"funding of {symbol} is due, and none is awaited"
    first = plan.announced[0] if plan.announced else None
    if first is not None and first.time == step.time:
        _settle(step, state, rules, symbol, plan, first)
    else:
        assert plan.expected is not None and plan.expected + rules.funding_grace == step.time, f"nothing of {symbol} is due"
        _pass(plan, plan.expected)
        for account in state.accounts.values():
            if rules.concerns(account, symbol):
                step.alert(
                    account.name, AlertCode.FUNDING_MISSING, AlertLevel.WARNING,
                    f"no funding rate of {symbol} for {seconds(step.time - plan.passed)} s: nothing is settled for it",
                    symbol=symbol, measured=seconds(step.time - plan.passed), limit=seconds(rules.funding_grace),
                    action="see whether the feed writes funding",
                )
    _set_due(plan, rules)


def _pass(plan: FundingPlan, settlement: int) -> None:
    plan.passed = settlement
    plan.expected = settlement + plan.interval


def _set_due(plan: FundingPlan, rules: Rules) -> None:
    first = plan.announced[0].time if plan.announced else None
    missing = None
    if plan.expected is not None and (first is None or plan.expected + rules.funding_grace < first):
        missing = plan.expected + rules.funding_grace
    plan.due = first if missing is None else missing


def _settle(step: Step, state: RiskState, rules: Rules, symbol: str, plan: FundingPlan, settled: Settlement) -> None:
    plan.announced.remove(settled)
    _pass(plan, settled.time)
    for account in state.accounts.values():
        held = [entry for entry in account.portfolio.margined() if entry[0] == symbol]
        for _, strategy, position in held:
            _pay(step, account, symbol, strategy, position, settled.rate)
        if held and not liquidate(step, state, rules, account):
            on_equity(step, account, rules)
            state_portfolio(step, account, "FUNDING")


def _pay(
    step: Step, account: Account, symbol: str, strategy: str, position: BookPosition, rate: Decimal
) -> None:
    assert position.mark is not None, "an open position is valued"
    payment = funding_payment(quantity=position.quantity, mark_price=position.mark, rate=rate)
    on_funding(account.portfolio, position, payment)
    if not account.cross_margin:
        short = account.portfolio.bound(position.asset) - account.portfolio.balance(position.asset)
        position.margin -= min(max(short, ZERO), max(-payment, ZERO), position.margin)
    if payment:
        enter(
            step, account, kind=LedgerKind.FUNDING, amount=payment, asset=position.asset, symbol=symbol,
            strategy=strategy, order_id=None,
        )
    state_position(step, account, symbol=symbol, strategy=strategy, position=position)
