"""
One feed a session: a second one is refused while the first still writes.

Whether it writes is seen, not computed: a recording's times say nothing about the wall clock, so the end of the feed's
journal is watched for two seconds. Every feed, at any speed and in any silence, cuts a flush at least each 100 ms, and
each flush moves that end. The timekeeper's flushes do not count: a feed may always take its place back.
"""

from streams.domain.parameters import SessionSettings
from streams.errors import FeedError
from streams.exchange.wall import Wall
from streams.exchange.writer import STAGE, TASK, source_of
from streams.log.codec import Codec
from streams.log.interface import Log
from streams.log.journal import newest_entry
from streams.log.layout import Layout

SILENCE_SECONDS_MIN = 2.0
LOOK_SECONDS = 0.1


def refuse_second_feed(log: Log, codec: Codec, settings: SessionSettings, wall: Wall) -> None:
    """
    Returns once no other feed of the session has written for two seconds; at once where none ever has, or the last
    ended.

    Raises: FeedError naming session, feed and age where another feed writes.
    """
    journal = Layout.of(settings).journal(STAGE, TASK)
    seen = log.end_offset(journal)
    entry = newest_entry(log, journal, codec)
    if entry is None or (source := source_of(entry)).ended or source.role == "timekeeper":
        return
    began = looked = wall.monotonic()
    while looked - began < SILENCE_SECONDS_MIN:
        before = looked
        if wall.wait(LOOK_SECONDS):
            return
        looked = wall.monotonic()
        if log.end_offset(journal) != seen:
            raise FeedError(
                f"session {settings.session}: feed {settings.feed.name} is written by another process, its last "
                f"watermark must be {SILENCE_SECONDS_MIN:g} s old, was under {looked - before:.1f} s "
                f"(--take-over fences that one)"
            )
