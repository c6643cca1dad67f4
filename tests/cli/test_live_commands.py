"""Commands of a live exchange that cannot be reached say so at once, and what runs without it."""

import socket
import time
from collections.abc import Iterator

import pytest

from streams.cli.__main__ import run


@pytest.fixture
def nobody() -> Iterator[dict[str, str]]:
    """The variables of an exchange where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}"
        yield {"CDB_MEXC_SPOT_REST": address, "CDB_MEXC_FUTURES_REST": address}


@pytest.mark.parametrize("words", [("paper", "--feed", "mexc", "--symbols", "BTCUSDT,BTC_USDT"), ("record", "{file}")])
def test_exchange_that_cannot_be_reached_is_told_within_10_s_with_what_runs_without_it(nobody, words, tmp_path, capsys):
    began = time.monotonic()
    environment = {**nobody, "CDB_MEXC_LIMITS_FILE": str(tmp_path / "limits.sqlite")}
    assert run([word.format(file=tmp_path / "new.jsonl") for word in words], environment) == 1
    assert time.monotonic() - began < 10
    said = capsys.readouterr().err
    assert "MEXC cannot be reached at http://127.0.0.1:" in said and "cdb paper --feed recorded FILE" in said
    assert not (tmp_path / "new.jsonl").exists()


def test_files_beside_a_live_feed_are_named(capsys):
    assert run(["paper", "a.gz", "--feed", "mexc"], {}) == 2
    assert "FEED_FILES must be empty with --feed mexc, was a.gz" in capsys.readouterr().err
