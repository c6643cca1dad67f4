"""Funding: paid at its time at the newest mark, noticed when it is missing, never paid twice."""

from typing import Any

from streams.domain.parameters import AccountParameters
from streams.domain.records import Alert, LedgerEntry, LedgerKind, PortfolioSnapshot, Position, Record, Side
from streams.stages.contract import Timer
from tests.domain.perpetual_stories import PERPETUAL, PerpetualStory, make_perpetual_settings
from tests.domain.risk_stories import SECOND, START, D, only

HOUR = 3600 * SECOND
MIDNIGHT = START - START % (8 * HOUR) + 8 * HOUR  # 1 h 46 min 40 s after the start


def paid(records: list[Record]) -> list[tuple[str, object]]:
    return [(entry.strategy, entry.amount) for entry in only(LedgerEntry, records) if entry.kind is LedgerKind.FUNDING]


def missing(records: list[Record]) -> list[tuple[str, int, object]]:
    return [(a.account, a.time, a.measured) for a in only(Alert, records) if a.code == "FUNDING_MISSING"]


def test_a_long_pays_at_the_settlement_by_the_newest_mark_before_it() -> None:
    # .2 BTC at 51,000 and a rate of .0001: 1.02.
    story = PerpetualStory()
    story.opened()
    assert paid(story.funding("0.0001", settlement=MIDNIGHT)) == []
    story.wait_until(MIDNIGHT - 2 * SECOND)
    story.mark("51000", symbol=PERPETUAL, after="1")
    told = len(story.records)
    story.mark("60000", symbol=PERPETUAL, after="1")  # at the very moment: after the timer
    records = story.records[told:]
    assert paid(records) == [("momentum", D("-1.02"))]
    [position] = only(Position, records)
    assert (position.time, position.funding) == (MIDNIGHT, D("-1.02"))
    [snapshot] = [s for s in only(PortfolioSnapshot, records) if s.reason == "FUNDING"]
    assert (snapshot.funding, snapshot.equity, snapshot.cash) == (D("-1.02"), D("100198.98"), D("99998.98"))


def test_a_short_gets_what_a_long_pays_and_a_flat_account_nothing() -> None:
    accounts = [
        AccountParameters(name=name, leverage=D(10), shorts_allowed=True) for name in ("flat", "long", "short")
    ]
    story = PerpetualStory(make_perpetual_settings(accounts=accounts))
    story.opened(account="long")
    story.opened(Side.SELL, account="short")
    story.funding("0.0001", settlement=MIDNIGHT)
    records = story.wait_until(MIDNIGHT)
    entries = [(entry.account, entry.amount) for entry in only(LedgerEntry, records)]
    assert entries == [("long", -1), ("short", 1)]
    assert all(account.portfolio.is_exact() for account in story.state.accounts.values())


def test_of_several_rates_for_one_settlement_the_newest_holds_and_it_is_paid_once() -> None:
    story = PerpetualStory()
    story.opened()
    for rate in ("0.0001", "0.0003"):
        story.funding(rate, settlement=MIDNIGHT)
    assert paid(story.wait_until(MIDNIGHT)) == [("momentum", -3)]
    assert paid(story.funding("0.0005", settlement=MIDNIGHT)) == []
    assert story.account().portfolio.funding == -3


def test_a_rate_that_comes_late_is_settled_then_and_after_the_grace_not_at_all() -> None:
    story = PerpetualStory()
    story.opened()
    story.wait_until(MIDNIGHT + 60 * SECOND - 1)
    assert paid(story.funding("0.0001", settlement=MIDNIGHT)) == [("momentum", -1)]
    other = PerpetualStory()
    other.opened()
    assert missing(other.wait_until(MIDNIGHT + 60 * SECOND)) == [("main", MIDNIGHT + 60 * SECOND, 60)]
    assert paid(other.funding("0.0001", settlement=MIDNIGHT)) == []
    assert paid(other.funding("0.0001", settlement=MIDNIGHT - 100 * SECOND)) == []


