"""The feed against a real broker: killed with SIGKILL ten times, it writes what it would have written in memory."""

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import schemas
from streams.domain.parameters import SessionSettings
from streams.exchange.service import FeedService
from streams.log.interface import Partition
from streams.log.kafka import KafkaLog
from streams.log.layout import Layout
from streams.operate.stack import Endpoints
from tests.exchange.sessions import (
    CODEC,
    T0,
    FakeWall,
    data_of,
    new_log,
    newest_source,
    settings_for,
    trade,
    write_lines,
)  # fmt: skip

DEADLINE_SECONDS = 60.0
# Reads the session's settings from its standard input and feeds it to the broker named in its argument.
FEED_PROGRAM = """
import sys, threading
from streams.domain.parameters import SessionSettings
from streams.exchange.service import FeedService
from streams.exchange.wall import SystemWall
from streams.log.codec import Codec
from streams.log.kafka import KafkaLog

settings = SessionSettings.model_validate_json(sys.stdin.read())
with KafkaLog(sys.argv[1]) as log:
    wall = SystemWall(threading.Event())
    FeedService(log, Codec.offline(), settings, wall, speed="4x", code_version="test", take_over=True).run()
"""


def long_recording(tmp_path: Path) -> str:
    """600 trades, 20 ms apart: three seconds at four times its pace."""
    start = T0 // 1000
    lines = [f"{T0 * 1000 + n * 20_000_000} {trade(start + n * 20, trade_id=n)}" for n in range(600)]
    return write_lines(tmp_path / "a.jsonl.gz", lines)


def start_feed(bootstrap: str, settings: SessionSettings) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", FEED_PROGRAM, bootstrap], stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(settings.model_dump_json())
    process.stdin.close()
    return process


def test_feed_killed_ten_times_on_kafka_writes_what_it_writes_in_memory(
    lone_kafka: Endpoints, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    settings = settings_for(session=fresh_session(), files=(long_recording(tmp_path),))
    layout = Layout.of(settings)
    moments = random.Random(4)
    with KafkaLog(lone_kafka.bootstrap, client_id="test") as log:
        log.create({layout.full(topic): layout.count(topic) for topic in schemas.catalogue()})
        market = Partition(layout.full("market_data"), 0)
        for _ in range(10):
            before, process = log.end_offset(market), start_feed(lone_kafka.bootstrap, settings)
            target = before + moments.randrange(1, 60)
            deadline = time.monotonic() + DEADLINE_SECONDS
            while log.end_offset(market) < target and process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.02)
            process.kill()
            process.wait(DEADLINE_SECONDS)
        assert start_feed(lone_kafka.bootstrap, settings).wait(DEADLINE_SECONDS) == 0
        assert newest_source(log, settings).ended
        memory = new_log(settings)
        FeedService(memory, CODEC, settings, FakeWall(), speed="max", code_version="test").run()
        assert data_of(log, settings) == data_of(memory, settings)
