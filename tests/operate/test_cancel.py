"""`cdb cancel` on a session in memory whose entries rest: asked for, ordered, answered by the exchange, and replayed."""

from decimal import Decimal

from streams.domain.records import CommandKind, Order, OrderResult, OrderType, ResultStatus
from streams.operate.commands import Outcome
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES
from streams.replay.verification.verify import verify
from tests.operate.test_commands import Market


def resting_market() -> Market:
    """Entries of both accounts rest 0.5 % below the mark, for ten minutes: nothing but a word ends them soon."""
    [asked] = settings_of(Ask(session="drill", duration_seconds=600)).strategies
    patient = {"accounts": ("main", "small"), "entry_order_type": "LIMIT", "entry_limit_offset_bps": Decimal(50), "entry_expiry_sec": 600}
    return Market(strategies=[asked.model_dump() | patient])


def in_the_market(market: Market) -> list[Order]:
    """Approved orders without their last result."""
    ended = {one.order_id for one in market.records("order_results") if isinstance(one, OrderResult) and one.terminal}
    return [one for one in market.approved_after(0) if one.order_type is OrderType.LIMIT and one.event_id not in ended]


def test_cancel_ends_what_rests_in_the_market_by_orders_that_the_exchange_answers() -> None:
    market = resting_market()
    market.go_on(60)
    resting = in_the_market(market)
    assert {one.account for one in resting} == {"main", "small"}
    count = {name: sum(one.account == name for one in resting) for name in ("main", "small")}
    assert market.say(CommandKind.CANCEL) == [
        Outcome(name, True, f"CANCEL by ada: {number} resting orders cancelled") for name, number in count.items()
    ]
    market.go_on(2)
    cancels = [one for one in market.approved_after(0) if "asked for by an operator" in one.sizing]
    assert {one.order_type for one in cancels} == {OrderType.CANCEL}
    assert sorted(one.target_order_id or "" for one in cancels) == sorted(one.event_id for one in resting)
    answers = [one for one in market.records("order_results") if isinstance(one, OrderResult) and one.terminal]
    ended = {one.order_id: (one.status, one.reason) for one in answers}
    assert {ended[one.event_id] for one in resting} == {(ResultStatus.CANCELLED, "CANCEL_REQUESTED")}
    verdict = verify(market.log, market.settings, market.codec, tuple(STAGES.values()))
    assert verdict.equal, "\n".join(map(str, verdict.divergences))


def test_cancel_of_one_account_and_symbol_leaves_the_rest_and_a_restart_forgets_neither() -> None:
    market = resting_market()
    market.go_on(60)
    before = in_the_market(market)
    symbol = next(one.symbol for one in before if one.account == "main")
    market.restart()
    [said] = market.say(CommandKind.CANCEL, account="main", symbol=symbol)
    [again] = market.say(CommandKind.CANCEL, account="main", symbol=symbol)
    assert said.taken and again.message == "CANCEL by ada: no resting orders to cancel", "asked once is enough"
    market.restart()
    market.go_on(2)
    ended = {one.event_id for one in before} - {one.event_id for one in in_the_market(market)}
    assert ended == {one.event_id for one in before if (one.account, one.symbol) == ("main", symbol)}
    verdict = verify(market.log, market.settings, market.codec, tuple(STAGES.values()))
    assert verdict.equal, "\n".join(map(str, verdict.divergences))
