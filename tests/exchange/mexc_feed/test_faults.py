"""Each fault that the exchange or the network can have, with its outcome measured: what is missing, for how long, what is told twice."""

import asyncio
from typing import NamedTuple

import pytest

from streams.exchange.mexc.lane import LaneTimes
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.mexc_simulated.truth import RestAsked
from tests.exchange.mexc_feed.live_sessions import SYMBOLS, LiveSession, played


def struck(fault: Fault, *symbols: str, quiet: float = 5, after: float = 70, **how: object) -> LiveSession:
    """A session in which a fault strikes after a while, until all is whole again; `after`: seconds that are heard then."""

    async def story(session: LiveSession) -> None:
        await asyncio.sleep(quiet)
        session.server.exchange.faults.switch_on(fault, **how)
        await asyncio.sleep(after)
        await session.until(lambda: session.whole)
        await asyncio.sleep(3)

    return played(story, *symbols)


def assert_complete(session: LiveSession) -> None:
    for symbol in session.settings.feed.symbols:
        assert not session.missing(symbol) and not session.doubled(symbol), symbol


def test_what_arrives_is_what_the_exchange_said_and_its_candles_are_ours():
    async def story(session: LiveSession) -> None:
        await asyncio.sleep(200)

    session = played(story)
    assert_complete(session)
    for symbol in SYMBOLS:
        assert len(session.trades(symbol)) > 200 and session.gap_seconds(symbol) == 0
        assert not any(record.gap for record in session.records(symbol))
    assert session.assembly.counts.candles_compared >= 4


def told(*names: str) -> frozenset[str]:
    return frozenset(names)


class Outcome(NamedTuple):
    """What a fault must come to: the causes by which gaps are told (`also`: may be), at most how many seconds of both symbols."""

    causes: frozenset[str]
    seconds: float
    faults: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()


OUTCOMES = {
    Fault.DROP_MID_FRAME: Outcome(told("connection"), 6, told("lost")),
    Fault.HALF_OPEN: Outcome(told("connection"), 40, told("silent")),
    Fault.SILENCE: Outcome(told("connection"), 200, told("no_data", "lost"), also=told("candle", "version")),
    Fault.REORDER: Outcome(told(), 3, also=told("version")),
    Fault.DUPLICATE: Outcome(told(), 0),
    Fault.VERSION_GAP: Outcome(told("version"), 3),
    Fault.LOST_DEALS: Outcome(told("candle"), 140),
    Fault.WRONG_CANDLE: Outcome(told("candle"), 140),
    Fault.GARBAGE: Outcome(told("connection"), 3),
    Fault.OVERSIZED: Outcome(told("connection"), 6, told("oversized")),
    Fault.UNKNOWN_MESSAGE: Outcome(told(), 0),
    Fault.OLD_SCHEMA: Outcome(told(), 0),
    Fault.DEAL_OBJECTS: Outcome(told(), 0),
    Fault.CLOCK_OFF: Outcome(told(), 0),
    Fault.MAINTENANCE: Outcome(told("connection"), 100, told("lost", "handshake")),
}
LASTING = {Fault.SILENCE: 50.0, Fault.CLOCK_OFF: 30.0, Fault.MAINTENANCE: 20.0, Fault.OLD_SCHEMA: 30.0, Fault.DEAL_OBJECTS: 30.0}


@pytest.mark.parametrize("fault", OUTCOMES)
def test_after_a_fault_all_is_here_or_is_marked_as_missing_and_nothing_twice(fault):
    expected = OUTCOMES[fault]
    how = {"seconds": LASTING[fault]} if fault in LASTING else {}
    session = struck(fault, quiet=50 if "candle" in expected.causes else 5, after=130 if "candle" in expected.causes else 70, **how)
    counts = session.assembly.counts
    assert expected.causes <= set(counts.gaps) <= expected.causes | expected.also
    assert set(session.pool.status.faults) <= expected.faults and bool(session.pool.status.faults) == bool(expected.faults)
    seconds = sum(session.gap_seconds(symbol) for symbol in SYMBOLS)
    assert seconds <= expected.seconds and (seconds > 0) == bool(counts.gaps)
    for symbol in SYMBOLS:
        assert not session.doubled(symbol) and not session.unmarked(symbol) and not session.missing(symbol)


