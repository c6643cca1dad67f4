"""One correlation id leads through the log lines of feed, signals, risk and execution, from the tick to its fill."""

import asyncio
import io
import json
import logging
import re
import threading
from collections.abc import Iterator

import pytest

from streams.agents.app import StageApp, StageSetup
from streams.agents.watch import HealthLimits
from streams.exchange.service import FeedService
from streams.exchange.wall import SystemWall
from streams.log.codec import Codec, SchemaIds
from streams.log.memory import MemoryLog
from streams.log.worker import Worker
from streams.operate import sessions
from streams.operate.logs import start_logging
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES
from streams.operate.stack.settings import free_ports

CODEC = Codec.offline()
SETTINGS = settings_of(Ask(session="logged", feed="simulated", duration_seconds=90))
FEED, AGENTS = "streams.exchange.writer", "streams.agents.service"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)


def play(fills: int) -> None:
    """A session by the deployed feed and apps on a log in memory, until so many answers have filled something."""
    log = MemoryLog()
    sessions.create(log, CODEC, SETTINGS, schema_ids=SchemaIds.offline(), code_version="test", time=SETTINGS.feed.start_time)
    FeedService(log, CODEC, SETTINGS, SystemWall(threading.Event()), speed="max", code_version="test").run()

    async def run() -> None:
        apps = [
            StageApp(StageSetup(
                "logged", stage, lambda stage_of=stage_of: Worker(log, stage_of, SETTINGS, CODEC, code_version="test"),
                "127.0.0.1", port, HealthLimits(),
            ))
            for (stage, stage_of), port in zip(STAGES.items(), free_ports(3), strict=True)
        ]  # fmt: skip
        for app in apps:
            await app.start()
        read = apps[-1].metrics.registry.get_sample_value
        async with asyncio.timeout(60):
            while (read("streams_fills_total", {"session": "logged", "stage": "execution"}) or 0) < fills:
                await asyncio.sleep(0.02)
        for app in apps:
            await app.stop()

    asyncio.run(run())


def test_one_id_leads_from_the_tick_to_its_fill_in_json_lines(stream: io.StringIO) -> None:
    start_logging("DEBUG", "json", stream)
    play(fills=1)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    [filled, *_] = [one for one in lines if one["logger"] == AGENTS and re.match(r"(FILLED|PARTIALLY)", one["message"])]
    followed = [one for one in lines if one.get("correlation_id") == filled["correlation_id"]]
    said = [(one["logger"], one["message"].split()[0]) for one in followed]
    assert said[:3] == [(FEED, "market"), (AGENTS, "signal"), (AGENTS, "approved")]
    assert followed[0]["event_id"] == filled["correlation_id"]
    assert filled in followed
    # Another tick's lines are not among them, and every line about a record says which.
    others = {one["correlation_id"] for one in lines if one["logger"] == FEED}
    assert len(others) > 1
    assert all("event_id" in one for one in lines if one["logger"] in (FEED, AGENTS) and "correlation_id" in one)


def test_human_lines_end_with_the_id(stream: io.StringIO) -> None:
    start_logging("INFO", "human", stream)
    log = logging.getLogger("streams.test")
    log.info("approved BUY", extra={"correlation_id": "s/feed/1"})
    log.info("plain")
    first, second = stream.getvalue().splitlines()
    assert first.endswith("INFO streams.test: approved BUY [s/feed/1]")
    assert second.endswith("INFO streams.test: plain")