def test_a_rate_that_comes_at_the_very_moment_is_settled_then() -> None:
    story = PerpetualStory()
    story.opened()
    story.wait_until(MIDNIGHT)
    assert paid(story.funding("0.0001", settlement=MIDNIGHT)) == [("momentum", -1)]


def test_a_rate_of_long_ago_is_not_settled_even_where_nobody_waited_for_it() -> None:
    story = PerpetualStory()
    story.opened()
    assert paid(story.funding("0.0001", settlement=story.now - 60 * SECOND - 1)) == []
    assert paid(story.funding("0.0001", settlement=story.now - 60 * SECOND)) == [("momentum", -1)]


def test_a_settlement_that_nobody_announced_is_reported_once_and_the_next_is_awaited() -> None:
    story = PerpetualStory()
    story.opened()
    story.funding("0.0001", settlement=MIDNIGHT)
    assert missing(story.wait_until(MIDNIGHT + 8 * HOUR)) == []
    assert missing(story.wait_until(MIDNIGHT + 17 * HOUR)) == [
        ("main", MIDNIGHT + n * HOUR + 60 * SECOND, 60) for n in (8, 16)
    ]


def test_the_record_says_the_interval_and_one_left_out_before_it_is_missing() -> None:
    # The first record says hourly and names 02:00: 22:13 is now, so 23:00, 00:00 and 01:00 are left out.
    story = PerpetualStory()
    story.opened()
    story.funding("0.0001", settlement=MIDNIGHT + 2 * HOUR, hours=1)
    assert [time for _, time, _ in missing(story.wait_until(MIDNIGHT + 2 * HOUR))] == [
        MIDNIGHT + n * HOUR + 60 * SECOND for n in (-1, 0, 1)
    ]
    assert story.account().portfolio.funding == -1


def test_one_left_out_that_is_a_microsecond_away_is_awaited() -> None:
    story = PerpetualStory()
    story.opened()
    next_one = story.now + SECOND + 1
    story.wait_until(story.now + SECOND)
    story.funding("0.0001", settlement=next_one + 8 * HOUR)
    assert [time for _, time, _ in missing(story.wait_until(next_one + HOUR))] == [next_one + 60 * SECOND]


def test_a_later_announcement_does_not_hide_one_that_is_due_and_missing() -> None:
    story = PerpetualStory()
    story.opened()
    story.wait_until(MIDNIGHT + 30 * SECOND)
    story.funding("0.0001", settlement=MIDNIGHT + 8 * HOUR)
    assert [time for _, time, _ in missing(story.wait_until(MIDNIGHT + HOUR))] == [MIDNIGHT + 60 * SECOND]


def test_spot_awaits_no_funding_and_a_rate_for_it_pays_nobody() -> None:
    story = PerpetualStory(symbols=("BTCUSDT",))
    story.long("100")
    assert missing(story.wait(40_000)) == []
    story.funding("0.0001", settlement=story.now + SECOND, symbol="BTCUSDT")
    assert paid(story.wait(10)) == []


def test_a_rate_may_come_before_the_first_mark() -> None:
    story = PerpetualStory()
    story.funding("0.0001", settlement=MIDNIGHT)
    timer = story.stage.next_timer(story.state)
    assert timer == Timer(MIDNIGHT, PERPETUAL, "funding")
    story.opened()
    assert paid(story.wait_until(MIDNIGHT)) == [("momentum", -1)]


