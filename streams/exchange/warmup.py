"""
History before the market: candles of files told as trades, then the session's feed as it is.

Strategies, candles and regimes are warm at the market's first record, and as these are records on the log like any other, replay
sees them. A push of history has the exchange `HISTORY`, its own time as receive time, and neither book nor mark; what is missing
inside the files is no gap of the market, so none is flagged. All of it ends before the market begins, by `to_time`.

A feed that starts anew goes on with its history where it was. Only where the timekeeper has moved a live session's time to the
present in between, the rest is left out: it would be told too late to be history.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from streams.domain.parameters import FeedParameters
from streams.domain.vocabulary import HISTORY
from streams.exchange.candles import CandleFeed
from streams.exchange.instruments import FOLDER, InstrumentSpec
from streams.exchange.push import HISTORY_PLACE, Feed, Position, Push, Quiet, Told, in_history


class WarmedFeed:
    """`market` behind the candles that `parameters.warmup` names."""

    def __init__(self, parameters: FeedParameters, market: Feed, instruments_folder: Path = FOLDER) -> None:
        """Raises: ConfigError, FeedError as a feed of candles."""
        assert parameters.warmup is not None, "a feed without history is not warmed"
        told = parameters.warmup.model_dump() | {"path": parameters.path, "path_steps": parameters.path_steps}
        self._market = market
        self._history = CandleFeed(FeedParameters(kind="candles", **told), instruments_folder)

    @property
    def kind(self) -> str:
        return self._market.kind

    @property
    def candles(self) -> int:
        """Those of the market; history is not counted."""
        return self._market.candles

    def instruments(self) -> list[InstrumentSpec]:
        return self._market.instruments()

    def pushes(self, after: Position | None = None, *, outage_until: int | None = None) -> Iterator[Told | Quiet]:
        """See `Feed`."""
        if after is None or in_history(after):
            if outage_until is None:
                yield from self._told(after)
            after = None
        yield from self._market.pushes(after, outage_until=outage_until)

    def _told(self, after: Position | None) -> Iterator[Push]:
        known = None if after is None else after._replace(place=after.place.removeprefix(HISTORY_PLACE))
        for push in self._history.pushes(known):
            assert isinstance(push, Push), "history has no funding"
            source = push.source._replace(place=HISTORY_PLACE + push.source.place)
            yield msgspec.structs.replace(push, exchange=HISTORY, source=source, gap=False)
