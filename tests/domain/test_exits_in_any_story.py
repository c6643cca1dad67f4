"""
Whatever happened before, an exit is refused for what the rules name and for nothing else: HALT_ALL, its own symbol's missing or stale
price, an instrument that is not traded, a signal that is none, another exit on its way.

Latched breakers, failures, losses, limits that are used up, gaps, books that are missing or crossed, dead feeds and other symbols'
stale prices hold no exit back.
"""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.domain.parameters import AccountParameters
from streams.domain.records import CommandKind, InstrumentStatus, Order, Purpose, Record, ResultStatus, RiskMode, Side
from tests.domain.perpetual_stories import PERPETUAL, make_perpetual
from tests.domain.risk_stories import SECOND, D, Story, make_instrument, make_settings, only

SPOT = "BTCUSDT"
INSTRUMENTS: dict[str, Callable[..., Any]] = {SPOT: lambda **changes: make_instrument(SPOT, **changes), PERPETUAL: make_perpetual}
STALE = 30 * SECOND
# What is wrong with a market and, but for the last, holds entries back alone.
FAULTS: dict[str, dict[str, Any]] = {
    "none": {}, "gap": {"gap": True}, "no_book": {"book_present": False}, "crossed": {"book_crossed": True}, "down": {"feed_down": True},
    "wide": {"spread_mean": D("0.0000001")}, "stale": {"market_time": -1},
}
# Of a signal to exit.
WRONG: dict[str, dict[str, Any]] = {
    "none": {}, "far": {"price": "150"}, "old": {"time": -40}, "ahead": {"time": 1}, "free": {"price": D(0)},
}


class Move(NamedTuple):
    kind: str
    symbol: str
    strategy: str
    side: Side
    price: str
    word: str


KINDS = ("mark", "mark", "enter", "enter", "exit", "exit", "answer", "answer", "reject", "command", "wait", "trading")
PRICES = ("55", "90", "97", "100", "100", "103", "115")
COMMANDS = {
    "halt": [CommandKind.HALT], "reduce_only": [CommandKind.REDUCE_ONLY], "flatten": [CommandKind.FLATTEN], "reset": [CommandKind.RESET],
    "resume": [CommandKind.RESUME_REQUEST, CommandKind.RESUME_CONFIRM],
}
WORDS = (*FAULTS, *WRONG, *COMMANDS, "reset", "resume")
MOVES = st.lists(
    st.builds(
        Move, st.sampled_from(KINDS), st.sampled_from(sorted(INSTRUMENTS)), st.sampled_from(["momentum", "other"]),
        st.sampled_from(Side), st.sampled_from(PRICES), st.sampled_from(WORDS),
    ),
    max_size=50,
)


