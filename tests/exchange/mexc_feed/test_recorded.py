"""What a live feed heard, written to a file, plays again: the same market data, byte for byte."""

import asyncio
from pathlib import Path

import pytest

from streams.errors import ConfigError, FeedError
from streams.exchange.mexc.lane import LaneTimes
from streams.exchange.mexc_simulated.faults import Fault
from streams.exchange.service import FeedService, recording_of
from streams.log.memory import MemoryLog
from tests.exchange.mexc_feed.live_sessions import SYMBOLS, LiveSession, played
from tests.exchange.sessions import CODEC, FakeWall, data_of, new_log, settings_for

EVERYTHING = (Fault.OVERSIZED, Fault.GARBAGE, Fault.DUPLICATE, Fault.VERSION_GAP, Fault.REORDER, Fault.UNKNOWN_MESSAGE)


async def eventful(session: LiveSession) -> None:
    """Every fault that leaves something on the log, connections that are renewed, and an instrument that is paused."""
    for fault in EVERYTHING:
        session.server.exchange.faults.switch_on(fault)
        await asyncio.sleep(7)
    await session.until(lambda: session.whole)
    await asyncio.sleep(5)


@pytest.fixture(scope="module")
def live(tmp_path_factory) -> tuple[LiveSession, Path]:
    path = tmp_path_factory.mktemp("recordings") / "mexc.jsonl.gz"
    return played(eventful, recording=path, lane_times=LaneTimes(life_min=20, life_max=30)), path


def replayed(path: Path, *, cut_at: float | None = None) -> MemoryLog:
    """The recording as a session of its own; `cut_at`: told to stop after that many seconds, and started anew."""
    settings = settings_for(*SYMBOLS, files=(str(path),))
    log = new_log(settings)
    if cut_at is not None:
        wall = FakeWall()
        wall.at(cut_at, wall.stop)
        assert not FeedService(log, CODEC, settings, wall, speed="1x", code_version="test").run().ended
    assert FeedService(log, CODEC, settings, FakeWall(), speed="max", code_version="test").run().ended
    return log


def test_recording_gives_the_market_data_of_the_live_session_byte_for_byte(live):
    session, path = live
    told = data_of(session.log, session.settings)
    assert len(told) > 300 and session.assembly.counts.gaps
    assert data_of(replayed(path), settings_for(*SYMBOLS)) == told


def test_recording_that_is_stopped_and_started_anew_tells_the_same(live):
    session, path = live
    assert data_of(replayed(path, cut_at=20), settings_for(*SYMBOLS)) == data_of(session.log, session.settings)


def test_recording_names_its_instruments(live):
    _, path = live
    assert [spec.symbol for spec in recording_of((str(path),)).instruments()] == list(SYMBOLS)


def test_recording_that_breaks_off_ends_there_with_file_and_line(live, tmp_path):
    _, path = live
    import gzip

    text = gzip.decompress(path.read_bytes())
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(text[: len(text) // 2])
    feed = recording_of((str(cut),))
    with pytest.raises(FeedError, match=r"cut\.jsonl line \d+: "):
        list(feed.pushes())


def test_recordings_of_other_symbols_are_not_one_feed(live, tmp_path):
    _, path = live
    other = tmp_path / "other.jsonl"
    other.write_text('{"format":"cdb-mexc-1","symbols":["ETHUSDT"]}\n')
    with pytest.raises(ConfigError, match="must be recordings of MEXC with the same symbols"):
        recording_of((str(path), str(other)))
