"""When a session was last verified, as the exporter tells it from the history."""

from pathlib import Path

from streams.metrics import catalogue as m
from streams.operate.lag.verified import Verified, record_verified

HOUR = 3_600_000_000


def told(file: Path) -> dict[str, float]:
    part = Verified(file, "live")
    part.turn()
    return {metric.name: found["live",] for metric, found in part.values()}


def test_last_equal_replay_holds_and_each_one_that_differed_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    assert told(file) == {m.DIVERGENCES.name: 0}
    record_verified(file, "live", time=5 * HOUR, until=4 * HOUR, divergences=[])
    record_verified(file, "live", time=6 * HOUR, until=6 * HOUR, divergences=["orders 3 differs"])
    record_verified(file, "other", time=9 * HOUR, until=9 * HOUR, divergences=[])
    assert told(file) == {m.DIVERGENCES.name: 1, m.VERIFIED.name: 5 * 3600, m.VERIFIED_UNTIL.name: 4 * 3600}
    record_verified(file, "live", time=8 * HOUR, until=7 * HOUR, divergences=[])
    assert told(file) == {m.DIVERGENCES.name: 1, m.VERIFIED.name: 8 * 3600, m.VERIFIED_UNTIL.name: 7 * 3600}
