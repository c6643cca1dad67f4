"""What ccxt sees of an exchange while our feed hears it is what stands on the topics. Skipped where ccxt cannot be fetched."""

import asyncio
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from streams.domain.parameters import FeedParameters
from streams.domain.records import Funding
from streams.exchange.mexc_simulated.server import SimulatedMexc
from streams.exchange.mexc_simulated.settings import Limits, Settings
from streams.exchange.service import FeedService, LiveOptions
from streams.exchange.simulated import SimulatedFeed
from streams.exchange.wall import SystemWall
from streams.log.memory import MemoryLog
from tests.exchange.mexc_simulated import test_ccxt
from tests.exchange.mexc_simulated.test_ccxt import amount_of
from tests.exchange.sessions import CODEC, data_of, market_records, new_log, settings_for

SYMBOLS = {"BTC/USDT": "BTCUSDT", "BTC/USDT:USDT": "BTC_USDT"}
DEADLINE_SECONDS = 60.0
# Made once, for both.
ccxt_python = test_ccxt.ccxt_python


async def watched(reader: Path, python: Path, log: MemoryLog, folder: Path) -> dict[str, Any]:
    """What ccxt saw, once every channel of our feed was acknowledged; the feed runs until it is told to stop, as deployed."""
    start, stop = time.time_ns() // 1000, threading.Event()
    source = FeedParameters(symbols=tuple(SYMBOLS.values()), start_time=start - 60_000_000, rate_per_second=10)
    # Both ask for contract details, from one address.
    limits = Settings(limits=Limits(detail_window=0.01))
    async with SimulatedMexc(SimulatedFeed(source), start=start, history_seconds=60, settings=limits) as server:
        environment = {
            "CDB_MEXC_SPOT_REST": server.rest_url, "CDB_MEXC_FUTURES_REST": server.rest_url,
            "CDB_MEXC_SPOT_WEBSOCKET": server.spot_url, "CDB_MEXC_FUTURES_WEBSOCKET": server.futures_url,
            "CDB_MEXC_LIMITS_FILE": str(folder / "limits.sqlite"),
        }  # fmt: skip
        settings = settings_for(*SYMBOLS.values(), kind="mexc")
        service = FeedService(
            log, CODEC, settings, SystemWall(stop), speed="1x", code_version="test", live=LiveOptions(environment)
        )
        running = asyncio.create_task(asyncio.to_thread(service.run))
        try:
            deadline = time.monotonic() + DEADLINE_SECONDS
            while not _is_acknowledged(service):
                assert not running.done() and time.monotonic() < deadline, service.status()
                await asyncio.sleep(0.05)
            command = (python, reader, server.rest_url, server.spot_url, server.futures_url)
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
            out, errors = await asyncio.wait_for(process.communicate(), DEADLINE_SECONDS)
            assert process.returncode == 0, errors.decode()
        finally:
            stop.set()
            outcome = await running
        assert not outcome.ended
    return dict(json.loads(out))


def _is_acknowledged(service: FeedService) -> bool:
    connections: Any = (service.status().exchange or {}).get("connections") or {}
    return bool(connections.get("subscriptions")) and connections["acknowledged"] == connections["subscriptions"]


def test_what_ccxt_saw_is_what_stands_on_the_topics(ccxt_python: Path, tmp_path: Path) -> None:
    settings = settings_for(*SYMBOLS.values(), kind="mexc")
    log = new_log(settings)
    seen = asyncio.run(watched(test_ccxt.HERE / "ccxt_reader.py", ccxt_python, log, tmp_path))
    records = market_records(log, settings)
    for name, symbol in SYMBOLS.items():
        told = Counter(
            (trade.time // 1000, trade.aggressor.lower(), float(trade.price), amount_of(symbol, trade.quantity))
            for record in records if record.symbol == symbol for trade in record.trades
        )  # fmt: skip
        saw = Counter((one["timestamp"], one["side"], one["price"], one["amount"]) for one in seen[name]["watched"])
        assert saw and not saw - told
    [funding] = [
        record for topic, _, _, value in data_of(log, settings)
        if topic == "funding" and isinstance(record := CODEC.decode(value or b""), Funding)
    ]  # fmt: skip
    assert float(funding.rate) == seen["funding"]["fundingRate"]
    assert funding.settlement_time // 1000 == seen["funding"]["fundingTimestamp"]
