"""
What a record must hold beyond its schema, as one list of named rules; hosts apply it where bytes become records.

A record that breaks a rule goes to `dead_letters` with the rule's name. The rules are facts that no market and no operator can
change (prices above zero, windows that end where they say). What is merely bad news stays a record: a crossed book, a gap, a
stale price and a time that runs ahead are flagged by the feed and judged by risk. Rules on text keep Postgres from refusing a
valid row: it stores no NUL, JSON texts land in jsonb columns, and keys must fit an index.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from streams.domain import records as r
from streams.domain.money import ONE, ZERO
from streams.domain.perpetuals.tiers import tiers_of

_HUNDRED = Decimal(100)

# The last microsecond of the year 9999: what every program that reads the tables can hold.
TIME_MAX = 253_402_300_799_999_999

# In characters of at most four bytes; an entry of a Postgres index holds about 2,700 bytes, and a longer key stops the sink.
SESSION_LENGTH_MAX = 64
EVENT_ID_LENGTH_MAX = 512
NAME_LENGTH_MAX = 128
# Of a number within JSON, before and behind the point: what Postgres, Python and Java all take without a word.
JSON_DIGITS_MAX = 1000


class Rule(NamedTuple):
    name: str
    holds: Callable[[Any], bool]


def broken_rule(record: r.Record) -> str | None:
    """The name of the first rule that `record` breaks, or None."""
    for name, holds in RULES[type(record)]:
        if not holds(record):
            return name
    return None


def _above_zero(*values: Decimal | None) -> bool:
    """None counts as fine: the schema says where it is allowed."""
    return all(value is None or value > 0 for value in values)


def _never_negative(*values: Decimal | int | None) -> bool:
    return all(value is None or value >= 0 for value in values)


def _times(*values: int | None) -> bool:
    """Within the years 1970 to 9999; None counts as fine."""
    return all(value is None or 0 <= value <= TIME_MAX for value in values)


def _fraction(value: Decimal) -> bool:
    return ZERO <= value <= ONE


def _trades_are_possible(data: r.MarketData) -> bool:
    for trade in data.trades:
        if trade.price <= ZERO or trade.quantity <= ZERO or trade.time < 0:
            return False
    return True


def _levels_are_possible(data: r.MarketData) -> bool:
    for level in data.bids:
        if level.price <= ZERO or level.quantity < ZERO:
            return False
    for level in data.asks:
        if level.price <= ZERO or level.quantity < ZERO:
            return False
    return True


def _top_is_possible(data: r.MarketData) -> bool:
    bid, bid_quantity, ask, ask_quantity = data.best_bid, data.best_bid_quantity, data.best_ask, data.best_ask_quantity
    return (
        (bid is None or bid > ZERO) and (ask is None or ask > ZERO)
        and (bid_quantity is None or bid_quantity >= ZERO) and (ask_quantity is None or ask_quantity >= ZERO)
        and (bid is None) == (bid_quantity is None) and (ask is None) == (ask_quantity is None)
    )


def _candle_prices_fit(candle: r.Candle) -> bool:
    return 0 < candle.low <= min(candle.open, candle.close) and max(candle.open, candle.close) <= candle.high


def _json_text(text: str, kind: type) -> bool:
    """Whether `text` is JSON of that kind which jsonb accepts."""
    if "\\u0000" in text:
        return False
    try:
        _JSON[kind].decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError, InvalidOperation):
        return False
    return True


def _json_number(text: str) -> Decimal:
    number = Decimal(text)
    if not -JSON_DIGITS_MAX <= number.adjusted() < JSON_DIGITS_MAX or len(number.as_tuple().digits) > JSON_DIGITS_MAX:
        raise ValueError(f"a number in JSON must have at most {JSON_DIGITS_MAX} digits")
    return number


_JSON: dict[type, msgspec.json.Decoder[Any]] = {kind: msgspec.json.Decoder(kind, float_hook=_json_number) for kind in (list, dict)}


def _tiers_are_levels(instrument: r.Instrument) -> bool:
    try:
        tiers_of(instrument.tiers)
    except ValueError:
        return False
    return True


def _text_without_nul(record: r.Record) -> bool:
    return not any(isinstance(value, str) and "\0" in value for value in msgspec.structs.astuple(record))


def _ids_fit_an_index(record: r.Record) -> bool:
    if len(record.session) > SESSION_LENGTH_MAX or len(record.event_id) > EVENT_ID_LENGTH_MAX:
        return False
    return all(len(getattr(record, field, "") or "") <= NAME_LENGTH_MAX for field in ("account", "strategy", "symbol"))


_CARRIED = (
    Rule("session_is_named", lambda x: x.session != "" and x.event_id != ""),
    Rule("time_from_1970_to_9999", lambda x: 0 <= x.time <= TIME_MAX),
)
_IN_A_TABLE = (
    *_CARRIED,
    Rule("ids_short_enough_to_be_keys", _ids_fit_an_index),
    Rule("text_without_nul", _text_without_nul),
)

_MARKET_DATA = (
    *_CARRIED,
    Rule("receive_and_event_time_from_1970_to_9999", lambda x: (
        0 <= x.receive_time <= TIME_MAX and (x.event_time is None or 0 <= x.event_time <= TIME_MAX))),
    Rule("sequence_not_negative", lambda x: x.sequence >= 0),
    Rule("trade_price_and_quantity_above_zero", _trades_are_possible),
    Rule("level_price_above_zero_quantity_not_negative", _levels_are_possible),
    Rule("top_price_above_zero_with_its_quantity", _top_is_possible),
    Rule("mark_and_index_price_above_zero", lambda x: (
        (x.mark_price is None or x.mark_price > 0) and (x.index_price is None or x.index_price > 0))),
)

_INSTRUMENT = (
    *_IN_A_TABLE,
    Rule("steps_above_zero", lambda x: _above_zero(x.tick_size, x.lot_size, x.contract_size)),
    Rule("minima_not_negative", lambda x: _never_negative(x.quantity_min, x.notional_min)),
    Rule("maker_fee_rate_within_one", lambda x: -ONE < x.maker_fee_rate < ONE),
    Rule("taker_fee_rate_is_fraction", lambda x: ZERO <= x.taker_fee_rate < ONE),
    Rule("leverage_max_at_least_one", lambda x: x.leverage_max >= 1),
    Rule("tiers_are_json_list", lambda x: _json_text(x.tiers, list)),
    Rule("tiers_are_rising_levels", _tiers_are_levels),
    Rule("valid_from_before_valid_to", lambda x: (
        _times(x.valid_from, x.valid_to) and (x.valid_to is None or x.valid_from < x.valid_to))),
)

_FUNDING = (
    *_IN_A_TABLE,
    Rule("rate_within_one", lambda x: -ONE < x.rate < ONE),
    Rule("interval_above_zero", lambda x: x.interval_hours > 0),
    Rule("settlement_from_1970_to_9999", lambda x: _times(x.settlement_time)),
)

_CANDLE = (
    *_IN_A_TABLE,
    Rule("low_open_close_high_in_order", _candle_prices_fit),
    Rule("volume_not_negative", lambda x: _never_negative(x.volume, x.quote_volume, x.trade_count, x.late_trades)),
    Rule("window_ends_where_it_says", lambda x: (
        x.interval_seconds > 0 and _times(x.open_time, x.close_time)
        and x.close_time == x.open_time + x.interval_seconds * 1_000_000)),
)

_REGIME = (
    *_IN_A_TABLE,
    Rule("adx_within_0_100", lambda x: x.adx is None or ZERO <= x.adx <= _HUNDRED),
    Rule("atr_ratio_not_negative", lambda x: _never_negative(x.atr_ratio)),
)

_MARK = (
    *_CARRIED,
    Rule("prices_above_zero", lambda x: _above_zero(x.mark, x.index, x.last, x.best_bid, x.best_ask)),
    Rule("quantities_not_negative", lambda x: _never_negative(
        x.best_bid_quantity, x.best_ask_quantity, x.spread_mean, x.atr, x.volatility)),
    Rule("mark_has_a_source", lambda x: (x.mark is None) == (x.source is r.MarkSource.NONE)),
    Rule("depth_not_negative", lambda x: all(
        _never_negative(step.notional, step.average_price, step.quantity) for step in x.depth)),
    Rule("market_times_from_1970_to_9999", lambda x: _times(x.book_time, x.market_time)),
    Rule("market_times_not_after_mark", lambda x: x.market_time <= x.time and (x.book_time is None or x.book_time <= x.time)),
    Rule("bid_below_ask_unless_crossed", lambda x: (
        x.best_bid is None or x.best_ask is None or x.book_crossed == (x.best_bid >= x.best_ask))),
)

_SIGNAL = (
    *_IN_A_TABLE,
    Rule("price_above_zero", lambda x: x.price > 0),
    Rule("strength_not_negative", lambda x: x.strength >= 0),
    Rule("confidence_is_fraction", lambda x: _fraction(x.confidence)),
    Rule("indicators_are_json_object", lambda x: _json_text(x.indicators, dict)),
)

_ORDER = (
    *_IN_A_TABLE,
    Rule("quantities_not_negative", lambda x: _never_negative(
        x.requested_quantity, x.requested_notional, x.quantity, x.notional)),
    Rule("prices_above_zero", lambda x: _above_zero(x.limit_price, x.stop_price, x.decision_mark)),
    Rule("refused_has_a_code_and_no_quantity", lambda x: (
        x.rejection_code is None if x.approved else x.rejection_code is not None and x.quantity == 0)),
    Rule("cancel_names_its_target", lambda x: (x.order_type is r.OrderType.CANCEL) == (x.target_order_id is not None)),
    Rule("expiry_not_before_decision", lambda x: (
        _times(x.expires_at) and (x.expires_at is None or x.expires_at >= x.time))),
    Rule("checks_are_json_list", lambda x: _json_text(x.checks, list)),
    Rule("sizing_is_json_object", lambda x: _json_text(x.sizing, dict)),
)

_ORDER_RESULT = (
    *_IN_A_TABLE,
    Rule("quantities_not_negative", lambda x: _never_negative(
        x.quantity, x.notional, x.cumulative_quantity, x.remaining_quantity)),
    Rule("fill_has_a_price_above_zero", lambda x: x.quantity == 0 or (x.price is not None and x.price > 0)),
    Rule("cumulative_holds_this_result", lambda x: x.cumulative_quantity >= x.quantity),
    Rule("only_makers_earn_fees", lambda x: x.fee >= 0 or x.liquidity is r.Liquidity.MAKER),
    Rule("fill_not_after_its_report", lambda x: 0 <= x.fill_time <= x.time),
    Rule("latency_not_negative", lambda x: x.latency_us >= 0),
    Rule("decision_mark_above_zero", lambda x: _above_zero(x.decision_mark)),
)

_ALLOCATION = (
    *_IN_A_TABLE,
    Rule("fraction_is_fraction", lambda x: _fraction(x.fraction)),
    Rule("cooldown_from_1970_to_9999", lambda x: _times(x.cooldown_until)),
)

_POSITION = (
    *_IN_A_TABLE,
    Rule("entry_and_mark_above_zero", lambda x: _above_zero(x.entry_price, x.mark)),
    Rule("margin_and_leverage_not_negative", lambda x: _never_negative(x.margin, x.leverage)),
    Rule("opened_from_1970_to_9999", lambda x: _times(x.opened_at)),
    Rule("conversion_mark_above_zero", lambda x: _above_zero(x.conversion_mark)),
)

_PORTFOLIO_SNAPSHOT = (
    *_IN_A_TABLE,
    Rule("sums_not_negative", lambda x: _never_negative(x.initial_equity, x.margin_used, x.exposure, x.open_positions)),
    Rule("drawdowns_not_negative", lambda x: _never_negative(x.drawdown, x.daily_drawdown)),
    Rule("balances_are_json_object", lambda x: x.balances is None or _json_text(x.balances, dict)),
)

_COMMAND = (
    *_IN_A_TABLE,
    # A kind that only a newer program knows arrives as UNKNOWN: nobody may guess what was asked.
    Rule("command_is_known", lambda x: x.kind is not r.CommandKind.UNKNOWN),
)

_DEAD_LETTER = (
    *_IN_A_TABLE,
    Rule("source_place_not_negative", lambda x: _never_negative(x.source_partition, x.source_offset)),
)

_JOURNAL_ENTRY = (
    *_IN_A_TABLE,
    Rule("numbers_not_negative", lambda x: _never_negative(x.task, x.sequence, x.outputs_count)),
    Rule("positions_and_commands_are_json_lists", lambda x: _json_text(x.positions, list) and _json_text(x.commands, list)),
)

_SNAPSHOT_CHUNK = (
    *_CARRIED,
    Rule("part_is_one_of_parts", lambda x: x.task >= 0 and 0 <= x.part <= x.parts),
)

RULES: dict[type[r.Record], tuple[Rule, ...]] = {
    r.MarketData: _MARKET_DATA, r.Instrument: _INSTRUMENT, r.Funding: _FUNDING, r.Candle: _CANDLE, r.Regime: _REGIME,
    r.Mark: _MARK, r.Signal: _SIGNAL, r.Order: _ORDER, r.OrderResult: _ORDER_RESULT, r.LedgerEntry: _IN_A_TABLE,
    r.Allocation: _ALLOCATION, r.Position: _POSITION, r.PortfolioSnapshot: _PORTFOLIO_SNAPSHOT, r.Alert: _IN_A_TABLE,
    r.Command: _COMMAND, r.JournalEntry: _JOURNAL_ENTRY, r.SnapshotChunk: _SNAPSHOT_CHUNK, r.DeadLetter: _DEAD_LETTER,
    r.SessionManifest: _CARRIED,
}
