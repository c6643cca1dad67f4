"""The live feed as a process against a real broker and a simulated exchange that is a process too: killed and started anew."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import schemas
from streams.domain.parameters import SessionSettings
from streams.exchange.mexc.trades_seen import key_of
from streams.exchange.mexc_simulated.truth import TradeSaid, read_truth
from streams.log.interface import Log, Partition
from streams.log.kafka import KafkaLog
from streams.log.layout import Layout
from streams.operate.stack import Endpoints
from tests.exchange.sessions import market_records, newest_source, settings_for

SYMBOLS = ("BTCUSDT", "BTC_USDT")
DEADLINE_SECONDS = 90.0
SECOND = 1_000_000
# Reads the session's settings from its standard input, feeds it to the broker named first, from the exchange of the variables named second.
FEED_PROGRAM = """
import json, sys
from streams.cli.feed import stop_on_signals
from streams.domain.parameters import SessionSettings
from streams.exchange.service import FeedService, LiveOptions
from streams.exchange.wall import SystemWall
from streams.log.codec import Codec
from streams.log.kafka import KafkaLog

settings = SessionSettings.model_validate_json(sys.stdin.read())
with KafkaLog(sys.argv[1]) as log:
    live = LiveOptions(json.loads(sys.argv[2]))
    wall = SystemWall(stop_on_signals())
    FeedService(log, Codec.offline(), settings, wall, speed="1x", code_version="test", take_over=True, live=live).run()
"""


@contextmanager
def simulated_exchange(truth: Path, folder: Path) -> Iterator[dict[str, str]]:
    """The variables by which a feed reaches it, until the block ends."""
    command = (sys.executable, "-m", "streams.cli", "exchange", "simulate", "--json", "--symbols", ",".join(SYMBOLS), "--truth", str(truth))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        try:
            yield told["environment"] | {"CDB_MEXC_LIMITS_FILE": str(folder / "limits.sqlite")}
        finally:
            process.send_signal(signal.SIGTERM)


def started(bootstrap: str, environment: dict[str, str], settings: SessionSettings) -> "subprocess.Popen[str]":
    names = {name: value for name, value in environment.items() if not name.endswith(("KEY_FILE", "SECRET_FILE"))}
    process = subprocess.Popen([sys.executable, "-c", FEED_PROGRAM, bootstrap, json.dumps(names)], stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(settings.model_dump_json())
    process.stdin.close()
    return process


def until_it_writes(log: Log, place: Partition, count: int, process: "subprocess.Popen[str]") -> None:
    """Returns once so many records more stand there."""
    target, deadline = log.end_offset(place) + count, time.monotonic() + DEADLINE_SECONDS
    while log.end_offset(place) < target:
        assert process.poll() is None and time.monotonic() < deadline, "the feed must write"
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue


def test_live_feed_that_is_killed_says_what_it_missed_and_tells_nothing_twice(
    lone_kafka: Endpoints, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    settings = settings_for(*SYMBOLS, session=fresh_session(), kind="mexc")
    layout, truth = Layout.of(settings), tmp_path / "truth.jsonl"
    with KafkaLog(lone_kafka.bootstrap, client_id="test") as log, simulated_exchange(truth, tmp_path) as environment:
        log.create({layout.full(topic): layout.count(topic) for topic in schemas.catalogue()})
        market = Partition(layout.full("market_data"), 0)
        first = started(lone_kafka.bootstrap, environment, settings)
        until_it_writes(log, market, 150, first)
        first.kill()
        first.wait(DEADLINE_SECONDS)
        second = started(lone_kafka.bootstrap, environment, settings)
        until_it_writes(log, market, 150, second)
        second.send_signal(signal.SIGTERM)
        assert second.wait(DEADLINE_SECONDS) == 0
        records = market_records(log, settings)
        source = newest_source(log, settings)
    assert source.live and not source.ended
    assert source.position is not None and source.position[0].startswith("mexc epoch 1 began ")
    said = [one for one in read_truth(truth) if isinstance(one, TradeSaid)]
    for symbol in SYMBOLS:
        own: list[Any] = [record for record in records if record.symbol == symbol]
        gaps = [record for record in own if record.gap]
        assert len(gaps) == 1, "the second feed says once that the first was away"
        told = Counter(key_of(trade) for record in own for trade in record.trades)
        happened = Counter(key_of(one.trade) for one in said if one.symbol == symbol)
        assert told and not told - happened
        # By the exchange's clock, which is not this machine's: that of records and trades.
        before = max(record.time for record in own if record.time < gaps[0].time)
        after = min(record.time for record in own if record.snapshot and record.time > gaps[0].time)
        span = (min(record.time for record in own if record.snapshot), own[-1].time - SECOND)
        missing = [key[0] for key in (happened - told) if span[0] < key[0] < span[1]]
        assert missing and all(before - SECOND <= time <= after + SECOND for time in missing)
