"""
Between the connections and the log: a bounded queue of pushes, and the receive clock that both sides share.

Where the log is slow the queue fills. From `coalesce_at` on book updates are coalesced, the oldest first: changes of a symbol's book
become one with its next change, quotes and marks give way to newer ones. Nothing else is touched. At `full_at` nothing more is read from
the exchange until there is room: what it then throws away is a lost connection, and so a gap.

A promise of time never passes what is being taken in: `hearing` stamps a frame and holds promises back until its pushes are here. The
clock never goes back, whatever the wall clock does.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import msgspec

from streams.domain.records import Level
from streams.exchange.push import Push, Quiet, Told

COALESCE_AT = 10_000
FULL_AT = 50_000


class Inbox:
    """`now`: the wall clock's µs. One thread puts, one takes."""

    def __init__(self, now: Callable[[], int], *, coalesce_at: int = COALESCE_AT, full_at: int = FULL_AT) -> None:
        self._now = now
        self._coalesce_at = coalesce_at
        self._full_at = full_at
        self._changed = threading.Condition()
        self._queue: deque[Told] = deque()
        self._clock = 0
        self._hearing: int | None = None
        self._error: BaseException | None = None
        self._compact_at = coalesce_at
        self.coalesced = 0
        self.held_back = 0  # how often nothing more was read

    @contextmanager
    def hearing(self) -> Iterator[int]:
        """The receive time of what is heard now; its pushes are put before the end of the block."""
        with self._changed:
            self._clock = self._hearing = max(self._now(), self._clock)
            time = self._hearing
        try:
            yield time
        finally:
            with self._changed:
                self._hearing = None

    def put(self, pushes: Iterable[Told]) -> None:
        with self._changed:
            self._queue.extend(pushes)
            if len(self._queue) >= self._compact_at:
                before = len(self._queue)
                self._queue = coalesced(self._queue)
                self.coalesced += before - len(self._queue)
                # Not again until as much has come as would be worth it.
                self._compact_at = max(self._coalesce_at, len(self._queue) + self._coalesce_at // 4)
            self._changed.notify()

    def fail(self, error: BaseException) -> None:
        """The taker gets this in place of anything more."""
        with self._changed:
            self._error = error
            self._changed.notify()

    @property
    def is_full(self) -> bool:
        if len(self._queue) < self._full_at:
            return False
        self.held_back += 1
        return True

    @property
    def waiting(self) -> int:
        """Pushes that the log has not taken yet."""
        return len(self._queue)

    def take(self, seconds: float) -> list[Told] | Quiet:
        """All that is here, or after `seconds` without anything how far time can be promised. Raises: what `fail` was given."""
        with self._changed:
            if not self._queue and self._error is None and seconds > 0:
                self._changed.wait(seconds)
            if self._queue:
                taken = list(self._queue)
                self._queue.clear()
                self._compact_at = self._coalesce_at
                return taken
            if self._error is not None:
                raise self._error
            if self._hearing is None:
                self._clock = max(self._now(), self._clock)
            return Quiet(self._clock if self._hearing is None else self._hearing)


def coalesced(queue: Iterable[Told]) -> deque[Told]:
    """The queue with each symbol's pure book updates laid into its next one; the order of what stays is kept."""
    kept: deque[Told] = deque()
    # By symbol and kind of update the newest one that stands later in the queue.
    later: dict[tuple[str, str], Push] = {}
    merged: dict[int, Push] = {}
    for push in reversed(list(queue)):
        kind = _kind(push)
        if kind is None or not isinstance(push, Push):
            if isinstance(push, Push) and (push.gap or push.snapshot):
                # Changes are not carried over a whole book, nor over the word that it is void.
                later.pop((push.symbol, "depth"), None)
            kept.appendleft(push)
            continue
        following = later.get((push.symbol, kind))
        if following is None:
            later[push.symbol, kind] = push
            kept.appendleft(push)
        elif kind == "depth":
            merged[id(following)] = _joined(push, merged.get(id(following), following))
    return deque(merged.get(id(push), push) if isinstance(push, Push) else push for push in kept)


def _kind(push: Told) -> str | None:
    """What a pure update updates; None for what stays as it is."""
    if not isinstance(push, Push) or push.trades or push.gap or push.snapshot:
        return None
    if push.best_bid is not None or push.best_ask is not None:
        return "quote"
    if push.bids or push.asks:
        return "depth"
    return "mark" if push.mark_price is not None else "index"


def _joined(older: Push, newer: Push) -> Push:
    return msgspec.structs.replace(newer, bids=_levels(older.bids, newer.bids), asks=_levels(older.asks, newer.asks))


def _levels(older: list[Level], newer: list[Level]) -> list[Level]:
    levels: dict[Decimal, Level] = {level.price: level for level in older}
    levels |= {level.price: level for level in newer}
    return list(levels.values())
