"""
What risk remembers, all of it by account or by symbol, so that nothing in it says which accounts share a task.

Times in microseconds, amounts in the account's currency where nothing else is said, quantities in base units.
"""

from decimal import Decimal

import msgspec

from streams.domain.allocation import RegimeWatch, TrackRecord
from streams.domain.correlation import MinuteReturns
from streams.domain.instruments import Instruments
from streams.domain.money import ZERO
from streams.domain.parameters import AccountParameters, RiskParameters, SessionSettings, StrategyParameters
from streams.domain.portfolio import Portfolio, opened
from streams.domain.positions import BookPosition
from streams.domain.records import Instrument, Mark, OrderType, Purpose, RiskMode, Side
from streams.domain.risk_settings import RESTING, SizingMethod

MICROSECONDS = 1_000_000
HOUR = 3600 * MICROSECONDS
DAY = 24 * HOUR


class InFlight(msgspec.Struct, kw_only=True):
    """An approved order that still waits for its terminal result."""

    strategy: str
    symbol: str
    side: Side
    purpose: Purpose
    quantity: Decimal  # ordered
    filled: Decimal = ZERO
    mark: Decimal  # at the decision
    decided_at: int
    answer_due: int  # no result can be earlier; what rests in the market may answer at any time from then on
    order_type: OrderType = OrderType.MARKET
    cancel_sent: bool = False
    then_close: bool = False  # what it opens is to be closed at once: everything else was meanwhile
    leverage: Decimal | None = None  # in a perpetual; None for spot
    void: bool = False  # the exchange has taken over what it was to reduce: its fills do not count
    asset: str = ""  # what it is paid in; "" is the account's currency

    @property
    def rests(self) -> bool:
        """Whether it may wait in the market, and nobody has asked yet for its end."""
        return self.order_type in RESTING and not self.cancel_sent

    @property
    def reduces(self) -> bool:
        return self.purpose is not Purpose.ENTRY

    @property
    def remaining(self) -> Decimal:
        return self.quantity - self.filled


class RoundTrip(msgspec.Struct, kw_only=True):
    """A strategy's present trade in a symbol: what was paid into it, and what its position had earned before it."""

    paid: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    stopped_out_at: int | None = None  # when an earlier one ended at its stop


class ResumeRequest(msgspec.Struct, kw_only=True):
    operator: str
    justification: str
    time: int


class Account(msgspec.Struct, kw_only=True):
    """One account: what it owns, what it has ordered, and every latch that holds it back."""

    name: str
    currency: str
    shorts_allowed: bool
    leverage: Decimal = Decimal(1)  # of perpetuals
    cross_margin: bool = False
    portfolio: Portfolio
    peak_equity: Decimal
    day_start_equity: Decimal
    in_flight: dict[str, InFlight] = {}  # by order id
    switch: RiskMode = RiskMode.RUNNING  # the operator's
    resume_request: ResumeRequest | None = None
    drawdown_latched: bool = False
    daily_latched: bool = False
    failures_latch: str = ""  # the rejection code that tripped it
    failures_in_a_row: int = 0
    failure_times: list[int] = []  # within the last hour
    order_times: list[int] = []  # of approved orders within the last second
    entry_times: list[int] = []  # of entries within the last hour that filled or still may
    round_trips: dict[str, dict[str, RoundTrip]] = {}  # by symbol, then strategy
    track_records: dict[str, TrackRecord] = {}  # by strategy

    @property
    def mode(self) -> RiskMode:
        """
        What the account may do, by the operator's switch and by every latch, the strictest first.

        The drawdown breaker halts once everything is closed; until then exits must pass, or it would hold on to the
        loss. """
        if self.switch is RiskMode.HALT_ALL:
            return RiskMode.HALT_ALL
        if self.drawdown_latched and not self.in_flight and not self.portfolio.open_positions():
            return RiskMode.HALT_ALL
        latched = self.drawdown_latched or self.daily_latched or self.failures_latch != ""
        return RiskMode.REDUCE_ONLY if latched or self.switch is RiskMode.REDUCE_ONLY else RiskMode.RUNNING

    def paid_in(self, instrument: Instrument) -> str:
        """What the instrument is quoted and settled in; "" where that is the account's currency."""
        return "" if instrument.quote_asset == self.currency else instrument.quote_asset

    def orders_in_flight(self, symbol: str, strategy: str) -> list[InFlight]:
        return [order for order in self.in_flight.values() if order.symbol == symbol and order.strategy == strategy]

    def exit_in_flight(self, symbol: str, strategy: str) -> bool:
        return any(order.reduces for order in self.orders_in_flight(symbol, strategy))

    def position(self, symbol: str, strategy: str) -> BookPosition | None:
        """The strategy's position in the symbol, None where it is flat."""
        held = self.portfolio.position(symbol, strategy)
        return held if held is not None and held.quantity else None


