"""
When a live feed dies, time does not: the timekeeper writes in its place until a feed returns.

It watches the end of the feed's journal, which every flush moves. After `dead_after_s` wall seconds without movement it
takes the feed's name over (which fences a feed that only hung), writes one `feed_down` record for each symbol, and from
then on watermarks by the wall clock, less the offset and the quiet delay the feed had. Its journal entries name it, so
a returning feed takes the name back without being asked, and it goes back to watching. Recordings and sessions that
ended are left alone: their time is not the wall clock's.
"""

from contextlib import suppress

from streams.domain.parameters import SessionSettings
from streams.errors import Fenced, LogError
from streams.exchange.wall import Wall
from streams.exchange.writer import STAGE, TASK, FeedWriter, source_of
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import newest_entry
from streams.log.layout import Layout

DEAD_AFTER_SECONDS = 5.0
LOOK_SECONDS = 0.5


class Timekeeper:
    """
    Watches one session's feed. `turn` is one look or one watermark; due ten times a second.
    """

    def __init__(
        self, log: Log, codec: Codec, settings: SessionSettings, wall: Wall, *, code_version: str,
        dead_after_s: float = DEAD_AFTER_SECONDS,
    ) -> None:
        self._log = log
        self._codec = codec
        self._settings = settings
        self._wall = wall
        self._code_version = code_version
        self._dead_after_s = dead_after_s
        self._journal = Layout.of(settings).journal(STAGE, TASK)
        self._writer: FeedWriter | None = None
        self._end_seen = -1
        self._looked_at = float("-inf")
        self._moved_at = wall.monotonic()

    @property
    def keeps(self) -> bool:
        """Whether it stands in for the feed now."""
        return self._writer is not None

    def close(self) -> None:
        """Gives the feed's name back, where it was taken."""
        if self._writer is not None:
            self._writer.close()

    def turn(self) -> None:
        """Looks whether the feed lives, or writes the next watermark in its place."""
        if self._writer is None:
            self._watch()
            return
        try:
            self._writer.quiet(self._wall.now())
        except LogError as fault:
            # A writer that failed is of no use; a fenced one has given way to the feed.
            self._writer = None
            self._moved_at = self._wall.monotonic()
            if not isinstance(fault, Fenced):
                raise

    def _watch(self) -> None:
        if self._wall.monotonic() - self._looked_at < min(LOOK_SECONDS, self._dead_after_s / 2):
            return
        self._looked_at = self._wall.monotonic()
        end = self._log.end_offset(self._journal)
        if end != self._end_seen:
            self._end_seen = end
            self._moved_at = self._wall.monotonic()
        elif self._wall.monotonic() - self._moved_at >= self._dead_after_s:
            if self._is_kept():
                # Fenced: the feed came back between the look and the first watermark.
                with suppress(Fenced):
                    self._take_over()
            # A session whose time is not kept is looked at again only after as long.
            self._moved_at = self._wall.monotonic()

    def _is_kept(self) -> bool:
        entry = newest_entry(self._log, self._journal, self._codec)
        if entry is None:
            return False
        source = source_of(entry)
        return source.live and not source.ended

    def _take_over(self) -> None:
        writer = FeedWriter(
            self._log, self._codec, self._settings, code_version=self._code_version, live=True, role="timekeeper"
        )
        try:
            now = self._wall.now()
            if writer.predecessor != "timekeeper":
                writer.put_feed_down(now)
            writer.quiet(now)
        except LogError:
            writer.close()
            raise
        self._writer = writer
