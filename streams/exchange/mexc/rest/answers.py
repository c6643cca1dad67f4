"""MEXC's answers as values: exact decimals from texts and JSON numbers, times in µs, quantities in base units."""

import logging
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec

from streams.domain.records import Level, Side, Trade
from streams.exchange.mexc import values
from streams.exchange.mexc.events import DepthSnapshot, FundingRate, Market
from streams.exchange.mexc.heard import FundingAnswer
from streams.exchange.mexc.rest.client import RestClient
from streams.exchange.mexc.rest.faults import Unreachable
from streams.exchange.mexc.rest.routes import Route

logger = logging.getLogger(__name__)

HOURS_MAX = 24
DEPTH_LEVELS, TRADES = "1000", "1000"

Answer = TypeVar("Answer")


class SpotSymbol(msgspec.Struct, frozen=True, kw_only=True):
    """Of exchangeInfo. MEXC's names mislead: `baseSizePrecision` is the minimum quantity, `quoteAmountPrecision` the minimum notional."""

    symbol: str
    status: str
    baseAsset: str
    quoteAsset: str
    baseAssetPrecision: int
    quotePrecision: int
    baseSizePrecision: Decimal
    quoteAmountPrecision: Decimal
    makerCommission: Decimal
    takerCommission: Decimal
    isSpotTradingAllowed: bool = True


class CustomTier(msgspec.Struct, frozen=True, kw_only=True):
    """`maxVol` in contracts."""

    level: int
    maxVol: Decimal
    mmr: Decimal
    imr: Decimal


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """Of contract detail; volumes in contracts, `contractSize` in base units."""

    symbol: str
    baseCoin: str
    quoteCoin: str
    contractSize: Decimal
    maxLeverage: Decimal
    priceUnit: Decimal
    volUnit: Decimal
    minVol: Decimal
    makerFeeRate: Decimal
    takerFeeRate: Decimal
    maintenanceMarginRate: Decimal
    initialMarginRate: Decimal
    state: int
    apiAllowed: bool = True
    riskLimitMode: str = "INCREASE"
    riskBaseVol: Decimal = Decimal(0)
    riskIncrVol: Decimal = Decimal(0)
    riskIncrMmr: Decimal = Decimal(0)
    riskIncrImr: Decimal = Decimal(0)
    riskLevelLimit: int = 1
    riskLimitCustom: list[CustomTier] = []
    liquidationFeeRate: Decimal | None = None


class Fees(msgspec.Struct, frozen=True):
    """An account's own rates in one symbol, as fractions."""

    makerCommission: Decimal
    takerCommission: Decimal


class Balance(msgspec.Struct, frozen=True):
    asset: str
    free: Decimal
    locked: Decimal


class Account(msgspec.Struct, frozen=True):
    canTrade: bool
    balances: list[Balance]


class _ExchangeInfo(msgspec.Struct):
    symbols: list[msgspec.Raw]


class _Named(msgspec.Struct):
    symbol: str


class _FeesAnswer(msgspec.Struct):
    data: Fees


class _Depth(msgspec.Struct):
    bids: list[tuple[Decimal, ...]]
    asks: list[tuple[Decimal, ...]]
    lastUpdateId: int | None = None
    version: int | None = None
    timestamp: int | None = None


class _SpotTrade(msgspec.Struct):
    price: Decimal
    qty: Decimal
    time: int
    isBuyerMaker: bool
    id: str | int | None = None


class _Deal(msgspec.Struct):
    p: Decimal
    v: Decimal
    T: Literal[1, 2]  # buy, sell
    t: int
    i: str | int | None = None


class _Funding(msgspec.Struct):
    fundingRate: Decimal
    nextSettleTime: int
    collectCycle: int
    timestamp: int | None = None