class Settlement(msgspec.Struct):
    """A funding rate and when (µs) it is paid."""

    time: int
    rate: Decimal


class FundingPlan(msgspec.Struct, kw_only=True):
    """A perpetual's settlements: those announced by rising time, the newest one passed, and the one that must come next."""

    announced: list[Settlement] = []
    passed: int = -1
    expected: int | None = None
    interval: int  # µs
    due: int | None = None  # when the next thing happens: a settlement, or that one is found missing


class Market(msgspec.Struct, kw_only=True):
    """What is known of a symbol's market: its newest mark, when that goes stale, and its funding."""

    mark: Mark | None = None
    stale_at: int | None = None  # None: no mark yet, or stale already
    returns: MinuteReturns = msgspec.field(default_factory=MinuteReturns)
    funding: FundingPlan | None = None  # of a perpetual


class RiskState(msgspec.Struct, kw_only=True):
    accounts: dict[str, Account]
    instruments: Instruments = msgspec.field(default_factory=Instruments)
    markets: dict[str, Market] = {}
    regimes: dict[str, RegimeWatch] = {}  # by symbol
    allocation_timer: tuple[int, str, str] | None = None  # the earliest of all regimes and cool-downs, kept ready
    snapshot_at: int | None = None  # None until the first mark, which starts the clock
    day_ends_at: int | None = None


class Rules:
    """The session's settings as the decisions use them: looked up by name, times in microseconds. Never changes."""

    def __init__(self, settings: SessionSettings) -> None:
        self.session = settings.session
        self.risk: RiskParameters = settings.risk
        self.strategies: dict[str, StrategyParameters] = {strategy.name: strategy for strategy in settings.strategies}
        # Candles speak once in their interval: they are late from then on, as ticks are at once.
        self.stale_after = (settings.risk.data_stale_timeout_sec + (settings.feed.interval_seconds or 0)) * MICROSECONDS
        self.snapshot_every = settings.risk.snapshot_seconds * MICROSECONDS
        self.funding_grace = settings.risk.funding_grace_sec * MICROSECONDS
        execution = settings.execution
        self.answer_after = (execution.order_latency_ms + execution.report_latency_ms) * 1000
        self.trailing_kept = None if settings.risk.trailing_stop_pct is None else 1 - settings.risk.trailing_stop_pct

    def sizing_method(self, strategy: str) -> SizingMethod:
        """The strategy's own, else the session's."""
        known = self.strategies.get(strategy)
        return (None if known is None else known.sizing_method) or self.risk.sizing_method

    def trades(self, *, account: str, strategy: str, symbol: str) -> bool:
        """Whether the strategy is made for this account and symbol, enabled or not."""
        known = self.strategies.get(strategy)
        return known is not None and account in known.accounts and (not known.symbols or symbol in known.symbols)

    def concerns(self, account: Account, symbol: str) -> bool:
        """Whether the account trades the symbol, holds it, or has what is valued by it."""
        book = account.portfolio
        return any(
            strategy.enabled and self.trades(account=account.name, strategy=strategy.name, symbol=symbol)
            for strategy in self.strategies.values()
        ) or any(position.quantity for position in book.positions.get(symbol, {}).values()) or any(
            balance.pair == symbol for balance in book.balances.values()
        )


def new_account(parameters: AccountParameters) -> Account:
    equity = parameters.initial_equity
    return Account(
        name=parameters.name, currency=parameters.currency, shorts_allowed=parameters.shorts_allowed,
        leverage=parameters.leverage, cross_margin=parameters.margin_mode == "CROSS", portfolio=opened(equity),
        peak_equity=equity, day_start_equity=equity,
    )
