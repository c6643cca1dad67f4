"""What a record must hold beyond its schema: each rule is broken by one change of an ordinary record."""

from decimal import Decimal as D
from typing import Any

import msgspec
import pytest

import schemas
from streams.contract.avro import Types, fields
from streams.contract.meaning import RANGES, meaning_of
from streams.domain import records as r
from streams.domain.rules import RULES, TIME_MAX, broken_rule
from tests.contract.samples import NOON, SAMPLES, sample

MAKER = r.Liquidity.MAKER

BREAKS: list[tuple[type[r.Record], str, dict[str, Any]]] = [
    (r.MarketData, "session_is_named", {"session": ""}),
    (r.MarketData, "session_is_named", {"event_id": ""}),
    (r.MarketData, "time_from_1970_to_9999", {"time": -1}),
    (r.MarketData, "time_from_1970_to_9999", {"time": TIME_MAX + 1}),
    (r.MarketData, "receive_and_event_time_from_1970_to_9999", {"event_time": -1}),
    (r.MarketData, "receive_and_event_time_from_1970_to_9999", {"receive_time": TIME_MAX + 1}),
    (r.MarketData, "sequence_not_negative", {"sequence": -1}),
    (r.MarketData, "trade_price_and_quantity_above_zero", {"trades": [r.Trade("1", D(0), D(1), r.Side.BUY, NOON)]}),
    (r.MarketData, "trade_price_and_quantity_above_zero", {"trades": [r.Trade("1", D(1), D(0), r.Side.BUY, NOON)]}),
    (r.MarketData, "level_price_above_zero_quantity_not_negative", {"bids": [r.Level(D(1), D("-0.1"))]}),
    (r.MarketData, "level_price_above_zero_quantity_not_negative", {"asks": [r.Level(D(0), D(1))]}),
    (r.MarketData, "top_price_above_zero_with_its_quantity", {"best_bid": D(-1)}),
    (r.MarketData, "top_price_above_zero_with_its_quantity", {"best_ask_quantity": None}),
    (r.MarketData, "mark_and_index_price_above_zero", {"index_price": D(0)}),
    (r.Instrument, "ids_short_enough_to_be_keys", {"event_id": "live/" + "x" * 508}),
    (r.Instrument, "ids_short_enough_to_be_keys", {"session": "x" * 65}),
    (r.Instrument, "ids_short_enough_to_be_keys", {"symbol": "x" * 129}),
    (r.Instrument, "text_without_nul", {"base_asset": "BTC\0"}),
    (r.Instrument, "steps_above_zero", {"tick_size": D(0)}),
    (r.Instrument, "minima_not_negative", {"notional_min": D(-1)}),
    (r.Instrument, "maker_fee_rate_within_one", {"maker_fee_rate": D(-1)}),
    (r.Instrument, "taker_fee_rate_is_fraction", {"taker_fee_rate": D("-0.0001")}),
    (r.Instrument, "leverage_max_at_least_one", {"leverage_max": D("0.5")}),
    (r.Instrument, "tiers_are_json_list", {"tiers": "{}"}),
    (r.Instrument, "tiers_are_rising_levels", {"tiers": '[{"maximum_notional":"1"}]'}),
    (r.Instrument, "valid_from_before_valid_to", {"valid_to": NOON}),
    (r.Funding, "rate_within_one", {"rate": D(1)}),
    (r.Funding, "interval_above_zero", {"interval_hours": 0}),
    (r.Funding, "settlement_from_1970_to_9999", {"settlement_time": -1}),
    (r.Candle, "low_open_close_high_in_order", {"close": D("57150.51")}),
    (r.Candle, "low_open_close_high_in_order", {"low": D(0)}),
    (r.Candle, "volume_not_negative", {"trade_count": -1}),
    (r.Candle, "window_ends_where_it_says", {"close_time": NOON + 60_000_001}),
    (r.Regime, "adx_within_0_100", {"adx": D("100.1")}),
    (r.Regime, "atr_ratio_not_negative", {"atr_ratio": D("-0.1")}),
    (r.Mark, "prices_above_zero", {"last": D(0)}),
    (r.Mark, "quantities_not_negative", {"best_bid_quantity": D(-1)}),
    (r.Mark, "mark_has_a_source", {"source": r.MarkSource.NONE}),
    (r.Mark, "mark_has_a_source", {"mark": None}),
    (r.Mark, "depth_not_negative", {"depth": [r.DepthStep(r.Side.BUY, D(1), D(1), D(-1))]}),
    (r.Mark, "market_times_from_1970_to_9999", {"market_time": -1}),
    (r.Mark, "market_times_not_after_mark", {"market_time": NOON + 1}),
    (r.Mark, "market_times_not_after_mark", {"book_time": NOON + 1}),
    (r.Mark, "bid_below_ask_unless_crossed", {"best_bid": D("57123.46")}),
    (r.Mark, "bid_below_ask_unless_crossed", {"book_crossed": True}),
    (r.Signal, "price_above_zero", {"price": D(0)}),
    (r.Signal, "strength_not_negative", {"strength": D(-1)}),
    (r.Signal, "confidence_is_fraction", {"confidence": D("1.01")}),
    (r.Signal, "indicators_are_json_object", {"indicators": "[]"}),
    (r.Signal, "indicators_are_json_object", {"indicators": '{"a":"\\u0000"}'}),
    (r.Signal, "indicators_are_json_object", {"indicators": '{"a":NaN}'}),
    (r.Order, "quantities_not_negative", {"requested_quantity": D("-0.1")}),
    (r.Order, "prices_above_zero", {"limit_price": D(0)}),
    (r.Order, "prices_above_zero", {"decision_mark": D(0)}),
    (r.Order, "refused_has_a_code_and_no_quantity", {"approved": False}),
    (r.Order, "refused_has_a_code_and_no_quantity", {"approved": False, "rejection_code": "STALE"}),
    (r.Order, "refused_has_a_code_and_no_quantity", {"rejection_code": "STALE"}),
    (r.Order, "cancel_names_its_target", {"order_type": r.OrderType.CANCEL}),
    (r.Order, "expiry_not_before_decision", {"expires_at": NOON - 1}),
    (r.Order, "checks_are_json_list", {"checks": "nothing"}),
    (r.Order, "sizing_is_json_object", {"sizing": ""}),
    (r.OrderResult, "quantities_not_negative", {"remaining_quantity": D(-1)}),
    (r.OrderResult, "fill_has_a_price_above_zero", {"price": None}),
    (r.OrderResult, "cumulative_holds_this_result", {"cumulative_quantity": D("0.1")}),
    (r.OrderResult, "only_makers_earn_fees", {"fee": D("-0.01")}),
    (r.OrderResult, "fill_not_after_its_report", {"fill_time": NOON + 100_001}),
    (r.OrderResult, "latency_not_negative", {"latency_us": -1}),
    (r.OrderResult, "decision_mark_above_zero", {"decision_mark": D(0)}),
    (r.Allocation, "fraction_is_fraction", {"fraction": D("1.1")}),
    (r.Allocation, "cooldown_from_1970_to_9999", {"cooldown_until": -1}),
    (r.Position, "entry_and_mark_above_zero", {"mark": D(0)}),
    (r.Position, "margin_and_leverage_not_negative", {"margin": D(-1)}),
    (r.Position, "opened_from_1970_to_9999", {"opened_at": -1}),
    (r.PortfolioSnapshot, "sums_not_negative", {"exposure": D(-1)}),
    (r.Position, "conversion_mark_above_zero", {"conversion_mark": D(0)}),
    (r.PortfolioSnapshot, "drawdowns_not_negative", {"daily_drawdown": D("-0.01")}),
    (r.PortfolioSnapshot, "balances_are_json_object", {"balances": "[]"}),
    (r.Command, "command_is_known", {"kind": r.CommandKind.UNKNOWN}),
    (r.DeadLetter, "source_place_not_negative", {"source_offset": -1}),
    (r.JournalEntry, "numbers_not_negative", {"sequence": -1}),
    (r.JournalEntry, "positions_and_commands_are_json_lists", {"commands": "{}"}),
    (r.SnapshotChunk, "part_is_one_of_parts", {"part": 2}),
]


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.__name__)
def test_ordinary_record_breaks_no_rule(kind: type[r.Record]) -> None:
    assert broken_rule(SAMPLES[kind]) is None


