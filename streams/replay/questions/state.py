"""
Everything a session knew and held at one moment: accounts, positions, orders on their way, limits, markets, strategies.

Made by running each task again from its newest snapshot to that moment. Limits are the risk checks themselves, asked about an order
that adds nothing: what each measured then, against its limit. Times are µs, amounts the account's currency.
"""

from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

import msgspec

from streams.domain.book import Book
from streams.domain.execution.venue import Venue, standing
from streams.domain.instruments import instrument_at
from streams.domain.money import EXACT, ZERO
from streams.domain.records import PortfolioSnapshot, Position, Purpose, Side
from streams.domain.risk.accounting import state_portfolio, state_position
from streams.domain.risk.allocations import share
from streams.domain.risk.conversion import rate_of
from streams.domain.risk.entry_terms import AT_MARKET
from streams.domain.risk.exposure import exposures
from streams.domain.risk.proposal import Correlated, Finding, Proposal
from streams.domain.risk.registry import findings_of
from streams.domain.risk.state import Account, InFlight, Market, RiskState, Rules
from streams.domain.risk.step import Step
from streams.replay.recorded.recorded import Recorded
from streams.replay.recorded.rerun import Rerun
from streams.stages.execution import ExecutionState
from streams.stages.signals import SignalsStage, SignalsState
from streams.stages.state import encode_state, state_digest

# More than a snapshot's minute has at a thousand pushes a second: signals and execution read the same ones.
RECORDS_SHARED_MAX = 1 << 16


class PendingOrder(NamedTuple):
    """An approved order that waits for its end. `stands`: where it is, in words; prices where the market has it already."""

    account: str
    order_id: str
    order: InFlight
    stands: str
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    expires_at: int | None = None
    queue_ahead: Decimal | None = None


class Limit(NamedTuple):
    """What a check measured against its limit; `of` names what it is about: the account, or strategy and symbol."""

    account: str
    of: str
    finding: Finding


class StrategyAt(NamedTuple):
    """One strategy in one symbol: what it says of itself, and all it remembers."""

    strategy: str
    symbol: str
    words: str
    memory: dict[str, Any]


class MarketAt(NamedTuple):
    """One symbol: the book that execution saw, the last trade, and the regime that counts."""

    symbol: str
    book: Book
    last_price: Decimal | None
    market_id: str | None
    regime: str


class SessionState(NamedTuple):
    """A session at `time`. `events`: how many were run again to get there."""

    session: str
    time: int
    accounts: list[PortfolioSnapshot]
    positions: list[Position]
    pending: list[PendingOrder]
    limits: list[Limit]
    markets: list[MarketAt]
    strategies: list[StrategyAt]
    digests: dict[str, str]
    events: int


def state_at(recorded: Recorded, time: int) -> SessionState:
    """The state after every event up to `time`, which the session's span holds. Raises: LogError, ReplayMismatch."""
    recorded = recorded._replace(codec=recorded.codec.shared(RECORDS_SHARED_MAX))
    strategies: list[StrategyAt] = []
    venues: dict[str, Venue] = {}
    risk: list[RiskState] = []
    digests, events = {}, 0
    for stage, number in recorded.tasks():
        rerun = Rerun(recorded, stage, number, start=time, end=time)
        try:
            state = rerun.reached(time).task.state
        finally:
            rerun.close()
        events += rerun.events
        digests[f"{stage.name} {number}"] = state_digest(stage.encode(state))
        if isinstance(state, SignalsState):
            assert isinstance(stage, SignalsStage)
            strategies += _strategies(stage, state)
        elif isinstance(state, ExecutionState):
            venues |= state.venues
        else:
            assert isinstance(state, RiskState)
            risk.append(state)
    with localcontext(EXACT):
        return SessionState(
            session=recorded.settings.session, time=time,
            accounts=[one for state in risk for one in _portfolios(recorded, state, time)],
            positions=[one for state in risk for one in _positions(recorded, state, time)],
            pending=[one for state in risk for one in _pending(state, venues)],
            limits=[one for state in risk for one in _limits(recorded, state, time)],
            markets=_markets(venues, risk), strategies=strategies, digests=digests, events=events,
        )  # fmt: skip


def _strategies(stage: SignalsStage, state: SignalsState) -> list[StrategyAt]:
    return [
        StrategyAt(strategy, symbol, words, msgspec.json.decode(encode_state(state.symbols[symbol].strategies[strategy])))
        for (strategy, symbol), words in stage.diagnosis(state).items()
    ]


