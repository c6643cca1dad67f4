"""What is said about MEXC's settings, and what is never said."""

import pickle
from pathlib import Path

import pytest

from streams.errors import ConfigError
from streams.exchange.mexc.settings import MexcSettings
from streams.operate.connection import Connection

SECRET = "45d0b3c26f2644f19bfb98b07741b2f5"


def told(**values: str) -> str:
    with pytest.raises(ConfigError) as fault:
        MexcSettings.from_environment({f"CDB_MEXC_{name}": value for name, value in values.items()})
    return str(fault.value)


def test_the_real_exchange_is_the_default() -> None:
    found = MexcSettings.from_environment({"CDB_SECURITY": "plaintext"})
    assert (found.spot_rest, found.futures_websocket) == ("https://api.mexc.com", "wss://contract.mexc.com/edge")
    assert found.allowed_symbols == ("BTCUSDC", "BTCUSDE")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRIES_MAX", "0", "CDB_MEXC_TRIES_MAX must be a whole number 1..20: of a request that is safe to repeat, was '0'"),
        ("LIMIT_SHARE", "1.5", "CDB_MEXC_LIMIT_SHARE must be above 0, at most 1: the part of MEXC's limits that is used, was '1.5'"),
        ("SPOT_REST", "ftp://x", "CDB_MEXC_SPOT_REST must be an address that begins with https://, was 'ftp://x'"),
        ("SPOT_REST", "http://api.example", "CDB_MEXC_SPOT_REST must be an address with TLS, or one on loopback, was 'http://api.example'"),
        ("FUTURES_WEBSOCKET", "ws://10.0.0.1/x",
         "CDB_MEXC_FUTURES_WEBSOCKET must be an address with TLS, or one on loopback, was 'ws://10.0.0.1/x'"),
        ("ALLOWED_SYMBOLS", "btc usdc",
         "CDB_MEXC_ALLOWED_SYMBOLS must be spot symbols with commas between: those that are signed for, was 'btc usdc'"),
    ],
)  # fmt: skip
def test_a_setting_out_of_its_range_is_told_with_rule_and_value(name: str, value: str, said: str) -> None:
    assert told(**{name: value}) == said


def test_every_fault_is_told_at_once() -> None:
    assert len(told(TRIES_MAX="0", CONNECT_SECONDS="0").splitlines()) == 2


def test_a_misspelt_name_never_shows_what_it_held() -> None:
    assert SECRET not in told(SECRET=SECRET)
    assert "hunter2" not in told(SPOT_REST="https://me:hunter2@api.mexc.com")


def test_an_exchange_on_loopback_needs_no_tls() -> None:
    found = MexcSettings.from_environment({"CDB_MEXC_SPOT_REST": "http://127.0.0.1:8080/", "CDB_MEXC_ALLOWED_SYMBOLS": "BTCUSDC, ETHUSDC"})
    assert found.spot_rest == "http://127.0.0.1:8080"
    assert found.allowed_symbols == ("BTCUSDC", "ETHUSDC")


def test_a_key_is_read_from_files_and_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("mx0key\n")
    (tmp_path / "secret").write_text(SECRET + "\n")
    settings = MexcSettings(key_file=tmp_path / "key", secret_file=tmp_path / "secret")
    key = settings.api_key()
    assert (key.key, key.secret) == ("mx0key", SECRET)
    assert SECRET not in f"{key!r} {key} {settings!r}" and "mx0key" not in f"{key!r} {key} {settings!r}"
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize(("content", "said"), [(None, "must be readable"), (b"a b", "holds 2"), (b"", "holds 0"), (b"\xff", "other bytes")])
def test_a_key_file_that_holds_no_single_word_is_told(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="CDB_MEXC_KEY_FILE") as fault:
        MexcSettings(key_file=path).api_key()
    assert said in str(fault.value)


def test_no_key_is_told_by_name() -> None:
    with pytest.raises(ConfigError, match="CDB_MEXC_KEY_FILE must be set where a request is signed, was not"):
        MexcSettings().api_key()


def test_the_other_settings_leave_mexcs_names_alone() -> None:
    assert Connection.from_environment({"CDB_MEXC_SPOT_REST": "http://127.0.0.1:1"}) == Connection()
