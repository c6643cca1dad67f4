"""A session run again in memory from what it was given: its settings, and the commands where its journal has them."""

import random
import threading
from typing import NamedTuple

import pytest

from streams.domain.parameters import AccountParameters, FeedParameters, RiskParameters, SessionSettings, StrategyParameters
from streams.domain.records import Alert, Command, CommandKind
from streams.errors import ConfigError
from streams.exchange.service import feed_of
from streams.exchange.wall import SystemWall
from streams.exchange.writer import FeedWriter
from streams.log.canonical import differences
from streams.log.codec import Codec
from streams.log.journal import read_range
from streams.log.layout import Layout
from streams.log.memory import MemoryLog
from streams.log.memory_host import make_workers, run_turns
from streams.log.worker import Worker
from streams.operate.runtime import STAGES
from streams.operate.topics import create_session
from streams.replay.backtest import Backtest, Given, backtest
from streams.replay.verification.verify import verify

START = 1_700_000_000_000_000
CODEC = Codec.offline()
KINDS = tuple(STAGES.values())
DRILL = (CommandKind.FLATTEN, CommandKind.HALT, CommandKind.RESUME_REQUEST, CommandKind.RESUME_CONFIRM, CommandKind.FLATTEN)


def make_settings(*, partitions: int = 1, risk_tasks: int = 1) -> SessionSettings:
    """Forty seconds of the market, traded often; two accounts."""
    strategy = StrategyParameters(
        name="momentum", kind="momentum", accounts=("alpha", "beta"),
        parameters={"SIGNAL_LOOKBACK_MIN": "0.1", "SIGNAL_THRESHOLD_PCT": "0.01", "SIGNAL_MIN_VOLUME": "0", "SIGNAL_REPEAT_SEC": "1"},
    )  # fmt: skip
    return SessionSettings(
        session="drill", partitions=partitions, risk_tasks=risk_tasks, strategies=(strategy,), snapshot_interval_seconds=20,
        accounts=(AccountParameters(name="alpha"), AccountParameters(name="beta")),
        risk=RiskParameters.model_validate({"stop_loss_pct": "0.0005", "take_profit_pct": "0.0005"}),
        feed=FeedParameters(start_time=START, duration_seconds=40, rate_per_second=15),
    )  # fmt: skip


class Live(NamedTuple):
    """A session on a log, its feed and workers still open."""

    settings: SessionSettings
    log: MemoryLog
    writer: FeedWriter
    workers: list[Worker]

    @property
    def layout(self) -> Layout:
        return Layout.of(self.settings)

    def given(self) -> Given:
        return Given.of(self.log, CODEC, self.settings, KINDS)

    def again(self) -> Backtest:
        return backtest(self.settings, KINDS, SystemWall(threading.Event()), code_version="test", given=self.given())

    def command(self, kind: CommandKind, name: str, account: str = "*") -> None:
        """A word to every risk task, in one transaction."""
        one = f"drill/command/{name}"
        record = Command(
            event_id=one, causation_id=one, correlation_id=one, session="drill", time=1, account=account, kind=kind,
            symbol=None, operator="ada", justification="a drill",
        )  # fmt: skip
        writer = self.log.writer("operator")
        writer.begin()
        for number in range(self.layout.risk_tasks):
            writer.append(self.layout.at("commands", number), key=account.encode(), value=CODEC.wire(record), time=1000)
        writer.commit()

    def answers(self) -> list[Alert]:
        """What risk said to commands."""
        found = []
        for number in range(self.layout.count("alerts")):
            place = self.layout.at("alerts", number)
            for message in read_range(self.log, place, 0, self.log.end_offset(place)):
                record = CODEC.decode(message.value or b"", Alert)
                assert isinstance(record, Alert)
                if "/command/" in record.causation_id:
                    found.append(record)
        return found


def play(settings: SessionSettings, seed: int, commands: tuple[CommandKind, ...], *, share: float = 1.0) -> Live:
    """A session whose turns and commands fall where the seed says; its feed is told to stop after `share` of the pushes."""
    rng = random.Random(seed)
    log = MemoryLog()
    create_session(log, settings.session, feeds=settings.partitions, risk=settings.risk_tasks)
    feed = feed_of(settings)
    pushes = list(feed.pushes())
    writer = FeedWriter(log, CODEC, settings, code_version="test")
    writer.introduce(feed.instruments())
    live = Live(settings, log, writer, make_workers(log, KINDS, settings, CODEC, code_version="test"))
    until = int(len(pushes) * share)
    moments = dict(zip(sorted(rng.sample(range(50, until), len(commands))), commands, strict=True))
    for number, push in enumerate(pushes[:until]):
        writer.put(push)
        if number in moments:
            live.command(moments[number], str(number))
        if rng.random() < 0.03 or number in moments:
            writer.flush()
            run_turns(live.workers)
    if share == 1.0:
        writer.finish()
    else:
        writer.quiet(pushes[until].receive_time - 1)
    run_turns(live.workers)
    return live


def must_be_equal(live: Live, done: Backtest) -> None:
    found = list(differences((live.log, CODEC), (done.log, done.codec), live.layout, live.layout))
    assert not found, "\n".join(f"{one.topic} {one.place}: {one.left} against {one.right}" for one in found)
    for log in (live.log, done.log):
        verdict = verify(log, live.settings, CODEC, KINDS)
        assert verdict.equal, str(verdict.divergences[0])


@pytest.mark.parametrize(("seed", "shape"), [(0, (1, 1)), (1, (2, 2)), (2, (3, 2))])
def test_commands_are_taken_again_where_the_journal_has_them_and_every_byte_is_the_same(seed: int, shape: tuple[int, int]) -> None:
    live = play(make_settings(partitions=shape[0], risk_tasks=shape[1]), seed, DRILL)
    assert len(live.answers()) >= len(DRILL)
    must_be_equal(live, live.again())


def test_backtest_of_the_same_feed_without_the_commands_is_another_session() -> None:
    live = play(make_settings(), 1, DRILL)
    done = backtest(live.settings, KINDS, SystemWall(threading.Event()), code_version="test")
    assert list(differences((live.log, CODEC), (done.log, done.codec), live.layout, live.layout))


def test_commands_after_the_last_of_the_market_are_taken_again_as_well() -> None:
    live = play(make_settings(), 2, ())
    for kind in (CommandKind.HALT, CommandKind.FLATTEN):
        live.command(kind, f"late-{kind.value}")
    run_turns(live.workers)
    assert len(live.answers()) >= 4
    must_be_equal(live, live.again())


def test_session_whose_feed_was_told_to_stop_is_run_again_up_to_that_push() -> None:
    live = play(make_settings(partitions=2), 3, (CommandKind.HALT,), share=0.6)
    given = live.given()
    assert given.broke_off is not None and len(given.commands[0]) == 1
    must_be_equal(live, live.again())


def test_session_that_has_not_settled_is_not_compared() -> None:
    live = play(make_settings(), 4, ())
    live.writer.flush()
    live.writer.finish()
    with pytest.raises(ConfigError, match=r"session drill must have settled to be compared: signals task 0 must stand at \d+, was"):
        live.given()