def test_address_that_is_banned_asks_no_more_until_the_ban_is_over_and_the_market_goes_on_meanwhile():
    """REST answers 418 for 40 s: frames go on, the book that was lost meanwhile comes once the ban is over."""

    async def story(session: LiveSession) -> None:
        session.server.exchange.faults.switch_on(Fault.BANNED_418, times=1, detail=40)
        session.server.exchange.faults.switch_on(Fault.VERSION_GAP, symbol="BTCUSDT")
        await session.until(lambda: not session.whole)
        before = len(session.server.exchange.truth.of(RestAsked))
        assert await session.until(lambda: session.whole, within=200) > 35
        asked = len(session.server.exchange.truth.of(RestAsked)) - before
        assert asked <= 4, f"a banned address must keep still, asked {asked} times"
        await asyncio.sleep(3)

    session = played(story)
    assert_complete(session)


def test_a_refused_or_blocked_subscription_is_asked_for_again_while_the_others_go_on():
    async def story(session: LiveSession) -> None:
        faults = session.server.exchange.faults
        faults.switch_on(Fault.BLOCKED, times=2)
        faults.switch_on(Fault.DROP_MID_FRAME)
        await session.until(lambda: not session.whole)
        await session.until(lambda: session.whole)
        await asyncio.sleep(3)

    session = played(story)
    assert session.assembly.counts.refused >= 2
    assert_complete(session)


def test_acknowledgement_error_is_healed_on_the_same_connection():
    async def story(session: LiveSession) -> None:
        session.server.exchange.faults.switch_on(Fault.ACKNOWLEDGEMENT_ERROR, times=1)
        session.server.exchange.faults.switch_on(Fault.OVERSIZED)
        await session.until(lambda: not session.whole)
        await session.until(lambda: session.whole)
        await asyncio.sleep(3)

    session = played(story)
    assert session.assembly.counts.refused >= 1 and sum(session.pool.status.faults.values()) == 1
    assert_complete(session)


@pytest.mark.parametrize("fault", [Fault.STORM_429, Fault.SERVER_ERROR, Fault.FORBIDDEN_403])
def test_rest_that_does_not_answer_keeps_the_gap_open_until_it_does(fault):
    """The connection breaks while REST is away for 20 s: the book is void that long, and then whole."""

    async def story(session: LiveSession) -> None:
        session.server.exchange.faults.switch_on(fault, seconds=20)
        session.server.exchange.faults.switch_on(Fault.OVERSIZED)
        await session.until(lambda: not session.whole)
        assert await session.until(lambda: session.whole) > 15
        await asyncio.sleep(3)

    session = played(story)
    assert_complete(session)
    assert 15 < sum(session.gap_seconds(symbol) for symbol in SYMBOLS) < 90


def test_slow_handshake_is_given_up_and_tried_again():
    async def story(session: LiveSession) -> None:
        session.server.exchange.faults.switch_on(Fault.SLOW_HANDSHAKE, times=1, detail=30)
        session.server.exchange.faults.switch_on(Fault.OVERSIZED)
        await session.until(lambda: not session.whole)
        assert await session.until(lambda: session.whole) < 12
        await asyncio.sleep(3)

    session = played(story)
    assert session.pool.status.faults["handshake"] == 1
    assert_complete(session)


def test_renewal_before_the_exchange_ends_a_connection_misses_nothing_and_tells_nothing_twice():
    """Connections that may live for 60 s are renewed after 20 to 30 s, each time with both heard for 2 s."""

    async def story(session: LiveSession) -> None:
        await asyncio.sleep(150)

    session = played(story, lane_times=LaneTimes(life_min=20, life_max=30), limits={"connection_life": 60})
    counts = session.assembly.counts
    assert not counts.gaps and not session.pool.status.faults
    assert counts.duplicates["trades"] > 10 and counts.duplicates["depth"] > 10
    assert_complete(session)


def test_limit_of_a_connections_life_without_renewal_would_be_a_gap():
    async def story(session: LiveSession) -> None:
        await asyncio.sleep(100)

    session = played(story, limits={"connection_life": 60})
    assert session.assembly.counts.gaps["connection"] == len(SYMBOLS)
    assert_complete(session)
