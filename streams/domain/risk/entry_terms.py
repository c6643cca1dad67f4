"""
How an entry is sent: its type, its limit and stop on the tick grid, and when an unfilled rest ends.

Prices in quote units. A limit is rounded to the tick that pays less, a stop away from the mark, so that rounding neither
worsens a price nor triggers a stop at once. Exits are market orders: what must close does not wait for a price.
"""

from decimal import Decimal
from typing import NamedTuple

from streams.domain.money import BPS, ONE, amount, floor_to
from streams.domain.records import OrderType, Side
from streams.domain.risk.state import MICROSECONDS
from streams.domain.risk_settings import RESTING, EntrySettings


class Terms(NamedTuple):
    """What an order says beside side and quantity. `expires_at` in µs."""

    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    expires_at: int | None = None

    @property
    def prices(self) -> tuple[Decimal, ...]:
        return tuple(price for price in (self.limit_price, self.stop_price) if price is not None)

    def dearest(self, mark: Decimal) -> Decimal:
        """The highest price that may hold when it fills, as far as it is known: what limits are measured at."""
        return max(mark, *self.prices) if self.prices else mark

    def cheapest(self, mark: Decimal) -> Decimal:
        """The lowest, but for a market that falls: what the exchange's smallest notional is measured at."""
        return min([mark, *(price for price in self.prices if price > 0)])


AT_MARKET = Terms()


def entry_terms(settings: EntrySettings, *, side: Side, mark: Decimal, tick: Decimal, time: int) -> Terms:
    """The strategy's terms for an entry at `mark`, decided at `time`. A price may come to 0 on a coarse grid."""
    order_type = settings.entry_order_type
    if order_type is OrderType.MARKET:
        return AT_MARKET
    up = 1 if side is Side.BUY else -1
    reference, stop, limit = mark, None, None
    if order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        stop = _on_grid(mark * (ONE + up * settings.entry_stop_offset_bps / BPS), tick, up=side is Side.BUY)
        reference = stop
    if order_type is not OrderType.STOP:
        limit = _on_grid(reference * (ONE - up * settings.entry_limit_offset_bps / BPS), tick, up=side is Side.SELL)
    expires_at = time + settings.entry_expiry_sec * MICROSECONDS if order_type in RESTING else None
    return Terms(order_type, limit, stop, expires_at)


def _on_grid(price: Decimal, tick: Decimal, *, up: bool) -> Decimal:
    below = floor_to(price, tick)
    return amount(below + tick if up and below < price else below)
