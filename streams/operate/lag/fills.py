"""
Fills further from the market than they may be: each fill's price against the mark at its time.

A mark holds until the next one. A fill is judged once the marks promise that nothing as early is still to come, so what is found does not
depend on who was faster. It begins ten minutes before the newest answer to an order, so a restart leaves none out that is younger; where no
mark is known that early, the mark that risk decided on is taken.
"""

import logging
from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from streams.domain.marks import mark_deviation
from streams.domain.parameters import SessionSettings
from streams.domain.records import Mark, OrderResult
from streams.log.codec import Codec
from streams.log.interface import Log, Message, Partition, watermark_of
from streams.log.journal import backwards
from streams.log.layout import Layout
from streams.metrics import catalogue as m
from streams.metrics.catalogue import Metric
from streams.operate.lag.follow import Follower

BACK_US = 600_000_000
# Behind the slower of marks and answers so much of the marks is kept beside the newest before it.
KEPT_US = 60_000_000

logger = logging.getLogger(__name__)


class Judged(NamedTuple):
    """One fill and its distance from the mark, as a fraction without sign."""

    result: OrderResult
    mark: Decimal
    deviation: Decimal


class FillWatch:
    """Of one session; `limit` is FILL_MARK_DEVIATION_MAX, a fraction. `far` counts what was beyond it."""

    def __init__(self, log: Log, codec: Codec, settings: SessionSettings, limit: Decimal) -> None:
        self._codec, self._settings, self._limit = codec, settings, limit
        layout = Layout.of(settings)
        results = [layout.at("order_results", n) for n in range(layout.count("order_results"))]
        marks = [layout.at("marks", n) for n in range(layout.count("marks"))]
        since = min((_newest(log, place) for place in results), default=0) - BACK_US
        self._results = Follower(log, {place: _start(log, place, since) for place in results})
        self._marks = Follower(log, {place: _start(log, place, since - BACK_US) for place in marks})
        self._by_symbol: dict[str, tuple[list[int], list[Decimal]]] = {}
        self._promised: dict[int, int] = {}
        self._answered: dict[int, int] = {}
        self._open: list[OrderResult] = []
        self.far = 0
        self.largest = Decimal(0)

    def turn(self) -> list[Judged]:
        """The fills that could be judged since the last turn. Raises: LogError."""
        for message in self._results.messages():
            self._answered[message.partition] = _reached(message)
            if message.value is not None:
                result = self._codec.decode(message.value, OrderResult)
                assert isinstance(result, OrderResult)
                if result.quantity > 0 and result.price is not None:
                    self._open.append(result)
        for message in self._marks.messages():
            self._promised[message.partition] = _reached(message)
            if message.value is not None:
                self._take(message.value)
        due = [one for one in self._open if self._promised.get(self._settings.symbol_task(one.symbol), -1) >= one.fill_time]
        self._open = [one for one in self._open if one not in due]
        judged = [one for one in map(self._judge, due) if one is not None]
        self._forget()
        return judged

    def values(self) -> Iterator[tuple[Metric, dict[tuple[str, ...], float]]]:
        """Each metric with its values by labels."""
        own = (self._settings.session,)
        yield m.FAR_FILLS, {own: float(self.far)}
        yield m.FILL_DEVIATION, {own: float(self.largest)}

    def close(self) -> None:
        self._results.close()
        self._marks.close()

    def _take(self, value: bytes) -> None:
        mark = self._codec.decode(value, Mark)
        assert isinstance(mark, Mark)
        if mark.mark is not None:
            times, prices = self._by_symbol.setdefault(mark.symbol, ([], []))
            times.append(mark.time)
            prices.append(mark.mark)

    def _judge(self, result: OrderResult) -> Judged | None:
        times, prices = self._by_symbol.get(result.symbol, ([], []))
        place = bisect_right(times, result.fill_time)
        mark = prices[place - 1] if place else result.decision_mark
        if mark is None or result.price is None:
            return None
        judged = Judged(result, mark, mark_deviation(result.price, mark))
        self.largest = max(self.largest, judged.deviation)
        if judged.deviation > self._limit:
            self.far += 1
            logger.warning(
                "fill of order %s at %s is %.4f from the mark %s, FILL_MARK_DEVIATION_MAX is %s",
                result.order_id, result.price, judged.deviation, mark, self._limit, extra={"correlation_id": result.correlation_id},
            )  # fmt: skip
        return judged

    def _forget(self) -> None:
        """Drops marks that no fill to come can ask for."""
        before = min([*self._promised.values(), *self._answered.values(), *(one.fill_time for one in self._open)], default=0) - KEPT_US
        for times, prices in self._by_symbol.values():
            gone = bisect_right(times, before) - 1
            if gone > 0:
                del times[:gone], prices[:gone]


def _reached(message: Message) -> int:
    """Up to where everything in the partition is known: a record promises only what is before it."""
    promised = watermark_of(message)
    return message.time - 1 if promised is None else promised


def _newest(log: Log, place: Partition) -> int:
    return next((message.time for message in backwards(log, place)), 0)


def _start(log: Log, place: Partition, since: int) -> int:
    return log.offset_at(place, since) if since > 0 else log.start_offset(place)