@pytest.mark.parametrize(("kind", "rule", "changes"), BREAKS)
def test_impossible_value_is_named_by_its_rule(kind: type[r.Record], rule: str, changes: dict[str, Any]) -> None:
    assert broken_rule(sample(kind, **changes)) == rule


def test_every_rule_is_broken_by_an_example() -> None:
    assert {rule.name for rules in RULES.values() for rule in rules} == {rule for _, rule, _ in BREAKS}


def test_every_record_has_rules() -> None:
    assert set(RULES) == set(r.RECORDS.values())


OUTSIDE = {"> 0": (0, -1), ">= 0": (-1,), ">= 1": (D("0.5"), 0), "0..1": (-1, D("1.1")), "0..100": (-1, D("100.1"))}


@pytest.mark.parametrize("kind", r.RECORDS.values(), ids=r.RECORDS)
def test_range_that_a_schema_states_is_held_by_a_rule(kind: type[r.Record]) -> None:
    """What the doc of a field promises its readers is what the edge lets pass."""
    for path, field in fields(Types.of(schemas.schema(kind.__name__))):
        meaning = meaning_of(field["doc"])
        for value in OUTSIDE[meaning.sign] if meaning is not None and meaning.sign in RANGES else ():
            assert broken_rule(with_value(kind, path.split(".")[1:], value, is_whole="long" in str(field["type"]))), f"{path} of {value}"


