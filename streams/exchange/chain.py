"""
The version chain of one depth stream: joins diffs to snapshots and says where a diff is missing.

Binance numbers book changes; a diff covers U..u. Spot diffs follow each other with U = previous u + 1, perpetual ones
name the previous u as `pu`. Both are the same rule here: a diff joins a book of version v when its `previous` is v
(spot: U − 1).

A snapshot is asked for while diffs arrive, so it may be older than diffs that came before it. Those are held and laid
over it (Binance, "How to manage a local order book correctly"), so that what goes on is always one whole book. A diff
that does not join leaves the chain broken until the next snapshot; before the first snapshot there is no book and so
nothing to break.
"""

from collections import deque
from decimal import Decimal
from typing import NamedTuple

from streams.domain.records import Level

# About 100 s of diffs at one each 100 ms; a snapshot that is older than that is refused, not joined.
HELD_MAX = 1000


class Diff(NamedTuple):
    """
    Changes that lead from version `previous` (or, for the first after a snapshot, any version in between) to
    `update_id`.
    """

    previous: int
    update_id: int
    bids: list[Level]
    asks: list[Level]


class BookChange(NamedTuple):
    """What a push says about the book: changes, or with `snapshot` the whole of it; `gap`: the book is void."""

    update_id: int
    bids: list[Level]
    asks: list[Level]
    snapshot: bool
    gap: bool


class VersionChain:
    """The state of one depth stream: the version reached, or what is held until a snapshot comes."""

    def __init__(self, held_max: int = HELD_MAX) -> None:
        self._version: int | None = None
        self._joined = False  # a diff has been joined since the snapshot: from now on the chain must be exact
        self._broken = False
        self._held: deque[Diff] = deque(maxlen=held_max)

    @property
    def version(self) -> int | None:
        """The version of the book, None where there is none."""
        return self._version

    @property
    def reached(self) -> int | None:
        """The newest version heard of, whether it is joined or held; None where there is none."""
        return self._version if self._version is not None or not self._held else self._held[-1].update_id

    def on_diff(self, diff: Diff) -> BookChange:
        """The diff as the book takes it; one that is older than the snapshot changes nothing."""
        version = self._version
        if version is None:
            return self._hold(diff)
        if diff.update_id <= version and not self._joined:
            return BookChange(version, [], [], snapshot=False, gap=False)
        joins = diff.previous == version if self._joined else diff.previous <= version
        if not joins:
            self._version = None
            self._broken = True
            return self._hold(diff)
        self._version = diff.update_id
        self._joined = True
        return BookChange(diff.update_id, diff.bids, diff.asks, snapshot=False, gap=False)

    def on_snapshot(self, update_id: int, bids: list[Level], asks: list[Level]) -> BookChange:
        """
        The whole book after the snapshot and all diffs held for it; a snapshot too old to join leaves things as they
        are.
        """
        if self._version is not None and update_id < self._version:
            return BookChange(self._version, [], [], snapshot=False, gap=False)
        newer = [diff for diff in self._held if diff.update_id > update_id]
        if newer and newer[0].previous > update_id:
            return BookChange(update_id, [], [], snapshot=False, gap=self._broken)
        for diff in newer:
            bids, asks = _laid_over(bids, diff.bids, best_first=-1), _laid_over(asks, diff.asks, best_first=1)
        self._version = newer[-1].update_id if newer else update_id
        self._joined = bool(newer)
        self._broken = False
        self._held.clear()
        return BookChange(self._version, bids, asks, snapshot=True, gap=False)

    def _hold(self, diff: Diff) -> BookChange:
        if self._held and self._held[-1].update_id != diff.previous:
            self._held.clear()
        self._held.append(diff)
        return BookChange(diff.update_id, diff.bids, diff.asks, snapshot=False, gap=self._broken)


def _laid_over(levels: list[Level], changes: list[Level], *, best_first: int) -> list[Level]:
    """The side after the changes; `best_first` is −1 for bids, 1 for asks."""
    side: dict[Decimal, Level] = {level.price: level for level in levels}
    for change in changes:
        if change.quantity:
            side[change.price] = change
        else:
            side.pop(change.price, None)
    return sorted(side.values(), key=lambda level: level.price * best_first)
