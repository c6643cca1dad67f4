"""`cdb exchange simulate` serves until it is told to stop, says how to use it, and names what is wrong with an option."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from streams.cli.__main__ import run

COMMAND = (sys.executable, "-m", "streams.cli", "exchange", "simulate")


def test_exchange_says_its_addresses_serves_and_ends_in_order_when_told_to_stop():
    command = (*COMMAND, "--json", "--history", "5", "--symbols", "BTCUSDT,BTC_USDT", "--fault", "server_error:60")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = json.loads(process.stdout.readline())
        names = told["environment"]
        with urllib.request.urlopen(f"{told['control']}/faults", timeout=30) as answer:
            faults = json.load(answer)
        secret = names["CDB_MEXC_SECRET_FILE"]
        mode = os.stat(secret).st_mode & 0o777
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert told["symbols"] == ["BTCUSDT", "BTC_USDT"]
    assert [one["fault"] for one in faults] == ["server_error"]
    assert names["CDB_MEXC_SPOT_WEBSOCKET"].startswith("ws://127.0.0.1:") and names["CDB_MEXC_FUTURES_WEBSOCKET"].endswith("/edge")
    assert mode == 0o600 and not os.path.exists(secret)


def test_account_is_read_and_an_order_is_tested_with_the_key_s_symbols_alone(capsys):
    command = (*COMMAND, "--json", "--history", "5", "--symbols", "BTCUSDC,BTCUSDT")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        environment = json.loads(process.stdout.readline())["environment"]
        order = ("exchange", "test-order", "--side", "BUY", "--price", "60000", "--quantity")
        codes = [
            run(("exchange", "account", "--json"), environment), run((*order, "0.01", "--symbol", "BTCUSDC"), environment),
            run((*order, "0.000000001", "--symbol", "BTCUSDC"), environment), run((*order, "0.01", "--symbol", "BTCUSDT"), environment),
            run(("exchange", "account"), {name: value for name, value in environment.items() if not name.endswith("_FILE")}),
        ]  # fmt: skip
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    said = capsys.readouterr()
    assert codes == [0, 0, 1, 2, 2]
    assert '"asset": "USDC"' in said.out and "MEXC would take it: BTCUSDC BUY LIMIT 0.01 60000" in said.out
    assert "30002" in said.err and "CDB_MEXC_ALLOWED_SYMBOLS (BTCUSDC, BTCUSDE), was BTCUSDT" in said.err
    assert "CDB_MEXC_KEY_FILE and CDB_MEXC_SECRET_FILE must be set" in said.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fault", "sleep"), "FAULT must be one of drop_mid_frame"),
        (("--symbols", "LUNAUSDT"), "FEED_SYMBOLS must be among BTCUSDC"),
        (("--instrument", "mexc:DOGEUSDT"), "--instrument must not be given without candles"),
    ],
)
def test_wrong_option_is_named_with_exit_code_2(options, words, capsys):
    assert run(("exchange", "simulate", *options), {}) == 2
    assert words in capsys.readouterr().err
