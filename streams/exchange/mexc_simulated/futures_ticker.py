"""A perpetual's 24-hour ticker, as websocket and REST both say it."""

from decimal import Decimal
from typing import Any

from streams.exchange.mexc_simulated.clock import DAY
from streams.exchange.mexc_simulated.klines import Kline
from streams.exchange.mexc_simulated.market import SymbolMarket

_RATE_MAX = Decimal("0.003")
_PLACES = Decimal("0.0001")


def last_day(state: SymbolMarket) -> Kline | None:
    """The 24 hours up to the newest minute as one candle."""
    minutes = state.klines.minutes
    if not minutes:
        return None
    day = [kline for kline in minutes[-1440:] if kline.start > minutes[-1].start - DAY]
    return Kline(
        day[0].start, day[0].open, max(one.high for one in day), min(one.low for one in day), day[-1].close,
        sum((one.volume for one in day), Decimal(0)), sum((one.amount for one in day), Decimal(0)),
    )  # fmt: skip


def ticker(state: SymbolMarket, ms: int) -> dict[str, Any]:
    """Volumes in contracts, amount in quote units."""
    listed, day, best = state.listed, last_day(state), state.book.best()
    rise = day.close - day.open if day is not None else Decimal(0)
    return {
        "contractId": 10, "symbol": state.symbol, "lastPrice": state.last, "bid1": best and best.bid.price, "ask1": best and best.ask.price,
        "volume24": day and listed.contracts(day.volume), "amount24": day and day.amount, "holdVol": 1_000_000,
        "lower24Price": day and day.low, "high24Price": day and day.high,
        "riseFallRate": (rise / day.open).quantize(_PLACES) if day is not None else 0, "riseFallValue": rise, "indexPrice": state.index,
        "fairPrice": state.mark, "fundingRate": state.funding and state.funding.rate, "timestamp": ms,
    }  # fmt: skip
