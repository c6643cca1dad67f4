"""
Where a resting order stands at its price: how much the real market has in front of it.

An order joins behind what is displayed. Trades at its price use up what is ahead, in the market's order: first come, first served.
A level that shrinks without a trade had cancellations, and the queue model says how many of them were ahead; a level that grows
grows behind. A trade and the shrinking it causes come as two records, in either order: a shrinking after its trade is expected and
no cancellation; a shrinking up to 100 ms before a trade at that price is taken to be that trade's, so its advance is not counted
twice. So `ahead` never grows once it is known.

Unknown (None) is what stands ahead where the level lies beyond the visible depth, or no book was ever shown; such an order learns
its place when the level comes into view. After a void book the next display only bounds what is ahead. Base units.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from streams.domain.execution.queue_model import QueueModel
from streams.domain.money import ZERO

SHADOW = 100_000


class Queue(msgspec.Struct):
    """
    `shown`: the level as last displayed, less the trades since; None: not known since the book was void.

    `advanced`: how far shrinkings moved the order up that may yet prove to be a trade's, the last at logical µs `advanced_at`.
    """

    ahead: Decimal | None = None
    shown: Decimal | None = None
    advanced: Decimal = ZERO
    advanced_at: int = 0


class Passed(NamedTuple):
    """`left` of a trade at the order; `through` is how much real quantity it used up in front of it, from the level's head."""

    left: Decimal
    through: Decimal


def on_trade(queue: Queue, *, traded: Decimal, left: Decimal, through: Decimal, now: int) -> Passed:
    """
    A trade of `traded` at the order's price; paper orders before this one were passed with `left` left, `through` used up.

    The order's place must be known.
    """
    assert queue.ahead is not None, "an order that does not know its place is not passed"
    if now - queue.advanced_at > SHADOW:
        queue.advanced = ZERO
    before = queue.advanced
    front = queue.ahead + before
    used = min(max(front - through, ZERO), left)
    through += used
    remains = max(front - through, ZERO)
    queue.ahead = min(queue.ahead, remains)
    queue.advanced = remains - queue.ahead
    if queue.shown is not None:
        queue.shown = max(queue.shown - (traded - (before - queue.advanced)), ZERO)
    return Passed(left - used, through)


def on_display(queue: Queue, shown: Decimal, *, now: int, model: QueueModel) -> None:
    """The market speaks of the level: it now shows `shown`."""
    if queue.ahead is None:
        queue.ahead = shown
    elif queue.ahead:
        ahead = queue.ahead
        if queue.shown is not None and shown < queue.shown:
            ahead = model.ahead_after(ahead=min(ahead, queue.shown), shown=queue.shown, cancelled=queue.shown - shown)
        ahead = min(ahead, shown)
        if ahead < queue.ahead:
            kept = queue.advanced if now - queue.advanced_at <= SHADOW else ZERO
            queue.advanced, queue.advanced_at = kept + queue.ahead - ahead, now
            queue.ahead = ahead
    queue.shown = shown


def on_void(queue: Queue) -> None:
    """The book is void: the level's next display says nothing of what happened in between."""
    queue.shown, queue.advanced = None, ZERO


def on_traded_through(queue: Queue) -> None:
    """The market went through the price: nobody is ahead any more."""
    queue.ahead, queue.advanced = ZERO, ZERO
