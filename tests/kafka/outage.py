"""A live session's feed that dies and returns, with the watchdog's timekeeper in its place meanwhile."""

import time

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.domain.records import Alert, MarketData, Record
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.operate.paper import FEED, PaperSession
from tests.kafka.story import Theatre, until

STALE_SECONDS_MAX = 35.0


def feed_dies_and_returns(theatre: Theatre, session: str, *, dead_seconds: float) -> None:
    """`dead_seconds`: how long the feed stays away at least; it never returns before the stale alert."""
    feed = FeedParameters(start_time=time.time_ns() // 1000, symbols=("BTCUSDT",))
    running = theatre.session(SessionSettings(session=session, feed=feed), speed="1x")
    running.start()
    try:
        until(lambda: min(running.progress().frontiers.values()) > feed.start_time, "every stage having stepped")
        theatre.strike(running, FEED)
        died_at = time.monotonic()
        until(lambda: "DATA_STALE" in alerts(theatre, running), "the stale alert", seconds=STALE_SECONDS_MAX)
        assert market_since_feed_down(theatre, running) == 0, "the alert must come without market data"
        until(lambda: time.monotonic() - died_at >= dead_seconds, "the feed having been away", seconds=dead_seconds + 1)
        running.start_feed()
        until(lambda: "DATA_FRESH" in alerts(theatre, running), "word that market data is back")
        assert market_since_feed_down(theatre, running) > 0
    finally:
        running.supervisor.stop()
    theatre.must_replay_and_reconcile(running.settings)


def records(theatre: Theatre, running: PaperSession, topic: str) -> list[Record]:
    place, log = Layout.of(running.settings).at(topic, 0), theatre.runtime.log
    messages = read_range(log, place, 0, log.end_offset(place))
    return [theatre.runtime.codec.decode(message.value) for message in messages if message.value is not None]


def alerts(theatre: Theatre, running: PaperSession) -> list[str]:
    """Their codes."""
    return [str(one.code) for one in records(theatre, running, "alerts") if isinstance(one, Alert)]


def market_since_feed_down(theatre: Theatre, running: PaperSession) -> int:
    """How many real records came after the word that the feed is down; fails where that word is missing."""
    found = [one for one in records(theatre, running, "market_data") if isinstance(one, MarketData)]
    downs = [number for number, one in enumerate(found) if one.feed_down]
    assert downs, "the timekeeper must say that the feed is down"
    return sum(not one.feed_down for one in found[downs[0] :])
