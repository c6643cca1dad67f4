"""Nothing that MEXC may send and a protocol lets through can stop the log; what it may send comes through exactly."""

import json
from collections.abc import Callable
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.records import MarketData, Side, Trade
from streams.errors import FrameError
from streams.exchange.mexc import events as e
from streams.exchange.mexc import values
from streams.exchange.mexc.futures_protocol import FuturesProtocol
from streams.exchange.mexc.spot_protocol import SpotProtocol
from streams.log.codec import Codec
from tests.exchange.mexc.frames import deal, deals

PLACES = D(1).scaleb(-12)


@given(st.sampled_from([values.price, values.quantity, values.traded]), st.text(alphabet="0123456789.eE+-_ NaInf", max_size=45))
def test_number_that_is_let_through_fits_the_log(read: Callable[..., D], text: str) -> None:
    try:
        found = read(text)
    except FrameError:
        return
    assert found.is_finite() and 0 <= found <= 10**15
    assert found == D(text), "exactly as sent"
    assert found == found.quantize(PLACES), "the schema's twelve places"


@pytest.mark.parametrize("text", ["1000000000", "0.000000000001", "1E-8", "123456789.123456789012", "60000.100000000000000"])
def test_price_within_its_limits_is_taken_as_sent(text: str) -> None:
    assert values.price(text) == D(text)


def test_average_of_more_places_is_rounded_half_to_even_at_twelve() -> None:
    assert values.averaged(D("1.0000000000005"), "price") == D("1.000000000000")
    assert values.averaged(D("1.0000000000015"), "price") == D("1.000000000002")
    assert str(values.averaged(D("1.50"), "price")) == "1.50"


def test_fault_names_value_rule_and_what_it_was() -> None:
    with pytest.raises(FrameError, match="bidPrice must be a number from 0 to 1000000000 with at most 12 places, was 'x'"):
        values.price("x", "bidPrice")
    with pytest.raises(FrameError, match="time must be milliseconds from 0 to 253402300799999, was -1"):
        values.moment(-1, "time")


def test_contracts_become_base_units_exactly_or_not_at_all() -> None:
    assert values.contracts(D("999999999999.5"), D("0.0002"), "v") == D("199999999.9999")
    with pytest.raises(FrameError, match="v must be a number from 0 to 1000000000000000 with at most 12 places, was '1.00E-13'"):
        values.contracts(D("1.00"), D("1E-13"), "v")


PRICES = st.decimals(min_value="0.000000000001", max_value=10**9, places=12)
QUANTITIES = st.decimals(min_value="0.000000000001", max_value=10**15, places=12)
TRADES = st.builds(
    Trade, trade_id=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=64), price=PRICES,
    quantity=QUANTITIES, aggressor=st.sampled_from(Side), time=st.integers(0, values.MS_MAX).map(lambda ms: ms * 1000),
)  # fmt: skip
CODEC = Codec.offline()


@given(st.lists(TRADES, max_size=5))
def test_spot_deals_come_through_exactly_and_can_stand_on_the_log(trades: list[Trade]) -> None:
    frame = deals(*(
        deal(f"{one.price:f}", f"{one.quantity:f}", 1 if one.aggressor is Side.BUY else 2, one.time // 1000, one.trade_id)
        for one in trades
    ))  # fmt: skip
    (said,) = SpotProtocol().receive(frame)
    assert isinstance(said, e.Deals) and said.trades == trades
    assert _logged(trades) == trades


@given(st.lists(TRADES, max_size=5), st.booleans())
def test_futures_deals_come_through_exactly_and_can_stand_on_the_log(trades: list[Trade], in_text: bool) -> None:
    protocol = FuturesProtocol({"BTC_USDT": D(1)})
    data = [_deal(one, in_text) for one in trades]
    frame = json.dumps({"channel": "push.deal", "symbol": "BTC_USDT", "ts": 1, "data": data})
    (said,) = protocol.receive(frame if in_text else frame.replace('"@', "").replace('@"', ""))
    assert isinstance(said, e.Deals) and said.trades == [
        Trade(one.trade_id.replace("@", ""), one.price, one.quantity, one.aggressor, one.time) for one in trades
    ]
    assert _logged(said.trades) == said.trades


def _deal(one: Trade, in_text: bool) -> dict[str, Any]:
    mark = "" if in_text else "@"
    return {"p": f"{mark}{one.price:f}{mark}", "v": f"{mark}{one.quantity:f}{mark}", "T": 1 if one.aggressor is Side.BUY else 2,
            "t": one.time // 1000, "i": one.trade_id.replace("@", "")}  # fmt: skip


def _logged(trades: list[Trade]) -> list[Trade]:
    """The trades of the record of them, written and read again."""
    record = MarketData(
        event_id="i", causation_id="i", correlation_id="i", session="s", time=1, exchange="mexc", symbol="BTCUSDT", event_time=1,
        receive_time=1, sequence=0, update_id=None, trades=trades, best_bid=None, best_bid_quantity=None, best_ask=None,
        best_ask_quantity=None, bids=[], asks=[], mark_price=None, index_price=None, snapshot=False, gap=False, feed_down=False,
        time_suspect=False,
    )  # fmt: skip
    read = CODEC.decode(CODEC.wire(record), MarketData)
    assert isinstance(read, MarketData)
    return read.trades
