"""
What an account owns and has earned: one average-cost position per symbol and strategy, and the account's sums over
them.

A position's amounts are in the asset it is quoted and settled in, the portfolio's own in the account's currency;
quantities in base units, short negative. A spot fill moves its whole notional through the balance of that asset. A fill
of a perpetual moves only what it realizes and its fee: what it opens binds margin, which stays in the balance until it
is lost. So, everything in the account's currency,

    equity = cash + spot holdings at their marks + unrealized profit of perpetuals

and after every event

    initial + realized + funding - fees + unrealized + conversion = equity

holds to the last digit, because every term is a sum of amounts with at most 12 places. Rounding happens at five
points and nowhere else: a holding's value (quantity x mark), the cost and the margin that leave with a partial close,
the notional of the closing part of a fill that flips a position, in all of which but the first the rest keeps what
rounding took away; and each amount of another asset where it is stated in the account's currency.

What is realized, or paid as a fee or funding, in another asset counts at that asset's mark of its moment, what is
unrealized at the newest one. Conversion is what marks have made of other assets: for each of them all that the account
has in it (balance, and spot holdings at cost) at the newest mark, less what that was worth as it came in. It takes up
what rounding leaves.

Two strategies in one symbol hold two positions, each with a margin of its own. Ignored here: when funding is due and
when a position is taken over, which is risk's, and where an asset's mark comes from.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from streams.domain.money import ONE, ZERO, amount, quotient
from streams.domain.perpetuals.margin import initial_margin, maintenance_margin
from streams.domain.positions import BookPosition, Guard, MarginTerms
from streams.domain.records import Side


class AssetBalance(msgspec.Struct, kw_only=True):
    """What an account has in one asset that is not its currency. `mark` is the account's currency for one unit of it."""

    mark: Decimal
    pair: str  # the symbol whose newest mark that is
    amount: Decimal = ZERO  # in the asset
    held: Decimal = ZERO  # in the asset: spot holdings at their marks and what perpetuals have gained
    booked: Decimal = ZERO  # in the account's currency: all that came in less what went out, each at the mark of its moment
    equity: Decimal = ZERO  # in the account's currency: amount and held at the mark


class Portfolio(msgspec.Struct, kw_only=True):
    """An account's balances, earnings and positions (by symbol, then strategy)."""

    initial_equity: Decimal
    cash: Decimal  # the balance of the account's currency
    equity: Decimal
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    positions: dict[str, dict[str, BookPosition]] = {}
    balances: dict[str, AssetBalance] = {}  # of other assets

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

    def worth(self, asset: str) -> Decimal:
        """One unit of `asset` in the account's currency, at the newest mark."""
        return self.balances[asset].mark if asset else ONE

    def stated(self, asset: str, value: Decimal) -> Decimal:
        """`value` of `asset` in the account's currency."""
        return amount(value * self.balances[asset].mark) if asset else value

    def exposure(self) -> Decimal:
        """Sum of |quantity| x mark over every position, in the account's currency."""
        return sum((self.stated(p.asset, abs(p.value)) for _, _, p in self.each()), ZERO)

    def unrealized_pnl(self) -> Decimal:
        """In the account's currency."""
        return sum((self.stated(p.asset, p.unrealized_pnl) for _, _, p in self.each()), ZERO)

    def conversion(self) -> Decimal:
        """What marks of other assets have made of what the account has in them; a gain is positive."""
        gained = sum((balance.equity - balance.booked for balance in self.balances.values()), ZERO)
        return gained - sum((self.stated(p.asset, p.unrealized_pnl) for _, _, p in self.each() if p.asset), ZERO)

    def margined(self, asset: str | None = None) -> list[tuple[str, str, BookPosition]]:
        """The open positions in perpetuals; with `asset` those settled in it."""
        return [
            entry for entry in self.each()
            if entry[2].quantity and entry[2].leverage is not None and asset in (None, entry[2].asset)
        ]

    def margin_used(self) -> Decimal:
        """What all positions bind, in the account's currency."""
        return sum((self.stated(p.asset, p.margin) for _, _, p in self.each()), ZERO)

    def bound(self, asset: str) -> Decimal:
        """What of the balance of `asset` positions bind."""
        return sum((position.margin for _, _, position in self.each() if position.asset == asset), ZERO)

    def balance(self, asset: str) -> Decimal:
        """What the account has of `asset`, bound or not; "" is its currency."""
        if not asset:
            return self.cash
        return self.balances[asset].amount if asset in self.balances else ZERO

    def all_cash(self) -> Decimal:
        """Every balance, in the account's currency."""
        return self.cash + sum((self.stated(asset, one.amount) for asset, one in self.balances.items()), ZERO)

    def is_exact(self) -> bool:
        """Whether the identity holds, and what is owned of each asset makes up the equity."""
        earned = self.initial_equity + self.realized_pnl + self.funding - self.fees + self.unrealized_pnl() + self.conversion()
        held = dict.fromkeys(("", *self.balances), ZERO)
        for _, _, position in self.each():
            held[position.asset] += position.in_equity
        equity = self.cash + held[""]
        for asset, one in self.balances.items():
            if one.held != held[asset] or one.equity != self.stated(asset, one.amount + one.held):
                return False
            equity += one.equity
        return earned == self.equity == equity


def opened(initial_equity: Decimal) -> Portfolio:
    """A flat portfolio with nothing but cash."""
    return Portfolio(initial_equity=initial_equity, cash=initial_equity, equity=initial_equity)


