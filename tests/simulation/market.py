"""A small market made from a seed: three symbols with books, trades, quiet and busy stretches, as records of `market_data`."""

import random
from decimal import Decimal
from typing import NamedTuple

from streams.domain.ids import market_id
from streams.domain.parameters import FeedParameters, MarketParameters, RiskParameters, SessionSettings, StrategyParameters
from streams.domain.records import Instrument, InstrumentKind, InstrumentStatus, Level, MarketData, Record, Side, Trade

SYMBOLS = ("ADAUSDT", "BTCUSDT", "ETHUSDT")
START = 1_700_000_000_000_000
GAPS = (1, 1, 5_000, 20_000, 400_000, 2_000_000)


class Written(NamedTuple):
    topic: str
    key: str
    record: Record


def make_settings(*, partitions: int = 1, risk_tasks: int = 1, session: str = "sim", **changes: object) -> SessionSettings:
    """All kinds of strategies on candles of five seconds; one of them in both accounts, by orders that take and by two that rest."""
    accounts = ({"name": "alpha"}, {"name": "beta", "initial_equity": "5000"})
    kinds = {
        "momentum": {"SIGNAL_LOOKBACK_MIN": "1", "SIGNAL_THRESHOLD_PCT": "0.05", "SIGNAL_MIN_VOLUME": "0"},
        "mean_reversion": {"BOLLINGER_PERIOD": "4", "BOLLINGER_SIGMAS": "1", "RSI_PERIOD": "3"},
        "trend": {"EMA_FAST": "2", "EMA_SLOW": "4", "MACD_SIGNAL": "2", "ADX_PERIOD": "3", "ADX_MIN": "10"},
    }  # fmt: skip
    held_in = {"momentum": ("alpha", "beta"), "mean_reversion": ("beta",), "trend": ("alpha",)}
    ways = {
        "resting": {"entry_order_type": "LIMIT", "entry_limit_offset_bps": "2", "entry_expiry_sec": 2},
        "stopping": {"entry_order_type": "STOP", "entry_stop_offset_bps": "1", "entry_expiry_sec": 1},
    }  # fmt: skip
    strategies = [{"name": kind, "kind": kind, "accounts": held_in[kind], "parameters": own} for kind, own in kinds.items()]
    strategies += [strategies[0] | {"name": name} | way for name, way in ways.items()]
    risk = RiskParameters.model_validate({
        "allocation_warmup": "0.3", "max_trades_an_hour": 10_000, "max_positions_a_symbol": 5, "max_open_positions": 15,
        "max_symbol_exposure_pct": "0.3", "max_position_pct": "0.03", "stop_out_cooldown_sec": 0,
    })  # fmt: skip
    return SessionSettings(
        session=session, partitions=partitions, risk_tasks=risk_tasks, accounts=accounts, risk=risk,
        strategies=tuple(StrategyParameters.model_validate(one) for one in strategies),
        market=MarketParameters(candle_seconds=5, candle_grace_ms=1000, atr_period=3, adx_period=3, volatility_candles=5, regime_bars=2),
        feed=FeedParameters(symbols=SYMBOLS), snapshot_interval_seconds=20, **changes,
    )  # fmt: skip


def make_market(session: str, count: int, seed: int) -> list[Written]:
    """Instruments, then `count` market records of strictly increasing time with equal sequence numbers across symbols."""
    rng = random.Random(seed)
    written = [Written("instruments", f"{s}@{START}", _instrument(session, s, START + n)) for n, s in enumerate(SYMBOLS)]
    time = START + len(SYMBOLS)
    sequences = dict.fromkeys(SYMBOLS, 0)
    cents = {symbol: 10_000 + 1_000 * n for n, symbol in enumerate(SYMBOLS)}
    for _ in range(count):
        time += rng.choice(GAPS)
        symbol = rng.choice(SYMBOLS)
        cents[symbol] += rng.randrange(-9, 10)
        written.append(Written("market_data", symbol, _push(session, symbol, sequences[symbol], time, cents[symbol], rng)))
        sequences[symbol] += 1
    return written


def _push(session: str, symbol: str, sequence: int, time: int, cents: int, rng: random.Random) -> MarketData:
    name = market_id(session, "sim", symbol, sequence)
    price = Decimal(cents) / 100
    bid, ask = price - Decimal("0.01"), price + Decimal("0.01")
    levels = sequence == 0 or rng.random() < 0.3
    trades = [Trade("", price, Decimal(rng.randrange(1, 50)) / 10, rng.choice((Side.BUY, Side.SELL)), time - 100)]
    return MarketData(
        event_id=name, causation_id=name, correlation_id=name, session=session, time=time, exchange="sim", symbol=symbol,
        event_time=time, receive_time=time, sequence=sequence, update_id=sequence,
        trades=trades if rng.random() < 0.6 else [],
        best_bid=bid, best_bid_quantity=Decimal(5), best_ask=ask, best_ask_quantity=Decimal(5),
        bids=[Level(bid - Decimal(n) / 100, Decimal(rng.randrange(1, 90))) for n in range(5)] if levels else [],
        asks=[Level(ask + Decimal(n) / 100, Decimal(rng.randrange(1, 90))) for n in range(5)] if levels else [],
        mark_price=None, index_price=None, snapshot=levels, gap=rng.random() < 0.01, feed_down=False, time_suspect=False,
    )  # fmt: skip


def _instrument(session: str, symbol: str, time: int) -> Instrument:
    name = f"{session}/feed/instruments/{symbol}/{time}"
    return Instrument(
        event_id=name, causation_id=name, correlation_id=name, session=session, time=time, exchange="sim", symbol=symbol,
        kind=InstrumentKind.SPOT, base_asset=symbol[:3], quote_asset="USDT", tick_size=Decimal("0.01"), lot_size=Decimal("0.001"),
        quantity_min=Decimal("0.001"), notional_min=Decimal(5), contract_size=Decimal(1), maker_fee_rate=Decimal("0.0002"),
        taker_fee_rate=Decimal("0.0006"), leverage_max=Decimal(1), tiers="[]", status=InstrumentStatus.ONLINE,
        valid_from=START, valid_to=None,
    )  # fmt: skip
