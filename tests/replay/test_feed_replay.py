"""The feed's own digest, checked again from the records on its topics."""

import threading

import pytest

from streams.exchange.wall import SystemWall
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES
from streams.replay.backtest import backtest
from streams.replay.verification.verify import verify


@pytest.mark.parametrize("start_time", [0, 1, 1_704_067_200_000_000])
@pytest.mark.parametrize("partitions", [1, 3])
def test_session_is_verified_equal_whenever_its_market_begins(start_time: int, partitions: int) -> None:
    """At time 0 the instruments cannot stand before the first push, so they share its time."""
    settings = settings_of(Ask(session="dawn", duration_seconds=5, start_time=start_time, partitions=partitions))
    stages = tuple(STAGES.values())
    done = backtest(settings, stages, SystemWall(threading.Event()), code_version="test")
    verdict = verify(done.log, settings, done.codec, stages)
    assert verdict.equal, "\n".join(map(str, verdict.divergences))
