"""How far a session has come: the feed's promise and each task's frontier, from the journal alone."""

from typing import NamedTuple

from streams.domain.parameters import SessionSettings
from streams.exchange.writer import source_of
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import newest_entry
from streams.log.layout import Layout
from streams.operate.runtime import STAGES


class Progress(NamedTuple):
    """`ended`: the feed has written its last record. Times in µs; -1 where nothing is journalled yet."""

    feed_records: int
    feed_watermark: int
    ended: bool
    error: str | None
    frontiers: dict[str, int]

    @property
    def caught_up(self) -> bool:
        """Every task has stepped everything there is."""
        return all(frontier >= self.feed_watermark for frontier in self.frontiers.values())

    @property
    def settled(self) -> bool:
        """Every task has stepped everything there will be."""
        return self.ended and self.caught_up


def progress_of(log: Log, codec: Codec, settings: SessionSettings) -> Progress:
    """The newest journal entry of the feed and of each task."""
    layout = Layout.of(settings)
    feed = newest_entry(log, layout.journal("feed", 0), codec)
    frontiers = {}
    for name, stage_of in STAGES.items():
        for number in range(layout.tasks(stage_of(settings, 0))):
            entry = newest_entry(log, layout.journal(name, number), codec)
            frontiers[f"{name}-{number}"] = entry.frontier if entry is not None else -1
    if feed is None:
        return Progress(0, -1, False, None, frontiers)
    source = source_of(feed)
    return Progress(feed.outputs_count, feed.watermark, source.ended, source.error, frontiers)
