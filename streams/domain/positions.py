"""
One average-cost position of an account, in one symbol under one strategy, with what protects it.

Amounts are in the asset that it is quoted and settled in, quantities in base units, short negative.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.money import ZERO, quotient
from streams.domain.perpetuals.tiers import Tiers
from streams.domain.records import Purpose


class Guard(msgspec.Struct, kw_only=True):
    """What protects an open position: price levels, and an exit that has begun and must be finished."""

    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    trailing_price: Decimal | None = None
    best_mark: Decimal | None = None  # since the position was opened: highest for a long, lowest for a short
    closing: Purpose | None = None  # an exit was decided: what is left goes the same way until all is closed
    retry_at: int = 0  # after a failed exit no new one before this time
    refused: str = ""  # purpose and code of the last refused protective exit, so that it is recorded once


class MarginTerms(NamedTuple):
    """On what terms a perpetual is traded."""

    leverage: Decimal
    tiers: Tiers


class BookPosition(msgspec.Struct, kw_only=True):
    """One account's position in one symbol under one strategy; flat ones stay, for what they have earned."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO  # what the open quantity cost, sign of quantity
    mark: Decimal | None = None
    value: Decimal = ZERO  # quantity x mark at 12 places, sign of quantity
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO  # received is positive
    leverage: Decimal | None = None  # of a perpetual; None for spot
    margin: Decimal = ZERO  # of a perpetual: set aside for it, above zero while it is open
    maintenance: Decimal = ZERO  # of a perpetual: what must be left of the margin
    opened_at: int | None = None
    guard: Guard = msgspec.field(default_factory=Guard)
    asset: str = ""  # of its amounts; "" is the account's currency

    @property
    def unrealized_pnl(self) -> Decimal:
        return self.value - self.cost

    @property
    def in_equity(self) -> Decimal:
        """What it adds to equity beside cash: what it is worth in spot, what it has gained as a perpetual."""
        return self.value if self.leverage is None else self.value - self.cost

    @property
    def entry_price(self) -> Decimal | None:
        """Average price of the open quantity at 12 places; None when flat."""
        return quotient(self.cost, self.quantity) if self.quantity else None
