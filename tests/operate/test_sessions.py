"""Sessions by name: made, read back, listed, ended, removed."""

from collections.abc import Iterator

import msgspec
import psycopg
import pytest

from streams.domain.parameters import SessionSettings
from streams.domain.records import Command
from streams.errors import ConfigError, StackError
from streams.log.codec import Codec, SchemaIds
from streams.log.interface import Partition
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.operate import sessions, topics
from streams.operate.migrate import migrate
from streams.operate.reconcile import reconcile
from streams.operate.stack import Stack
from tests.contract.samples import NOON, sample
from tests.operate.databases import fresh_database

CODEC = Codec.offline()
SETTINGS = SessionSettings(session="s", partitions=2)


def make(log: MemoryLog, settings: SessionSettings = SETTINGS) -> None:
    sessions.create(log, CODEC, settings, schema_ids=SchemaIds.offline(), code_version="test", time=1_000_000)


def no_database() -> str:
    raise StackError("run `cdb up` first")


def test_worker_reads_back_exactly_what_the_session_was_made_with() -> None:
    log = MemoryLog()
    make(log)
    assert sessions.read(log, CODEC, "s") == SETTINGS
    assert log.topics()["s.market_data"] == 2
    assert [one.name for one in sessions.listing(log, CODEC)] == ["s"]


def test_session_whose_manifest_cannot_be_read_says_so_and_hides_no_other() -> None:
    log = MemoryLog()
    make(log)
    make(log, SETTINGS.model_copy(update={"session": "t"}))
    writer = log.writer("stranger")
    writer.begin()
    writer.append(Partition("s.session", 0), key=None, value=b"", time=2_000_000)
    writer.commit()
    broken, other = sessions.listing(log, CODEC)
    assert (broken.manifest, other.fault) == (None, "")
    assert broken.fault.startswith("s.session/0 offset 2 must hold the session's manifest")
    assert other.manifest is not None
    assert sessions.find(log, CODEC, "t") == other.manifest
    with pytest.raises(ConfigError, match="s.session/0 offset 2"):
        sessions.find(log, CODEC, "s")


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
    removed = sessions.remove(log, "s", no_database)
    assert "s.market_data" in removed.topics and removed.fault == "run `cdb up` first"
    with pytest.raises(ConfigError, match="session must be one of beside, was s"):
        sessions.read(log, CODEC, "s")
    with pytest.raises(ConfigError, match="session must be one of beside, was s"):
        sessions.remove(log, "s", no_database)


@pytest.fixture
def dsn(run_stack: Stack) -> Iterator[str]:
    with fresh_database(run_stack) as found:
        migrate(found)
        yield found


def test_removing_a_session_removes_its_rows_and_no_others_also_where_its_topics_are_gone_already(dsn: str) -> None:
    log = MemoryLog()
    for name in ("s", "beside"):
        make(log, SETTINGS.model_copy(update={"session": name}))
        halt = sample(Command)
        place = Layout.of(SETTINGS)._replace(session=name).at("commands", 0)
        writer = log.writer("test")
        writer.begin()
        writer.append(place, key=b"*", value=CODEC.wire(msgspec.structs.replace(halt, session=name)), time=NOON)
        writer.commit()
        assert reconcile(log, CODEC, dsn, name, repair=True, sink_seconds_max=0).equal
    assert sessions.remove(log, "s", lambda: dsn).rows == 1
    with pytest.raises(ConfigError, match="session must be one of beside, was s"):
        sessions.remove(log, "s", lambda: dsn)
    topics.delete_session(log, "beside")
    assert sessions.remove(log, "beside", lambda: dsn) == sessions.Removed([], 1)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM commands").fetchone() == (0,)
