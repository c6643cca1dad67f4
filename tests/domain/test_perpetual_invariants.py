"""What holds in any story of perpetuals and spot, with fills, funding, jumps and liquidations, in both margin modes."""

import random
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.parameters import AccountParameters, SessionSettings
from streams.domain.records import Alert, Command, CommandKind, LedgerEntry, LedgerKind, Order, Record, Side
from streams.domain.risk.margin import collateral
from streams.domain.risk.state import Account
from streams.domain.rules import broken_rule
from tests.domain.perpetual_stories import PerpetualStory, make_perpetual, make_perpetual_settings
from tests.domain.risk_stories import SECOND, D

SYMBOLS = ("BTCUSDT", "BTC_USDT", "ETH_USDT")


class Move(NamedTuple):
    kind: str
    account: str
    symbol: str
    side: Side
    price: str


KINDS = ("mark", "mark", "mark", "jump", "signal", "signal", "signal", "funding", "flatten", "wait")
PRICES = ("88", "90.4", "90.5", "95", "99.9", "100", "101", "105", "109.5", "110", "113")
JUMPS = {Side.SELL: D("0.8"), Side.BUY: D("3.5")}
MOVES = st.lists(
    st.builds(
        Move, st.sampled_from(KINDS), st.sampled_from(["a", "b"]), st.sampled_from(SYMBOLS), st.sampled_from(Side),
        st.sampled_from(PRICES),
    ),
    min_size=5, max_size=40,
)
BOTH = (
    AccountParameters(name="a", leverage=D(10), shorts_allowed=True),
    AccountParameters(name="b", leverage=D(20), shorts_allowed=True, margin_mode="CROSS", initial_equity=D(1_000)),
)


def rules(*accounts: AccountParameters) -> SessionSettings:
    return make_perpetual_settings(
        accounts=accounts or BOTH, leverage_max=D(125), max_daily_drawdown_pct=D("0.2"),
        circuit_breaker_threshold_pct=D("0.5"), max_position_pct=D("0.25"), max_symbol_exposure_pct=D(1),
        max_total_exposure_pct=D(1), max_strategy_exposure_pct=D(1),
    )