def _portfolios(recorded: Recorded, state: RiskState, time: int) -> Iterator[PortfolioSnapshot]:
    for account in state.accounts.values():
        step = Step(session=recorded.settings.session, time=time, cause_id="")
        state_portfolio(step, account, "REPLAY")
        yield from (made for made in step.made if isinstance(made, PortfolioSnapshot))


def _positions(recorded: Recorded, state: RiskState, time: int) -> Iterator[Position]:
    """Those that are open."""
    for account in state.accounts.values():
        step = Step(session=recorded.settings.session, time=time, cause_id="")
        for symbol, strategy, position in account.portfolio.open_positions():
            state_position(step, account, symbol=symbol, strategy=strategy, position=position)
        yield from (made for made in step.made if isinstance(made, Position))


def _pending(state: RiskState, venues: dict[str, Venue]) -> Iterator[PendingOrder]:
    for account in state.accounts.values():
        for order_id, order in account.in_flight.items():
            venue = venues.get(order.symbol, Venue())
            sent = next((one for one in venue.on_their_way if one.order.order_id == order_id), None)
            working = next((one for one in standing(venue) if one.order_id == order_id), None)
            if sent is not None:
                found, stands = sent.order, "on its way"
            elif working is None:
                # Risk sends and hears with a delay: the market does not know it yet, or has ended it already.
                yield PendingOrder(account.name, order_id, order, "between risk and the market")
                continue
            else:
                found, stands = working, "waits for its stop" if working.waiting else "rests in the market"
            yield PendingOrder(
                account.name, order_id, order, stands, found.limit_price, found.stop_price, found.expires_at, found.queue.ahead
            )


def _limits(recorded: Recorded, state: RiskState, time: int) -> Iterator[Limit]:
    """Each limit once for an account where it is the same for all of its strategies and symbols."""
    rules = Rules(recorded.settings)
    for account in state.accounts.values():
        asked = [
            (f"{strategy} {symbol}", finding)
            for strategy, symbol in _traded(recorded, rules, account)
            for finding in findings_of(_nothing_more(state, rules, account, time, symbol=symbol, strategy=strategy))
            if finding.limit is not None and finding.measured is not None
        ]
        by_finding: dict[Finding, list[str]] = {}
        for of, finding in asked:
            by_finding.setdefault(finding, []).append(of)
        kinds = {finding.code: sum(other.code is finding.code for other in by_finding) for finding in by_finding}
        for finding, names in by_finding.items():
            yield Limit(account.name, "account" if kinds[finding.code] == 1 else ", ".join(names), finding)


def _traded(recorded: Recorded, rules: Rules, account: Account) -> list[tuple[str, str]]:
    return [
        (strategy, symbol) for strategy in rules.strategies for symbol in recorded.settings.feed.symbols
        if rules.trades(account=account.name, strategy=strategy, symbol=symbol)
    ]  # fmt: skip


def _nothing_more(state: RiskState, rules: Rules, account: Account, time: int, *, symbol: str, strategy: str) -> Proposal:
    """An order that adds nothing, for the checks to measure what is there."""
    market = state.markets.get(symbol, Market())
    position, instrument = account.portfolio.position(symbol, strategy), instrument_at(state.instruments, symbol, time)
    asset = "" if instrument is None else account.paid_in(instrument)
    return Proposal(
        rules=rules, account=account, time=time, strategy=strategy, symbol=symbol, side=Side.SELL, purpose=Purpose.EXIT, signal=None,
        instrument=instrument, mark=market.mark, size=None, terms=AT_MARKET,
        held=ZERO if position is None else position.quantity, correlated=Correlated(),
        exposures=exposures(account, state.markets, symbol=symbol, strategy=strategy),
        share=share(state, rules, account, symbol=symbol, strategy=strategy),
        rate=rate_of(state, asset=asset, currency=account.currency, time=time) if asset else None,
    )  # fmt: skip


def _markets(venues: dict[str, Venue], risk: list[RiskState]) -> list[MarketAt]:
    found = []
    for symbol in sorted(venues):
        # Every risk task hears every regime.
        watch = risk[0].regimes.get(symbol) if risk else None
        regime = "" if watch is None or watch.regime is None else watch.regime.value
        venue = venues[symbol]
        found.append(MarketAt(symbol, venue.book, venue.last_price, venue.market_id, regime))
    return found
