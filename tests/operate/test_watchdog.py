"""The watchdog on the real stack: the sink paused and restarted, parts started anew, and time that goes on meanwhile."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from streams.domain import records as r
from streams.operate.sink import Sink, SinkStatus
from streams.operate.stack import PartState, Stack
from streams.operate.topics import create_session
from streams.operate.watchdog import PAUSED, Aside, Duty, SinkKeeper, StackKeeper, watch
from tests.contract.samples import sample
from tests.exchange.sessions import FakeWall
from tests.operate.test_sink import Site

pytestmark = pytest.mark.timeout(600)
WAIT_SECONDS_MAX = 120.0


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"{what} must hold in time, did not"
        time.sleep(0.1)


# The loop, on a clock moved by hand


def test_each_duty_has_its_turn_at_its_own_interval() -> None:
    wall = FakeWall()
    wall.at(10.0, wall.stop)
    often, rarely = list[float](), list[float]()
    watch([Duty("often", 0.5, lambda: often.append(wall.monotonic())), Duty("rarely", 4.0, lambda: rarely.append(wall.monotonic()))], wall)
    assert 16 <= len(often) <= 21 and len(rarely) == 3


def test_duty_aside_runs_once_at_a_time_and_holds_nobody_up() -> None:
    go_on, begun = threading.Event(), []

    def slow() -> None:
        begun.append(1)
        assert go_on.wait(30)

    aside = Aside("slow", 0.01, slow)
    until(lambda: begun, "the turn having begun, though nobody gave it one")
    for _ in range(5):
        aside.turn()
    assert begun == [1]
    go_on.set()
    until(lambda: len(begun) > 1, "a second turn")
    aside.close()


def test_what_a_duty_aside_raises_comes_out_of_a_later_turn() -> None:
    def fail() -> None:
        raise LookupError("nothing known")

    aside = Aside("fails", 0.01, fail)

    def raised() -> bool:
        try:
            aside.turn()
        except LookupError:
            return True
        return False

    until(raised, "the error coming out")
    aside.close()


# The sink and the parts, for real


@pytest.fixture(scope="module")
def site(stack: Stack) -> Iterator[Site]:
    made = Site(stack)
    yield made
    made.log.close()


@pytest.fixture
def keeper(stack: Stack) -> SinkKeeper:
    endpoints = stack.endpoints()
    return SinkKeeper(Sink(endpoints.connect_url), endpoints.registry_health_url)


def state(site: Site) -> SinkStatus:
    status = site.sink.status()
    assert status is not None
    return status


def test_sink_pauses_while_the_registry_is_away_and_goes_on_also_under_the_next_watchdog(
    stack: Stack, site: Site, keeper: SinkKeeper, fresh_session: Callable[[], str]
) -> None:
    session = fresh_session()
    create_session(site.log, session, feeds=1, risk=1)
    stack.down(["registry"])
    try:
        keeper.turn()
        site.sink.await_status(lambda status: status.state == PAUSED, 60)
        site.write(session, "regimes", sample(r.Regime, session=session, event_id=f"{session}/0"))
        keeper.turn()
        assert state(site).state == PAUSED
    finally:
        stack.up()
    endpoints = stack.endpoints()
    SinkKeeper(Sink(endpoints.connect_url), endpoints.registry_health_url).turn()
    site.sink.await_status(lambda status: status.running, 60)
    report = site.reconcile(session, sink_seconds_max=150)
    assert report.equal, "what came while the registry was away must be valid rows"
    assert site.dead_letters(session) == []


def test_failed_task_of_the_sink_is_restarted_and_nothing_is_missing(
    site: Site, keeper: SinkKeeper, fresh_session: Callable[[], str]
) -> None:
    session = fresh_session()
    create_session(site.log, session, feeds=1, risk=1)
    with psycopg.connect(site.endpoints.postgres_dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE alerts RENAME COLUMN message TO message_away")
        try:
            site.write(session, "alerts", sample(r.Alert, session=session, event_id=f"{session}/0"))
            site.sink.await_status(lambda status: status.failed, 120)
        finally:
            connection.execute("ALTER TABLE alerts RENAME COLUMN message_away TO message")
    keeper.turn()
    site.sink.await_status(lambda status: status.running, 60)
    assert site.reconcile(session).equal


def test_connect_that_is_away_is_no_error_of_the_keeper() -> None:
    SinkKeeper(Sink("http://127.0.0.1:9"), "http://127.0.0.1:9/health").turn()


def test_killed_part_is_started_again(stack: Stack) -> None:
    running = stack.parts["registry"].running()
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: {one.name: one.state for one in stack.status()}["registry"] is PartState.DIED, "the registry being dead")
    StackKeeper(stack).turn()
    again = stack.parts["registry"].running()
    assert again is not None and again.pid != running.pid
    assert {one.state for one in stack.status()} == {PartState.HEALTHY}


def test_part_that_was_ended_on_purpose_stays_down(stack: Stack) -> None:
    stack.down(["registry"])
    try:
        StackKeeper(stack).turn()
        assert stack.parts["registry"].running() is None
    finally:
        stack.up()
