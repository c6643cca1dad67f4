"""
Every record that can stand on a topic, as frozen structs in the field order of its schema in `schemas/`.

Times are microseconds since 1970 UTC; amounts are exact decimals with at most 12 places; signed quantity: positive long,
negative short. Units and signs of each field stand in the `.avsc`; a test holds both definitions together.

None of them can be part of a cycle, so the garbage collector need not look at them (`gc=False`): queues and books hold many.
"""

from decimal import Decimal

import msgspec

from streams.domain.vocabulary import (
    AlertLevel as AlertLevel,
)
from streams.domain.vocabulary import (
    CommandKind as CommandKind,
)
from streams.domain.vocabulary import (
    InstrumentKind as InstrumentKind,
)
from streams.domain.vocabulary import (
    InstrumentStatus as InstrumentStatus,
)
from streams.domain.vocabulary import (
    LedgerKind as LedgerKind,
)
from streams.domain.vocabulary import (
    Liquidity as Liquidity,
)
from streams.domain.vocabulary import (
    MarkSource as MarkSource,
)
from streams.domain.vocabulary import (
    OrderType as OrderType,
)
from streams.domain.vocabulary import (
    Purpose as Purpose,
)
from streams.domain.vocabulary import (
    RegimeName as RegimeName,
)
from streams.domain.vocabulary import (
    ResultStatus as ResultStatus,
)
from streams.domain.vocabulary import (
    RiskMode as RiskMode,
)
from streams.domain.vocabulary import (
    Side as Side,
)


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every record carries: its id, the id of its direct cause, of the market record that began it, its logical time."""

    event_id: str
    causation_id: str
    correlation_id: str
    session: str
    time: int


class Level(msgspec.Struct, frozen=True, gc=False):
    price: Decimal
    quantity: Decimal  # base units (contracts × contract size for perpetuals); zero removes the level in a delta


class Trade(msgspec.Struct, frozen=True, gc=False):
    trade_id: str  # empty where the venue gives none
    price: Decimal
    quantity: Decimal
    aggressor: Side
    time: int  # the exchange's trade time


class MarketData(Record, frozen=True, kw_only=True, gc=False):
    """One push of an exchange for one symbol: any of trades, top of book, depth; or word that something is missing."""

    exchange: str
    symbol: str
    event_time: int | None
    receive_time: int
    sequence: int  # counts the feed's records of this symbol from 0
    update_id: int | None  # the exchange's id of the book state after this push
    trades: list[Trade]
    best_bid: Decimal | None
    best_bid_quantity: Decimal | None
    best_ask: Decimal | None
    best_ask_quantity: Decimal | None
    bids: list[Level]
    asks: list[Level]
    mark_price: Decimal | None
    index_price: Decimal | None
    snapshot: bool  # bids and asks replace the book
    gap: bool  # something before this record is missing: the book is void until the next snapshot
    feed_down: bool
    time_suspect: bool


class Instrument(Record, frozen=True, kw_only=True, gc=False):
    exchange: str
    symbol: str
    kind: InstrumentKind
    base_asset: str
    quote_asset: str
    tick_size: Decimal
    lot_size: Decimal
    quantity_min: Decimal
    notional_min: Decimal
    contract_size: Decimal
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal
    leverage_max: Decimal
    tiers: str  # JSON text: list of {"maximum_notional","maintenance_margin_rate","initial_margin_rate"}; "[]" for spot
    status: InstrumentStatus
    valid_from: int
    valid_to: int | None


class Funding(Record, frozen=True, kw_only=True, gc=False):
    symbol: str
    rate: Decimal
    interval_hours: int
    settlement_time: int


class Candle(Record, frozen=True, kw_only=True, gc=False):
    symbol: str
    interval_seconds: int
    open_time: int
    close_time: int  # first microsecond after the window
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trade_count: int
    late_trades: int  # trades too late for their own window, seen since the last candle of the symbol


class Regime(Record, frozen=True, kw_only=True, gc=False):
    symbol: str
    regime: RegimeName
    adx: Decimal | None
    atr_ratio: Decimal | None


class DepthStep(msgspec.Struct, frozen=True, gc=False):
    """What a market order of `notional` quote units would meet: average price and quantity filled (less than asked = book too thin)."""

    side: Side
    notional: Decimal
    average_price: Decimal
    quantity: Decimal


class Mark(Record, frozen=True, kw_only=True, gc=False):
    symbol: str
    mark: Decimal | None
    source: MarkSource
    index: Decimal | None
    last: Decimal | None
    best_bid: Decimal | None
    best_bid_quantity: Decimal | None
    best_ask: Decimal | None
    best_ask_quantity: Decimal | None
    gap: bool
    feed_down: bool
    book_present: bool
    book_crossed: bool
    book_time: int | None  # logical time of the newest record that changed the book
    market_time: int  # logical time of the newest real market record (feed_down is none)
    spread_mean: Decimal | None
    depth: list[DepthStep]
    atr: Decimal | None
    volatility: Decimal | None


class Signal(Record, frozen=True, kw_only=True, gc=False):
    account: str
    strategy: str
    symbol: str
    side: Side
    strength: Decimal
    confidence: Decimal
    price: Decimal
    reason: str
    indicators: str  # JSON text: name -> decimal text


class Order(Record, frozen=True, kw_only=True, gc=False):
    """Every risk decision, approved or not; its event_id is the order id."""

    account: str
    strategy: str
    symbol: str
    side: Side
    purpose: Purpose
    approved: bool
    rejection_code: str | None
    measured: Decimal | None
    limit: Decimal | None
    requested_quantity: Decimal
    requested_notional: Decimal
    quantity: Decimal  # approved, base units, unsigned; 0 when refused
    notional: Decimal
    order_type: OrderType
    limit_price: Decimal | None
    stop_price: Decimal | None
    expires_at: int | None
    reduce_only: bool
    target_order_id: str | None  # of a CANCEL
    decision_mark: Decimal | None
    checks: str  # JSON text: list of {"check","code","passed","measured","limit",...} in order
    sizing: str  # JSON text: method, inputs, trims


class OrderResult(Record, frozen=True, kw_only=True, gc=False):
    account: str
    strategy: str
    symbol: str
    order_id: str
    side: Side
    status: ResultStatus
    terminal: bool
    reason: str | None
    quantity: Decimal  # of this result, base units, unsigned
    price: Decimal | None  # average of this result
    notional: Decimal  # quote units, exact sum over the levels, rounded at 12 places
    cumulative_quantity: Decimal
    remaining_quantity: Decimal
    fee: Decimal  # paid is positive
    fee_asset: str
    liquidity: Liquidity
    decision_mark: Decimal | None
    slippage_bps: Decimal | None  # against the decision's mark; worse is positive
    latency_us: int  # from decision to fill
    fill_time: int  # market time of the fill; time = fill_time + report latency
    model: str
    market_event_id: str | None


class LedgerEntry(Record, frozen=True, kw_only=True, gc=False):
    account: str
    strategy: str
    symbol: str
    kind: LedgerKind
    asset: str
    amount: Decimal  # received is positive
    order_id: str | None


class Allocation(Record, frozen=True, kw_only=True, gc=False):
    account: str
    strategy: str
    regime: RegimeName
    fraction: Decimal
    score: Decimal | None
    reason: str
    cooldown_until: int | None


class Position(Record, frozen=True, kw_only=True, gc=False):
    account: str
    strategy: str
    symbol: str
    quantity: Decimal
    entry_price: Decimal | None
    cost: Decimal  # quote units, sign of quantity
    mark: Decimal | None
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    margin: Decimal
    leverage: Decimal
    liquidation_price: Decimal | None
    stop_price: Decimal | None
    take_profit_price: Decimal | None
    opened_at: int | None
    conversion_mark: Decimal | None  # the account's currency for one quote unit; None where they are the same


class PortfolioSnapshot(Record, frozen=True, kw_only=True, gc=False):
    account: str
    currency: str
    initial_equity: Decimal
    equity: Decimal
    cash: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    margin_used: Decimal
    exposure: Decimal  # sum of |quantity| × mark
    peak_equity: Decimal
    drawdown: Decimal  # fraction from the peak, 0..1
    day_start_equity: Decimal
    daily_drawdown: Decimal
    daily_pnl: Decimal
    open_positions: int
    risk_mode: RiskMode
    reason: str  # TIMER or FILL
    conversion: Decimal | None  # what marks of other assets have made of what is held in them; gain is positive; None before version 2
    balances: str | None  # JSON text: other asset -> {"amount","mark"}; None before version 2


class Alert(Record, frozen=True, kw_only=True, gc=False):
    account: str  # "*" where it concerns every account
    symbol: str | None
    level: AlertLevel
    code: str
    message: str
    measured: Decimal | None
    limit: Decimal | None
    action_required: str


class Command(Record, frozen=True, kw_only=True, gc=False):
    """What an operator asks of risk; `time` is when it was asked, its place in the event order is in the journal."""

    account: str  # "*" for every account
    kind: CommandKind
    symbol: str | None
    operator: str
    justification: str


class JournalEntry(Record, frozen=True, kw_only=True, gc=False):
    """One committed step of a task: where it stands in every input and what it has put out so far."""

    stage: str
    task: int
    sequence: int
    positions: str  # JSON text: list of [topic without session, partition, offset of the first record not yet stepped, watermark read]
    frontier: int  # every event up to this time is stepped, none after
    watermark: int  # last watermark sent
    commands: str  # JSON text: list of [command id, partition, offset, time taken, sha256 of its payload]
    outputs_count: int
    outputs_digest: str
    previous_digest: str
    code_version: str
    settings_digest: str
    source: str  # feeds only: JSON text of the source position; "" for stages


class SnapshotChunk(Record, frozen=True, kw_only=True, gc=False):
    """A part of a task's state at `time`; part 0 holds the manifest (positions, digests, parts), the others 512 KiB each of state."""

    stage: str
    task: int
    part: int
    parts: int
    state_digest: str
    payload: bytes


class DeadLetter(Record, frozen=True, kw_only=True, gc=False):
    source_topic: str
    source_partition: int
    source_offset: int
    rule: str
    cause: str
    payload: bytes | None


class SessionManifest(Record, frozen=True, kw_only=True, gc=False):
    """What a session was made with; the newest record of `<session>.session` holds."""

    status: str  # OPEN or ENDED
    settings: str  # canonical JSON text of SessionSettings
    settings_digest: str
    schema_ids: str  # JSON text: record name -> [id in the wire header, version, fingerprint] of each of its schemas
    code_version: str


RECORDS: dict[str, type[Record]] = {
    kind.__name__: kind
    for kind in (
        MarketData, Instrument, Funding, Candle, Regime, Mark, Signal, Order, OrderResult, LedgerEntry, Allocation,
        Position, PortfolioSnapshot, Alert, Command, JournalEntry, SnapshotChunk, DeadLetter, SessionManifest,
    )
}
