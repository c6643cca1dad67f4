"""A perpetual's funding is told with its own interval, which only REST knows."""

from decimal import Decimal as D

from streams.exchange.mexc.events import FundingRate, Kind
from streams.exchange.mexc.gaps import Completeness, Want
from streams.exchange.mexc.heard import FundingAnswer
from streams.exchange.mexc.symbol import SymbolFeed
from streams.exchange.push import FundingNotice, Position

HOUR = 3_600_000_000
NOW, NEXT = 1_000 * HOUR, 1_004 * HOUR


def rate(text: str, settlement: int = NEXT) -> FundingRate:
    return FundingRate(symbol="BTC_USDT", event_time=NOW, rate=D(text), settlement_time=settlement)


def told(feed: SymbolFeed) -> list[tuple[D, int, int]]:
    found = [(one.rate, one.interval_hours, one.settlement_time) for one in feed.pushes if isinstance(one, FundingNotice)]
    feed.pushes = []
    return found


def test_rate_is_held_until_rest_has_told_the_interval_and_told_once():
    feed = SymbolFeed("BTC_USDT", "mexc", Completeness())
    feed.begin(NOW, Position("mexc epoch 0", NOW))
    feed.acknowledged("c", Kind.FUNDING_RATE)
    assert feed.wants == [Want("BTC_USDT", Kind.FUNDING_RATE, NOW)]
    feed.on_event("c", rate("0.0001"))
    feed.on_event("c", rate("0.0002"))
    assert told(feed) == []
    feed.on_funding(FundingAnswer(rate("0.0001"), 4))
    # The websocket's is the newer one.
    assert told(feed) == [(D("0.0002"), 4, NEXT)]
    feed.on_event("c", rate("0.0002"))
    assert told(feed) == []
    feed.on_event("c", rate("0.0003", NEXT + 4 * HOUR))
    assert told(feed) == [(D("0.0003"), 4, NEXT + 4 * HOUR)]


def test_what_rest_says_is_told_where_the_websocket_has_said_nothing_yet():
    feed = SymbolFeed("BTC_USDT", "mexc", Completeness())
    feed.begin(NOW, Position("mexc epoch 0", NOW))
    feed.on_funding(FundingAnswer(rate("-0.0001"), 1))
    assert told(feed) == [(D("-0.0001"), 1, NEXT)]
