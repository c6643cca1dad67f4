"""
What is checked: an order as it would be sent, with everything that the checks measure; and what a check finds.

A check is a function of a `Proposal` alone and looks at one thing; `registry` puts them in order. A finding that does
not bind exits is recorded for them all the same, as waived.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import NamedTuple

from streams.domain.allocation import Share
from streams.domain.money import ONE, ZERO, quotient
from streams.domain.records import Instrument, Mark, Purpose, Side, Signal
from streams.domain.risk.codes import RejectionCode
from streams.domain.risk.entry_terms import Terms
from streams.domain.risk.state import MICROSECONDS, Account, Rules
from streams.domain.sizing import Size, lots_of, smallest_quantity


class Rate(NamedTuple):
    """The account's currency for one unit of an asset, by the newest mark of `pair`, whose market was seen at `market_time` (µs)."""

    mark: Decimal
    pair: str
    market_time: int


class Proposal(NamedTuple):
    """
    An order before it is decided. Quantities unsigned, base units; `price` is the mark, None before the first.

    Prices are in quote units; notionals, which limits are held against, in the account's currency.
    """

    rules: Rules
    account: Account
    time: int
    strategy: str
    symbol: str
    side: Side
    purpose: Purpose
    signal: Signal | None  # None for what risk orders by itself
    instrument: Instrument | None  # the version in force
    mark: Mark | None
    held: Decimal  # signed quantity of the position
    size: Size | None  # of an entry; None where it cannot be sized
    exposures: "Exposures"
    share: Share
    terms: Terms
    correlated: "Correlated"
    rate: Rate | None = None  # of what the instrument is quoted in; None where it is the account's currency, or nothing is known

    @property
    def is_exit(self) -> bool:
        return self.purpose is not Purpose.ENTRY

    @property
    def price(self) -> Decimal | None:
        return None if self.mark is None else self.mark.mark

    @property
    def equity(self) -> Decimal:
        return self.account.portfolio.equity

    @property
    def smallest(self) -> Decimal:
        """The smallest quantity that the exchange takes at the order's prices; of an entry that is sized."""
        assert self.instrument is not None and self.price is not None, "an entry is sized by its instrument at a mark"
        return smallest_quantity(lots_of(self.instrument), self.terms.cheapest(self.price))

    @property
    def added(self) -> Decimal:
        """The exposure that an entry adds, at least that of the smallest order there is; zero for an exit."""
        if self.size is None or self.price is None:
            return ZERO
        return max(self.size.notional, self.smallest * self.terms.dearest(self.price) * worth(self.rate))


class Exposures(NamedTuple):
    """|quantity| x mark of positions and of what entries in flight may still add, in the account's currency, before the order."""

    total: Decimal
    position: Decimal
    symbol: Decimal
    strategy: Decimal


class Correlated(NamedTuple):
    """Other symbols at stake that move as the order's does, and the notional of all of them and of the order's own symbol."""

    names: tuple[str, ...] = ()
    notional: Decimal = ZERO
    is_known: bool = True  # false where a correlation is not yet measurable


class Finding(NamedTuple):
    """What one check measured. `note` says why there is nothing to measure, or that a latch holds."""

    check: str
    code: RejectionCode
    passed: bool
    measured: Decimal | None = None
    limit: Decimal | None = None
    note: str = ""
    binds_exits: bool = False


Check = Callable[[Proposal], Iterable[Finding]]


def worth(rate: Rate | None) -> Decimal:
    """One quote unit in the account's currency; one where they are the same."""
    return ONE if rate is None else rate.mark


def seconds(microseconds: int) -> Decimal:
    return quotient(Decimal(microseconds), Decimal(MICROSECONDS))


def fraction(part: Decimal, whole: Decimal) -> Decimal | None:
    """`part / whole` at 12 places, never below zero; None where the whole is not above zero."""
    return max(quotient(part, whole), ZERO) if whole > 0 else None


def fall(*, start: Decimal, now: Decimal) -> Decimal:
    """
    How far equity fell from `start`, as a fraction of it; zero where it did not.

    One where `start` is not above zero: nothing is left to fall from.
    """
    measured = fraction(start - now, start)
    return Decimal(1) if measured is None else measured
