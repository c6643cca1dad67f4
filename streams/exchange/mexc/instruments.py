"""
MEXC's listings as instruments: exchangeInfo of spot, contract detail of perpetuals.

Prices step by 10^-quotePrecision on spot and by priceUnit on futures. A perpetual's quantities are base units here: contracts times
contract size. Tiers by riskLimitMode: INCREASE steps from level to level (`streams.domain.perpetuals.tiers.increasing`), CUSTOM lists
them. What MEXC does not let trade, or does not let us reach, is not online.
"""

from decimal import Decimal

from pydantic import ValidationError

from streams.domain.records import InstrumentKind, InstrumentStatus
from streams.errors import FeedError
from streams.exchange.instruments import InstrumentSpec, RiskLimit, TierSpec
from streams.exchange.mexc.rest.answers import Contract, Fees, SpotSymbol

EXCHANGE = "mexc"
_SPOT_STATES = {"1": InstrumentStatus.ONLINE, "2": InstrumentStatus.PAUSED, "3": InstrumentStatus.OFFLINE}
# 0 enabled, 1 delivery, 2 delivered, 3 offline, 4 paused.
_FUTURES_STATES = {0: InstrumentStatus.ONLINE, 1: InstrumentStatus.OFFLINE, 2: InstrumentStatus.OFFLINE, 3: InstrumentStatus.OFFLINE,
                   4: InstrumentStatus.PAUSED}  # fmt: skip


def spot_instrument(listed: SpotSymbol, valid_from: int, fees: Fees | None = None) -> InstrumentSpec:
    """`fees`: the account's own, in place of those that everybody pays. Raises: FeedError naming symbol, field and value."""
    status = _SPOT_STATES.get(listed.status)
    if status is None:
        raise FeedError(f"{listed.symbol}: status must be 1, 2 or 3, was {listed.status}")
    if not listed.isSpotTradingAllowed and status is InstrumentStatus.ONLINE:
        status = InstrumentStatus.PAUSED
    return _spec(
        listed.symbol, kind=InstrumentKind.SPOT, base_asset=listed.baseAsset, quote_asset=listed.quoteAsset,
        tick_size=_step(listed.symbol, "quotePrecision", listed.quotePrecision),
        lot_size=_step(listed.symbol, "baseAssetPrecision", listed.baseAssetPrecision),
        quantity_min=listed.baseSizePrecision, notional_min=listed.quoteAmountPrecision, contract_size=Decimal(1),
        maker_fee_rate=fees.makerCommission if fees else listed.makerCommission,
        taker_fee_rate=fees.takerCommission if fees else listed.takerCommission, leverage_max=Decimal(1), status=status,
        valid_from=valid_from,
    )  # fmt: skip


def perpetual_instrument(listed: Contract, valid_from: int) -> InstrumentSpec:
    """Raises: FeedError naming symbol, field and value."""
    status = _FUTURES_STATES.get(listed.state)
    if status is None:
        raise FeedError(f"{listed.symbol}: state must be 0..4, was {listed.state}")
    size = listed.contractSize
    return _spec(
        listed.symbol, kind=InstrumentKind.PERPETUAL, base_asset=listed.baseCoin, quote_asset=listed.quoteCoin,
        tick_size=listed.priceUnit, lot_size=listed.volUnit * size, quantity_min=listed.minVol * size, notional_min=Decimal(0),
        contract_size=size, maker_fee_rate=listed.makerFeeRate, taker_fee_rate=listed.takerFeeRate, leverage_max=listed.maxLeverage,
        **_tiers(listed), status=status, valid_from=valid_from,
    )  # fmt: skip


def _tiers(listed: Contract) -> dict[str, object]:
    match listed.riskLimitMode:
        case "CUSTOM":
            return {"tiers": tuple(
                TierSpec(
                    maximum_quantity=tier.maxVol * listed.contractSize, maintenance_margin_rate=tier.mmr, initial_margin_rate=tier.imr,
                    liquidation_fee_rate=listed.liquidationFeeRate,
                )
                for tier in sorted(listed.riskLimitCustom, key=lambda tier: tier.level)
            )}  # fmt: skip
        case "INCREASE":
            return {"risk_limit": RiskLimit(
                levels=listed.riskLevelLimit, base_volume=listed.riskBaseVol, volume_step=listed.riskIncrVol or listed.riskBaseVol,
                maintenance_margin_rate=listed.maintenanceMarginRate, maintenance_step=listed.riskIncrMmr,
                initial_margin_rate=listed.initialMarginRate, initial_step=listed.riskIncrImr,
                liquidation_fee_rate=listed.liquidationFeeRate,
            )}  # fmt: skip
    raise FeedError(f"{listed.symbol}: riskLimitMode must be INCREASE or CUSTOM, was {listed.riskLimitMode}")


def _step(symbol: str, name: str, places: int) -> Decimal:
    if not 0 <= places <= 12:
        raise FeedError(f"{symbol}: {name} must be 0..12, was {places}")
    return Decimal(1).scaleb(-places)


def _spec(symbol: str, **values: object) -> InstrumentSpec:
    try:
        return InstrumentSpec.model_validate({"exchange": EXCHANGE, "symbol": symbol, "venue_symbol": symbol, **values})
    except ValidationError as error:
        lines = [f"{symbol}: {'.'.join(map(str, each['loc']))} {each['msg']}, was {each['input']!r}" for each in error.errors()]
        raise FeedError("\n".join(lines)) from error
