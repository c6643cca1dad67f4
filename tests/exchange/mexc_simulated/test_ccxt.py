"""
ccxt, a client of MEXC that strangers wrote, reads the simulated exchange: what it saw is what the truth log has.

It runs in a Python of its own, for MEXC's protobuf files have no package and cannot be loaded twice; that Python has ccxt, pinned by its
hash, and borrows what ccxt needs from the project's. Skipped where ccxt cannot be fetched.
"""

import asyncio
import json
import site
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest

from streams.domain.parameters import FeedParameters
from streams.exchange.mexc_simulated.server import SimulatedMexc
from streams.exchange.mexc_simulated.truth import BookSaid, FundingSaid, KlineSaid, TruthLog
from streams.exchange.simulated import SimulatedFeed
from streams.operate.stack.settings import PROJECT_FOLDER

HERE = Path(__file__).parent
REQUIREMENTS = HERE / "ccxt_requirements.txt"
FOLDER = PROJECT_FOLDER / ".stack" / "ccxt"
FETCH_SECONDS_MAX = 180
HISTORY_SECONDS = 180


@pytest.fixture(scope="module")
def ccxt_python() -> Path:
    """Made once for a checkout, and anew when the pin changes."""
    python, made = FOLDER / "bin" / "python", FOLDER / "made-of"
    if made.is_file() and made.read_text() == REQUIREMENTS.read_text():
        return python
    venv.create(FOLDER, clear=True, with_pip=False)
    packages = next(FOLDER.glob("lib/python3*/site-packages"))
    fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", packages, "-r", REQUIREMENTS]
    try:
        subprocess.run(fetch, check=True, capture_output=True, timeout=FETCH_SECONDS_MAX)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"ccxt cannot be fetched by pip: {(error.stderr or b'').decode()[-200:] or error}")
    (packages / "project.pth").write_text(site.getsitepackages()[0])
    made.write_text(REQUIREMENTS.read_text())
    return python


@pytest.fixture(scope="module")
def seen_and_said(ccxt_python):
    """What ccxt saw, and the truth log; in real time, since ccxt has a clock of its own."""

    async def watch():
        start = time.time_ns() // 1000
        parameters = FeedParameters(
            symbols=("BTCUSDT", "BTC_USDT"), start_time=start - HISTORY_SECONDS * 1_000_000, rate_per_second=10
        )
        async with SimulatedMexc(SimulatedFeed(parameters), start=start, history_seconds=HISTORY_SECONDS) as server:
            command = (ccxt_python, HERE / "ccxt_reader.py", server.rest_url, server.spot_url, server.futures_url)
            reader = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            out, errors = await asyncio.wait_for(reader.communicate(), 120)
            assert reader.returncode == 0, errors.decode()
            return json.loads(out), server.exchange.truth

    return asyncio.run(watch())


def amount_of(symbol: str, quantity) -> float:
    """Contracts of 0.0001 BTC for the perpetual."""
    return float(quantity * 10_000 if symbol == "BTC_USDT" else quantity)


def said_trades(truth: TruthLog, symbol: str) -> list[tuple]:
    return [
        (one.time // 1000, one.aggressor.lower(), float(one.price), amount_of(symbol, one.quantity)) for one in truth.trades(symbol)
    ]


SYMBOLS = pytest.mark.parametrize(("name", "symbol"), [("BTC/USDT", "BTCUSDT"), ("BTC/USDT:USDT", "BTC_USDT")])


@SYMBOLS
@pytest.mark.parametrize("how", ["trades", "watched"])
def test_trades_of_rest_and_websocket_are_a_run_of_the_truths(seen_and_said, name, symbol, how):
    seen, truth = seen_and_said
    got = [tuple(one[key] for key in ("timestamp", "side", "price", "amount")) for one in seen[name][how]]
    said = said_trades(truth, symbol)
    first = said.index(got[0])
    assert len(got) >= 15 and got == said[first : first + len(got)]


@SYMBOLS
def test_order_book_is_the_truths_at_its_version(seen_and_said, name, symbol):
    seen, truth = seen_and_said
    sides: dict[str, dict[float, float]] = {"bids": {}, "asks": {}}
    for change in truth.of(BookSaid, symbol):
        if change.version <= seen[name]["book"]["version"]:
            for side, levels in (("bids", change.bids), ("asks", change.asks)):
                sides[side].update({float(level.price): amount_of(symbol, level.quantity) for level in levels})
    for side, reverse in (("bids", True), ("asks", False)):
        levels = sorted(([price, amount] for price, amount in sides[side].items() if amount), reverse=reverse)
        assert levels and seen[name]["book"][side] == levels


@SYMBOLS
def test_closed_candles_are_the_truths(seen_and_said, name, symbol):
    seen, truth = seen_and_said
    got = {row[0]: row[1:] for row in seen[name]["candles"]}
    closed = truth.of(KlineSaid, symbol)[:2]
    assert len(closed) == 2
    for one in closed:
        prices = [float(price) for price in (one.open, one.high, one.low, one.close)]
        assert got[one.start // 1000] == [*prices, amount_of(symbol, one.volume)]


@SYMBOLS
def test_ticker_has_a_last_price_that_was_traded_between_best_prices(seen_and_said, name, symbol):
    seen, truth = seen_and_said
    ticker = seen[name]["ticker"]
    assert ticker["last"] in {float(one.price) for one in truth.trades(symbol)} and ticker["bid"] < ticker["ask"]


def test_markets_and_funding_are_what_is_listed(seen_and_said):
    seen, truth = seen_and_said
    spot, swap = seen["markets"]["BTC/USDT"], seen["markets"]["BTC/USDT:USDT"]
    assert set(seen["markets"]) == {"BTC/USDT", "BTC/USDT:USDT"}
    assert (spot["precision"], spot["maker"], spot["taker"]) == ({"amount": 0.00001, "price": 0.01}, 0.0002, 0.0006)
    assert (spot["limits"]["amount"]["min"], spot["limits"]["cost"]["min"]) == (0.00001, 5)
    assert (swap["contractSize"], swap["precision"]["price"], swap["limits"]["leverage"]["max"]) == (0.0001, 0.1, 100)
    # A new rate may have come after ccxt had asked.
    assert seen["funding"] in [
        {"fundingRate": float(one.rate), "fundingTimestamp": one.settlement_time // 1000, "interval": f"{one.interval_hours}h"}
        for one in truth.of(FundingSaid, "BTC_USDT")
    ]
