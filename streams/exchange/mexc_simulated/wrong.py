"""A candle that does not match its trades, where that fault is switched on."""

from streams.exchange.mexc_simulated.exchange import Exchange
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.klines import Kline
from streams.exchange.mexc_simulated.listing import Listed


def wrong_candle(exchange: Exchange, listed: Listed, kline: Kline) -> Kline:
    """The closed candle as the websocket says it: with the fault, one tick and one lot too much; REST says the right one still."""
    struck = exchange.strikes(Fault.WRONG_CANDLE, market=listed.market, symbol=listed.symbol, what=f"kline {kline.start}")
    if struck is None:
        return kline
    return Kline(
        kline.start, kline.open, kline.high + listed.tick_size, kline.low, kline.close + listed.tick_size,
        kline.volume + listed.lot_size, kline.amount, kline.trades,
    )  # fmt: skip
