"""
What an account owns and has earned: one average-cost position per symbol and strategy, and the account's sums over
them.

Amounts are in the account's currency, which is the quote asset of everything it trades; quantities in base units,
short negative. A spot fill moves its whole notional through cash. A fill of a perpetual moves only what it realizes and
its fee: what it opens binds margin, which stays in cash until it is lost. So

    equity = cash + spot holdings at their marks + unrealized profit of perpetuals

and after every event

    initial + realized + funding - fees + unrealized = equity

holds to the last digit, because every term is a sum of amounts with at most 12 places. Rounding happens at four
points and nowhere else: a holding's value (quantity x mark), the cost and the margin that leave with a partial close,
and the notional of the closing part of a fill that flips a position; in all but the first the rest keeps what rounding
took away.

Two strategies in one symbol hold two positions, each with a margin of its own. Ignored here: when funding is due and
when a position is taken over, which is risk's, and assets other than the account's currency.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.money import ZERO, amount, quotient
from streams.domain.perpetuals.margin import initial_margin, maintenance_margin
from streams.domain.perpetuals.tiers import Tiers
from streams.domain.records import Purpose, Side


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

    @property
    def unrealized_pnl(self) -> Decimal:
        return self.value - self.cost

    @property
    def entry_price(self) -> Decimal | None:
        """Average price of the open quantity at 12 places; None when flat."""
        return quotient(self.cost, self.quantity) if self.quantity else None


class Portfolio(msgspec.Struct, kw_only=True):
    """An account's cash, earnings and positions (by symbol, then strategy)."""

    initial_equity: Decimal
    cash: Decimal
    equity: Decimal
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    positions: dict[str, dict[str, BookPosition]] = {}

    def position(self, symbol: str, strategy: str) -> BookPosition | None:
        return self.positions.get(symbol, {}).get(strategy)

    def each(self) -> Iterator[tuple[str, str, BookPosition]]:
        """Every position as (symbol, strategy, position), in the order of their names."""
        for symbol in sorted(self.positions):
            by_strategy = self.positions[symbol]
            for strategy in sorted(by_strategy):
                yield symbol, strategy, by_strategy[strategy]

    def open_positions(self) -> list[tuple[str, str, BookPosition]]:
        return [entry for entry in self.each() if entry[2].quantity]

    def exposure(self) -> Decimal:
        """Sum of |quantity| x mark over every position."""
        return sum((abs(position.value) for _, _, position in self.each()), ZERO)

    def unrealized_pnl(self) -> Decimal:
        return sum((position.unrealized_pnl for _, _, position in self.each()), ZERO)

    def margined(self) -> list[tuple[str, str, BookPosition]]:
        """The open positions in perpetuals."""
        return [entry for entry in self.each() if entry[2].quantity and entry[2].leverage is not None]

    def margin_used(self) -> Decimal:
        """What all positions bind."""
        return sum((position.margin for _, _, position in self.each()), ZERO)

    def is_exact(self) -> bool:
        """Whether the identity holds, and cash plus what is held are the equity."""
        earned = self.initial_equity + self.realized_pnl + self.funding - self.fees + self.unrealized_pnl()
        held = sum((p.value if p.leverage is None else p.unrealized_pnl for _, _, p in self.each()), ZERO)
        return earned == self.equity == self.cash + held


def opened(initial_equity: Decimal) -> Portfolio:
    """A flat portfolio with nothing but cash."""
    return Portfolio(initial_equity=initial_equity, cash=initial_equity, equity=initial_equity)


def on_mark(portfolio: Portfolio, position: BookPosition, mark: Decimal) -> None:
    """Values `position`, which is one of the portfolio's, at `mark` (quote units, above zero)."""
    value = amount(position.quantity * mark)
    portfolio.equity += value - position.value
    position.value = value
    position.mark = mark


def on_fill(
    portfolio: Portfolio, *, symbol: str, strategy: str, side: Side, quantity: Decimal, notional: Decimal,
    fee: Decimal, mark: Decimal, time: int, terms: MarginTerms | None = None,
) -> Decimal | None:
    """
    Realized profit of a fill that the portfolio takes up; None where it closed nothing.

    `quantity` (base units) and `notional` (quote units) are unsigned and above zero; `fee` paid is positive. The
    position is valued at `mark` afterwards. A fill beyond the position's size turns it round: the rest opens at the
    fill's own price. `terms` of a perpetual, None for spot.
    """
    assert min(quantity, notional) > 0, f"a fill must have a size, was {quantity} for {notional}"
    position = portfolio.positions.setdefault(symbol, {}).setdefault(strategy, BookPosition())
    sign = 1 if side is Side.BUY else -1
    paid = notional * sign
    realized = None
    opening = paid
    held = abs(position.quantity)
    assert not held or (position.leverage is None) is (terms is None), f"{symbol} was spot and a perpetual at once"
    if position.quantity * sign < 0:
        closed = min(held, quantity)
        # All three are exact where all of it closes: amounts have 12 places.
        cost_out = quotient(position.cost * closed, held)
        closing = quotient(paid * closed, quantity)
        position.margin -= quotient(position.margin * closed, held)
        realized = -closing - cost_out
        opening = paid - closing
        position.cost -= cost_out
        position.realized_pnl += realized
        portfolio.realized_pnl += realized
    position.cost += opening
    position.quantity += quantity * sign
    position.fees += fee
    portfolio.fees += fee
    portfolio.equity -= paid + fee
    if terms is None:
        portfolio.cash -= paid + fee
    else:
        portfolio.cash += (realized or ZERO) - fee
        _bind(position, opening, terms)
    if not held or (realized is not None and quantity >= held):
        # Newly opened, closed or turned round: what guarded the old position says nothing about the new one.
        position.guard = Guard()
        position.opened_at = time if position.quantity else None
    on_mark(portfolio, position, mark)
    return realized


def _bind(position: BookPosition, opening: Decimal, terms: MarginTerms) -> None:
    """Sets aside the margin of what a fill opened, and what the position must keep of it from here on."""
    position.leverage = terms.leverage
    position.margin += initial_margin(opening, terms.leverage)
    position.maintenance = maintenance_margin(terms.tiers, quantity=position.quantity, cost=position.cost)


def on_funding(portfolio: Portfolio, position: BookPosition, payment: Decimal) -> None:
    """Takes up a settlement of `position`, which is one of the portfolio's; received is positive."""
    position.funding += payment
    portfolio.funding += payment
    portfolio.cash += payment
    portfolio.equity += payment


def on_takeover(portfolio: Portfolio, position: BookPosition, *, realized: Decimal, fee: Decimal) -> None:
    """Closes `position`, which the exchange has taken over, for what that realized, and charges the fee (unsigned)."""
    portfolio.equity += realized - fee - position.unrealized_pnl
    portfolio.cash += realized - fee
    portfolio.realized_pnl += realized
    portfolio.fees += fee
    position.realized_pnl += realized
    position.fees += fee
    position.quantity = position.cost = position.value = position.margin = position.maintenance = ZERO
    position.guard = Guard()
    position.opened_at = None
