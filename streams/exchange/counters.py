"""
What a running feed can say about itself: counts since it started, for the pages. Wall times are the reader's business.
"""

from decimal import Decimal

import msgspec

from streams.exchange.clock import Stamp
from streams.exchange.push import Push


class FeedCounters(msgspec.Struct):
    """Counts since the start of this process."""

    records: int = 0  # flushed
    flushes: int = 0
    gaps: int = 0  # pushes that say something before them is missing
    gap_time: dict[str, int] = msgspec.field(default_factory=dict)  # µs missing before such pushes, by symbol
    reached: dict[str, int] = msgspec.field(default_factory=dict)  # time of the newest push, µs, by symbol
    suspects: int = 0  # pushes whose event time was not believed
    watermark: int = -1  # last one sent, µs
    prices: dict[str, Decimal] = msgspec.field(default_factory=dict)  # last trade, else best bid, by symbol

    def count(self, push: Push, stamp: Stamp, *, seen_until: int = -1) -> None:
        """A push was taken. `seen_until`: how far an earlier process saw the market, µs; below 0 where there was none."""
        before = self.reached.get(push.symbol, seen_until)
        self.reached[push.symbol] = stamp.time
        if push.gap and before >= 0:
            self.gap_time[push.symbol] = self.gap_time.get(push.symbol, 0) + max(stamp.time - before, 0)
        if push.trades:
            self.prices[push.symbol] = push.trades[-1].price
        elif push.best_bid is not None:
            self.prices.setdefault(push.symbol, push.best_bid)
        self.gaps += push.gap
        self.suspects += stamp.suspect

    def flushed(self, records: int, watermark: int) -> None:
        """A flush was committed."""
        self.records += records
        self.flushes += 1
        self.watermark = watermark

    def gap_seconds(self, symbols: int) -> float:
        """Market time that is missing, mean over `symbols` of them."""
        return sum(self.gap_time.values()) / max(symbols, 1) / 1_000_000
