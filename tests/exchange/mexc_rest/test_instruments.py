"""MEXC's listings as instruments, worked by hand."""

import asyncio
import json
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from streams.domain.records import InstrumentStatus
from streams.errors import FeedError
from streams.exchange.mexc.instruments import perpetual_instrument, spot_instrument
from streams.exchange.mexc.rest.answers import Contract, Fees, SpotSymbol, spot_symbols
from streams.exchange.mexc.rest.faults import Unreachable
from tests.exchange.mexc_rest.scripted import Asked, scripted
from tests.exchange.mexc_rest.scripted import json as reply

SPOT: dict[str, Any] = {
    "symbol": "BTCUSDT", "status": "1", "baseAsset": "BTC", "baseAssetPrecision": 6, "quoteAsset": "USDT", "quotePrecision": 2,
    "quoteAssetPrecision": 2, "isSpotTradingAllowed": True, "quoteAmountPrecision": "1", "baseSizePrecision": "0.000001",
    "makerCommission": "0", "takerCommission": "0.0005", "filters": [],
}  # fmt: skip
# A frame of 2025-10-20.
CLO: dict[str, Any] = {
    "symbol": "CLO_USDT", "baseCoin": "CLO", "quoteCoin": "USDT", "contractSize": 1, "maxLeverage": 50, "priceUnit": 0.0001,
    "volUnit": 1, "minVol": 1, "maxVol": 100000, "takerFeeRate": 0.0002, "makerFeeRate": 0, "maintenanceMarginRate": 0.01,
    "initialMarginRate": 0.02, "riskBaseVol": 10000, "riskIncrVol": 5000, "riskIncrMmr": 0.005, "riskIncrImr": 0.01, "riskLevelLimit": 3,
    "state": 0, "liquidationFeeRate": 0.0002, "riskLimitMode": "INCREASE",
}  # fmt: skip


def spot(**changes: Any) -> SpotSymbol:
    return msgspec.json.decode(json.dumps({**SPOT, **changes}), type=SpotSymbol)


def contract(**changes: Any) -> Contract:
    return msgspec.json.decode(json.dumps({**CLO, **changes}), type=Contract)


def test_spot_steps_are_powers_of_ten_and_minima_stand_under_misleading_names() -> None:
    found = spot_instrument(spot(), valid_from=7)
    assert (found.tick_size, found.lot_size, found.quantity_min, found.notional_min) == (D("0.01"), D("0.000001"), D("0.000001"), D(1))
    assert (found.maker_fee_rate, found.taker_fee_rate, found.valid_from) == (D(0), D("0.0005"), 7)
    assert spot_instrument(spot(), 7, Fees(D("0.0001"), D("0.0004"))).taker_fee_rate == D("0.0004")


@pytest.mark.parametrize(("changes", "status"), [
    ({}, InstrumentStatus.ONLINE), ({"status": "2"}, InstrumentStatus.PAUSED), ({"status": "3"}, InstrumentStatus.OFFLINE),
    ({"isSpotTradingAllowed": False}, InstrumentStatus.PAUSED),
])  # fmt: skip
def test_spot_status(changes: dict[str, Any], status: InstrumentStatus) -> None:
    assert spot_instrument(spot(**changes), 0).record("s", 0).status is status


def test_tiers_that_increase() -> None:
    """Level n: 10,000 + (n − 1)·5,000 contracts of 1 CLO, maintenance 1 % + (n − 1)·0.5 %, initial 2 % + (n − 1)·1 %."""
    found = perpetual_instrument(contract(), 0)
    assert [(one.maximum_quantity, one.maintenance_margin_rate, one.initial_margin_rate) for one in found.levels] == [
        (D(10000), D("0.01"), D("0.02")), (D(15000), D("0.015"), D("0.03")), (D(20000), D("0.02"), D("0.04")),
    ]  # fmt: skip
    assert (found.tick_size, found.lot_size, found.leverage_max) == (D("0.0001"), D(1), D(50))
    assert found.levels[0].liquidation_fee_rate == D("0.0002")


def test_tiers_as_listed_in_contracts_of_their_size() -> None:
    tiers = [{"level": 2, "maxVol": 500, "mmr": 0.02, "imr": 0.04}, {"level": 1, "maxVol": 200, "mmr": 0.01, "imr": 0.02}]
    found = perpetual_instrument(contract(contractSize=0.01, riskLimitMode="CUSTOM", riskLimitCustom=tiers), 0)
    assert [(one.maximum_quantity, one.initial_margin_rate) for one in found.levels] == [(D(2), D("0.02")), (D(5), D("0.04"))]
    assert (found.lot_size, found.quantity_min, found.contract_size) == (D("0.01"), D("0.01"), D("0.01"))


@pytest.mark.parametrize(("state", "status"), [(0, "ONLINE"), (1, "OFFLINE"), (2, "OFFLINE"), (3, "OFFLINE"), (4, "PAUSED")])
def test_perpetual_status(state: int, status: str) -> None:
    assert perpetual_instrument(contract(state=state), 0).status == status


@pytest.mark.parametrize(("make", "said"), [
    (lambda: spot_instrument(spot(status="9"), 0), "BTCUSDT: status must be 1, 2 or 3, was 9"),
    (lambda: spot_instrument(spot(quotePrecision=13), 0), r"BTCUSDT: quotePrecision must be 0\.\.12, was 13"),
    (lambda: spot_instrument(spot(takerCommission="2"), 0), "BTCUSDT: taker_fee_rate Input should be less than 1"),
    (lambda: perpetual_instrument(contract(state=7), 0), r"CLO_USDT: state must be 0\.\.4, was 7"),
    (lambda: perpetual_instrument(contract(riskLimitMode="NEW"), 0), "riskLimitMode must be INCREASE or CUSTOM, was NEW"),
])  # fmt: skip
def test_listing_that_cannot_be_traded_by_is_named_with_symbol_field_and_value(make: Any, said: str) -> None:
    with pytest.raises(FeedError, match=said):
        make()


def test_leverage_of_five_hundred_is_an_instruments_own_matter() -> None:
    assert perpetual_instrument(contract(maxLeverage=500, initialMarginRate=0.02), 0).leverage_max == 500


def test_an_entry_that_is_not_as_documented_hides_no_other_and_is_told_where_it_was_wanted(tmp_path: Path) -> None:
    def answer(asked: Asked, count: int) -> web.Response:
        return reply({"symbols": [SPOT, {**SPOT, "symbol": "ODD", "baseSizePrecision": ""}]})

    async def then() -> None:
        async with scripted(tmp_path, answer) as found:
            assert [one.symbol for one in await spot_symbols(found.client)] == ["BTCUSDT"]
            assert [one.symbol for one in await spot_symbols(found.client, ("BTCUSDT",))] == ["BTCUSDT"]
            with pytest.raises(Unreachable, match="must be as MEXC documents it"):
                await spot_symbols(found.client, ("BTCUSDT", "ODD"))

    asyncio.run(then())
