"""One ordinary record of each type, with values that show every field; `sample(kind, field=…)` changes what a test is about."""

from decimal import Decimal as D
from typing import Any, TypeVar

import msgspec

from streams.domain import records as r

NOON = 1_723_032_000_000_000  # 2024-08-07 12:00:00 UTC

R = TypeVar("R", bound=r.Record)

_MARKET_ID = "live/feed/mexc/BTCUSDT/41"


def _carried(name: str, time: int = NOON) -> dict[str, Any]:
    return {
        "event_id": f"live/{name}/feed/mexc/BTCUSDT/41/main/0", "causation_id": _MARKET_ID, "correlation_id": _MARKET_ID,
        "session": "live", "time": time,
    }


_SAMPLES: tuple[r.Record, ...] = (
    r.MarketData(
        event_id=_MARKET_ID, causation_id=_MARKET_ID, correlation_id=_MARKET_ID, session="live", time=NOON, exchange="mexc",
        symbol="BTCUSDT", event_time=NOON - 3, receive_time=NOON + 41_000, sequence=41, update_id=5_012_345_678,
        trades=[r.Trade("77", D("57123.45"), D("0.0215"), r.Side.SELL, NOON - 5)],
        best_bid=D("57123.45"), best_bid_quantity=D("1.5"), best_ask=D("57123.46"), best_ask_quantity=D("0.75"),
        bids=[r.Level(D("57123.45"), D("1.5")), r.Level(D("57123.4"), D(0))], asks=[r.Level(D("57123.46"), D("0.75"))],
        mark_price=D("57120.01"), index_price=None, snapshot=False, gap=True, feed_down=False, time_suspect=False,
    ),
    r.Instrument(
        **_carried("feed"), exchange="mexc", symbol="BTC_USDT", kind=r.InstrumentKind.PERPETUAL, base_asset="BTC",
        quote_asset="USDT", tick_size=D("0.1"), lot_size=D("0.0001"), quantity_min=D("0.0001"), notional_min=D(5),
        contract_size=D("0.0001"), maker_fee_rate=D("-0.0001"), taker_fee_rate=D("0.0006"), leverage_max=D(125),
        tiers='[{"maximum_notional":"1000000","maintenance_margin_rate":"0.004","initial_margin_rate":"0.008"}]',
        status=r.InstrumentStatus.ONLINE, valid_from=NOON, valid_to=NOON + 86_400_000_000,
    ),
    r.Funding(
        **_carried("feed"), symbol="BTC_USDT", rate=D("-0.000125"), interval_hours=8, settlement_time=NOON + 14_400_000_000,
    ),
    r.Candle(
        **_carried("signals", NOON + 62_000_000), symbol="BTCUSDT", interval_seconds=60, open_time=NOON,
        close_time=NOON + 60_000_000, open=D(57100), high=D("57150.5"), low=D("57099.99"), close=D("57123.45"),
        volume=D("12.345678"), quote_volume=D("705123.456789012345"), trade_count=312, late_trades=1,
    ),
    r.Regime(**_carried("signals"), symbol="BTCUSDT", regime=r.RegimeName.TREND, adx=D("27.5"), atr_ratio=None),
    r.Mark(
        **_carried("signals"), symbol="BTCUSDT", mark=D("57123.455"), source=r.MarkSource.MID, index=None, last=D("57123.45"),
        best_bid=D("57123.45"), best_bid_quantity=D("1.5"), best_ask=D("57123.46"), best_ask_quantity=D("0.75"), gap=False,
        feed_down=False, book_present=True, book_crossed=False, book_time=NOON - 9, market_time=NOON,
        spread_mean=D("0.000000175059"), depth=[r.DepthStep(r.Side.BUY, D(10_000), D("57124.1"), D("0.175057183640"))],
        atr=D("41.2"), volatility=D("0.55"),
    ),
    r.Signal(
        **_carried("signals"), account="main", strategy="momentum", symbol="BTCUSDT", side=r.Side.BUY, strength=D("3.2"),
        confidence=D("0.32"), price=D("57123.455"), reason="change 3.2 % in 15 min", indicators='{"change_pct":"3.2"}',
    ),
    r.Order(
        **_carried("risk"), account="main", strategy="momentum", symbol="BTCUSDT", side=r.Side.BUY, purpose=r.Purpose.ENTRY,
        approved=True, rejection_code=None, measured=None, limit=None, requested_quantity=D("1.75"),
        requested_notional=D("99966.04625"), quantity=D("0.175"), notional=D("9996.604625"), order_type=r.OrderType.MARKET,
        limit_price=None, stop_price=D("55980.98"), expires_at=NOON + 5_000_000, reduce_only=False, target_order_id=None,
        decision_mark=D("57123.455"),
        checks='[{"check":9,"code":"POSITION","passed":true,"measured":"0.0999","limit":"0.10"}]',
        sizing='{"method":"fixed_fraction","trims":["position"]}',
    ),
    r.OrderResult(
        **_carried("execution", NOON + 100_000), account="main", strategy="momentum", symbol="BTCUSDT",
        order_id="live/risk/feed/mexc/BTCUSDT/41/main/0", side=r.Side.BUY, status=r.ResultStatus.FILLED, terminal=True,
        reason=None, quantity=D("0.175"), price=D("57124.1"), notional=D("9996.7175"), cumulative_quantity=D("0.175"),
        remaining_quantity=D(0), fee=D("5.9980305"), fee_asset="USDT", liquidity=r.Liquidity.TAKER,
        decision_mark=D("57123.455"), slippage_bps=D("0.112913338173"), latency_us=50_000, fill_time=NOON + 50_000,
        model="book", market_event_id="live/feed/mexc/BTCUSDT/43",
    ),
    r.LedgerEntry(
        **_carried("risk"), account="main", strategy="momentum", symbol="BTCUSDT", kind=r.LedgerKind.FEE, asset="USDT",
        amount=D("-5.9980305"), order_id="live/risk/feed/mexc/BTCUSDT/41/main/0",
    ),
    r.Allocation(
        **_carried("risk"), account="main", strategy="momentum", regime=r.RegimeName.RANGE, fraction=D("0.1"), score=None,
        reason="regime stable for 60 s", cooldown_until=None,
    ),
    r.Position(
        **_carried("risk"), account="main", strategy="momentum", symbol="BTCUSDT", quantity=D("-0.175"),
        entry_price=D("57124.1"), cost=D("-9996.7175"), mark=D("57123.455"), realized_pnl=D("12.5"),
        unrealized_pnl=D("0.112875"), fees=D("5.9980305"), funding=D("-0.25"), margin=D("9996.7175"), leverage=D(1),
        liquidation_price=None, stop_price=D("58266.582"), take_profit_price=None, opened_at=NOON + 50_000,
        conversion_mark=D("0.9990"),
    ),
    r.PortfolioSnapshot(
        **_carried("risk"), account="main", currency="USDT", initial_equity=D(100_000), equity=D("100007.1148445"),
        cash=D("100007.0019695"), realized_pnl=D("12.5"), unrealized_pnl=D("0.112875"), fees=D("5.9980305"),
        funding=D("-0.25"), margin_used=D("9996.7175"), exposure=D("9996.604625"), peak_equity=D("100012.5"),
        drawdown=D("0.000053844825"), day_start_equity=D(100_000), daily_drawdown=D(0), daily_pnl=D("7.1148445"),
        open_positions=1, risk_mode=r.RiskMode.RUNNING, reason="FILL",
        conversion=D("0.75"), balances='{"USDC":{"amount":"500","mark":"1.0005"}}',
    ),
    r.Alert(
        **_carried("risk"), account="main", symbol="BTCUSDT", level=r.AlertLevel.CRITICAL, code="DATA_STALE",
        message="no market data for 31 s", measured=D(31), limit=D(30), action_required="check the feed",
    ),
    r.Command(
        **_carried("command"), account="*", kind=r.CommandKind.HALT, symbol=None, operator="jannek",
        justification="exchange maintenance: «übers Wochenende»",
    ),
    r.JournalEntry(
        **_carried("risk"), stage="risk", task=0, sequence=7, positions='[["marks",0,41,1723032000000000]]', frontier=NOON,
        watermark=-1, commands="[]", outputs_count=3, outputs_digest="ab" * 32, previous_digest="cd" * 32,
        code_version="0.1.0", settings_digest="ef" * 32, source="",
    ),
    r.SnapshotChunk(
        **_carried("risk"), stage="risk", task=0, part=1, parts=1, state_digest="ab" * 32, payload=b"\x00\xffstate",
    ),
    r.DeadLetter(
        **_carried("dead"), source_topic="live.signals", source_partition=0, source_offset=12, rule="decodable",
        cause="EOFError", payload=b"\x00\x00\x00\x00\x07\x99",
    ),
    r.SessionManifest(
        **_carried("session"), status="OPEN", settings="{}", settings_digest="ef" * 32, schema_ids='{"Alert":14}',
        code_version="0.1.0",
    ),
)

SAMPLES: dict[type[r.Record], r.Record] = {type(each): each for each in _SAMPLES}


def sample(kind: type[R], /, **changes: Any) -> R:
    """The ordinary record of that type, with changes."""
    found = SAMPLES[kind]
    assert isinstance(found, kind)
    return msgspec.structs.replace(found, **changes)
