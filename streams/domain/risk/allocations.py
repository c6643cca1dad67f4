"""
Regimes and shares in risk: what each strategy of each account may use, told at every change, and held against each entry.

The limit is on all that the strategy has at stake after the trade, by the regime of the symbol that the order is for: what
a strategy holds elsewhere leaves less for a market that deserves less. See `streams.domain.allocation` for the shares.
Timers: "regime" of a symbol, "cooldown" of an account.
"""

from collections.abc import Iterator
from decimal import Decimal

from streams.domain.allocation import RegimeWatch, Share, on_cooldown_over, on_due, on_regime, share_of
from streams.domain.records import Allocation, Regime
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.proposal import Exposures, Finding, Proposal, fraction
from streams.domain.risk.state import Account, RiskState, Rules
from streams.domain.risk.step import UNFILLED, Step
from streams.domain.sizing import Room

CHECK = "allocation"
REGIME, COOLDOWN = "regime", "cooldown"


def share(state: RiskState, rules: Rules, account: Account, *, symbol: str, strategy: str) -> Share:
    """What the strategy may use of the account in the symbol's present regime."""
    return share_of(state.regimes.get(symbol), account.track_records.get(strategy), rules.risk)


def start(step: Step, state: RiskState, rules: Rules) -> None:
    """The shares that a session begins with."""
    for account in state.accounts.values():
        for strategy, parameters in sorted(rules.strategies.items()):
            if parameters.enabled and account.name in parameters.accounts:
                state_shares(step, state, rules, account, strategy)


def on_regime_record(state: RiskState, rules: Rules, record: Regime) -> None:
    """Takes in a symbol's new regime, which counts once it has held."""
    watch = state.regimes.setdefault(record.symbol, RegimeWatch())
    on_regime(watch, record.regime, record.time, rules.risk)
    set_timer(state)


def on_regime_due(step: Step, state: RiskState, rules: Rules, symbol: str) -> None:
    """The symbol's regime has held long enough, or its cool-down is over."""
    on_due(state.regimes[symbol], step.time, rules.risk)
    for account in state.accounts.values():
        for strategy, parameters in sorted(rules.strategies.items()):
            if parameters.enabled and rules.trades(account=account.name, strategy=strategy, symbol=symbol):
                _add(step, account, strategy, symbol, share(state, rules, account, symbol=symbol, strategy=strategy))
    set_timer(state)


def on_cooldown_due(step: Step, state: RiskState, rules: Rules, account: Account) -> None:
    """A cool-down of the account's strategies is over."""
    for strategy, record in sorted(account.track_records.items()):
        if record.cooldown_until == step.time:
            on_cooldown_over(record)
            state_shares(step, state, rules, account, strategy)
    set_timer(state)


def state_shares(step: Step, state: RiskState, rules: Rules, account: Account, strategy: str) -> None:
    """The strategy's share in every symbol whose regime is known, or the one that stands in for all of them."""
    known = [
        symbol for symbol, watch in sorted(state.regimes.items())
        if watch.regime is not None and rules.trades(account=account.name, strategy=strategy, symbol=symbol)
    ]
    for symbol in known or [""]:
        _add(step, account, strategy, symbol, share(state, rules, account, symbol=symbol, strategy=strategy))


def set_timer(state: RiskState) -> None:
    """Finds the earliest deadline anew; called where one has changed."""
    timers = [(watch.due, symbol, REGIME) for symbol, watch in state.regimes.items() if watch.due is not None] + [
        (record.cooldown_until, account.name, COOLDOWN)
        for account in state.accounts.values() for record in account.track_records.values()
        if record.cooldown_until is not None
    ]
    state.allocation_timer = min(timers, default=None)


def _add(step: Step, account: Account, strategy: str, symbol: str, found: Share) -> None:
    record = account.track_records.get(strategy)
    step.add(Allocation(
        **UNFILLED, time=step.time, account=account.name, strategy=strategy, regime=found.regime,
        fraction=found.fraction, score=None if record is None else record.score,
        reason=f"{symbol}: {found.reason}" if symbol else found.reason, cooldown_until=found.cooldown_until,
    ))


def allocation_room(found: Share, before: Exposures, *, equity: Decimal) -> Room:
    """What the share leaves for one more order."""
    return Room("allocation", equity * found.fraction - before.strategy)


def allocation(proposal: Proposal) -> Iterator[Finding]:
    found = proposal.share
    yield Finding(CHECK, RejectionCode.STRATEGY_COOLING_DOWN, not found.by_score, note=found.reason)
    yield Finding(
        CHECK, RejectionCode.REGIME_NOT_TRADED, found.by_score or found.fraction > 0, note=found.regime.value
    )
    after, limit = proposal.exposures.strategy + proposal.added, found.fraction
    yield Finding(
        CHECK, RejectionCode.ALLOCATION_EXCEEDED, proposal.is_exit or after <= limit * proposal.equity,
        measured=fraction(after, proposal.equity), limit=limit,
    )