def with_value(kind: type[r.Record], path: list[str], value: Any, *, is_whole: bool) -> r.Record:
    """The ordinary record with one number replaced, in the first item where it is in a list."""
    number = int(value) if is_whole else D(value)
    if len(path) == 1:
        return sample(kind, **{path[0]: number})
    [first, *_] = getattr(SAMPLES[kind], path[0])
    return sample(kind, **{path[0]: [msgspec.structs.replace(first, **{path[1]: number})]})


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (r.MarketData, {"best_bid": D("57200"), "bids": [r.Level(D("57200"), D(1))]}),  # crossed: flagged in the mark
        (r.MarketData, {"trades": [], "bids": [], "asks": [], "feed_down": True}),
        (r.MarketData, {"event_time": NOON + 3_600_000_000}),  # an hour ahead: the feed replaces and flags it
        (r.MarketData, {"bids": [r.Level(D(1), D(0))]}),
        (r.Funding, {"rate": D("-0.003")}),
        (r.Mark, {"best_bid": D("57200"), "book_crossed": True}),
        (r.OrderResult, {"fee": D("-0.01"), "liquidity": MAKER}),
        (r.Order, {"approved": False, "rejection_code": "STALE", "quantity": D(0), "notional": D(0)}),
        (r.Signal, {"indicators": '{"Δ":"1.5"}', "reason": "Ausbruch über 57.000 €"}),
        (r.PortfolioSnapshot, {"equity": D(-5), "drawdown": D("1.00005")}),
        (r.JournalEntry, {"frontier": -1, "watermark": 1 << 62}),
    ],
)
def test_bad_news_is_still_a_record(kind: type[r.Record], changes: dict[str, Any]) -> None:
    assert broken_rule(sample(kind, **changes)) is None