def test_a_payment_that_the_balance_cannot_bear_is_taken_from_the_positions_margin() -> None:
    # Equity 1,005 binds 100.5 at leverage 10... here all of it: position 100 %, margin 1,000 of 1,005 after a fee of 4.
    account = AccountParameters(leverage=D(1), initial_equity=D(10_000))
    story = PerpetualStory(make_perpetual_settings(
        accounts=[account], max_position_pct=D("0.25"), max_total_exposure_pct=D(1), max_symbol_exposure_pct=D(1),
    ))
    story.mark("50000", symbol=PERPETUAL)
    order = story.signal(Side.BUY, "50000", symbol=PERPETUAL)
    assert order.quantity == D("0.05")
    # Filled at a fee that eats the rest of the balance: 7,499 of 10,000 go, 2,501 are left, 2,500 are bound.
    story.result(order, price="50000", fee="7499")
    story.funding("0.01", settlement=MIDNIGHT)
    # 25 are due: 1 comes from the balance, 24 from the margin.
    assert paid(story.wait_until(MIDNIGHT)) == [("momentum", -25)]
    position = story.account().position(PERPETUAL, "momentum")
    assert position is not None and position.margin == 2476
    # (2,500 - 2,476 + 12.5) / .05
    assert only(Position, story.records)[-1].liquidation_price == 730


def test_a_payment_that_uses_the_margin_up_liquidates_at_the_settlement() -> None:
    account = AccountParameters(leverage=D(10), initial_equity=D(10_000))
    story = PerpetualStory(make_perpetual_settings(accounts=[account]))
    story.mark("50000", symbol=PERPETUAL)
    order = story.signal(Side.BUY, "50000", symbol=PERPETUAL)
    # .02 BTC bind 100 of the 100 that the fee leaves; 5 must be kept; a rate of .1 takes 100.
    story.result(order, price="50000", fee="9900")
    story.funding("0.1", settlement=MIDNIGHT)
    records = story.wait_until(MIDNIGHT)
    assert [(e.kind, e.amount) for e in only(LedgerEntry, records)] == [(LedgerKind.FUNDING, -100)]
    assert [a.code for a in only(Alert, records) if a.code == "LIQUIDATED"] == ["LIQUIDATED"]
    assert story.account().portfolio.equity == 0


def poor(rate: str, *, fee: str = "9900", **changes: Any) -> PerpetualStory:
    """.02 BTC at 50,000 bind 100; of 10,000 a fee leaves as much or less; then a settlement."""
    account = AccountParameters.model_validate({"leverage": D(10), "initial_equity": D(10_000)} | changes)
    story = PerpetualStory(make_perpetual_settings(accounts=[account]))
    story.mark("50000", symbol=PERPETUAL)
    story.result(story.signal(Side.BUY, "50000", symbol=PERPETUAL), price="50000", fee=fee)
    story.funding(rate, settlement=MIDNIGHT)
    story.wait_until(MIDNIGHT)
    return story


def margin_of(story: PerpetualStory) -> object:
    position = story.account().position(PERPETUAL, "momentum")
    assert position is not None
    return position.margin


def test_with_cross_margin_funding_comes_out_of_the_balance() -> None:
    assert margin_of(poor("0.05", margin_mode="CROSS")) == 100
    assert margin_of(poor("0.05")) == 50


def test_no_more_of_the_margin_is_taken_than_was_paid_and_none_where_the_position_received() -> None:
    # The balance lacks 40 of the margin already; a payment of 10 takes 10.
    assert margin_of(poor("0.01", fee="9940")) == 90
    assert margin_of(poor("-0.01", fee="9940")) == 100


def test_a_rate_of_zero_settles_without_a_line_in_the_ledger() -> None:
    story = PerpetualStory()
    story.opened()
    story.funding("0", settlement=MIDNIGHT)
    records = story.wait_until(MIDNIGHT)
    assert only(LedgerEntry, records) == [] and missing(story.wait(120)) == []


def test_only_accounts_that_trade_the_symbol_hear_of_missing_funding() -> None:
    settings = make_perpetual_settings(accounts=[AccountParameters(name="a"), AccountParameters(name="b")])
    strategies = (settings.strategies[0].model_copy(update={"accounts": ("b",)}),)
    story = PerpetualStory(settings.model_copy(update={"strategies": strategies}))
    story.mark("50000", symbol=PERPETUAL)
    assert [account for account, _, _ in missing(story.wait_until(MIDNIGHT + 60 * SECOND))] == ["b"]


