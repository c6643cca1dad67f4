"""An operator's commands on a session in memory: sent once for all, confirmed from the journal, obeyed, remembered."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any, NamedTuple

import pytest

from streams.domain.parameters import SessionSettings
from streams.domain.records import Alert, Command, CommandKind, Order, PortfolioSnapshot, RiskMode
from streams.errors import ConfigError
from streams.exchange.push import Push
from streams.exchange.service import feed_of
from streams.exchange.writer import FeedWriter
from streams.log.codec import Codec
from streams.log.journal import newest_snapshot
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.log.worker import Worker
from streams.operate.commands import Confirmation, Outcome, Request, send
from streams.operate.plan import Ask, settings_of
from streams.operate.runtime import STAGES
from streams.operate.topics import create_session
from streams.replay.summary import records_of
from streams.replay.verification.verify import verify

PUSHES_A_SECOND = 120  # of the three simulated symbols
NOON = 1_704_110_400_000_000


class Market:
    """A session whose market goes on for as long as the test says, with the stages behind it."""

    def __init__(self, **chosen: object) -> None:
        asked = settings_of(Ask(session="drill", duration_seconds=600))
        accounts = ({"name": "main"}, {"name": "small", "initial_equity": "5000"})
        strategies = [{**one.model_dump(), "accounts": ("main", "small")} for one in asked.strategies]
        self.settings = SessionSettings.model_validate(
            {**asked.model_dump(), "accounts": accounts, "strategies": strategies, "risk_tasks": 2, **chosen}
        )
        self.log, self.codec = MemoryLog(), Codec.offline()
        create_session(self.log, "drill", feeds=self.settings.partitions, risk=self.settings.risk_tasks)
        feed = feed_of(self.settings)
        self._writer = FeedWriter(self.log, self.codec, self.settings, code_version="test")
        self._writer.introduce(feed.instruments())
        self._pushes: Iterator[Push] = iter(feed.pushes())
        self._workers = self._new_workers()

    def _new_workers(self) -> list[Worker]:
        return make_workers(self.log, tuple(STAGES.values()), self.settings, self.codec, code_version="test")

    def go_on(self, seconds: int) -> None:
        for push in islice(self._pushes, seconds * PUSHES_A_SECOND):
            self._writer.put(push)
        self._writer.flush()
        run_turns(self._workers)

    def restart(self) -> None:
        """Every stage anew, from snapshot and log."""
        for worker in self._workers:
            worker.close()
        self._workers = self._new_workers()
        run_turns(self._workers)

    def say(self, kind: CommandKind, *, account: str = "*", operator: str = "ada", symbol: str | None = None) -> list[Outcome]:
        request = Request(kind, operator, "a drill", account, symbol)
        with closing(Confirmation(self.log, self.codec, send(self.log, self.codec, self.settings, request, now=NOON))) as confirmation:
            assert not confirmation.look(), "nobody has taken it yet"
            run_turns(self._workers)
            assert confirmation.look() and not confirmation.waiting
            return confirmation.outcomes()

    def records(self, topic: str) -> list[Any]:
        return list(records_of(self.log, Layout.of(self.settings), self.codec, topic))

    def now(self) -> int:
        return self._writer.clock.state.last

    def approved_after(self, time: int) -> list[Order]:
        return [order for order in self.records("orders") if isinstance(order, Order) and order.approved and order.time > time]

    def modes(self) -> dict[str, RiskMode]:
        found = [one for one in self.records("portfolio_snapshots") if isinstance(one, PortfolioSnapshot)]
        return {one.account: one.risk_mode for one in sorted(found, key=lambda one: one.time)}


class Halted(NamedTuple):
    market: Market
    at: int
    said: list[Outcome]


@pytest.fixture(scope="module")
def halted() -> Halted:
    """Halted after half a minute of trading, and restarted from a snapshot that was cut after it."""
    market = Market(snapshot_interval_seconds=5)
    market.go_on(30)
    assert market.approved_after(0), "a market that trades"
    found = Halted(market, market.now(), market.say(CommandKind.HALT))
    market.go_on(60)
    market.restart()
    market.go_on(60)
    return found


def test_halt_stands_once_on_every_partition_and_every_account_answers(halted: Halted) -> None:
    commands = [one for one in halted.market.records("commands") if isinstance(one, Command)]
    assert len(commands) == 2 and len({one.event_id for one in commands}) == 1
    assert halted.said == [
        Outcome("main", True, "HALT by ada: switch HALT_ALL"), Outcome("small", True, "HALT by ada: switch HALT_ALL")
    ]  # fmt: skip


def test_nothing_is_approved_after_a_halt_not_even_after_a_restart_from_a_snapshot(halted: Halted) -> None:
    layout = Layout.of(halted.market.settings)
    for task in range(2):
        snapshot = newest_snapshot(halted.market.log, layout.snapshots("risk", task), halted.market.codec)
        assert snapshot is not None and snapshot.cut.time > halted.at
    assert halted.market.modes() == {"main": RiskMode.HALT_ALL, "small": RiskMode.HALT_ALL}
    assert not halted.market.approved_after(halted.at)


def test_session_with_a_halt_and_a_restart_is_replayed_equal(halted: Halted) -> None:
    verdict = verify(halted.market.log, halted.market.settings, halted.market.codec, tuple(STAGES.values()))
    assert verdict.equal, "\n".join(map(str, verdict.divergences))


def test_resume_takes_two_steps_which_survive_a_restart_between_them() -> None:
    market = Market()
    market.go_on(30)
    market.say(CommandKind.HALT)
    [refused, _] = market.say(CommandKind.RESUME_CONFIRM)
    assert not refused.taken and "no RESUME_REQUEST came before" in refused.message
    assert all(one.taken for one in market.say(CommandKind.RESUME_REQUEST))
    market.restart()
    assert all(one.taken for one in market.say(CommandKind.RESUME_CONFIRM, operator="bob"))
    resumed_at = market.now()
    market.go_on(60)
    assert market.modes() == {"main": RiskMode.RUNNING, "small": RiskMode.RUNNING}
    assert market.approved_after(resumed_at)


def test_command_for_one_account_leaves_the_other_alone() -> None:
    market = Market()
    market.go_on(10)
    assert market.say(CommandKind.REDUCE_ONLY, account="small") == [Outcome("small", True, "REDUCE_ONLY by ada: switch REDUCE_ONLY")]
    market.go_on(60)
    assert market.modes() == {"main": RiskMode.RUNNING, "small": RiskMode.REDUCE_ONLY}


def test_refusals_of_another_command_are_not_taken_for_this_ones() -> None:
    market = Market()
    market.go_on(5)
    assert not any(one.taken for one in market.say(CommandKind.RESUME_CONFIRM))
    assert all(one.taken for one in market.say(CommandKind.HALT))
    assert len([one for one in market.records("alerts") if isinstance(one, Alert) and one.code.startswith("COMMAND")]) == 4


def test_two_operators_at_once_each_get_their_own_answer() -> None:
    market = Market()
    market.go_on(5)
    requests = [Request(CommandKind.RESUME_CONFIRM, "ada", "too soon"), Request(CommandKind.HALT, "bob", "a drill")]
    sent = [send(market.log, market.codec, market.settings, request, now=NOON) for request in requests]
    market.go_on(1)
    for one, operator, taken in zip(sent, ("ada", "bob"), (False, True), strict=True):
        with closing(Confirmation(market.log, market.codec, one)) as confirmation:
            assert confirmation.look()
            assert [(outcome.taken, f"by {operator}:" in outcome.message) for outcome in confirmation.outcomes()] == [(taken, True)] * 2


def test_faults_of_a_request_are_said_at_once_and_nothing_is_sent() -> None:
    market = Market()
    with pytest.raises(ConfigError) as refused:
        send(market.log, market.codec, market.settings, Request(CommandKind.RESET, " ", "", "rich", "DOGE"), now=NOON)
    assert str(refused.value).splitlines() == [
        "ACCOUNT must be * or one of main, small, was rich", "SYMBOL must be one of BTCUSDT, ETHUSDT, SOLUSDT, was DOGE",
        "OPERATOR must not be empty, was empty", "JUSTIFICATION must not be empty for RESET, was empty",
    ]  # fmt: skip
    assert not market.records("commands")
