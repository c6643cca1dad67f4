"""
Candles as a feed, where no ticks exist: each becomes trades on a stated path, beside marks and funding rates where files hold them.

There is no book: the paper exchange prices fills by its model for trades alone, and each fill says so. Look-ahead is impossible by
construction: a point stands on the log at its own time, strictly inside its candle, and stages see only what stands before theirs.
What files must hold to be taken stands in `streams.exchange.candle_rules`, the path in `candle_path`, marks, gaps and funding in
`candle_points`. Symbols are merged by time, equal ones in the order of their names; receive time is the point's own.
"""

import heapq
from collections.abc import Iterator
from pathlib import Path as FilePath

from streams.domain.parameters import FeedParameters
from streams.errors import FeedError
from streams.exchange.candle_path import Path
from streams.exchange.candle_points import Point, Rate, SymbolPoints
from streams.exchange.candle_rules import SECOND
from streams.exchange.candle_series import SymbolSeries, count_of, load
from streams.exchange.instruments import FOLDER, InstrumentSpec
from streams.exchange.push import FundingNotice, Position, Push


class CandleFeed:
    """The candles of a session's files. The same files give the same pushes, at any speed and from any position."""

    kind = "candles"

    def __init__(self, parameters: FeedParameters, instruments_folder: FilePath = FOLDER, *, now: int | None = None) -> None:
        """
        `now` of the wall clock, where candles must have ended by then.

        Raises: ConfigError for files that do not exist or do not belong together; FeedError naming file, row, field, rule and value.
        """
        self._parameters = parameters
        self._series = load(parameters, instruments_folder, now=now)

    @property
    def start(self) -> int:
        """When the first candle opens, µs."""
        return min(series.start for series in self._series)

    @property
    def end(self) -> int:
        """When the last candle ends, µs."""
        return max(series.end for series in self._series)

    @property
    def candles(self) -> int:
        """How many candles it reads."""
        return sum(count_of(series.candles, start=series.start, end=series.end) for series in self._series)

    def instruments(self) -> list[InstrumentSpec]:
        return [series.spec for series in self._series]

    def pushes(self, after: Position | None = None, *, outage_until: int | None = None) -> Iterator[Push | FundingNotice]:
        """See `Feed`. What stands up to `after` is worked out again and left out. Raises: FeedError where the files are others now."""
        count = 0
        for series, said in heapq.merge(*map(self._said, self._series), key=lambda one: one[1].time):
            count += 1
            if after is not None and count <= after.number:
                if count == after.number and said.path != after.place:
                    raise FeedError(f"point {count} of the candles must still come from {after.place}, comes from {said.path}")
                continue
            yield _pushed(series.spec, said, count)
        if after is not None and count < after.number:
            raise FeedError(f"the candles must still have {after.number} points, which were read before, have {count}")

    def _said(self, series: SymbolSeries) -> Iterator[tuple[SymbolSeries, Point | Rate]]:
        parameters = self._parameters
        assert parameters.interval_seconds is not None, "the plan names the interval"
        path = Path(parameters.path, parameters.path_steps, parameters.interval_seconds * SECOND, series.spec.tick_size)
        return ((series, said) for said in SymbolPoints(series, path).said())


def _pushed(spec: InstrumentSpec, said: Point | Rate, count: int) -> Push | FundingNotice:
    source = Position(said.path, count)
    if isinstance(said, Rate):
        return FundingNotice(
            exchange=spec.exchange, symbol=spec.symbol, event_time=said.time, receive_time=said.time, source=source, rate=said.rate,
            interval_hours=said.interval_hours, settlement_time=said.settlement_time,
        )  # fmt: skip
    return Push(
        exchange=spec.exchange, symbol=spec.symbol, event_time=said.time, receive_time=said.time, source=source,
        trades=[] if said.trade is None else [said.trade], mark_price=said.mark, gap=said.gap,
    )  # fmt: skip
