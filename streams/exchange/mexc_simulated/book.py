"""
One symbol's book as the exchange keeps it: levels by price, a version that every change moves, what changed since the last frame.

A source's snapshot replaces the book and shows as the levels that differ, so that the exchange's own chain of versions never breaks.
Spot counts a version for each level changed, futures one for each frame.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from streams.domain.records import Level

NONE = Decimal(0)


class Change(NamedTuple):
    """What a depth frame says: from the book of version `previous` to `version`."""

    previous: int
    version: int
    bids: list[Level]
    asks: list[Level]


class Best(NamedTuple):
    bid: Level
    ask: Level


class MarketBook:
    """`steps`: each changed level takes a version (spot), else each frame (futures)."""

    def __init__(self, *, steps: bool, version: int) -> None:
        self.version = version
        self._steps = steps
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._shown_bids: dict[Decimal, Decimal] = {}
        self._shown_asks: dict[Decimal, Decimal] = {}
        self._changed_bids: dict[Decimal, Decimal] = {}
        self._changed_asks: dict[Decimal, Decimal] = {}

    def lay(self, bids: Iterable[Level], asks: Iterable[Level], *, snapshot: bool) -> None:
        """Takes levels of the source; with `snapshot` they are all there is."""
        _lay(self._bids, self._changed_bids, bids, snapshot=snapshot)
        _lay(self._asks, self._changed_asks, asks, snapshot=snapshot)

    def cut(self) -> Change | None:
        """What changed since the last cut, under its versions; None where nothing did."""
        changed = len(self._changed_bids) + len(self._changed_asks)
        if not changed:
            return None
        previous = self.version
        self.version += changed if self._steps else 1
        bids = _sorted(self._changed_bids, best_first=-1)
        asks = _sorted(self._changed_asks, best_first=1)
        _apply(self._shown_bids, self._changed_bids)
        _apply(self._shown_asks, self._changed_asks)
        self._changed_bids, self._changed_asks = {}, {}
        return Change(previous, self.version, bids, asks)

    def top(self, levels: int) -> tuple[list[Level], list[Level]]:
        """Bids and asks, best first, of the book at its version: what came since the last cut does not show."""
        return _sorted(self._shown_bids, best_first=-1)[:levels], _sorted(self._shown_asks, best_first=1)[:levels]

    def best(self) -> Best | None:
        """None while a side is empty."""
        if not self._shown_bids or not self._shown_asks:
            return None
        bid, ask = max(self._shown_bids), min(self._shown_asks)
        return Best(Level(bid, self._shown_bids[bid]), Level(ask, self._shown_asks[ask]))


def _lay(side: dict[Decimal, Decimal], changed: dict[Decimal, Decimal], levels: Iterable[Level], *, snapshot: bool) -> None:
    wanted = {level.price: level.quantity for level in levels}
    if snapshot:
        wanted = {**dict.fromkeys(side, NONE), **wanted}
    for price, quantity in wanted.items():
        if side.get(price, NONE) == quantity:
            continue
        changed[price] = quantity
    _apply(side, changed)


def _apply(side: dict[Decimal, Decimal], changes: dict[Decimal, Decimal]) -> None:
    for price, quantity in changes.items():
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)


def _sorted(side: dict[Decimal, Decimal], *, best_first: int) -> list[Level]:
    return [Level(price, side[price]) for price in sorted(side, reverse=best_first < 0)]
