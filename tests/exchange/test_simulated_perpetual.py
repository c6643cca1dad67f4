"""The simulated perpetual: index and mark beside its book, funding announced before it is due, from any position."""

from decimal import Decimal
from itertools import islice

import pytest

from streams.domain.parameters import FeedParameters
from streams.exchange.push import FundingNotice, Push
from streams.exchange.simulated import SimulatedFeed
from streams.exchange.simulated_funding import index_and_mark, rate_millionths, rate_of, settlement_after

HOUR = 3_600_000_000
# 45 s before a full hour, so that the second epoch sees a settlement.
START = 1_700_000_000_000_000 // HOUR * HOUR + HOUR - 45_000_000


def feed(**changed: object) -> SimulatedFeed:
    return SimulatedFeed(FeedParameters.model_validate({
        "start_time": START, "duration_seconds": 95, "symbols": ("BTC_USDT", "BTCUSDT"), **changed,
    }))


@pytest.fixture(scope="module")
def pushes() -> list[Push | FundingNotice]:
    return list(feed().pushes())


def test_every_push_of_a_perpetual_has_an_index_and_a_mark_near_it_and_spot_has_neither(pushes):
    for push in pushes:
        if isinstance(push, FundingNotice):
            continue
        if push.symbol == "BTCUSDT":
            assert push.mark_price is None and push.index_price is None
        else:
            assert push.index_price % Decimal("0.1") == 0 and push.mark_price % Decimal("0.1") == 0
            assert abs(push.mark_price / push.index_price - 1) <= Decimal("0.0003")
            if push.best_bid is not None:
                assert push.best_bid <= push.index_price <= push.best_ask


def test_funding_is_announced_at_the_start_and_after_each_settlement_before_its_time(pushes):
    notices = [push for push in pushes if isinstance(push, FundingNotice)]
    assert [(n.symbol, n.settlement_time - START, n.interval_hours) for n in notices] == [
        ("BTC_USDT", 45_000_000, 1), ("BTC_USDT", 45_000_000 + HOUR, 1),
    ]
    for notice in notices:
        assert notice.event_time < notice.settlement_time and abs(notice.rate) <= Decimal("0.0003")
    times = [push.event_time for push in pushes]
    assert times == sorted(times)


def test_going_on_from_any_position_gives_the_rest(pushes):
    for index in (*range(6), *range(2395, 2410), *range(4795, 4810)):
        assert list(islice(feed().pushes(pushes[index].source), 20)) == pushes[index + 1 : index + 21]


def test_a_reader_that_was_away_misses_what_was_announced_meanwhile(pushes):
    position = pushes[5].source
    seen = list(feed().pushes(position, outage_until=START + 50_000_000))
    assert [push.settlement_time - START for push in seen if isinstance(push, FundingNotice)] == [45_000_000 + HOUR]
    assert isinstance(seen[0], Push) and seen[0].gap


def test_the_mark_is_the_index_with_what_is_left_of_the_rate():
    # Half an hour before a settlement half of the rate is left: 60,000 x (1 + rate / 2).
    settlement = settlement_after(START)
    rate = rate_of(1, "BTC_USDT", settlement)
    assert rate == Decimal(rate_millionths(1, "BTC_USDT", settlement)) / 1_000_000 != 0
    found = index_and_mark(
        seed=1, symbol="BTC_USDT", price=600_000 * 1_000_000, tick=Decimal("0.1"), time=settlement - HOUR // 2
    )
    assert found["index_price"] == 60_000
    assert 0 <= 60_000 * (1 + rate / 2) - found["mark_price"] < Decimal("0.1")


def test_rates_of_a_seed_never_change():
    """A change here changes every session of a perpetual: say so in the changelog."""
    assert [rate_millionths(1, "BTC_USDT", hour * HOUR) for hour in range(5)] == [141, 204, -222, -9, -92]
