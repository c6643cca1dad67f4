"""Sessions through the containers: complete, replayed equal, and in Postgres exactly, also when the broker is killed on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.operate.connection import Connection
from streams.operate.migrate import migrate
from streams.operate.paper import PaperSession, Place
from streams.operate.plan import Ask, settings_of
from streams.operate.progress import Progress, progress_of
from streams.operate.reconcile import reconcile
from streams.operate.runtime import STAGES, Runtime, open_runtime, session_settings
from streams.operate.sink import Sink, configuration
from streams.operate.stack import Endpoints
from streams.replay.verification.verify import verify
from tests.deploy.cluster import Cluster

MARKET_SECONDS = 150
SESSION_SECONDS_MAX = 240.0
SINK_SECONDS_MAX = 60.0
KILL_AFTER_RECORDS = 6_000
LIVE_RECORDS = 300
LIVE_SECONDS_MAX = 60.0


@pytest.fixture(scope="module")
def runtime(endpoints: Endpoints) -> Iterator[Runtime]:
    """The containers made ready for sessions, as `cdb_prepare` does it, and a log on them."""
    migrate(endpoints.postgres_dsn)
    # As Connect reaches the database, from its own container.
    jdbc_url = f"jdbc:postgresql://cdb-postgres:5432/{endpoints.postgres_database}"
    sink = Sink(endpoints.connect_url)
    status = sink.apply(configuration(jdbc_url=jdbc_url, user=endpoints.postgres_user, secrets_folder="/run/secrets"))
    assert status.running, status
    with open_runtime(Connection(bootstrap=endpoints.bootstrap, registry=endpoints.ccompat_url)) as opened:
        yield opened


@contextmanager
def running(runtime: Runtime, endpoints: Endpoints, name: str, folder: Path, *, speed: str) -> Iterator[PaperSession]:
    """A simulated market through feed and stages as processes of this machine."""
    settings = settings_of(Ask(session=name, duration_seconds=MARKET_SECONDS, seed=7))
    place = Place(endpoints.bootstrap, endpoints.ccompat_url, folder, local=False)
    paper = PaperSession(runtime, settings, place, speed=speed)
    paper.create(time.time_ns() // 1000)
    try:
        paper.start()
        yield paper
    finally:
        paper.supervisor.stop()


def await_progress(paper: PaperSession, reached: Callable[[Progress], bool]) -> None:
    """Polls, with crashed processes started anew as `cdb paper` does it."""
    deadline = time.monotonic() + SESSION_SECONDS_MAX
    while not reached(progress := paper.progress()):
        assert time.monotonic() < deadline, f"session {paper.settings.session} does not come to its end: {progress}"
        paper.check()
        time.sleep(0.2)


def assert_exact(runtime: Runtime, endpoints: Endpoints, paper: PaperSession) -> None:
    """Replayed from the log the session is the same byte for byte, it has traded, and every row equals its record."""
    verdict = verify(runtime.log, paper.settings, runtime.codec, tuple(STAGES.values()))
    assert verdict.equal, "\n".join(map(str, verdict.divergences))
    assert verdict.records["order_results"] > 0, verdict.records
    report = reconcile(runtime.log, runtime.codec, endpoints.postgres_dsn, paper.settings.session, sink_seconds_max=SINK_SECONDS_MAX)
    assert report.equal, report
    assert {table.table: table.rows for table in report.tables}["order_results"] == verdict.records["order_results"]


def test_session_is_replayed_equal_and_stands_in_postgres(
    runtime: Runtime, endpoints: Endpoints, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    with running(runtime, endpoints, fresh_session(), tmp_path, speed="max") as paper:
        await_progress(paper, lambda progress: progress.settled)
    assert_exact(runtime, endpoints, paper)


def test_session_survives_the_killed_broker(
    runtime: Runtime, cluster: Cluster, endpoints: Endpoints, fresh_session: Callable[[], str], tmp_path: Path
) -> None:
    # Slow enough that the broker is away while the market goes on.
    with running(runtime, endpoints, fresh_session(), tmp_path, speed="10x") as paper:
        await_progress(paper, lambda progress: progress.feed_records >= KILL_AFTER_RECORDS)
        assert not paper.progress().ended, "the broker must be killed in the middle of the session"
        cluster.kill("cdb_kafka")
        cluster.start_again("cdb_kafka")
        await_progress(paper, lambda progress: progress.settled)
    assert_exact(runtime, endpoints, paper)


def test_feed_and_stages_run_as_containers_and_end_in_order(runtime: Runtime, cluster: Cluster) -> None:
    code, said = cluster.run("cdb_prepare")
    assert (code, "session live is made" in said) == (0, True), said
    stages = ("cdb_core", "cdb_risk", "cdb_execution")
    cluster.start(*stages, "cdb_ws")
    settings = session_settings(runtime, "live")
    deadline = time.monotonic() + LIVE_SECONDS_MAX
    while (progress := progress_of(runtime.log, runtime.codec, settings)).feed_records < LIVE_RECORDS or min(
        progress.frontiers.values()
    ) <= 0:
        assert time.monotonic() < deadline, progress
        time.sleep(0.2)
    assert [cluster.stop(name) for name in ("cdb_ws", *stages)] == [0, 0, 0, 0]
    verdict = verify(runtime.log, settings, runtime.codec, tuple(STAGES.values()))
    assert verdict.equal, "\n".join(map(str, verdict.divergences))
    assert verdict.records["marks"] > 0
    # A restart of the whole goes on with the session.
    code, said = cluster.run("cdb_prepare")
    assert (code, "goes on" in said) == (0, True), said
