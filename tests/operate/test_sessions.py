"""Sessions by name: made, read back, listed, ended, removed."""

import pytest

from streams.domain.parameters import SessionSettings
from streams.errors import ConfigError
from streams.log.codec import Codec, SchemaIds
from streams.log.memory import MemoryLog
from streams.operate import sessions

CODEC = Codec.offline()
SETTINGS = SessionSettings(session="s", partitions=2)


def make(log: MemoryLog, settings: SessionSettings = SETTINGS) -> None:
    sessions.create(log, CODEC, settings, schema_ids=SchemaIds.offline(), code_version="test", time=1_000_000)


def test_worker_reads_back_exactly_what_the_session_was_made_with() -> None:
    log = MemoryLog()
    make(log)
    assert sessions.read(log, CODEC, "s") == SETTINGS
    assert log.topics()["s.market_data"] == 2
    assert [one.name for one in sessions.listing(log, CODEC)] == ["s"]


def test_making_a_session_again_changes_nothing_and_with_other_settings_is_refused() -> None:
    log = MemoryLog()
    make(log)
    make(log)
    other = SETTINGS.model_copy(update={"snapshot_interval_seconds": 30})
    with pytest.raises(ConfigError, match="session s must go on with the settings it was made with"):
        make(log, other)
    assert sessions.read(log, CODEC, "s") == SETTINGS


def test_ended_session_says_so_and_keeps_its_settings() -> None:
    log = MemoryLog()
    make(log)
    sessions.end(log, CODEC, "s", time=2_000_000)
    assert sessions.manifest(log, CODEC, "s").status == "ENDED"
    assert sessions.read(log, CODEC, "s") == SETTINGS


def test_removed_session_is_gone_and_the_one_beside_it_stays() -> None:
    log = MemoryLog()
    make(log)
    make(log, SETTINGS.model_copy(update={"session": "beside"}))
    sessions.remove(log, "s")
    with pytest.raises(ConfigError, match="session must be one of beside, was s"):
        sessions.read(log, CODEC, "s")
    with pytest.raises(ConfigError, match="session must be one of beside, was s"):
        sessions.remove(log, "s")
