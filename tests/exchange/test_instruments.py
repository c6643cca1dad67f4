"""Instruments from their files: every shipped one is valid, every fault is named with file and field."""

from decimal import Decimal
from pathlib import Path

import pytest

from streams.domain.records import InstrumentKind
from streams.domain.rules import broken_rule
from streams.errors import ConfigError
from streams.exchange.instruments import venue_instruments

GOOD = """
[defaults]
kind = "SPOT"
contract_size = "1"
maker_fee_rate = "0.001"
taker_fee_rate = "0.001"
leverage_max = "1"
valid_from = 0
notional_min = "5"
[[instruments]]
symbol = "BTCUSDT"
venue_symbol = "BTCUSDT"
base_asset = "BTC"
quote_asset = "USDT"
tick_size = "0.01"
lot_size = "0.00001"
quantity_min = "0.00001"
"""


def loaded(tmp_path: Path, text: str):
    (tmp_path / "venue.toml").write_text(text)
    return venue_instruments("venue", tmp_path)


@pytest.mark.parametrize("venue", ["binance", "binance-usdm", "simulated"])
def test_shipped_instruments_make_records_that_break_no_rule(venue):
    for spec in venue_instruments(venue).values():
        record = spec.record("s", 1)
        assert broken_rule(record) is None
        assert record.exchange == venue and record.event_id == f"s/feed/{venue}/{spec.symbol}@0/0"


def test_perpetual_of_the_same_venue_spelling_has_its_own_name_and_tiers():
    bitcoin = venue_instruments("binance-usdm")["BTCUSDT"]
    assert bitcoin.symbol == "BTC_USDT" and bitcoin.kind is InstrumentKind.PERPETUAL
    assert bitcoin.tiers[0].maintenance_margin_rate == Decimal("0.004")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ('tick_size = "0.01"', 'tick_size = "0"', r"venue.toml instruments\[0\] tick_size: .* greater than 0, was '0'"),
        ('lot_size = "0.00001"', "", r"instruments\[0\] lot_size: Field required"),
        ('quote_asset = "USDT"', 'quote_asset = "USDT"\nsurprise = 1', r"instruments\[0\] surprise: Extra inputs"),
        ("valid_from = 0", "valid_from = 5\nvalid_to = 4", r"valid_to must be after valid_from \(5\), was 4"),
        ('kind = "SPOT"', 'kind = "FUTURE"', r"instruments\[0\] kind: .*'FUTURE'"),
    ],
)
def test_fault_names_file_entry_and_field(tmp_path, before, after, why):
    with pytest.raises(ConfigError, match=why):
        loaded(tmp_path, GOOD.replace(before, after))


def test_all_faults_are_reported_at_once(tmp_path):
    text = GOOD.replace('tick_size = "0.01"', 'tick_size = "-1"').replace('lot_size = "0.00001"', 'lot_size = "0"')
    with pytest.raises(ConfigError) as fault:
        loaded(tmp_path, text)
    assert len(str(fault.value).splitlines()) == 2


def test_symbol_named_twice_is_refused(tmp_path):
    entry = GOOD[GOOD.index("[[instruments]]") :]
    with pytest.raises(ConfigError, match="symbol must occur once, BTCUSDT occurs twice"):
        loaded(tmp_path, GOOD + entry)


@pytest.mark.parametrize("text", ["[[", "\udcff"])
def test_file_that_is_no_toml_is_refused(tmp_path, text):
    (tmp_path / "venue.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match="venue.toml must be readable TOML"):
        venue_instruments("venue", tmp_path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="nowhere.toml must be readable TOML"):
        venue_instruments("nowhere", tmp_path)