def on_mark(portfolio: Portfolio, position: BookPosition, mark: Decimal) -> None:
    """Values `position`, which is one of the portfolio's, at `mark` (quote units, above zero)."""
    value = amount(position.quantity * mark)
    moved = value - position.value
    position.value = value
    position.mark = mark
    _hold(portfolio, position.asset, moved)


def on_asset_mark(portfolio: Portfolio, asset: str, *, mark: Decimal, pair: str) -> None:
    """Values what the account has in `asset` at `mark`, the account's currency for one unit, of the symbol `pair`; opens its balance."""
    balance = portfolio.balances.get(asset)
    if balance is None:
        balance = portfolio.balances[asset] = AssetBalance(mark=mark, pair=pair)
    balance.mark, balance.pair = mark, pair
    _move(portfolio, asset)


def on_conversion(portfolio: Portfolio, asset: str, bought: Decimal) -> Decimal:
    """Buys units of `asset` at its mark; what that took of the account's currency."""
    paid = portfolio.stated(asset, bought)
    portfolio.cash -= paid
    portfolio.equity -= paid
    portfolio.balances[asset].booked += paid
    _move(portfolio, asset, amount_in=bought)
    return paid


def _hold(portfolio: Portfolio, asset: str, moved: Decimal) -> None:
    """Adds what a position has come to be worth in `asset`."""
    if asset:
        _move(portfolio, asset, held=moved)
    else:
        portfolio.equity += moved


def _move(portfolio: Portfolio, asset: str, *, amount_in: Decimal = ZERO, held: Decimal = ZERO) -> None:
    """Moves what the account has in another asset, and its equity by what that is worth."""
    balance = portfolio.balances[asset]
    balance.amount += amount_in
    balance.held += held
    equity = portfolio.stated(asset, balance.amount + balance.held)
    portfolio.equity += equity - balance.equity
    balance.equity = equity


def _earn(
    portfolio: Portfolio, asset: str, *, cash: Decimal, realized: Decimal = ZERO, fee: Decimal = ZERO, funding: Decimal = ZERO
) -> None:
    """Moves `cash` of `asset` and adds to the terms what of it was earned or paid, at the asset's mark."""
    if asset:
        stated = portfolio.stated
        realized, fee, funding = stated(asset, realized), stated(asset, fee), stated(asset, funding)
        portfolio.balances[asset].booked += realized + funding - fee
        _move(portfolio, asset, amount_in=cash)
    else:
        portfolio.cash += cash
        portfolio.equity += cash
    portfolio.realized_pnl += realized
    portfolio.fees += fee
    portfolio.funding += funding


def on_fill(
    portfolio: Portfolio, *, symbol: str, strategy: str, side: Side, quantity: Decimal, notional: Decimal,
    fee: Decimal, mark: Decimal, time: int, terms: MarginTerms | None = None, asset: str = "",
) -> Decimal | None:
    """
    Realized profit of a fill that the portfolio takes up, in `asset`; None where it closed nothing.

    `quantity` (base units) and `notional` (quote units) are unsigned and above zero; `fee` paid is positive. The
    position is valued at `mark` afterwards. A fill beyond the position's size turns it round: the rest opens at the
    fill's own price. `terms` of a perpetual, None for spot. `asset` is what it is quoted in, "" the account's currency;
    the balance of another one is open (`on_asset_mark`).
    """
    assert min(quantity, notional) > 0, f"a fill must have a size, was {quantity} for {notional}"
    position = portfolio.positions.setdefault(symbol, {}).setdefault(strategy, BookPosition())
    sign = 1 if side is Side.BUY else -1
    paid = notional * sign
    realized = None
    opening = paid
    held = abs(position.quantity)
    if not held:
        position.asset = asset
    before = position.in_equity
    assert not held or (position.leverage is None) is (terms is None), f"{symbol} was spot and a perpetual at once"
    assert position.asset == asset, f"{symbol} is held in {position.asset or 'the account'}, was filled in {asset}"
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
    position.cost += opening
    position.quantity += quantity * sign
    position.fees += fee
    gained = realized or ZERO
    if terms is not None:
        _bind(position, opening, terms)
    _earn(portfolio, asset, cash=(-paid if terms is None else gained) - fee, realized=gained, fee=fee)
    if not held or (realized is not None and quantity >= held):
        # Newly opened, closed or turned round: what guarded the old position says nothing about the new one.
        position.guard = Guard()
        position.opened_at = time if position.quantity else None
    position.value = amount(position.quantity * mark)
    position.mark = mark
    _hold(portfolio, asset, position.in_equity - before)
    return realized


def _bind(position: BookPosition, opening: Decimal, terms: MarginTerms) -> None:
    """Sets aside the margin of what a fill opened, and what the position must keep of it from here on."""
    position.leverage = terms.leverage
    position.margin += initial_margin(opening, terms.leverage)
    position.maintenance = maintenance_margin(terms.tiers, quantity=position.quantity, cost=position.cost)


def on_funding(portfolio: Portfolio, position: BookPosition, payment: Decimal) -> None:
    """Takes up a settlement of `position`, which is one of the portfolio's; received is positive."""
    position.funding += payment
    _earn(portfolio, position.asset, cash=payment, funding=payment)


def on_takeover(portfolio: Portfolio, position: BookPosition, *, realized: Decimal, fee: Decimal) -> None:
    """Closes `position`, which the exchange has taken over, for what that realized, and charges the fee (unsigned)."""
    before = position.in_equity
    position.realized_pnl += realized
    position.fees += fee
    position.quantity = position.cost = position.value = position.margin = position.maintenance = ZERO
    position.guard = Guard()
    position.opened_at = None
    _earn(portfolio, position.asset, cash=realized - fee, realized=realized, fee=fee)
    _hold(portfolio, position.asset, -before)
