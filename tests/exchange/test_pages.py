"""The feed's pages over real HTTP on loopback."""

import asyncio
import json

import pytest
from aiohttp.test_utils import TestClient, TestServer

from streams.errors import ConfigError
from streams.exchange.pages import application
from streams.exchange.service import FeedService
from tests.exchange.sessions import (
    CODEC,
    FakeWall,
    new_log,
    settings_for,
    small_recording,
    write_lines,
)


def asked(service: FeedService, *paths: str) -> list[tuple[int, str]]:
    async def ask() -> list[tuple[int, str]]:
        async with TestClient(TestServer(application(service))) as client:
            answers = [await client.get(path) for path in paths]
            return [(answer.status, await answer.text()) for answer in answers]

    return asyncio.run(ask())


def make_service(tmp_path) -> FeedService:
    settings = settings_for(files=(write_lines(tmp_path / "a.jsonl", small_recording()),))
    return FeedService(new_log(settings), CODEC, settings, FakeWall(), speed="max", code_version="test")


def test_pages_of_a_feed_that_ran_tell_its_counts(tmp_path):
    service = make_service(tmp_path)
    service.run()
    health, status, metrics = asked(service, "/health", "/status", "/metrics")
    assert health[0] == status[0] == metrics[0] == 200
    assert json.loads(health[1])["phase"] == "ended"
    assert json.loads(status[1])["records"] == 10
    lines = metrics[1].splitlines()
    assert 'streams_feed_records_total{session="s"} 10.0' in lines
    assert 'streams_feed_last_price{session="s",symbol="BTCUSDT"} 100.2' in lines
    assert 'streams_feed_offset_seconds{session="s",venue="binance"} -1.0' in lines
    assert 'streams_feed_healthy{session="s"} 1.0' in lines


def test_health_of_a_feed_that_failed_is_503_and_says_why(tmp_path):
    settings = settings_for("ETHUSDT", files=(write_lines(tmp_path / "a.jsonl", small_recording()),))
    service = FeedService(new_log(settings), CODEC, settings, FakeWall(), speed="max", code_version="test")
    with pytest.raises(ConfigError) as fault:
        service.run()
    [(code, body)] = asked(service, "/health")
    assert code == 503 and json.loads(body)["error"] == str(fault.value)


def test_pages_answer_before_the_feed_has_begun(tmp_path):
    [(code, body), _, metrics] = asked(make_service(tmp_path), "/health", "/status", "/metrics")
    assert code == 200 and json.loads(body)["phase"] == "starting" and metrics[0] == 200
