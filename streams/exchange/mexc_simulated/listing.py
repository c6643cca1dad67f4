"""
What the simulated MEXC lists: its instruments as exchangeInfo and contract detail show them, and what an operator may change about them.

MEXC names two things misleadingly: `baseSizePrecision` is the minimum quantity, `quoteAmountPrecision` the minimum notional. Quantities
of perpetuals are contracts; a contract is the source's lot.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from streams.domain.records import InstrumentKind
from streams.exchange.instruments import InstrumentSpec
from streams.exchange.mexc.events import Market

ONLINE, PAUSED, OFFLINE = "1", "2", "3"
# Futures states of the same meaning: 0 enabled, 4 pause, 3 offline.
_FUTURES_STATES = {ONLINE: 0, PAUSED: 4, OFFLINE: 3}
_NOTIONAL_MAX = "2000000"
_VOLUME_MAX = 1_000_000
_PRICE_BAND = Decimal("0.2")


class Listed:
    """One symbol; `status` is spot's spelling for both markets. Everything but the spec may be changed while the exchange runs."""

    def __init__(self, spec: InstrumentSpec) -> None:
        self.spec = spec
        self.symbol = spec.symbol
        self.market = Market.FUTURES if spec.kind is InstrumentKind.PERPETUAL else Market.SPOT
        self.status = ONLINE
        self.tick_size = spec.tick_size
        self.lot_size = spec.lot_size
        self.maker_fee_rate = spec.maker_fee_rate
        self.taker_fee_rate = spec.taker_fee_rate
        self.custom_tiers: list[dict[str, Any]] | None = None
        # What the source's tiers by value become volumes at: the first trade's.
        self.reference_price = Decimal(1)
        # The source's lot, whatever its own contracts are: volumes are whole numbers.
        self.contract_size = spec.lot_size if self.market is Market.FUTURES else Decimal(1)

    def contracts(self, quantity: Decimal) -> Decimal:
        """Base units as contracts."""
        return (quantity / self.contract_size).normalize() + 0

    def spot_entry(self) -> dict[str, Any]:
        """As in `symbols` of exchangeInfo."""
        spec = self.spec
        return {
            "symbol": self.symbol, "status": self.status, "baseAsset": spec.base_asset, "baseAssetPrecision": _places(self.lot_size),
            "quoteAsset": spec.quote_asset, "quotePrecision": _places(self.tick_size), "quoteAssetPrecision": _places(self.tick_size),
            "baseCommissionPrecision": _places(self.lot_size), "quoteCommissionPrecision": _places(self.tick_size),
            "orderTypes": ["LIMIT", "MARKET", "LIMIT_MAKER"], "isSpotTradingAllowed": self.status == ONLINE,
            "isMarginTradingAllowed": False, "quoteAmountPrecision": text(spec.notional_min),
            "baseSizePrecision": text(spec.quantity_min), "permissions": ["SPOT"],
            "filters": [{"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "1.2", "askMultiplierDown": "0.8"}],
            "maxQuoteAmount": _NOTIONAL_MAX, "makerCommission": text(self.maker_fee_rate), "takerCommission": text(self.taker_fee_rate),
            "quoteAmountPrecisionMarket": text(spec.notional_min), "maxQuoteAmountMarket": "100000", "fullName": spec.base_asset,
            "tradeSideType": 1,
        }  # fmt: skip

    def contract_entry(self) -> dict[str, Any]:
        """As in `data` of contract detail."""
        spec = self.spec
        name = f"{self.symbol} PERPETUAL"
        return {
            "symbol": self.symbol, "displayName": self.symbol, "displayNameEn": name, "positionOpenType": 3, "baseCoin": spec.base_asset,
            "quoteCoin": spec.quote_asset, "settleCoin": spec.quote_asset, "baseCoinName": spec.base_asset,
            "quoteCoinName": spec.quote_asset, "futureType": 1, "contractSize": self.contract_size, "minLeverage": 1,
            "maxLeverage": int(spec.leverage_max), "priceScale": _places(self.tick_size), "volScale": 0, "amountScale": 4,
            "priceUnit": self.tick_size, "volUnit": 1, "minVol": int(max(self.contracts(spec.quantity_min), Decimal(1))),
            "maxVol": _VOLUME_MAX, "limitMaxVol": _VOLUME_MAX, "bidLimitPriceRate": _PRICE_BAND, "askLimitPriceRate": _PRICE_BAND,
            "takerFeeRate": self.taker_fee_rate, "makerFeeRate": self.maker_fee_rate, **self._tiers(),
            "priceCoefficientVariation": Decimal("0.1"), "indexOrigin": ["BINANCE", "OKX", "MEXC"], "state": _FUTURES_STATES[self.status],
            "isNew": False, "isHot": False, "isHidden": False, "conceptPlate": [], "riskLimitType": "BY_VOLUME",
            "maxNumOrders": [200, 50], "triggerProtect": Decimal("0.1"), "feeRateMode": "NORMAL", "apiAllowed": True,
        }  # fmt: skip

    def _tiers(self) -> dict[str, Any]:
        """The tiers by MEXC's two modes: INCREASE where the source states them so, else CUSTOM."""
        spec = self.spec
        limit = spec.risk_limit
        first = spec.levels[0]
        fee = first.liquidation_fee_rate if first.liquidation_fee_rate is not None else Decimal("0.0002")
        rates = {
            "maintenanceMarginRate": first.maintenance_margin_rate, "initialMarginRate": first.initial_margin_rate,
            "liquidationFeeRate": fee,
        }  # fmt: skip
        if self.custom_tiers is None and limit is not None:
            # The source's contracts are not necessarily ours.
            scale = spec.contract_size / self.contract_size
            return {
                **rates, "riskLimitMode": "INCREASE", "riskBaseVol": int(limit.base_volume * scale),
                "riskIncrVol": int(limit.volume_step * scale), "riskIncrMmr": limit.maintenance_step, "riskIncrImr": limit.initial_step,
                "riskLevelLimit": limit.levels,
            }  # fmt: skip
        tiers = self.custom_tiers or self._custom()
        return {
            **rates, "riskLimitMode": "CUSTOM", "riskLimitCustom": tiers, "riskBaseVol": tiers[0]["maxVol"], "riskIncrVol": 0,
            "riskIncrMmr": 0, "riskIncrImr": 0, "riskLevelLimit": len(tiers),
        }  # fmt: skip

    def _custom(self) -> list[dict[str, Any]]:
        # A source that states values: MEXC's own tables are volumes.
        tiers = []
        for number, tier in enumerate(self.spec.levels, start=1):
            volume = tier.maximum_quantity
            if volume is None:
                volume = (tier.maximum_notional or Decimal(_NOTIONAL_MAX)) / self.reference_price
            tiers.append({
                "level": number, "maxVol": int(self.contracts(volume)), "mmr": tier.maintenance_margin_rate,
                "imr": tier.initial_margin_rate, "maxLeverage": int(1 / tier.initial_margin_rate),
            })  # fmt: skip
        return tiers


class Listing:
    """All symbols, by name."""

    def __init__(self, specs: Iterable[InstrumentSpec]) -> None:
        self.symbols = {spec.symbol: Listed(spec) for spec in specs}

    def of(self, market: Market) -> list[Listed]:
        return [one for one in self.symbols.values() if one.market is market]

    def get(self, symbol: str, market: Market) -> Listed | None:
        found = self.symbols.get(symbol)
        return found if found is not None and found.market is market else None


def text(value: Decimal) -> str:
    """A decimal as MEXC's texts: no exponent."""
    return f"{value:f}"


def _places(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "steps are numbers"
    return max(-exponent, 0)