class Played(PerpetualStory):
    """Orders are filled at the mark, half of them in two parts, two moves after they were decided."""

    def __init__(self, given: SessionSettings, *, recode: bool = False) -> None:
        self.recode = recode
        super().__init__(given, symbols=("BTCUSDT",))
        self.tell("instruments", "ETH_USDT", make_perpetual(symbol="ETH_USDT"))

    def _step(self, event: Any) -> list[Record]:
        made = super()._step(event)
        for account in self.state.accounts.values():
            check(account, [r for r in made if getattr(r, "account", "") == account.name])
        if self.recode:
            raw = self.stage.encode(self.state)
            self.state = self.stage.decode(raw)
            assert self.stage.encode(self.state) == raw
        return made

    def play(self, moves: list[Move]) -> list[Record]:
        waiting: list[list[Order]] = [[], []]
        for symbol in SYMBOLS:
            self.mark("100", symbol=symbol)
        for kind, account, symbol, side, price in moves:
            told = len(self.records)
            if kind in ("mark", "jump"):
                self.mark(D(price) * (JUMPS[side] if kind == "jump" else 1), symbol=symbol)
            elif kind == "signal":
                self.wait("0.1")
                newest = self.state.markets[symbol].mark
                if account in self.state.accounts and newest is not None and newest.mark is not None:
                    self.signal(side, newest.mark, symbol=symbol, account=account)
            elif kind == "funding":
                rate = "0.05" if side is Side.BUY else "-0.05"
                self.funding(rate, settlement=self.now + (int(D(price)) - 95) * SECOND, hours=1, symbol=symbol)
            else:
                self.wait("31" if kind == "wait" else "0.1")
                if kind == "flatten":
                    # Everybody's command reaches every task, as the log has it.
                    self.told_command()
            self.wait("0.1")
            for order in sorted(waiting.pop(0), key=lambda order: order.account):
                self._answer(order, parts=2 if order.side is Side.BUY else 1)
            waiting.append([o for o in self.records[told:] if isinstance(o, Order) and o.approved])
            self.told = 100 * (self.told // 100 + 1)
        return self.records

    def told_command(self) -> None:
        self.tell("command", "*", Command(
            event_id=self._id("command"), causation_id="", correlation_id="", session="story", time=self.now,
            account="*", kind=CommandKind.FLATTEN, symbol=None, operator="ann", justification="a test",
        ))

    def _answer(self, order: Order, *, parts: int) -> None:
        if order.event_id not in self.state.accounts[order.account].in_flight:
            return
        assert order.decision_mark is not None
        share = (order.quantity / parts).quantize(D("0.000000000001"))
        for part in range(parts):
            last = part == parts - 1
            quantity = order.quantity - share * part if last else share
            self.result(order, price=order.decision_mark, quantity=quantity, fee="0.05", terminal=last, after="0")


def check(account: Account, made: list[Record]) -> None:
    """After every event, of every account."""
    book = account.portfolio
    assert book.is_exact()
    for _, _, position in book.each():
        assert position.margin >= 0 and (position.quantity or not position.margin)
    margined = [position for _, _, position in book.margined()]
    if account.cross_margin:
        assert not margined or collateral(account) > sum((p.maintenance for p in margined), D(0))
    else:
        for position in margined:
            assert position.margin + position.unrealized_pnl > position.maintenance
    alerts = {alert.code for alert in made if isinstance(alert, Alert)}
    lost = [e for e in made if isinstance(e, LedgerEntry) and e.kind is LedgerKind.LIQUIDATION]
    assert ("LIQUIDATED" in alerts) >= bool(lost)
    for record in made:
        assert broken_rule(msgspec.structs.replace(record, session="story")) is None


def without_cause(record: Record) -> Record:
    changes: dict[str, Any] = {"event_id": record.event_id.rpartition("/")[2]}
    if isinstance(record, LedgerEntry):
        changes["order_id"] = ""
    return msgspec.structs.replace(record, **changes)


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_the_identity_holds_and_no_position_outlives_its_margin(moves: list[Move]) -> None:
    story = Played(rules())
    records = story.play(moves)
    for account in story.state.accounts.values():
        moved = sum((r.amount for r in records if isinstance(r, LedgerEntry) and r.account == account.name), D(0))
        book = account.portfolio
        assert book.initial_equity + moved + book.unrealized_pnl() == book.equity


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_a_reduce_only_order_never_turns_a_position_round(moves: list[Move]) -> None:
    story = Played(rules())
    before: dict[tuple[str, str, str], Decimal] = {}
    original = story._step

    def watched(event: Any) -> list[Record]:
        flights = {
            (a.name, key): order.reduces for a in story.state.accounts.values() for key, order in a.in_flight.items()
        }
        made = original(event)
        for account in story.state.accounts.values():
            for symbol, strategy, position in account.portfolio.each():
                key = (account.name, symbol, strategy)
                old, before[key] = before.get(key, D(0)), position.quantity
                if event.topic == "order_results" and flights.get((account.name, event.record.order_id)):
                    assert old * position.quantity >= 0 and abs(position.quantity) <= abs(old)
        return made

    story._step = watched  # type: ignore[method-assign]
    story.play(moves)


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_two_accounts_never_touch_each_other(moves: list[Move]) -> None:
    together = Played(rules()).play(moves)
    for one in BOTH:
        alone = Played(rules(one)).play(moves)
        assert [without_cause(r) for r in alone] == [
            without_cause(r) for r in together if getattr(r, "account", None) == one.name
        ]


@settings(max_examples=40, deadline=None)
@given(MOVES)
def test_a_state_decoded_after_every_event_goes_on_as_before(moves: list[Move]) -> None:
    assert Played(rules()).play(moves) == Played(rules(), recode=True).play(moves)


def test_long_stories_hold_liquidations_funding_and_void_fills() -> None:
    """What the invariants above are about must occur, or they say nothing."""
    kinds: set[tuple[str, str]] = set()
    for seed in range(12):
        rng = random.Random(seed)
        moves = [
            Move(rng.choice(KINDS), rng.choice("ab"), rng.choice(SYMBOLS), rng.choice(list(Side)), rng.choice(PRICES))
            for _ in range(120)
        ]
        for record in Played(rules()).play(moves):
            if isinstance(record, LedgerEntry):
                kinds.add((record.account, record.kind.value))
            elif isinstance(record, Alert):
                kinds.add((record.account, record.code))
    wanted = {(name, word) for name in ("a", "b") for word in ("FUNDING", "REALIZED_PNL", "LIQUIDATION")}
    assert wanted | {("a", "FILL_VOID")} <= kinds
