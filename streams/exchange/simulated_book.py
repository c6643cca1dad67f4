"""
One simulated symbol's book in ticks and lots, and what its acts look like on the wire.

A ladder of `LEVELS` a side around a price in microticks. Every change takes an update id; the changes since the last
depth delta are kept until the next sends them, as an exchange does each 100 ms. Best prices only change in `move`,
which sends its delta at once, and a trade takes at most half of what is displayed, so tickers, trades and depth always
tell the same best prices.
"""

from decimal import Decimal
from random import Random

from streams.domain.money import EXACT
from streams.domain.records import Level, Side, Trade
from streams.exchange.instruments import InstrumentSpec

MICROTICKS = 1_000_000
LEVELS = 12
# Levels stand this fraction (in millionths) of the price apart, at least one tick, so that a book has depth to walk.
SPACING_MILLIONTHS = 8
# A hundredth of a basis point, in millionths.
_HUNDREDTHS_OF_BASIS_POINT = 1_000_000


class SimulatedBook:
    """`price` in microticks; ids are the last ones used."""

    def __init__(self, spec: InstrumentSpec, random: Random, *, price: int, update_id: int, trade_id: int) -> None:
        assert spec.market is not None
        self.price = price
        self.update_id = update_id
        self.trade_id = trade_id
        self._random = random
        self._tick = spec.tick_size
        self._lot = spec.lot_size
        self._level_lots = max(int(spec.market.level_quantity / spec.lot_size), 4)
        self._trade_lots = max(int(spec.market.trade_quantity / spec.lot_size), 1)
        self._spacing = max(price // MICROTICKS * SPACING_MILLIONTHS // 1_000_000, 1)
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._changed_bids: dict[int, int] = {}
        self._changed_asks: dict[int, int] = {}
        self._relay()

    def snapshot(self) -> dict[str, object]:
        """The whole book; depth deltas after it go on from here."""
        self._changed_bids.clear()
        self._changed_asks.clear()
        return {
            "snapshot": True, "update_id": self.update_id, "bids": self._levels(self._bids, best_first=-1),
            "asks": self._levels(self._asks, best_first=1),
        }  # fmt: skip

    def ticker(self) -> dict[str, object]:
        """Best bid and ask as they stand."""
        bid, ask = max(self._bids), min(self._asks)
        return {
            "update_id": self.update_id,
            "best_bid": self._price(bid), "best_bid_quantity": self._quantity(self._bids[bid]),
            "best_ask": self._price(ask), "best_ask_quantity": self._quantity(self._asks[ask]),
        }  # fmt: skip

    def trade(self, time: int, *, buyers_of_16: int) -> dict[str, object]:
        """A trade at the best price of the side it takes from; `buyers_of_16` trades of 16 are bought."""
        bought = self._below(16) < buyers_of_16
        side, changed = (self._asks, self._changed_asks) if bought else (self._bids, self._changed_bids)
        best = min(side) if bought else max(side)
        # Mostly small, sometimes large: the product of two draws.
        wanted = 1 + self._below(2 * self._trade_lots) * (1 + self._below(4)) // 2
        lots = max(min(wanted, side[best] // 2), 1)
        side[best] = changed[best] = max(side[best] - lots, 1)
        self.update_id += 1
        self.trade_id += 1
        aggressor = Side.BUY if bought else Side.SELL
        return {"trades": [Trade(str(self.trade_id), self._price(best), self._quantity(lots), aggressor, time)]}

    def move(self, change: int) -> dict[str, object]:
        """The price moves by `change` hundredths of a basis point; the delta of everything since the last one."""
        self.price = max(self.price + self.price * change // _HUNDREDTHS_OF_BASIS_POINT, LEVELS * 4 * MICROTICKS)
        self._relay()
        bids, asks = self._levels(self._changed_bids, best_first=-1), self._levels(self._changed_asks, best_first=1)
        self._changed_bids.clear()
        self._changed_asks.clear()
        return {"update_id": self.update_id, "bids": bids, "asks": asks}

    def _relay(self) -> None:
        """Lays the ladder around the price: levels that stay keep their size, but for one a side that is refreshed."""
        middle = self.price // MICROTICKS
        grid = self._spacing
        best_bid = (middle - 1) // grid * grid
        best_ask = best_bid + grid
        self._shape(self._bids, self._changed_bids, [best_bid - number * grid for number in range(LEVELS)])
        self._shape(self._asks, self._changed_asks, [best_ask + number * grid for number in range(LEVELS)])

    def _shape(self, side: dict[int, int], changed: dict[int, int], ladder: list[int]) -> None:
        for price in [price for price in side if price not in ladder]:
            del side[price]
            changed[price] = 0
            self.update_id += 1
        refreshed = ladder[self._below(LEVELS)]
        for price in ladder:
            if price not in side or price == refreshed or side[price] < self._level_lots // 8:
                side[price] = changed[price] = self._level_lots // 4 + self._below(2 * self._level_lots)
                self.update_id += 1

    def _below(self, bound: int) -> int:
        """A whole number from 0 to `bound` − 1; getrandbits alone is the same on every Python."""
        return self._random.getrandbits(32) * bound >> 32

    def _levels(self, side: dict[int, int], *, best_first: int) -> list[Level]:
        prices = sorted(side, key=lambda price: price * best_first)
        return [Level(self._price(price), self._quantity(side[price])) for price in prices]

    def _price(self, ticks: int) -> Decimal:
        return EXACT.multiply(Decimal(ticks), self._tick)

    def _quantity(self, lots: int) -> Decimal:
        return EXACT.multiply(Decimal(lots), self._lot)