class Exits(Story):
    def __init__(self) -> None:
        self.seen: set[str] = set()
        own = AccountParameters(shorts_allowed=True, leverage=D(5))
        # Every limit that counts is used up by one entry alone, and one loss or failure latches whatever can latch.
        super().__init__(make_settings(
            documented=True, accounts=[own], allocation_warmup=D(1), risk_per_trade_pct=D("0.1"), stop_loss_pct=D("0.5"),
            max_position_pct=D("0.25"), max_symbol_exposure_pct=D("0.5"), max_total_exposure_pct=D(1), max_strategy_exposure_pct=D("0.5"),
            max_positions_a_symbol=2, max_open_positions=4, max_trades_an_hour=20, max_consecutive_losses=1, stop_out_cooldown_sec=86_400,
            execution_failures_in_a_row_max=1, max_daily_drawdown_pct=D("0.01"), circuit_breaker_threshold_pct=D("0.05"),
        ))
        self.tell("instruments", PERPETUAL, make_perpetual())

    def _step(self, event: Any) -> list[Record]:
        made = super()._step(event)
        for order in only(Order, made):
            if order.purpose is not Purpose.ENTRY and order.rejection_code is not None:
                assert order.rejection_code in self.faults(order.symbol, order.strategy, itself=False), order.rejection_code
        return made

    def faults(self, symbol: str, strategy: str, *, itself: bool = True) -> set[str]:
        """The codes that may refuse an exit as things stand; without `itself` those as well that an order alone shows."""
        account, market = self.account(), self.state.markets.get(symbol)
        found = set() if itself else {"RECORD_INVALID", "FROM_THE_FUTURE", "ORDER_IN_FLIGHT"}
        if account.switch is RiskMode.HALT_ALL:
            found.add("KILL_SWITCH_HALT_ALL")
        if market is None or market.mark is None:
            found.add("MARK_MISSING")
        elif self.now - market.mark.market_time >= STALE:
            found.add("MARK_STALE")
        if self.state.instruments.versions[symbol][-1].status is not InstrumentStatus.ONLINE:
            found.add("INSTRUMENT_NOT_ONLINE")
        if itself and any(
            order.reduces for order in account.in_flight.values() if (order.symbol, order.strategy) == (symbol, strategy)
        ):
            found.add("ORDER_IN_FLIGHT")
        return found

    def play(self, moves: list[Move]) -> None:
        for symbol in INSTRUMENTS:
            self.mark("100", symbol=symbol)
        for move in moves:
            self.wait("1.1")
            getattr(self, f"_{move.kind}")(move)
            assert self.account().portfolio.is_exact()

    def _mark(self, move: Move) -> None:
        changes = FAULTS.get(move.word, {})
        self.mark(move.price, symbol=move.symbol, **changes | ({"market_time": self.now - STALE} if "market_time" in changes else {}))

    def _enter(self, move: Move) -> None:
        if self.account().position(move.symbol, move.strategy) is None:
            self.mark("100", symbol=move.symbol)
            self.signal(move.side, "100", symbol=move.symbol, strategy=move.strategy)

    def _exit(self, move: Move) -> None:
        held = self.account().position(move.symbol, move.strategy)
        if held is None:
            return
        wrong = dict(WRONG.get(move.word, {}))
        faults = self.faults(move.symbol, move.strategy)
        faults |= {"ahead": {"FROM_THE_FUTURE"}, "free": {"RECORD_INVALID"}}.get(move.word, set())
        if "time" in wrong:
            wrong["time"] = self.now + wrong["time"] * SECOND
        side = Side.SELL if held.quantity > 0 else Side.BUY
        order = self.signal(side, wrong.pop("price", "100"), symbol=move.symbol, strategy=move.strategy, **wrong)
        assert order.reduce_only
        assert order.approved == (not faults), (order.rejection_code, faults)
        assert order.approved or order.rejection_code in faults
        self.seen.add(order.rejection_code or f"approved in {self.account().mode.value}")

    def _waiting(self, move: Move) -> list[Order]:
        return [order for order in only(Order, self.records) if order.event_id in self.account().in_flight]

    def _answer(self, move: Move) -> None:
        for order in self._waiting(move)[:1]:
            self.result(order, price=move.price)

    def _reject(self, move: Move) -> None:
        for order in self._waiting(move)[:1]:
            self.result(order, price="1", quantity=D(0), status=ResultStatus.REJECTED)

    def _command(self, move: Move) -> None:
        for word in COMMANDS.get(move.word, ()):
            self.command(word)

    def _wait(self, move: Move) -> None:
        self.wait("31")

    def _trading(self, move: Move) -> None:
        status = InstrumentStatus.PAUSED if move.word == "none" else InstrumentStatus.ONLINE
        self.tell("instruments", move.symbol, INSTRUMENTS[move.symbol](status=status, event_id="", valid_from=self.now))


@settings(max_examples=100, deadline=None)
@given(MOVES)
def test_an_exit_is_refused_for_what_the_rules_name_and_nothing_else(moves: list[Move]) -> None:
    Exits().play(moves)


def test_the_stories_meet_every_such_refusal_and_exits_in_every_mode() -> None:
    """What the invariant is about must occur, or it says nothing."""
    rng, seen = random.Random(3), set()
    for _ in range(60):
        story = Exits()
        story.play([
            Move(rng.choice(KINDS), rng.choice(sorted(INSTRUMENTS)), rng.choice(["momentum", "other"]), rng.choice(list(Side)),
                 rng.choice(PRICES), rng.choice(WORDS))
            for _ in range(40)
        ])
        seen |= story.seen
    assert seen == {
        "approved in RUNNING", "approved in REDUCE_ONLY", "KILL_SWITCH_HALT_ALL", "RECORD_INVALID", "FROM_THE_FUTURE",
        "INSTRUMENT_NOT_ONLINE", "ORDER_IN_FLIGHT", "MARK_STALE",
    }
