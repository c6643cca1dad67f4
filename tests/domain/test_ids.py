"""Ids: what they are made of, and how they are ordered."""

from streams.domain.ids import cause_of, market_id, order_key, output_id, session_of, timer_cause


def test_an_id_names_its_cause_without_the_session():
    record = market_id("live", "mexc", "BTCUSDT", 17)
    assert record == "live/feed/mexc/BTCUSDT/17"
    assert session_of(record) == "live"
    assert output_id("live", "risk", cause_of(record), "main", 2) == "live/risk/feed/mexc/BTCUSDT/17/main/2"
    assert timer_cause("stale", "BTCUSDT", 5_000_000) == "timer/stale/BTCUSDT/5000000"


def test_ids_are_ordered_field_by_field_numbers_as_numbers_and_before_words():
    ordered = ["live/feed/mexc/BTCUSDT/2", "live/feed/mexc/BTCUSDT/10", "live/feed/mexc/BTCUSDT/10/0", "live/feed/mexc/BTCUSDT/x"]
    assert sorted([ordered[1], ordered[3], ordered[0], ordered[2]], key=order_key) == ordered
    assert order_key("a/2") < order_key("a/10") < order_key("b/1")