class MexcAnswers:
    """What the feed asks. Perpetuals are spelled with an underscore; `contract_sizes` has those that are asked about."""

    def __init__(self, client: RestClient, contract_sizes: Mapping[str, Decimal]) -> None:
        self._client = client
        self._sizes = contract_sizes

    async def book(self, symbol: str) -> DepthSnapshot:
        """The whole book as far as MEXC tells it. Raises: the faults of REST."""
        if market_of(symbol) is Market.FUTURES:
            raw, size = await self._client.ask(Route.CONTRACT_DEPTH, {"limit": DEPTH_LEVELS}, symbol=symbol), self._sizes[symbol]
        else:
            raw, size = await self._client.ask(Route.DEPTH, {"symbol": symbol, "limit": DEPTH_LEVELS}), Decimal(1)
        found = _read(raw, _Depth)
        version = found.version if found.lastUpdateId is None else found.lastUpdateId
        if version is None:
            raise Unreachable(f"the book of {symbol} must have a version, was without")
        return DepthSnapshot(
            symbol=symbol, event_time=_moment(found.timestamp), version=values.whole(version, "version"),
            bids=_levels(found.bids, size), asks=_levels(found.asks, size),
        )  # fmt: skip

    async def trades(self, symbol: str) -> list[Trade]:
        """The newest, oldest first. Raises: the faults of REST."""
        if market_of(symbol) is Market.FUTURES:
            size = self._sizes[symbol]
            deals = _read(await self._client.ask(Route.CONTRACT_DEALS, {"limit": "100"}, symbol=symbol), list[_Deal])
            sides = {1: Side.BUY, 2: Side.SELL}
            found = [_trade(one.i, one.p, values.contracts(one.v, size, "v"), sides[one.T], one.t) for one in deals]
        else:
            trades = _read(await self._client.ask(Route.TRADES, {"symbol": symbol, "limit": TRADES}), list[_SpotTrade])
            found = [_trade(one.id, one.price, one.qty, Side.SELL if one.isBuyerMaker else Side.BUY, one.time) for one in trades]
        # MEXC tells the newest first; those of one moment keep their order.
        found.reverse()
        found.sort(key=lambda trade: trade.time)
        return found

    async def funding(self, symbol: str) -> FundingAnswer:
        """A perpetual's next funding and its interval in hours. Raises: the faults of REST."""
        found = _read(await self._client.ask(Route.CONTRACT_FUNDING_RATE, symbol=symbol), _Funding)
        rate = FundingRate(
            symbol=symbol, event_time=_moment(found.timestamp), rate=values.rate(found.fundingRate, "fundingRate"),
            settlement_time=values.moment(found.nextSettleTime, "nextSettleTime"),
        )  # fmt: skip
        if not 1 <= found.collectCycle <= HOURS_MAX:
            raise Unreachable(f"collectCycle of {symbol} must be 1..{HOURS_MAX} hours, was {found.collectCycle}")
        return FundingAnswer(rate, found.collectCycle)


async def spot_symbols(client: RestClient, wanted: Collection[str] | None = None) -> list[SpotSymbol]:
    """
    What spot lists of the symbols wanted, None for all. One of thousands that is not as documented hides none of the others.

    Raises: the faults of REST, also where one of those wanted is not as documented.
    """
    return _entries(_read(await client.ask(Route.EXCHANGE_INFO), _ExchangeInfo).symbols, SpotSymbol, wanted)


async def contracts(client: RestClient, wanted: Collection[str] | None = None) -> list[Contract]:
    """The same of perpetuals."""
    return _entries(_read(await client.ask(Route.CONTRACT_DETAIL), list[msgspec.Raw]), Contract, wanted)


async def fees(client: RestClient, symbol: str) -> Fees:
    """The account's own. Raises: NotAllowed for a symbol that may not be signed for; the faults of REST."""
    return _read(await client.ask(Route.TRADE_FEE, {"symbol": symbol}), _FeesAnswer).data


async def account(client: RestClient) -> Account:
    """Balances. Raises: NotAllowed without a key; the faults of REST."""
    return _read(await client.ask(Route.ACCOUNT), Account)


async def order_is_valid(client: RestClient, order: Mapping[str, str]) -> None:
    """MEXC validates an order and executes nothing. Raises: Refused with MEXC's code; NotAllowed, OutcomeUnknown; the faults of REST."""
    await client.ask(Route.ORDER_TEST, order)


def market_of(symbol: str) -> Market:
    """Perpetuals are spelled with an underscore, spot symbols without."""
    return Market.FUTURES if "_" in symbol else Market.SPOT


def _entries(raws: Iterable[msgspec.Raw], kind: type[Answer], wanted: Collection[str] | None) -> list[Answer]:
    found = []
    for raw in raws:
        name = _read(raw, _Named).symbol
        if wanted is not None and name not in wanted:
            continue
        try:
            found.append(_read(raw, kind))
        except Unreachable as error:
            if wanted is not None:
                raise
            logger.warning("%s is left out: %s", name, error)
    return found


def _read(raw: bytes | msgspec.Raw, kind: type[Answer]) -> Answer:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Unreachable(f"an answer must be as MEXC documents it, was {bytes(raw)[:80]!r}: {error}") from error


def _levels(levels: Iterable[tuple[Decimal, ...]], size: Decimal) -> list[Level]:
    try:
        return [Level(values.price(price), values.contracts(quantity, size, "quantity")) for price, quantity, *_ in levels]
    except ValueError as error:
        raise Unreachable(f"a level must be price, quantity and what goes on, was shorter: {error}") from error


def _trade(name: Any, price: Decimal, quantity: Decimal, aggressor: Side, time: int) -> Trade:
    return Trade(
        trade_id=values.name(str(name or ""), "id"), price=values.price(price), quantity=values.traded(quantity), aggressor=aggressor,
        time=values.moment(time, "time"),
    )  # fmt: skip


def _moment(ms: int | None) -> int | None:
    return None if ms is None else values.moment(ms, "timestamp")
