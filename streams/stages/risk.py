"""
The risk stage: marks, signals, results, timers and operators' commands become decisions, positions, ledger and alerts.

Only the accounts of its task; what concerns others is dropped. Whatever an event brings, no entry rests on afterwards that
its account's mode, or the end of its position, has overtaken.
"""

from streams.domain.instruments import on_instrument
from streams.domain.parameters import SessionSettings
from streams.domain.records import (
    Alert,
    Allocation,
    Command,
    Funding,
    Instrument,
    LedgerEntry,
    Mark,
    Order,
    OrderResult,
    PortfolioSnapshot,
    Position,
    Record,
    Regime,
    Signal,
)
from streams.domain.risk.accounting import state_portfolio
from streams.domain.risk.allocations import COOLDOWN, REGIME, on_cooldown_due, on_regime_due, on_regime_record, start
from streams.domain.risk.cancels import cancel_what_may_not_rest
from streams.domain.risk.commands import on_command
from streams.domain.risk.drawdown import on_new_day
from streams.domain.risk.funding import on_funding_due, on_funding_record
from streams.domain.risk.markets import on_mark, on_stale
from streams.domain.risk.orders import on_signal
from streams.domain.risk.results import on_order_result
from streams.domain.risk.state import DAY, RiskState, Rules, new_account
from streams.domain.risk.step import STAGE, Step
from streams.stages.contract import NEVER, Event, Input, Output, Timer
from streams.stages.state import decode_state, encode_state

TOPICS: dict[type[Record], str] = {
    Order: "orders",
    LedgerEntry: "ledger_entries",
    Position: "positions",
    PortfolioSnapshot: "portfolio_snapshots",
    Allocation: "allocations",
    Alert: "alerts",
}

# The key of timers that concern every account alike: each of them is a timer of every task.
EVERYBODY = "*"


class RiskStage:
    """`Stage` of the accounts that `settings.account_task` gives to `task`."""

    name = STAGE
    inputs = (
        Input("instruments", 0), Input("funding", 1), Input("marks", 2), Input("regimes", 3), Input("signals", 4),
        Input("order_results", 5),
    )
    outputs = tuple(TOPICS.values())
    takes_commands = True
    output_delay = 0

    def __init__(self, settings: SessionSettings, task: int) -> None:
        self.settings = settings
        self.task = task
        self.rules = Rules(settings)

    def initial(self, task: int) -> RiskState:
        assert task == self.task, f"this stage is made for task {self.task}, was asked for {task}"
        return RiskState(accounts={
            account.name: new_account(account)
            for account in sorted(self.settings.accounts, key=lambda account: account.name)
            if self.settings.account_task(account.name) == task
        })

    def step(self, state: RiskState, event: Event) -> tuple[RiskState, list[Output]]:
        step = Step(session=self.rules.session, time=event.time, cause_id=event.cause_id)
        record = event.record
        if event.topic == "marks":
            assert isinstance(record, Mark)
            if state.snapshot_at is None:
                self._start_clock(step, state)
            on_mark(step, state, self.rules, record)
        elif event.topic == "timer":
            self._on_timer(step, state, event)
        elif event.topic == "command":
            assert isinstance(record, Command)
            on_command(step, state, self.rules, record)
        elif event.topic == "instruments":
            assert isinstance(record, Instrument)
            on_instrument(state.instruments, record)
        elif event.topic == "funding":
            assert isinstance(record, Funding)
            on_funding_record(step, state, self.rules, record)
        elif isinstance(record, Signal | OrderResult):
            account = state.accounts.get(record.account)
            if account is not None and isinstance(record, Signal):
                on_signal(step, state, self.rules, account, record)
            elif account is not None and isinstance(record, OrderResult):
                on_order_result(step, state, self.rules, account, record)
        else:
            assert isinstance(record, Regime), f"risk does not read {event.topic}"
            on_regime_record(state, self.rules, record)
        for account in state.accounts.values():
            cancel_what_may_not_rest(step, account)
        return state, [Output(TOPICS[type(made)], made.account, made) for made in step.made]

    def _start_clock(self, step: Step, state: RiskState) -> None:
        # By marks alone: they reach every task, and an instrument may be dated long before the session.
        time = step.time
        start(step, state, self.rules)
        state.snapshot_at = time - time % self.rules.snapshot_every + self.rules.snapshot_every
        state.day_ends_at = time - time % DAY + DAY

    def _on_timer(self, step: Step, state: RiskState, event: Event) -> None:
        if event.name == "stale":
            on_stale(step, state, self.rules, event.key)
        elif event.name == "funding":
            on_funding_due(step, state, self.rules, event.key)
        elif event.name == REGIME:
            on_regime_due(step, state, self.rules, event.key)
        elif event.name == COOLDOWN:
            on_cooldown_due(step, state, self.rules, state.accounts[event.key])
        elif event.name == "snapshot":
            state.snapshot_at = event.time + self.rules.snapshot_every
            for account in state.accounts.values():
                state_portfolio(step, account, "TIMER")
        else:
            assert event.name == "day", f"risk sets no timer {event.name}"
            state.day_ends_at = event.time + DAY
            for account in state.accounts.values():
                on_new_day(step, account)

    def next_timer(self, state: RiskState) -> Timer | None:
        soonest: tuple[int, str, str] | None = None
        # Asked after every event: compares before it builds.
        for symbol, market in state.markets.items():
            stale_at = market.stale_at
            if stale_at is not None and (soonest is None or (stale_at, symbol, "stale") < soonest):
                soonest = (stale_at, symbol, "stale")
            if market.funding is not None:
                due = market.funding.due
                if due is not None and (soonest is None or (due, symbol, "funding") < soonest):
                    soonest = (due, symbol, "funding")
        for at, name in ((state.day_ends_at, "day"), (state.snapshot_at, "snapshot")):
            if at is not None and (soonest is None or (at, EVERYBODY, name) < soonest):
                soonest = (at, EVERYBODY, name)
        shares = state.allocation_timer
        if shares is not None and (soonest is None or shares < soonest):
            soonest = shares
        return None if soonest is None else Timer(*soonest)

    def answer_due(self, state: RiskState, topic: str) -> int | None:
        if topic != "order_results":
            return None
        due = NEVER
        for account in state.accounts.values():
            for order in account.in_flight.values():
                due = min(due, order.answer_due)
        return due

    def is_awaited(self, state: RiskState) -> bool | None:
        """With an order in flight: execution and risk wait for each other in turn. Other tasks may have one."""
        in_flight = any(account.in_flight for account in state.accounts.values())
        return in_flight if in_flight or self.settings.risk_tasks == 1 else None

    def encode(self, state: RiskState) -> bytes:
        return encode_state(state)

    def decode(self, raw: bytes) -> RiskState:
        return decode_state(raw, RiskState)
