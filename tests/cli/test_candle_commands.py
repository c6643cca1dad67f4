"""`cdb backtest` on candles as a person calls it: what is printed, what a program reads, and what ends with 2 or 1."""

import json
from pathlib import Path

import pytest

from tests.cli.test_commands import cdb
from tests.exchange.candle_stories import line, write_csv

# Up 1 % a minute for eight minutes, then down again.
CLIMB = [f"{100 + n},{101 + n},{99.5 + n},{101 + n}" for n in range(8)] + [f"{108 - n},{108.5 - n},{107 - n},{107 - n}" for n in range(8)]
STRATEGIES = """
[[strategy]]
name = "fast"
kind = "momentum"
[strategy.parameters]
SIGNAL_LOOKBACK_MIN = 1
SIGNAL_THRESHOLD_PCT = "0.5"
SIGNAL_MIN_VOLUME = 0
[risk]
MAX_SLIPPAGE_BPS = 1000
MAX_SLIPPAGE_PCT = "0.05"
"""


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    return Path(write_csv(tmp_path / "BTCUSDT_2023.csv", [line(n, prices, "5000") for n, prices in enumerate(CLIMB)]))


def test_backtest_of_candles_trades_for_every_account_and_says_how_fast_it_was(candles: Path, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STRATEGIES)
    accounts = ("--account", "big:equity=50000", "--account", "small:equity=5000")
    said = cdb("backtest", candles, "--strategies", tmp_path / "s.toml", *accounts, "--json")
    assert said.code == 0, said
    found = json.loads(said.out)
    assert found["records"]["candles"] == 16 and found["fills"] > 0
    assert {one["account"] for one in found["accounts"]} == {"big", "small"}
    ran = found["ran"]
    assert (ran["candles"], ran["pushes"], ran["gaps"]) == (16, 64, 0) and ran["candles_per_second"] > 0


def test_summary_for_people_tells_candles_a_second(candles: Path) -> None:
    said = cdb("backtest", "--feed", "candles", candles, "--from", "2023-11-14 16:05", "--to", "2023-11-14 16:10")
    words = " ".join(said.split())
    assert said.code == 0 and "5 candles, " in words and "candles per second" in words


def test_history_is_told_before_the_market_and_counts_as_no_candle_of_it(candles: Path) -> None:
    said = cdb("backtest", candles, "--from", "2023-11-14 16:08", "--warmup", candles, "--json")
    assert said.code == 0, said
    found = json.loads(said.out)
    assert (found["ran"]["candles"], found["ran"]["pushes"], found["records"]["candles"]) == (8, 64, 16)
    said = cdb("backtest", candles, "--warmup", candles)
    assert said.code == 2 and "cdb: --warmup must hold a candle of BTCUSDT among the 60 before the market's start" in said


def test_wrong_words_end_with_2_all_at_once(candles: Path) -> None:
    said = cdb("backtest", candles, "--account", "a:leverage=500", "--from", "tomorrow", "--path", "straight")
    assert said.code == 2 and "Traceback" not in said
    assert [line.split(" must be ")[0] for line in said.splitlines() if line.startswith("cdb: ")] == [
        "cdb: --from", "cdb: FEED.PATH", "cdb: ACCOUNT a: LEVERAGE",
    ]  # fmt: skip


def test_file_out_of_order_ends_with_1_and_names_the_row(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "BTCUSDT.csv", [line(0), line(2), line(1)])
    said = cdb("backtest", path, "--interval", "1m")
    assert said.code == 1 and f"cdb: {path} row 3 time must be after the row before" in said and "Traceback" not in said
