"""The stage as hosts see it: timers, ids, in flight, states, and accounts that never touch each other."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.parameters import AccountParameters, SessionSettings
from streams.domain.records import (
    Alert,
    CommandKind,
    Funding,
    LedgerEntry,
    LedgerKind,
    Order,
    PortfolioSnapshot,
    Position,
    Record,
    RiskMode,
    Side,
)
from streams.domain.rules import broken_rule
from streams.stages.contract import NEVER, Event, Timer
from streams.stages.risk import RiskStage
from tests.domain.risk_stories import LATENCY, SECOND, START, D, Story, make_settings, only


def test_a_fill_leaves_ledger_position_and_snapshot() -> None:
    # 100 bought at 100.1 with a fee of 6, sold at 110 with a fee of 7: 990 realized, 13 fees.
    story = Story()
    story.mark("100")
    bought = story.result(story.signal(Side.BUY, "100"), price="100.1", fee="6")
    assert [type(record) for record in bought] == [LedgerEntry, Position, PortfolioSnapshot]
    [position] = only(Position, bought)
    assert (position.quantity, position.entry_price, position.cost) == (100, D("100.1"), 10_010)
    assert (position.unrealized_pnl, position.stop_price, position.fees) == (-10, D("98.098"), 6)
    [snapshot] = only(PortfolioSnapshot, bought)
    assert (snapshot.equity, snapshot.cash, snapshot.exposure) == (99_984, 89_984, 10_000)
    assert (snapshot.reason, snapshot.open_positions, snapshot.risk_mode) == ("FILL", 1, RiskMode.RUNNING)
    story.mark("110")
    sold = story.result(story.signal(Side.SELL, "110"), price="110", fee="7")
    assert [(entry.kind, entry.amount) for entry in only(LedgerEntry, sold)] == [
        (LedgerKind.REALIZED_PNL, 990), (LedgerKind.FEE, -7),
    ]
    [snapshot] = only(PortfolioSnapshot, sold)
    assert (snapshot.equity, snapshot.cash, snapshot.realized_pnl, snapshot.fees) == (100_977, 100_977, 990, 13)
    assert snapshot.peak_equity == 100_984, "the fee came off the peak that the mark had made"
    assert all(broken_rule(msgspec.structs.replace(record, session="s")) is None for record in story.records)


def test_snapshots_are_cut_at_multiples_of_their_interval_whatever_arrives() -> None:
    story = Story()
    story.mark("100")
    made = only(PortfolioSnapshot, story.wait(180))
    assert [(s.time - START) // SECOND for s in made] == [40, 100, 160]
    assert {s.reason for s in made} == {"TIMER"} and all(s.time % (60 * SECOND) == 0 for s in made)


def test_no_timer_runs_before_the_first_mark() -> None:
    story = Story()
    assert story.stage.next_timer(story.state) is None
    story.mark("100")
    assert story.stage.next_timer(story.state) == Timer(START + 30_100_000, "BTCUSDT", "stale")


def test_the_stale_alert_needs_no_market_data_and_comes_once() -> None:
    story = Story()
    story.mark("100")
    alerts = only(Alert, story.wait(300))
    assert [(a.code, a.symbol, (a.time - START) // SECOND, a.measured) for a in alerts] == [
        ("DATA_STALE", "BTCUSDT", 30, 30),
    ]
    assert [a.code for a in only(Alert, story.mark("100"))] == ["DATA_FRESH"]
    assert [a.code for a in only(Alert, story.wait(31))] == ["DATA_STALE"]


def test_marks_of_a_dead_feed_keep_no_data_fresh() -> None:
    story = Story()
    story.mark("100")
    last = story.now
    down = {"after": "5", "feed_down": True, "market_time": last}
    assert [a.code for a in only(Alert, story.mark("100", **down))] == ["FEED_DOWN"]
    assert only(Alert, story.mark("100", **down)) == []
    assert [(a.code, a.time - last) for a in only(Alert, story.wait(60))] == [("DATA_STALE", 30 * SECOND)]
    assert [a.code for a in only(Alert, story.mark("100"))] == ["FEED_UP", "DATA_FRESH"]


def test_a_symbol_that_begins_stale_is_reported_at_once() -> None:
    story = Story()
    assert [a.code for a in only(Alert, story.mark("100", market_time=START - 40 * SECOND))] == ["DATA_STALE"]


def test_only_accounts_that_trade_a_symbol_hear_of_it() -> None:
    settings = make_settings(accounts=[AccountParameters(name="a"), AccountParameters(name="b")])
    strategies = [settings.strategies[0].model_copy(update={"accounts": ("b",), "symbols": ("BTCUSDT",)})]
    story = Story(settings.model_copy(update={"strategies": tuple(strategies)}))
    story.mark("100")
    story.mark("100", symbol="ETHUSDT")
    assert [(a.account, a.symbol) for a in only(Alert, story.wait(31))] == [("b", "BTCUSDT")]


def test_an_order_is_awaited_from_its_decision_plus_both_latencies_until_its_last_result() -> None:
    story = Story()

    def due() -> int | None:
        return story.stage.answer_due(story.state, "order_results")

    assert due() == NEVER
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    assert due() == order.time + LATENCY
    story.result(order, price="100", quantity=D(1), terminal=False)
    assert due() == order.time + LATENCY
    story.reject(order)
    assert due() == NEVER
    assert story.stage.answer_due(story.state, "marks") is None


def test_promises_are_awaited_with_an_order_in_flight_and_of_other_tasks_nobody_knows() -> None:
    for tasks, idle in ((1, False), (2, None)):
        story = Story(make_settings(risk_tasks=tasks))
        story.mark("100")
        assert story.stage.is_awaited(story.state) is idle
        order = story.signal(Side.BUY, "100")
        assert story.stage.is_awaited(story.state) is True
        story.reject(order)
        assert story.stage.is_awaited(story.state) is idle


def test_a_result_that_answers_nothing_is_a_bug() -> None:
    story = Story()
    story.mark("100")
    order = story.signal(Side.BUY, "100")
    story.result(order, price="100")
    with pytest.raises(AssertionError, match="not in flight"):
        story.result(order, price="100")


def test_a_fill_beyond_the_order_is_a_bug() -> None:
    story = Story()
    story.mark("100")
    with pytest.raises(AssertionError, match="was filled"):
        story.result(story.signal(Side.BUY, "100"), price="100", quantity=D(101))


def test_funding_of_a_symbol_that_is_no_perpetual_pays_nobody() -> None:
    story = Story()
    story.long("100")
    funding = Funding(
        event_id="story/f/1", causation_id="", correlation_id="", session="story", time=story.now, symbol="BTCUSDT",
        rate=D("0.0001"), interval_hours=8, settlement_time=story.now,
    )
    assert story.tell("funding", "BTCUSDT", funding) == []
    assert story.account().portfolio.funding == 0


def test_keys_of_other_tasks_are_dropped() -> None:
    settings = make_settings(accounts=[AccountParameters(name="a"), AccountParameters(name="b")], risk_tasks=2)
    story = Story(settings, task=1)
    assert list(story.state.accounts) == ["b"]
    story.mark("100")
    with pytest.raises(ValueError):  # no decision
        story.signal(Side.BUY, "100", account="a")
    assert story.signal(Side.BUY, "100", account="b").approved


Move = tuple[str, str, str, Side, str]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["mark", "mark", "mark", "signal", "signal", "halt", "flatten", "resume", "wait", "down"]),
        st.sampled_from(["a", "b"]), st.sampled_from(["BTCUSDT", "ETHUSDT"]), st.sampled_from(Side),
        st.sampled_from(["60", "90", "97", "99.9", "100", "101", "130"]),
    ),
    max_size=40,
)


def played(settings: SessionSettings, moves: list[Move], *, task: int = 0, recode: bool = False) -> list[Record]:
    """What a task puts out in a session where orders are filled at the mark two moves after they were decided."""
    story = Story(settings, symbols=("BTCUSDT", "ETHUSDT"), task=task)
    waiting: list[list[Order]] = [[], []]
    for kind, account, symbol, side, price in moves:
        told = len(story.records)
        if kind in ("mark", "down"):
            story.mark(price, symbol=symbol, feed_down=kind == "down")
        else:
            story.wait("31" if kind == "wait" else "0.1")
        if kind == "signal" and account in story.state.accounts:
            story.signal(side, price, symbol=symbol, account=account)
        elif kind in ("halt", "flatten", "resume") and (account in story.state.accounts or side is Side.BUY):
            target = "*" if side is Side.BUY else account
            words = {"halt": [CommandKind.HALT], "flatten": [CommandKind.FLATTEN]}.get(
                kind, [CommandKind.RESUME_REQUEST, CommandKind.RESUME_CONFIRM]
            )
            for word in words:
                story.command(word, account=target)
        story.wait("0.1")
        for order in sorted(waiting.pop(0), key=lambda order: order.account):
            story.result(order, price=str(order.decision_mark), fee="0.5", after="0")
        waiting.append([order for order in only(Order, story.records[told:]) if order.approved])
        # Ids come from the cause alone, so a story that others share must number its causes alike.
        story.told = 10 * (story.told // 10 + 1)
        if recode:
            raw = story.stage.encode(story.state)
            story.state = story.stage.decode(raw)
            assert story.stage.encode(story.state) == raw
        assert all(a.portfolio.is_exact() for a in story.state.accounts.values())
    return story.records


def without_cause(record: Record) -> Record:
    """Event ids hold the numbers a story gives to its causes, which differ where fewer things are told."""
    changes = {"event_id": record.event_id.rpartition("/")[2]}
    if isinstance(record, LedgerEntry):
        changes["order_id"] = ""
    return msgspec.structs.replace(record, **changes)


BOTH = [AccountParameters(name="a"), AccountParameters(name="b", shorts_allowed=True)]


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_two_accounts_never_touch_each_other(moves: list[Move]) -> None:
    together = played(make_settings(accounts=BOTH), moves)
    for task, name in enumerate(("a", "b")):
        alone = played(make_settings(accounts=BOTH, risk_tasks=2), moves, task=task)
        assert [without_cause(r) for r in alone] == [without_cause(r) for r in together if r.account == name]  # type: ignore[attr-defined]


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_a_state_decoded_after_every_event_goes_on_as_if_it_had_never_been_encoded(moves: list[Move]) -> None:
    rules = make_settings(accounts=BOTH, trailing_stop_pct=D("0.05"), take_profit_pct=D("0.2"))
    assert played(rules, moves) == played(rules, moves, recode=True)


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_timers_lie_after_every_event_and_every_record_keeps_the_rules(moves: list[Move]) -> None:
    stage = RiskStage(make_settings(accounts=BOTH), 0)
    for record in played(stage.settings, moves):
        assert broken_rule(msgspec.structs.replace(record, session="story")) is None
    story = Story(stage.settings)
    for _, _, _, _, price in moves:
        story.mark(price)
        timer = story.stage.next_timer(story.state)
        assert timer is not None and timer.time > story.now


def test_a_topic_that_risk_does_not_read_is_a_bug() -> None:
    stage = RiskStage(make_settings(), 0)
    with pytest.raises(AssertionError, match="does not read candles"):
        stage.step(stage.initial(0), Event(1, "candles", "x", None, "story/x"))
