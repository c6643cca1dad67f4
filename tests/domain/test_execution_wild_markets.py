"""The model for trades without a book at its bounds: trades far apart, and markets wilder than its formula."""

from streams.domain.execution.trades_only import Minute, Tape, hourly_volatility, model_fill
from streams.domain.records import Side
from tests.domain.market import D

MINUTE = 60_000_000


def make_tape(*closes: tuple[int, str]) -> Tape:
    return Tape([Minute(minute, D(close), D(1), D(close)) for minute, close in closes])


def test_return_over_twenty_minutes_is_not_taken_for_that_of_one():
    # 1 % once in 20 minutes: √(60 · 0.0001 / 20) = √0.0003, where that of one minute would be √0.006
    assert hourly_volatility(make_tape((0, "100"), (20, "101"))) == D("0.017320508076")


def test_no_fill_is_priced_at_nothing_in_a_market_that_lost_half_in_a_minute():
    # The formula says far more than 10,000 bps; at most 2,000 are taken: 50 · 0.8 and 50 · 1.2
    for side, price in ((Side.SELL, 40), (Side.BUY, 60)):
        filled = model_fill(make_tape((0, "100"), (1, "50")), side=side, quantity=D(1), now=MINUTE, limit=None, whole=False)
        assert filled is not None and filled.price == price
