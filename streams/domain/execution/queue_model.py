"""
What a cancellation does to the quantity that stands ahead of a resting order at its price.

The market shows how much a level holds, not whose it is. When it shrinks and no trade says why, somebody cancelled, ahead of the
order or behind it; the model decides. Base units throughout.

`pessimistic`: whoever stands behind cancels first; only what they cannot account for was ahead. `proportional`: the share of the
level that is gone is gone ahead as well.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple, Protocol

from streams.domain.money import quotient


class QueueModel(Protocol):
    @property
    def name(self) -> str: ...

    def ahead_after(self, *, ahead: Decimal, shown: Decimal, cancelled: Decimal) -> Decimal:
        """
        What is ahead once `cancelled` of the `shown` level is gone, neither below 0 nor above what was ahead.

        0 < cancelled ≤ shown and 0 ≤ ahead ≤ shown. The caller sees to it that no more is ahead than is still shown.
        """


class Pessimistic(NamedTuple):
    name: str = "pessimistic"

    def ahead_after(self, *, ahead: Decimal, shown: Decimal, cancelled: Decimal) -> Decimal:
        return min(ahead, shown - cancelled)


class Proportional(NamedTuple):
    """Rounded half to even at 12 places."""

    name: str = "proportional"

    def ahead_after(self, *, ahead: Decimal, shown: Decimal, cancelled: Decimal) -> Decimal:
        return min(quotient(ahead * (shown - cancelled), shown), ahead)


QUEUE_MODELS: Mapping[str, QueueModel] = {model.name: model for model in (Pessimistic(), Proportional())}
