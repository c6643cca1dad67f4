"""Instruments from their files: every shipped one is valid, every fault is named with file and field."""

from decimal import Decimal
from pathlib import Path

import pytest

from streams.domain.perpetuals.tiers import tiers_of
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


def test_mexc_states_tiers_in_contracts_and_the_record_holds_them_in_base_units():
    # 500,000 contracts of 0.0001 BTC are 50 BTC; level 2 holds 100 at .01.
    tiers = tiers_of(venue_instruments("simulated")["BTC_USDT"].record("s", 1).tiers)
    assert [(t.maximum_quantity, t.maintenance_margin_rate, t.initial_margin_rate) for t in tiers[:2]] == [
        (50, Decimal("0.005"), Decimal("0.01")), (100, Decimal("0.01"), Decimal("0.02")),
    ]
    assert {t.liquidation_fee_rate for t in tiers} == {Decimal("0.0002")}


def test_tiers_are_the_text_they_have_always_been():
    """A change here changes the first records of every session of that venue."""
    assert venue_instruments("binance-usdm")["BTCUSDT"].record("s", 1).tiers.startswith(
        '[{"maximum_notional":"50000","maintenance_margin_rate":"0.004","initial_margin_rate":"0.008"},'
    )


TIER = 'maximum_notional = "1", maintenance_margin_rate = "0.1", initial_margin_rate = "0.1"'
LIMIT = (
    'levels = 1, base_volume = 1, volume_step = 1, maintenance_margin_rate = "0.1", maintenance_step = 0, '
    'initial_margin_rate = "0.1", initial_step = 0'
)


@pytest.mark.parametrize(("kind", "lines", "why"), [
    ("SPOT", f"tiers = [{{ {TIER} }}]", "tiers must be given for perpetuals and for nothing else, were 1 of a SPOT"),
    ("PERPETUAL", "", "tiers must be given for perpetuals and for nothing else, were 0 of a PERPETUAL"),
    ("PERPETUAL", f"tiers = [{{ {TIER} }}]\nrisk_limit = {{ {LIMIT} }}", "tiers must be empty where risk_limit is given"),
    ("PERPETUAL", f"tiers = [{{ {TIER} }}, {{ {TIER} }}]", "tier 2 must hold more than the one before"),
])
def test_perpetuals_have_tiers_and_spot_has_none(tmp_path, kind, lines, why):
    text = GOOD.replace('kind = "SPOT"', f'kind = "{kind}"') + lines
    with pytest.raises(ConfigError, match=why):
        loaded(tmp_path, text)


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
