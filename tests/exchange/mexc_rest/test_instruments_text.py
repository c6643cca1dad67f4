"""Instruments as MEXC lists them, as a file, and read back; and the command that does it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.cli.__main__ import run
from streams.errors import ConfigError
from streams.exchange.instruments import FOLDER, venue_instruments
from streams.exchange.instruments_text import instruments_text
from streams.exchange.mexc_simulated.listing import PAUSED
from tests.exchange.mexc_simulated.exchanges import mexc
from tests.exchange.sessions import T0


@pytest.mark.parametrize("venue", sorted(path.stem for path in FOLDER.glob("*.toml")))
def test_every_venue_is_read_back_as_it_was_written(tmp_path: Path, venue: str) -> None:
    specs = venue_instruments(venue)
    (tmp_path / f"{venue}.toml").write_text(instruments_text(specs.values(), at=T0))
    assert venue_instruments(venue, tmp_path) == specs


@contextmanager
def served(*symbols: str, paused: str) -> Iterator[str]:
    """The simulated exchange in a thread of its own, with one symbol paused; its address."""
    ready, done, address = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with mexc(*symbols) as server:
            server.exchange.listing.symbols[paused].status = PAUSED
            address.append(server.rest_url)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    try:
        yield address[0]
    finally:
        done.set()
        thread.join()


def test_what_mexc_lists_is_told_and_written_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served("BTCUSDC", "BTCUSDE", "BTC_USDT", paused="BTCUSDE") as address:
        environment = {
            "CDB_MEXC_SPOT_REST": address, "CDB_MEXC_FUTURES_REST": address, "CDB_MEXC_LIMITS_FILE": str(tmp_path / "limits"),
        }  # fmt: skip
        command = ["instruments", "--exchange", "mexc"]
        assert run([*command, "--json"], environment) == 0
        found = {one["symbol"]: one for one in json.loads(capsys.readouterr().out)}
        assert {name: one["status"] for name, one in found.items()} == {"BTCUSDC": "ONLINE", "BTCUSDE": "PAUSED", "BTC_USDT": "ONLINE"}
        file = tmp_path / "mexc.toml"
        assert run([*command, "--symbols", "BTCUSDC,BTCUSDE", "--online", "--out", str(file)], environment) == 0
        assert f"1 instruments in {file}" in capsys.readouterr().out
        assert {name: one.model_dump(mode="json", exclude_none=True) for name, one in venue_instruments("mexc", tmp_path).items()} == {
            "BTCUSDC": found["BTCUSDC"]
        }
        assert run([*command, "--symbol", "NOSUCH"], environment) == 2
        assert "cdb: SYMBOL must be listed by mexc, was NOSUCH" in capsys.readouterr().err


def test_files_are_listed_and_an_unknown_venue_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["instruments", "--exchange", "simulated"], {}) == 0
    assert "BTCUSDE" in capsys.readouterr().out
    assert run(["instruments", "--exchange", "nowhere"], {}) == ConfigError.exit_code
    assert "cdb: EXCHANGE must be mexc or one of binance, binance-usdm, simulated, was nowhere" in capsys.readouterr().err
